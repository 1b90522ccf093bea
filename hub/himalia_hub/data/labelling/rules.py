"""What an operation does to an item's document. Pure.

Labels merge per object: an operation says which labels its author saw (``base``) and which they
want; what they added is added, what they removed is removed, and what others did meanwhile stays.
Without a base, or with one label an item, what they want is what there is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OPERATIONS = ("set_labels", "confirm", "reopen", "clear", "mark_nothing")
Document = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Folded:
    """The outcome, and the document after it; a parked or refused operation leaves it as it was."""

    outcome: str
    state: str
    labels: Document
    reason: str | None = None


def fold(
    op: str,
    state: str,
    labels: Sequence[Mapping[str, Any]],
    *,
    wanted: Sequence[int] | None,
    base: Sequence[int] | None,
    known: Collection[int],
    multi_label: bool,
    by: int,
) -> Folded:
    """Apply one operation.

    Args:
        op: One of :data:`OPERATIONS`.
        state: The item's state now.
        labels: Its document now.
        wanted: Label ids of ``set_labels``.
        base: The label ids its author saw.
        known: Labels that the group still has.
        by: User number of the author.
    """
    present = [dict(entry) for entry in labels]
    if op == "set_labels":
        return _set_labels(state, present, list(dict.fromkeys(wanted or ())), base, known, multi_label, by)
    if op == "confirm":
        if state == "nothing_to_label":
            return Folded("applied", state, present)
        if not present:
            return Folded("refused", state, present, "no_labels")
        return Folded("applied", "confirmed", present)
    if op == "reopen":
        return Folded("applied", "unfinished" if present or state != "none" else "none", present)
    if op == "clear":
        return Folded("applied", "none", [])
    if op == "mark_nothing":
        return Folded("applied", "nothing_to_label", [])
    raise AssertionError(f"unknown operation {op!r}")


def _set_labels(
    state: str,
    present: Document,
    wanted: list[int],
    base: Sequence[int] | None,
    known: Collection[int],
    multi_label: bool,
    by: int,
) -> Folded:
    if any(label_id not in known for label_id in wanted):
        return Folded("parked", state, present, "label_deleted")
    if not multi_label and len(wanted) > 1:
        return Folded("refused", state, present, "one_label")
    if multi_label and base is not None:
        added = [label_id for label_id in wanted if label_id not in base]
        removed = {label_id for label_id in base if label_id not in wanted}
        kept = [entry["label_id"] for entry in present if entry["label_id"] not in removed]
        wanted = [*kept, *(label_id for label_id in added if label_id not in kept)]
    before = {entry["label_id"]: entry for entry in present}
    document = [
        before.get(label_id) or {"label_id": label_id, "origin": "person", "by": by, "score": None}
        for label_id in wanted
    ]
    if not document:
        return Folded("applied", "none" if state == "none" else "unfinished", [])
    return Folded("applied", "confirmed" if state == "confirmed" else "unfinished", document)
