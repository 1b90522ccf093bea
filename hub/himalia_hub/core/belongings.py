"""Handing a leaver's objects to somebody else, or erasing them; for every kind of owned object alike.

A kind is an :class:`~himalia_hub.core.tables.OwnedMixin` table. Names are unique per owner, so a
name that the heir already has gets a number behind it. Records of what happened (work, bills,
tasks) keep their owner: they are history. A noun whose objects need more than their row changed
registers with :class:`~himalia_hub.core.standing.Standing` by itself and is left out here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import clock, objects
from himalia_hub.core.db import Db
from himalia_hub.core.tables import OwnedMixin
from himalia_hub.tenancy.tables import User

HISTORY = frozenset(("tasks", "workloads", "bills", "imports"))
LONGEST_NAME = 255


class Belongings:
    """Counts, hands over and erases rows of all kinds but ``apart``."""

    def __init__(self, apart: Collection[str] = ()) -> None:
        self._left_out = HISTORY | frozenset(apart)

    def tables(self) -> Iterator[Any]:
        for mapped in sorted(OwnedMixin.__subclasses__(), key=lambda one: str(getattr(one, "__tablename__", ""))):
            if getattr(mapped, "__tablename__", "") not in self._left_out:
                yield mapped

    def owned(self, db: Db, user_id: int) -> dict[str, int]:
        return {
            table.__tablename__: db.execute(
                sa.select(sa.func.count())
                .select_from(table.__table__)
                .where(table.owner_id == user_id, table.deleted_at.is_(None))
            ).scalar_one()
            for table in self.tables()
        }

    def hand_over(self, session: Session, user_id: int, heir_id: int | None) -> dict[str, int]:
        return {table.__tablename__: self._pass_on(session, table, user_id, heir_id) for table in self.tables()}

    def _pass_on(self, session: Session, table: Any, user_id: int, heir_id: int | None) -> int:
        mine = sa.select(table).where(table.owner_id == user_id, table.deleted_at.is_(None)).order_by(table.id)
        rows = list(session.execute(mine.with_for_update()).scalars())
        if heir_id is None:
            for row in rows:
                row.deleted_at = clock.now()
                self._touch(session, table, row, "deleted")
            return len(rows)
        heir = session.get_one(User, heir_id)
        named = sa.select(table.name).where(table.owner_id == heir_id, table.deleted_at.is_(None))
        unique = any(index.unique and "live_name" in str(index.name) for index in table.__table__.indexes)
        taken = set(session.execute(named).scalars()) if unique else set()
        for row in rows:
            row.name = free_name(row.name, taken)
            if unique:
                taken.add(row.name)
            row.owner_id, row.department_id = heir.id, heir.department_id
            self._touch(session, table, row, "updated")
        return len(rows)

    @staticmethod
    def _touch(session: Session, table: Any, row: Any, op: str) -> None:
        objects.touch(session, table.__tablename__.removesuffix("s"), row, op=op)


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or with ``-2``, ``-3`` … behind it: the first that is not taken. Pure."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        mark = f"-{number}"
        candidate = name[: LONGEST_NAME - len(mark)] + mark
    return candidate
