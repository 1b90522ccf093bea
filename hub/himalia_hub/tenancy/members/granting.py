"""Giving a member roles from the member's form.

The decisions about roles are :mod:`himalia_hub.tenancy.roles.service`'s; a department
administrator made here administers the department the member is in (TEN-6).
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth import permissions
from himalia_hub.auth.actor import Actor
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput, NotPermitted
from himalia_hub.tenancy import wording
from himalia_hub.tenancy.roles import service as roles
from himalia_hub.tenancy.tables import Department, User, UserRole

DEFAULT = (permissions.MEMBER,)


def roles_of(db: Db, user_id: int) -> set[str]:
    """The keys of a member's own roles."""
    found = db.execute(sa.select(UserRole.role).where(UserRole.user_id == user_id))
    return set(found.scalars())


def may_grant(actor: Actor) -> bool:
    return actor.reach(roles.GRANT) is not None


def set_roles(session: Session, actor: Actor, user: User, wanted: Iterable[str]) -> bool:
    """Make these the member's own roles; answers whether anything changed.

    Raises:
        NotPermitted: The actor grants no roles, or these go beyond the actor's own permissions.
        InvalidInput: A role that does not exist here, or that needs a department.
    """
    keys, present = set(wanted), roles_of(session, user.id)
    if user.guest and keys != {permissions.ANNOTATOR}:
        raise wording.refuse("roles", "a guest is an annotator and nothing else", "访客只能是标注员", sorted(keys))
    if keys == present:
        return False
    if not may_grant(actor):
        raise NotPermitted(
            f"Your roles do not include {roles.GRANT}.",
            zh=f"您的角色不包含权限 {roles.GRANT}。",
            field="roles",
            permission=roles.GRANT,
        )
    named = _named_departments(session, user)
    if permissions.DEPARTMENT_ADMIN in keys and named.get(permissions.DEPARTMENT_ADMIN) is None:
        raise InvalidInput(
            f"roles: {permissions.DEPARTMENT_ADMIN} needs a department.",
            zh=f"roles：{permissions.DEPARTMENT_ADMIN} 需要指定部门。",
            field="roles",
            rule="a department administrator has a department",
            value=permissions.DEPARTMENT_ADMIN,
        )
    roles.set_user_roles(session, actor, user, [roles.Wanted(key, named.get(key)) for key in sorted(keys)])
    session.refresh(user)
    return True


def _named_departments(session: Session, user: User) -> dict[str, int | None]:
    """Role → number of the department it names; a new department administrator's is the member's own."""
    found = session.execute(
        sa.select(UserRole.role, Department.number)
        .outerjoin(Department, Department.id == UserRole.department_id)
        .where(UserRole.user_id == user.id)
    )
    named: dict[str, int | None] = {row[0]: row[1] for row in found}
    if named.get(permissions.DEPARTMENT_ADMIN) is None and user.department_id is not None:
        named[permissions.DEPARTMENT_ADMIN] = session.get_one(Department, user.department_id).number
    return named


def not_above(db: Db, actor: Actor, user: User) -> None:
    """Refuse to act on somebody who holds powers that the actor lacks; oneself is never above."""
    if user.id != actor.user_id:
        roles.check_not_above(db, actor, user.id)
