"""Reading and writing owned objects with the actor in hand.

Every look-up goes through :func:`visible`: what lies outside the actor's reach and is not shared
with the actor is not found, never forbidden (TEN-10, GEN-10). Every edit goes through :func:`touch`,
which counts the version up and puts the change in the outbox in the same transaction.
"""

from __future__ import annotations

from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor, Reach
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotFound, StaleVersion, VersionRequired
from himalia_hub.core.sharing import Access, access_for, shared_rows
from himalia_hub.core.tables import Change, Counter, OwnedMixin

Owned = TypeVar("Owned", bound=OwnedMixin)


def visible(
    table: type[OwnedMixin], actor: Actor, permission: str, *, access: Access | None = None
) -> sa.ColumnElement[bool]:
    """The condition that keeps an actor to the objects within reach or shared; excludes deleted ones.

    Args:
        access: What a share must allow, where that is more than the permission itself says
            (:data:`~himalia_hub.core.sharing.NEEDED`); ``Access.NONE`` leaves shared ones out.
    """
    reach = actor.reach(permission)
    conditions = [table.tenant_id == actor.tenant_id, table.deleted_at.is_(None)]
    if reach is None:
        conditions.append(sa.false())
    elif reach in (Reach.OWN, Reach.DEPARTMENT):
        within = [table.owner_id == actor.user_id]
        departments = actor.departments_of(permission) if reach is Reach.DEPARTMENT else ()
        if departments:
            within.append(table.department_id.in_(departments))
        needed = access_for(table, permission) if access is None else access
        if needed is not Access.NONE:
            within.append(table.id.in_(shared_rows(table, actor, needed)))
        conditions.append(sa.or_(*within))
    return sa.and_(*conditions)


def shared_with(table: type[OwnedMixin], actor: Actor) -> sa.ColumnElement[bool]:
    """Among visible objects, those of others that were shared with the actor."""
    return sa.and_(table.owner_id != actor.user_id, table.id.in_(shared_rows(table, actor, Access.VIEW)))


def find(
    session: Session,
    table: type[Owned],
    actor: Actor,
    permission: str,
    number: int,
    *,
    lock: bool = False,
    access: Access | None = None,
) -> Owned:
    """One object by its number, or :class:`NotFound`; ``lock`` takes the row for update."""
    if not 0 < number < 2**53:
        raise NotFound()
    statement = sa.select(table).where(visible(table, actor, permission, access=access), table.number == number)
    if lock:
        statement = statement.with_for_update()
    row = session.execute(statement).scalar_one_or_none()
    if row is None:
        raise NotFound()
    return row


def next_number(session: Session, tenant_id: int, kind: str) -> int:
    """The next number of a kind within a tenant; holds the counter's row until commit."""
    statement = (
        sa.update(Counter)
        .where(Counter.tenant_id == tenant_id, Counter.kind == kind)
        .values(value=Counter.value + 1)
        .returning(Counter.value)
    )
    value = session.execute(statement).scalar_one_or_none()
    if value is None:
        session.execute(sa.insert(Counter).values(tenant_id=tenant_id, kind=kind, value=1))
        return 1
    return int(value)


def new_owned(session: Session, actor: Actor, kind: str, *, owner_id: int | None = None) -> dict[str, Any]:
    """The columns every new owned row starts with."""
    moment = clock.now()
    return {
        "tenant_id": actor.tenant_id,
        "department_id": actor.department_id,
        "owner_id": owner_id or actor.user_id,
        "number": next_number(session, actor.tenant_id, kind),
        "version": 1,
        "created_at": moment,
        "updated_at": moment,
    }


def announce(
    session: Session,
    kind: str,
    row: OwnedMixin | None = None,
    *,
    op: str = "updated",
    tenant_id: int = 0,
    owner_id: int | None = None,
    department_id: int | None = None,
    number: int = 0,
    version: int = 0,
) -> None:
    """Put a change in the outbox; without an owner it is told to the whole tenant."""
    if row is not None:
        tenant_id, owner_id, department_id = row.tenant_id, row.owner_id, row.department_id
        number, version = row.number, row.version
    session.execute(
        sa.insert(Change).values(
            at=clock.now(),
            tenant_id=tenant_id,
            department_id=department_id,
            owner_id=owner_id,
            kind=kind,
            number=number,
            version=version,
            op=op,
        )
    )


def touch(session: Session, kind: str, row: OwnedMixin, *, op: str = "updated") -> None:
    """Count the version up, stamp the time, announce."""
    if op != "created":
        row.version += 1
    row.updated_at = clock.now()
    session.flush()
    announce(session, kind, row, op=op)


def note(session: Session, kind: str, row: OwnedMixin) -> None:
    """Stamp and announce what a controller saw; the version counts people's edits only.

    An edit that was begun before a phase changed by itself is not out of date.
    """
    row.updated_at = clock.now()
    session.flush()
    announce(session, kind, row)


def check_version(row: Any, if_match: int | None) -> None:
    """GEN-7: refuse an update made against an older ``row.version`` than the present one."""
    if if_match is None:
        raise VersionRequired(
            "This change needs an If-Match header with the ETag you last read.",
            zh="此修改需要 If-Match 请求头，其值为您上次读取的 ETag。",
            field="If-Match",
            rule="required",
            hint="Read the object again and send its ETag.",
            hint_zh="请重新读取该对象并发送其 ETag。",
        )
    if if_match != row.version:
        raise StaleVersion(
            f"Somebody changed this since you read it: it is at version {row.version}, you sent {if_match}.",
            zh=f"您读取之后已有人修改：当前版本为 {row.version}，您发送的是 {if_match}。",
            field="If-Match",
            rule="must equal the present version",
            value=if_match,
            hint="Read it again, look at what changed, and repeat your change.",
            hint_zh="请重新读取，查看变化后再次修改。",
            current_version=row.version,
        )


def person(db: Db, user_id: int) -> dict[str, Any]:
    """``{id, name}`` of an owner for rendering; callers rendering lists join instead."""
    from himalia_hub.tenancy.tables import User

    row = db.execute(sa.select(User.number, User.display_name).where(User.id == user_id)).one()
    return {"id": row.number, "name": row.display_name}
