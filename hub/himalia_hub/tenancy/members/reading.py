"""Members as they are shown: lists, one member, and the columns of an export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from himalia_hub.auth.actor import Actor
from himalia_hub.core import clock, paging
from himalia_hub.core.db import Db
from himalia_hub.core.standing import AccountLocks
from himalia_hub.tenancy import scope
from himalia_hub.tenancy.members.schemas import MemberQuery
from himalia_hub.tenancy.tables import Department, Group, GroupMember, Tenant, User, UserRole
from himalia_hub.tenancy.wording import refuse

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

COLUMNS = (
    User.__table__,
    Department.number.label("department_number"),
    Department.name.label("department_name"),
    Tenant.code.label("tenant_code"),
    Tenant.name.label("tenant_name"),
)
JOIN = User.__table__.join(Tenant, Tenant.id == User.tenant_id).outerjoin(
    Department, Department.id == User.department_id
)
SORTS = {
    "updated_at": User.updated_at,
    "created_at": User.created_at,
    "name": User.name,
    "display_name": User.display_name,
    "status": sa.cast(User.enabled, sa.Integer),
}


def statement(db: Db, actor: Actor, permission: str, query: MemberQuery) -> sa.Select[Any]:
    """The list with its filters, before paging."""
    found = scope.tenants(db, actor, permission, query.organisation)
    chosen = (
        sa.select(*COLUMNS)
        .select_from(JOIN)
        .where(scope.of_tenants(User.tenant_id, found), scope.reachable_users(actor, permission))
    )
    if query.department is not None:
        chosen = chosen.where(Department.number == query.department)
    if query.without_department:
        chosen = chosen.where(User.department_id.is_(None))
    if query.role is not None:
        chosen = chosen.where(User.id.in_(sa.select(UserRole.user_id).where(UserRole.role == query.role)))
    if query.group is not None:
        inside = (
            sa.select(GroupMember.user_id)
            .join(Group, Group.id == GroupMember.group_id)
            .where(scope.of_tenants(Group.tenant_id, found), Group.number == query.group)
        )
        chosen = chosen.where(User.id.in_(inside))
    for name in ("enabled", "guest", "source"):
        value = getattr(query, name)
        if value is not None:
            chosen = chosen.where(getattr(User, name) == value)
    if query.signed_in_after is not None:
        chosen = chosen.where(User.last_sign_in_at >= _aware(query.signed_in_after, "signed_in_after"))
    if query.signed_in_before is not None:
        chosen = chosen.where(User.last_sign_in_at < _aware(query.signed_in_before, "signed_in_before"))
    if query.never_signed_in:
        chosen = chosen.where(User.last_sign_in_at.is_(None))
    return chosen


def _aware(moment: Any, field: str) -> Any:
    if moment.tzinfo is None:
        raise refuse(field, "a moment with its time zone", "带时区的时刻", moment.isoformat())
    return moment


def page(platform: Platform, db: Db, actor: Actor, permission: str, query: MemberQuery) -> dict[str, Any]:
    """One page of members."""
    found = paging.page(
        db,
        statement(db, actor, permission, query),
        query,
        sorts=SORTS,
        key=User.id,
        render=lambda row: row,
        search=(User.name, User.display_name, sa.cast(User.number, sa.String)),
    )
    return {**found, "items": render(platform, db, found["items"])}


def one(platform: Platform, db: Db, user_id: int) -> dict[str, Any]:
    row = db.execute(sa.select(*COLUMNS).select_from(JOIN).where(User.id == user_id)).one()
    return render(platform, db, [row])[0]


def render(platform: Platform, db: Db, rows: list[Any]) -> list[dict[str, Any]]:
    """Rows of :data:`COLUMNS` in the wire's shape, with roles, groups and locks of all of them."""
    roles: dict[int, list[str]] = {}
    groups: dict[int, list[dict[str, Any]]] = {}
    locks: dict[str, Any] = {}
    kept = platform.get(AccountLocks)  # type: ignore[type-abstract]
    for some in (rows[start : start + 500] for start in range(0, len(rows), 500)):
        part = [row.id for row in some]
        locks.update(kept.locked(db, [account(row) for row in some]))
        for user_id, role in db.execute(
            sa.select(UserRole.user_id, UserRole.role).where(UserRole.user_id.in_(part)).order_by(UserRole.role)
        ):
            roles.setdefault(user_id, []).append(role)
        for user_id, number, name in db.execute(
            sa.select(GroupMember.user_id, Group.number, Group.name)
            .join(Group, Group.id == GroupMember.group_id)
            .where(GroupMember.user_id.in_(part))
            .order_by(Group.name)
        ):
            groups.setdefault(user_id, []).append({"id": number, "name": name})
    return [
        {
            "id": row.number,
            "name": row.name,
            "display_name": row.display_name,
            "organisation": {"code": row.tenant_code, "name": row.tenant_name},
            "department": {"id": row.department_number, "name": row.department_name} if row.department_id else None,
            "roles": roles.get(row.id, []),
            "groups": groups.get(row.id, []),
            "source": row.source,
            "guest": row.guest,
            "enabled": row.enabled,
            "locked_until": clock.to_wire(locks.get(account(row))) if row.source == "local" else None,
            "password_set": row.password_hash is not None,
            "last_sign_in_at": clock.to_wire(row.last_sign_in_at),
            "created_at": clock.to_wire(row.created_at),
            "updated_at": clock.to_wire(row.updated_at),
            "version": row.version,
        }
        for row in rows
    ]


def account(row: Any) -> str:
    """How the limits of sign-in call this member's account."""
    return f"local:{row.name_key}"
