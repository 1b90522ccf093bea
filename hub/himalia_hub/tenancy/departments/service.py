"""Departments: creating, editing, disabling, deleting when empty, and who is in them (TEN-5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth import permissions
from himalia_hub.auth.actor import Actor
from himalia_hub.core import clock, names
from himalia_hub.core.errors import Conflict, InUse, NotFound
from himalia_hub.core.standing import Standing, Whose
from himalia_hub.tenancy import scope, service, sessions, wording
from himalia_hub.tenancy.members import granting
from himalia_hub.tenancy.members import service as members
from himalia_hub.tenancy.organisations import service as organisations
from himalia_hub.tenancy.tables import Department, User, UserRole

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform


def find(session: Session, actor: Actor, permission: str, number: int, organisation: str | None) -> Department:
    """One department within reach, locked."""
    tenant = scope.tenant(session, actor, permission, organisation)
    row = session.execute(
        sa.select(Department)
        .where(
            Department.tenant_id == tenant.id,
            Department.number == number,
            scope.reachable_departments(actor, permission),
        )
        .with_for_update()
    ).scalar_one_or_none()
    if row is None:
        raise NotFound()
    return row


def _check_free(session: Session, tenant_id: int, name: str, but: int = 0) -> None:
    same = sa.select(Department.id).where(
        Department.tenant_id == tenant_id, sa.func.lower(Department.name) == name.lower(), Department.id != but
    )
    if session.execute(same).first():
        raise wording.not_available("name", name)


def create(session: Session, tenant_id: int, *, name: str, description: str, enabled: bool) -> Department:
    name = wording.check_department_name(name)
    description = names.check_text(description, wording.LONGEST_DESCRIPTION)
    _check_free(session, tenant_id, name)
    row = service.create_department(session, tenant_id, name, description)
    row.enabled = enabled
    session.flush()
    return row


def rename(session: Session, row: Department, name: str) -> None:
    name = wording.check_department_name(name)
    _check_free(session, row.tenant_id, name, row.id)
    row.name = name


def touch(session: Session, row: Department) -> None:
    row.version += 1
    row.updated_at = clock.now()
    session.flush()


def set_enabled(session: Session, standing: Standing, actor: Actor, row: Department, enabled: bool) -> int:
    """Enable, or disable: its members' sessions end and their work is asked to stop (TEN-2)."""
    if row.enabled == enabled:
        return 0
    if not enabled:
        if actor.department_id == row.id:
            raise Conflict(
                "You cannot disable your own department.",
                zh="不能停用自己所在的部门。",
                rule="somebody else does it",
                code="not_oneself",
            )
        outside = sa.or_(User.department_id.is_(None), User.department_id != row.id)
        organisations.keep_an_administrator(session, outside)
    row.enabled = enabled
    touch(session, row)
    if enabled:
        return 0
    sessions.end(session, User.department_id == row.id)
    return standing.stop(session, Whose(department_id=row.id))


def delete(session: Session, row: Department) -> None:
    """Delete an empty department; bills go on naming it."""
    count = session.execute(
        sa.select(sa.func.count()).select_from(User).where(User.department_id == row.id, User.deleted_at.is_(None))
    ).scalar_one()
    if count:
        raise InUse(
            f"{row.name} is not empty: {count} members.",
            zh=f"部门 {row.name} 不为空：{count} 名成员。",
            rule="empty",
            hint="Move its members first.",
            hint_zh="请先移出其成员。",
            dependants=[{"kind": "member", "count": count}],
        )
    row.deleted_at = clock.now()
    row.enabled = False
    row.name = f"{row.name} #{row.number}"  # no name that somebody may give has a #
    touch(session, row)


def pick(
    session: Session, actor: Actor, permission: str, tenant_id: int, numbers: Iterable[int], field: str
) -> list[User]:
    """The members of these numbers, locked; one that is not there is refused by its number."""
    wanted = sorted(set(numbers))
    found = session.execute(
        sa.select(User)
        .where(User.tenant_id == tenant_id, User.number.in_(wanted), scope.reachable_users(actor, permission))
        .order_by(User.id)
        .with_for_update()
    ).scalars()
    rows = list(found)
    missing = set(wanted) - {row.number for row in rows}
    if missing:
        raise wording.refuse(field, "members of the organisation", "本组织的成员", min(missing))
    return rows


def add(
    platform: Platform, session: Session, actor: Actor, permission: str, row: Department, users: list[User]
) -> None:
    """Members come into this department, out of the one they were in."""
    for user in users:
        granting.not_above(session, actor, user)
        if members.move(session, user, row.id):
            members.touch(session, user)
    if users:
        sessions.renew(session, User.id.in_([user.id for user in users]))
    if not row.enabled and users:
        # As if the department had been disabled with them in it.
        sessions.end(session, User.id.in_([user.id for user in users]))
        for user in users:
            platform.get(Standing).stop(session, Whose(user_id=user.id))


def remove(session: Session, actor: Actor, permission: str, row: Department, users: list[User]) -> None:
    """Members leave this department for none; who is not in it is refused."""
    for user in users:
        if user.department_id != row.id:
            raise wording.refuse("remove", "members of this department", "本部门的成员", user.number)
        granting.not_above(session, actor, user)
        members.move(session, user, None)
        members.touch(session, user)
    if users:
        sessions.renew(session, User.id.in_([user.id for user in users]))


def administers(department_id: Any) -> sa.ColumnElement[bool]:
    """The condition on :class:`UserRole` and :class:`User` of a department's administrators."""
    named = sa.func.coalesce(UserRole.department_id, User.department_id) == department_id
    return sa.and_(UserRole.role == permissions.DEPARTMENT_ADMIN, named)


def set_administrators(
    platform: Platform, session: Session, actor: Actor, permission: str, row: Department, numbers: Iterable[int]
) -> None:
    """Exactly these members administer the department; they come into it where they were not."""
    users = pick(session, actor, permission, row.tenant_id, numbers, "administrators")
    wanted = {user.id for user in users}
    present = session.execute(
        sa.select(User)
        .join(UserRole, UserRole.user_id == User.id)
        .where(administers(sa.literal(row.id)), User.deleted_at.is_(None))
    ).scalars()
    changed = []
    for user in list(present):
        if user.id not in wanted:
            granting.set_roles(
                session, actor, user, granting.roles_of(session, user.id) - {permissions.DEPARTMENT_ADMIN}
            )
            changed.append(user)
    add(platform, session, actor, permission, row, [user for user in users if user.department_id != row.id])
    for user in users:
        roles = granting.roles_of(session, user.id) | {permissions.DEPARTMENT_ADMIN}
        if granting.set_roles(session, actor, user, roles):
            changed.append(user)
    for user in changed:
        members.touch(session, user)
    if changed:
        sessions.renew(session, User.id.in_([user.id for user in changed]))
