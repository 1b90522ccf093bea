"""Labels: their names, colours and keys. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from himalia_hub.core.errors import InvalidInput

MOST_LABELS = 1000
LONGEST_NAME = 30
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
PALETTE = (
    "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2", "#8c6bb1", "#66a61e", "#a6761d",
)  # fmt: skip
"""Colours that colour-blind people tell apart, for labels that name none."""


def _refuse(field: str, rule: str, zh: str, value: Any) -> InvalidInput:
    return InvalidInput(
        f"{field}: {rule}, and it is {value!r}.",
        zh=f"{field}：{zh}，当前为 {value!r}。",
        field=field,
        rule=rule,
        value=value,
    )


def check_label_name(name: str, field: str) -> str:
    """1-30 characters of any script, without control characters or spaces at the ends."""
    name = unicodedata.normalize("NFC", name)
    if not 1 <= len(name) <= LONGEST_NAME:
        raise _refuse(field, f"1-{LONGEST_NAME} characters", f"1-{LONGEST_NAME} 个字符", name)
    if name != name.strip() or any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        raise _refuse(field, "no control characters, no spaces at the ends", "不能含控制字符，首尾不能有空格", name)
    return name


def merge(
    present: Sequence[dict[str, Any]], last: int, wanted: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """The labels after an edit, those that went, and the last id given.

    A wanted label with an ``id`` is that label, renamed or recoloured; one without is new, unless a
    present label has exactly its name. What is not wanted goes.
    """
    if len(wanted) > MOST_LABELS:
        raise _refuse("labels", f"at most {MOST_LABELS} labels", f"最多 {MOST_LABELS} 个标签", len(wanted))
    by_id = {label["id"]: label for label in present}
    by_name = {label["name"]: label for label in present}
    names: set[str] = set()
    keys: set[str] = set()
    kept: set[int] = set()
    result = []
    for index, label in enumerate(wanted):
        field = f"labels[{index}]"
        name = check_label_name(label["name"], f"{field}.name")
        if name in names:
            raise _refuse(f"{field}.name", "unique within the group", "组内唯一", name)
        names.add(name)
        known = by_id.get(label["id"]) if label.get("id") is not None else by_name.get(name)
        if label.get("id") is not None and known is None:
            raise _refuse(f"{field}.id", "a label of this group", "应为本组标签", label["id"])
        if known is not None and known["id"] in kept:
            raise _refuse(f"{field}.id", "each label once", "每个标签只能出现一次", known["id"])
        colour = label.get("colour") or (known["colour"] if known else PALETTE[index % len(PALETTE)])
        if not _COLOUR.fullmatch(colour):
            raise _refuse(f"{field}.colour", "#rrggbb", "格式为 #rrggbb", colour)
        key = label["key"] if "key" in label else (known["key"] if known else None)
        if key is not None and (len(key) != 1 or not key.isprintable() or key == " "):
            raise _refuse(f"{field}.key", "one printable character", "一个可见字符", key)
        if key is not None and key in keys:
            raise _refuse(f"{field}.key", "unique within the group", "组内唯一", key)
        if key is not None:
            keys.add(key)
        if known is None:
            last += 1
        number = known["id"] if known else last
        kept.add(number)
        result.append({"id": number, "name": name, "colour": colour.lower(), "key": key})
    return result, [label for label in present if label["id"] not in kept], last
