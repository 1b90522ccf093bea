"""Ending what people have open: the one place that every change of standing goes through.

``end`` is for whoever may not go on (disabled, deleted, password reset); ``renew`` for whoever may
go on with other roles. Both move the users' epoch, which the API checks on every request (cached
roles are kept by epoch) and the hub within its refresh age; ``end`` also takes step-ups away.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import clock
from himalia_hub.tenancy.tables import SignInLink, StepUp, User


def renew(session: Session, users: sa.ColumnElement[bool]) -> int:
    """Make the change of roles of these users hold from the next request on; answers how many they are.

    Args:
        users: A condition on :class:`User`.
    """
    session.flush()
    moved = session.execute(
        sa.update(User)
        .where(users)
        .values(epoch=User.epoch + 1, updated_at=clock.now())
        .execution_options(synchronize_session="fetch")
    )
    return int(moved.rowcount)  # type: ignore[attr-defined]


def end(session: Session, users: sa.ColumnElement[bool]) -> int:
    """End the live sessions, step-ups and unused sign-in links of these users; answers how many they are.

    In the caller's transaction: from its commit on the platform refuses them.
    """
    chosen = sa.select(User.id).where(users).scalar_subquery()
    session.flush()
    session.execute(sa.delete(StepUp).where(StepUp.user_id.in_(chosen)).execution_options(synchronize_session="fetch"))
    session.execute(
        sa.update(SignInLink)
        .where(SignInLink.user_id.in_(chosen), SignInLink.used_at.is_(None))
        .values(used_at=clock.now())
        .execution_options(synchronize_session="fetch")
    )
    return renew(session, users)
