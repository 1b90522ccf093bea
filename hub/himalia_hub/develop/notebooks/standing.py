"""A leaver's notebooks: erased with their homes, or kept where they are.

A home belongs to its owner's uid on the machine, so it is not handed over: the notebooks stay under
the leaver's name, where administrators of the organisation see and delete them.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import clock, objects
from himalia_hub.core.db import Db
from himalia_hub.develop.notebooks.tables import Notebook

KIND = "notebooks"


def owned(db: Db, user_id: int) -> dict[str, int]:
    mine = sa.select(sa.func.count()).select_from(Notebook).where(Notebook.owner_id == user_id)
    return {KIND: db.execute(mine.where(Notebook.deleted_at.is_(None))).scalar_one()}


def hand_over(session: Session, user_id: int, heir_id: int | None) -> dict[str, int]:
    """Without an heir the rows go, and a controller removes servers and homes."""
    if heir_id is not None:
        return {}
    mine = sa.select(Notebook).where(Notebook.owner_id == user_id, Notebook.deleted_at.is_(None))
    rows = list(session.execute(mine.with_for_update()).scalars())
    for row in rows:
        row.deleted_at = clock.now()
        objects.touch(session, "notebook", row, op="deleted")
    return {KIND: len(rows)}
