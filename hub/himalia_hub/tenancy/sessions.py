"""Ending what people have open: the one place that every change of standing goes through.

``end`` is for whoever may not go on (disabled, deleted, password reset): it takes step-ups away and
moves the session epoch, of which the hub is told at once and which it asks for within its refresh
age. ``renew`` is for whoever goes on with other roles, in the same session. Both move the epoch that
the API reads with every request, since cached roles are kept by it. Whoever holds no role any more
has nothing to go on with: their sessions end in both.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import clock
from himalia_hub.tenancy.tables import GroupMember, GroupRole, SignInLink, StepUp, User, UserRole


def renew(session: Session, users: sa.ColumnElement[bool]) -> int:
    """Make the change of roles of these users hold from the next request on; answers how many they are.

    Args:
        users: A condition on :class:`User`.
    """
    session.flush()
    holding = sa.union_all(
        sa.select(UserRole.user_id),
        sa.select(GroupMember.user_id).join(GroupRole, GroupRole.group_id == GroupMember.group_id),
    )
    moved = _move(session, users, epoch=User.epoch + 1)
    _move(session, sa.and_(users, User.id.not_in(holding)), session_epoch=User.session_epoch + 1)
    return moved


def _move(session: Session, users: sa.ColumnElement[bool], **epochs: sa.ColumnElement[int]) -> int:
    moved = session.execute(
        sa.update(User)
        .where(users)
        .values(**epochs, updated_at=clock.now())
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
    return _move(session, users, epoch=User.epoch + 1, session_epoch=User.session_epoch + 1)
