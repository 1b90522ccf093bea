"""What a dataset's state follows from, when it may be published, how splits are drawn. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from himalia_hub.core.errors import Conflict, InvalidInput

ITEM_STATES = ("none", "unfinished", "automatic", "confirmed", "nothing_to_label")
OPEN_STATES = ("none", "unfinished")
SPLITS = ("train", "validation", "test")
DEFAULT_SHARES: Mapping[str, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}

RUNNING_TASKS: Mapping[str, str] = {
    "import_browser": "importing",
    "import_archive": "importing",
    "sample": "sampling",
    "annotate": "auto_annotating",
    "track": "tracking",
    "augment": "augmenting",
}
"""A running task of this kind gives the dataset this state (DAT-9)."""

DATASET_STATES = (
    "importing", "sampling", "auto_annotating", "tracking", "augmenting",
    "import_failed", "not_annotated", "annotating", "auto_annotation_done", "annotated",
)  # fmt: skip

ALLOWED: Mapping[str, frozenset[str]] = {
    "import": frozenset(
        ("not_annotated", "annotating", "auto_annotation_done", "annotated", "import_failed", "importing")
    ),
    "label": frozenset(("not_annotated", "annotating", "auto_annotation_done", "annotated", "importing")),
    "publish": frozenset(("auto_annotation_done", "annotated")),
}
"""Which states allow which action; the one table of DAT-9's transitions."""


def state_of(counts: Mapping[str, int], running: Collection[str], *, import_failed: bool) -> str:
    """DAT-9: a dataset's state from its items' states and its running tasks.

    A task that ends, however it ends, leaves the state to the counts again.
    """
    for kind, state in RUNNING_TASKS.items():
        if kind in running:
            return state
    items = counts.get("items", 0)
    if items == 0:
        return "import_failed" if import_failed else "not_annotated"
    by_state = {state: counts.get(f"state:{state}", 0) for state in ITEM_STATES}
    if by_state["none"] == items:
        return "not_annotated"
    if by_state["none"] or by_state["unfinished"]:
        return "annotating"
    return "auto_annotation_done" if by_state["automatic"] else "annotated"


def open_items(counts: Mapping[str, int]) -> int:
    return sum(counts.get(f"state:{state}", 0) for state in OPEN_STATES)


def check_publishable(state: str, counts: Mapping[str, int]) -> None:
    """DAT-21: every item is confirmed, automatic, or has nothing to label."""
    if state in ALLOWED["publish"]:
        return
    items, left = counts.get("items", 0), open_items(counts)
    if items and left:
        raise Conflict(
            f"{left} of {items} items are still open.",
            zh=f"{items} 个条目中还有 {left} 个未完成。",
            rule="every item is confirmed, automatic or has nothing to label",
            value=left,
            hint="Finish or delete the open items, then publish.",
            hint_zh="请完成或删除未完成的条目后再发布。",
            code="open_items",
            open_items=left,
            items=items,
        )
    if not items:
        raise Conflict(
            "The dataset has no items.",
            zh="数据集没有条目。",
            rule="at least one item",
            value=0,
            hint="Import files first.",
            hint_zh="请先导入文件。",
            code="open_items",
            open_items=0,
            items=0,
        )
    raise Conflict(
        f"The dataset is {state.replace('_', ' ')}.",
        zh="数据集有任务正在运行。",
        rule="no import or automatic work is running",
        value=state,
        hint="Wait until it has ended, or cancel it.",
        hint_zh="请等待任务结束或取消任务。",
        code="invalid_transition",
    )


def check_shares(shares: Mapping[str, float]) -> dict[str, float]:
    """The three shares, each from 0 to 1, together 1."""
    whole = {name: float(shares.get(name, 0.0)) for name in SPLITS}
    unknown = [name for name in shares if name not in SPLITS]
    if unknown:
        raise _shares_error("splits", "train, validation, test", unknown[0])
    for name, share in whole.items():
        if not 0.0 <= share <= 1.0:
            raise _shares_error(f"splits.{name}", "0 to 1", share)
    if abs(sum(whole.values()) - 1.0) > 1e-6:
        raise _shares_error("splits", "shares that sum to 1", round(sum(whole.values()), 6))
    return whole


def _shares_error(field: str, rule: str, value: Any) -> InvalidInput:
    return InvalidInput(
        f"{field}: {rule}, and it is {value}.",
        zh=f"{field}：应为 {rule}，当前为 {value}。",
        field=field,
        rule=rule,
        value=value,
    )


def draw_splits(strata: Mapping[str, Iterable[int]], shares: Mapping[str, float], seed: int) -> dict[int, int]:
    """Item to 1 (train), 2 (validation) or 3 (test): stratified, the same for the same seed.

    Within a stratum items are ordered by a keyed hash of their number and cut by the shares, so
    that an item tends to keep its place when others come or go. What rounding leaves over is given
    to the split that is furthest behind over all strata, so that small strata do not all end in train.
    """
    key = seed.to_bytes(8, "big", signed=True)
    result: dict[int, int] = {}
    given = [0, 0, 0]
    wanted = [0.0, 0.0, 0.0]
    for name in sorted(strata):
        items = sorted(
            strata[name],
            key=lambda item: hashlib.blake2b(item.to_bytes(8, "big"), digest_size=8, key=key).digest(),
        )
        exact = [len(items) * shares[split] for split in SPLITS]
        counts = [int(value + 1e-9) for value in exact]
        wanted = [a + b for a, b in zip(wanted, exact, strict=True)]
        given = [a + b for a, b in zip(given, counts, strict=True)]
        for _ in range(len(items) - sum(counts)):
            behind = max(range(3), key=lambda n: (wanted[n] - given[n], -n))
            counts[behind] += 1
            given[behind] += 1
        position = 0
        for code, count in enumerate(counts, 1):
            for item in items[position : position + count]:
                result[item] = code
            position += count
    return result


def labels_key(label_ids: Iterable[int]) -> str:
    return ",".join(str(number) for number in sorted(set(label_ids)))


def size_bucket(width: int, height: int) -> str:
    """The bucket of a picture's size: both sides rounded up to a power of two, ``256x512``."""
    return f"{1 << max(width - 1, 0).bit_length()}x{1 << max(height - 1, 0).bit_length()}"


def version_name(number: int) -> str:
    return f"V{number:04d}"


def parse_version(text: str) -> int | None:
    """``V0001`` or ``1`` to 1; None for what is no version's name."""
    digits = text[1:] if text[:1] in "Vv" else text
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None
