"""Who of the queue may start now. Pure.

Higher priority first, then first come first served. Work that does not fit holds back those behind
it: what it lacks is closed to them, and what it could already have is kept for it. Others may
pass only with resources it does not need, so large work is never starved by small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from himalia_hub.compute import resources as res


@dataclass(frozen=True, slots=True)
class Waiting:
    """One workload in the queue; ``asked`` are the amounts of all its replicas."""

    workload_id: int
    priority: int
    asked: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Occupying:
    """One workload with room; ``ends_at`` is its deadline, if it has one."""

    asked: Mapping[str, int]
    ends_at: datetime | None = None


def in_order(waiting: Sequence[Waiting]) -> list[Waiting]:
    return sorted(waiting, key=lambda w: (-w.priority, w.workload_id))


def admissible(waiting: Sequence[Waiting], free: Mapping[str, int]) -> list[int]:
    """The ids that may start now, in order, given what is free."""
    left = dict(free)
    chosen: list[int] = []
    for work in in_order(waiting):
        short = res.short_of(work.asked, left)
        if not short:
            chosen.append(work.workload_id)
        for name, amount in work.asked.items():
            left[name] = 0 if name in short else left.get(name, 0) - amount
    return chosen


def free(capacity: Mapping[str, int], occupying: Sequence[Occupying]) -> res.Amounts:
    left = dict(capacity)
    for work in occupying:
        left = res.subtract(left, work.asked)
    return left


def expected_start(
    asked: Mapping[str, int], ahead: Sequence[Waiting], capacity: Mapping[str, int], occupying: Sequence[Occupying]
) -> datetime | None:
    """The earliest moment by which deadlines alone make room for this and all ahead of it.

    None when room depends on somebody stopping something.
    """
    needed = dict(asked)
    for work in ahead:
        needed = res.add(needed, work.asked)
    left = free(capacity, occupying)
    ending = [(work.ends_at, work.asked) for work in occupying if work.ends_at is not None]
    for ends_at, released in sorted(ending, key=lambda pair: pair[0]):
        left = res.add(left, released)
        if not res.short_of(needed, left):
            return ends_at
    return None


def expected_starts(
    waiting: Sequence[Waiting], capacity: Mapping[str, int], occupying: Sequence[Occupying]
) -> dict[int, datetime]:
    """:func:`expected_start` of each that waits behind those before it, by id; in one pass over the deadlines."""
    left, needed = free(capacity, occupying), dict[str, int]()
    ending = sorted(
        ((work.ends_at, work.asked) for work in occupying if work.ends_at is not None), key=lambda pair: pair[0]
    )
    found: dict[int, datetime] = {}
    passed = 0
    for work in in_order(waiting):
        needed = res.add(needed, work.asked)
        while passed < len(ending) and (passed == 0 or res.short_of(needed, left)):
            left = res.add(left, ending[passed][1])
            passed += 1
        if not passed or res.short_of(needed, left):
            break
        found[work.workload_id] = ending[passed - 1][0]
    return found
