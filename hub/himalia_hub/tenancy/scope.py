"""Which organisation a request is about, and who of it the actor may see.

Numbers of members, departments and groups count per organisation, so a request that crosses
organisations names one by its code. Whoever reaches no further than their own gets the same answer
for another organisation's code as for one that does not exist.
"""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.auth.actor import Actor, Reach
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput, NotFound
from himalia_hub.tenancy.tables import Department, Tenant, User

Code = Annotated[str | None, Field(max_length=64, description="An organisation's code; without one your own")]
EVERY = "*"


class Where(BaseModel):
    """The query of routes about one thing of an organisation."""

    model_config = ConfigDict(extra="forbid")
    organisation: Code = None


def tenant(db: Db, actor: Actor, permission: str, code: str | None) -> Any:
    """The organisation a request is about, as a row of :class:`Tenant`; :class:`NotFound` outside the reach."""
    if code is None and not actor.tenant_id:
        raise InvalidInput(
            "organisation: name one by its code.",
            zh="organisation：请指定组织代码。",
            field="organisation",
            rule="required for the machine's administrator",
        )
    if code is None or code == actor.tenant_code:
        condition = Tenant.id == actor.tenant_id
    elif actor.reach(permission) is Reach.PLATFORM:
        condition = Tenant.code == code
    else:
        raise NotFound()
    row = db.execute(sa.select(Tenant.__table__).where(condition, Tenant.deleted_at.is_(None))).first()
    if row is None:
        raise NotFound()
    return row


def tenants(db: Db, actor: Actor, permission: str, code: str | None) -> tuple[int, ...] | None:
    """For lists: the organisations' row ids, or None for all of them (``*``, platform reach only)."""
    if code == EVERY and actor.reach(permission) is Reach.PLATFORM:
        return None
    return (tenant(db, actor, permission, code).id,)


def of_tenants(column: Any, found: tuple[int, ...] | None) -> sa.ColumnElement[bool]:
    return sa.true() if found is None else column.in_(found)


def reachable_users(actor: Actor, permission: str) -> sa.ColumnElement[bool]:
    """The condition that keeps an actor to members within reach, inside a chosen organisation."""
    reach = actor.reach(permission)
    if reach in (Reach.ORGANISATION, Reach.PLATFORM):
        return User.deleted_at.is_(None)
    mine = User.id == actor.user_id
    if reach is Reach.DEPARTMENT:
        mine = sa.or_(mine, User.department_id.in_(actor.departments_of(permission)))
    return sa.and_(User.deleted_at.is_(None), mine if reach is not None else sa.false())


def reachable_departments(actor: Actor, permission: str) -> sa.ColumnElement[bool]:
    """The same for departments."""
    reach = actor.reach(permission)
    there = Department.deleted_at.is_(None)
    if reach in (Reach.ORGANISATION, Reach.PLATFORM):
        return there
    if reach is Reach.DEPARTMENT:
        return sa.and_(there, Department.id.in_(actor.departments_of(permission)))
    return sa.false()
