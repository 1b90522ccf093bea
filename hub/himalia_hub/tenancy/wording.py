"""Rules of names that tenancy's nouns share: pure checks that name field, rule and value."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from himalia_hub.core import names
from himalia_hub.core.errors import Conflict, InvalidInput

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_DEPARTMENT = re.compile(r"[0-9A-Za-z_\u4e00-\u9fff\u3400-\u4dbf -]+")
SHORTEST, LONGEST = 4, 32
LONGEST_DESCRIPTION = 256
LONGEST_DISPLAY_NAME = 64


def refuse(field: str, rule: str, rule_zh: str, value: Any) -> InvalidInput:
    """The refusal of a value by a rule, in both languages."""
    shown = value[:120] if isinstance(value, str) else value
    return InvalidInput(
        f"{field}: {shown!r} breaks the rule: {rule}.",
        zh=f"{field}：{shown!r} 不符合规则：{rule_zh}。",
        field=field,
        rule=rule,
        value=value,
    )


def not_available(field: str, value: str) -> Conflict:
    """A taken name is "not available", whoever has it (TEN-6)."""
    return Conflict(
        f"{field}: {value!r} is not available.",
        zh=f"{field}：{value!r} 不可用。",
        field=field,
        rule="available",
        value=value,
        code="name_taken",
    )


def check_organisation_name(name: str, field: str = "name") -> str:
    """TEN-1: 4-32 characters of a-z, 0-9 and ``-``, no ``-`` at the ends."""
    if SHORTEST <= len(name) <= LONGEST and _LABEL.fullmatch(name):
        return name
    raise refuse(
        field,
        "4-32 characters of a-z, 0-9 and -, without - at the ends",
        "4-32 个字符（a-z、0-9、-），首尾不能为 -",
        name,
    )


def check_department_name(name: str, field: str = "name") -> str:
    """TEN-5: 4-32 Chinese characters, ASCII letters, digits, ``_``, ``-`` and spaces, not only spaces.

    Answers the name in normal form (NFC) without spaces at the ends, which nobody could tell apart.
    """
    found = unicodedata.normalize("NFC", name).strip(" ")
    if SHORTEST <= len(found) <= LONGEST and _DEPARTMENT.fullmatch(found):
        return found
    raise refuse(
        field,
        "4-32 Chinese characters, letters, digits, _, - or spaces, not only spaces",
        "4-32 个汉字、字母、数字、_、- 或空格，不能全为空格",
        name,
    )


def check_display_name(name: str, field: str = "display_name") -> str:
    """1-64 visible characters of any script, none that changes how others are shown."""
    found = unicodedata.normalize("NFC", name).strip()
    # Marks that reverse or hide text: a name must not look like another by them.
    if 1 <= len(found) <= LONGEST_DISPLAY_NAME and not names.hides(found):
        return found
    raise refuse(
        field,
        f"1-{LONGEST_DISPLAY_NAME} visible characters",
        f"1-{LONGEST_DISPLAY_NAME} 个可见字符",
        name,
    )
