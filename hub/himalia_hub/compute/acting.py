"""What one process has under way at the backend: a memory that saves repetitions, and may be lost."""

from __future__ import annotations

from dataclasses import dataclass, field

Attempt = tuple[int, int]
"""Workload id and attempt."""


@dataclass(slots=True)
class Trouble:
    """Failures to apply an attempt, and when to try again."""

    count: int
    again_at: float
    text: str
    final: bool


@dataclass(slots=True)
class Acting:
    """Actions under way or just done in this process."""

    applying: set[Attempt] = field(default_factory=set)
    applied_at: dict[Attempt, float] = field(default_factory=dict)
    stopped_at: dict[Attempt, float] = field(default_factory=dict)
    trouble: dict[Attempt, Trouble] = field(default_factory=dict)
    missing_since: dict[Attempt, float] = field(default_factory=dict)

    def forget(self, workload_id: int) -> None:
        for kept in (self.applied_at, self.stopped_at, self.trouble, self.missing_since):
            for key in [key for key in kept if key[0] == workload_id]:
                del kept[key]
