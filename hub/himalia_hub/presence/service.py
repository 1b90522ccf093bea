"""Noting activity and finding whose sessions are idle or have to be ended at the hub.

Activity is a person's input, a running cell or a transfer (TEN-17); push and polling are not. It
is kept by person, not by browser: as long as somebody works in one window, the others stay.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.audit import service as audit
from himalia_hub.core import clock
from himalia_hub.core import security_policy as policy
from himalia_hub.core.db import Db
from himalia_hub.presence.tables import Presence
from himalia_hub.tenancy import sessions
from himalia_hub.tenancy.tables import User

NOTED_EVERY = timedelta(seconds=30)


def note(session: Session, user_id: int) -> None:
    """This person did something just now; written at most every half a minute."""
    moment = clock.now()
    row = session.get(Presence, user_id)
    if row is None:
        session.add(Presence(user_id=user_id, active_at=moment))
    elif row.active_at is None or moment - row.active_at > NOTED_EVERY:
        row.active_at = moment
    session.flush()


def untold(db: Db, limit: int = 200) -> list[Any]:
    """``(user_id, hub_name, epoch)`` of people whose sessions the hub does not know to be over."""
    return list(
        db.execute(
            sa.select(User.id.label("user_id"), User.hub_name, User.session_epoch.label("epoch"))
            .select_from(User.__table__.outerjoin(Presence.__table__, Presence.user_id == User.id))
            .where(User.session_epoch > sa.func.coalesce(Presence.told_epoch, 1))
            .order_by(User.updated_at)
            .limit(limit)
        ).all()
    )


def told(session: Session, user_id: int, epoch: int) -> None:
    """The hub has ended what began before this epoch."""
    row = session.get(Presence, user_id)
    if row is None:
        session.add(Presence(user_id=user_id, told_epoch=epoch))
    elif row.told_epoch < epoch:
        row.told_epoch = epoch
    session.flush()


def end_idle(session: Session) -> int:
    """End the sessions of everybody who did nothing for the policy's time; answers how many."""
    idle = timedelta(minutes=policy.load(session).session_idle_minutes)
    rows = session.execute(
        sa.select(Presence.user_id, Presence.active_at, User.name, User.tenant_id, User.number)
        .join(User, User.id == Presence.user_id)
        .where(Presence.active_at < clock.now() - idle)
        .limit(500)
    ).all()
    if not rows:
        return 0
    ids = [row.user_id for row in rows]
    sessions.end(session, User.id.in_(ids))
    session.execute(sa.update(Presence).where(Presence.user_id.in_(ids)).values(active_at=None))
    for row in rows:
        audit.record(
            session,
            "session.idle",
            actor_name=row.name,
            tenant_id=row.tenant_id,
            object_kind="user",
            object_id=row.number,
            detail={"last_activity": clock.to_wire(row.active_at)},
        )
    return len(rows)
