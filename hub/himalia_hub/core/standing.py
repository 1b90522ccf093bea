"""What follows when somebody may not go on, or leaves: later nouns act for the ones before them.

Tenancy disables and deletes; work, homes and objects belong to nouns that it does not know. Each
registers here in its ``setup`` what it does, inside the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from himalia_hub.core.db import Db


@dataclass(frozen=True, slots=True)
class Whose:
    """Exactly one is set: a whole organisation, a department, or one person."""

    tenant_id: int | None = None
    department_id: int | None = None
    user_id: int | None = None


class AccountLocks(Protocol):
    """Accounts locked after too many failed sign-ins; found by ``platform.get(AccountLocks)``."""

    def unlock(self, session: Session, account: str) -> int:
        """Release it from every address; answers how many locks ended."""

    def locked(self, db: Db, accounts: Collection[str]) -> dict[str, datetime]:
        """Account → end of its longest lock, for those that are locked now."""


Stop = Callable[[Session, Whose], int]
"""Asks running work to end, in order; answers how much was asked."""
Count = Callable[[Db, int], dict[str, int]]
"""What a person (row id) owns or runs: kind → count."""
HandOver = Callable[[Session, int, int | None], dict[str, int]]
"""Gives a leaver's objects to the heir (row ids), or erases them without one; answers kind → count."""


@dataclass
class Standing:
    """One per platform: ``platform.get(Standing)``."""

    stops: list[Stop] = field(default_factory=list)
    runs: list[Count] = field(default_factory=list)
    owns: list[Count] = field(default_factory=list)
    hand_overs: list[HandOver] = field(default_factory=list)

    def stop(self, session: Session, whose: Whose) -> int:
        return sum(stop(session, whose) for stop in self.stops)

    def hand_over(self, session: Session, user_id: int, heir_id: int | None) -> dict[str, int]:
        return _sum(hand_over(session, user_id, heir_id) for hand_over in self.hand_overs)

    def owned(self, db: Db, user_id: int) -> dict[str, int]:
        return _sum(count(db, user_id) for count in self.owns)

    def running(self, db: Db, user_id: int) -> int:
        return sum(_sum(count(db, user_id) for count in self.runs).values())


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in counts:
        for kind, count in one.items():
            if count:
                found[kind] = found.get(kind, 0) + count
    return found
