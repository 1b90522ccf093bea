"""Members: creating, editing, enabling, disabling, deleting (TEN-6).

Routes have checked the permission; what is here checks whom it is about: within reach, not above
the actor, not the last platform administrator, not oneself where that would lock oneself out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth import permissions
from himalia_hub.auth.actor import Actor
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import Conflict, InUse, InvalidInput, NotFound
from himalia_hub.core.standing import Standing, Whose
from himalia_hub.tenancy import scope, service, sessions, wording
from himalia_hub.tenancy.members import granting, links
from himalia_hub.tenancy.organisations import service as organisations
from himalia_hub.tenancy.roles import service as roles
from himalia_hub.tenancy.tables import Department, GroupMember, Token, User, UserRole

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

KEPT = ("bills", "audit entries")
"""What a deleted member's name stays in, beside what could not be handed over."""


def find(
    session: Session, actor: Actor, permission: str, member: int, organisation: str | None, *, lock: bool = True
) -> User:
    """One member within reach, locked, or :class:`NotFound`."""
    tenant = scope.tenant(session, actor, permission, organisation)
    statement = sa.select(User).where(
        User.tenant_id == tenant.id, User.number == member, scope.reachable_users(actor, permission)
    )
    row = session.execute(statement.with_for_update() if lock else statement).scalar_one_or_none()
    if row is None:
        raise NotFound()
    return row


def look(db: Db, actor: Actor, permission: str, member: int, organisation: str | None) -> int:
    """The row id of a member within reach, for reading."""
    tenant = scope.tenant(db, actor, permission, organisation)
    found = db.execute(
        sa.select(User.id).where(
            User.tenant_id == tenant.id, User.number == member, scope.reachable_users(actor, permission)
        )
    ).scalar_one_or_none()
    if found is None:
        raise NotFound()
    return int(found)


def find_department(db: Db, tenant_id: int, number: int | None = None, name: str | None = None) -> Any:
    """An enabled department of the organisation by number or name; :class:`InvalidInput` otherwise."""
    condition = Department.number == number if number is not None else Department.name == name
    row = db.execute(
        sa.select(Department.__table__).where(
            Department.tenant_id == tenant_id, condition, Department.deleted_at.is_(None)
        )
    ).first()
    shown = number if number is not None else name
    if row is None:
        raise wording.refuse("department", "a department of the organisation", "本组织的部门", shown)
    if not row.enabled:
        raise wording.refuse("department", "an enabled department", "已启用的部门", shown)
    return row


def _not_oneself(actor: Actor, user: User, what: str, what_zh: str) -> None:
    if user.id == actor.user_id:
        raise Conflict(
            f"You cannot {what} yourself.",
            zh=f"不能{what_zh}自己。",
            rule="somebody else does it",
            code="not_oneself",
        )


def make(
    session: Session,
    actor: Actor,
    tenant_id: int,
    *,
    name: str,
    display_name: str = "",
    department_id: int | None = None,
    keys: Iterable[str] | None = None,
    guest: bool = False,
) -> User:
    """A new local member without a password.

    Without ``keys`` of roles whoever may grant makes a member (a guest: an annotator); whoever may not, as
    the system administrator of separated duties, makes somebody who cannot do anything yet.
    """
    user = service.create_user(
        session,
        tenant_id,
        name,
        roles=(),
        department_id=department_id,
        display_name=wording.check_display_name(display_name) if display_name.strip() else name,
    )
    user.guest = guest
    if keys is None and granting.may_grant(actor):
        keys = (permissions.ANNOTATOR,) if guest else granting.DEFAULT
    if keys:
        granting.set_roles(session, actor, user, keys)
    session.flush()
    return user


def first_administrator(session: Session, actor: Actor, tenant_id: int, name: str, display_name: str) -> User:
    """TEN-1: made with the organisation; without roles where only another power may grant them."""
    keys = (permissions.TENANT_ADMIN, permissions.MEMBER) if granting.may_grant(actor) else ()
    try:
        return make(session, actor, tenant_id, name=name, display_name=display_name, keys=keys)
    except (Conflict, InvalidInput) as error:
        error.within("administrator")
        raise


def may_be_invited(session: Session, user: User) -> bool:
    """Nobody without a role gets a sign-in link (TEN-11)."""
    return bool(granting.roles_of(session, user.id))


def link(platform: Platform, session: Session, actor: Actor, user: User) -> dict[str, Any]:
    """A one-time sign-in link for a member who may sign in, from somebody of at least that level (TEN-19)."""
    if user.id != actor.user_id:
        roles.check_not_above(session, actor, user.id, sign_in=True)
    if user.source != "local":
        raise Conflict(
            f"{user.name} signs in through {user.source}; links are for local accounts.",
            zh=f"{user.name} 通过 {user.source} 登录；登录链接仅用于本地账号。",
            rule="a local account",
            value=user.source,
        )
    if not user.enabled or not may_be_invited(session, user):
        raise Conflict(
            f"{user.name} may not sign in: {'disabled' if not user.enabled else 'no role was granted'}.",
            zh=f"{user.name} 不能登录：{'已停用' if not user.enabled else '尚未授予角色'}。",
            rule="an enabled member with a role",
            hint="Enable the member or grant a role first.",
            hint_zh="请先启用该成员或授予角色。",
        )
    return links.invite(platform, session, user)


def touch(session: Session, user: User) -> None:
    user.version += 1
    user.updated_at = clock.now()
    session.flush()


def move(session: Session, user: User, department_id: int | None) -> bool:
    """Put a member into a department, or none. A department administrator's power does not move along."""
    if user.department_id == department_id:
        return False
    session.execute(
        sa.delete(UserRole).where(
            UserRole.user_id == user.id,
            UserRole.role == permissions.DEPARTMENT_ADMIN,
            sa.or_(UserRole.department_id.is_(None), UserRole.department_id == user.department_id),
        )
    )
    user.department_id = department_id
    session.flush()
    return True


def set_enabled(platform: Platform, session: Session, actor: Actor, user: User, enabled: bool) -> int:
    """Enable, or disable and end what is open; answers how much work was asked to stop."""
    if user.enabled == enabled:
        return 0
    if not enabled:
        _not_oneself(actor, user, "disable", "停用")
        organisations.keep_an_administrator(session, User.id != user.id)
    user.enabled = enabled
    touch(session, user)
    if enabled:
        return 0
    sessions.end(session, User.id == user.id)
    return platform.get(Standing).stop(session, Whose(user_id=user.id))


def delete(
    platform: Platform, session: Session, actor: Actor, user: User, *, heir: User | None, erase: bool
) -> dict[str, Any]:
    """Take a member away; objects go to ``heir`` or are erased. Bills and audit keep the name.

    Raises:
        InUse: The member owns something and neither was chosen, or work still runs.
    """
    _not_oneself(actor, user, "delete", "删除")
    organisations.keep_an_administrator(session, User.id != user.id)
    if heir is not None and (erase or heir.id == user.id):
        raise wording.refuse("take_over", "another member, or erase, not both", "另一名成员，或选择清除", heir.number)
    if heir is not None and (not heir.enabled or heir.guest or heir.tenant_id != user.tenant_id):
        raise wording.refuse("take_over", "an enabled member who is no guest", "已启用的非访客成员", heir.number)
    standing = platform.get(Standing)
    owned = standing.owned(session, user.id)
    if owned and heir is None and not erase:
        raise InUse(
            f"{user.name} owns {', '.join(f'{count} {kind}' for kind, count in owned.items())}.",
            zh=f"{user.name} 拥有：{'，'.join(f'{kind} {count} 个' for kind, count in owned.items())}。",
            rule="somebody takes over, or it is erased",
            hint="Name who takes over (take_over=ID), or erase it (erase=true).",
            hint_zh="请指定接收人（take_over=ID），或清除（erase=true）。",
            dependants=[{"kind": kind, "count": count} for kind, count in owned.items()],
        )
    running = standing.stop(session, Whose(user_id=user.id))
    if standing.running(session, user.id):
        raise InUse(
            f"{user.name}'s work still runs ({running or 'some'} asked to stop).",
            zh=f"{user.name} 的任务仍在运行（已请求停止 {running} 个）。",
            rule="no running work",
            hint="Disable the member, wait until the work has stopped, then delete.",
            hint_zh="请先停用该成员，待任务停止后再删除。",
        )
    moved = standing.hand_over(session, user.id, heir.id if heir is not None else None)
    left = standing.owned(session, user.id)
    _close(session, user)
    return {"handed_over": moved if heir else {}, "erased": {} if heir else moved, "kept": [*left, *KEPT]}


def _close(session: Session, user: User) -> None:
    sessions.end(session, User.id == user.id)
    moment = clock.now()
    session.execute(
        sa.update(Token).where(Token.user_id == user.id, Token.revoked_at.is_(None)).values(revoked_at=moment)
    )
    session.execute(sa.delete(UserRole).where(UserRole.user_id == user.id))
    session.execute(sa.delete(GroupMember).where(GroupMember.user_id == user.id))
    session.refresh(user)
    user.enabled = False
    user.deleted_at = moment
    user.password_hash = None
    user.department_id = None
    # A space is in no name that anybody can choose, so the name is free again.
    user.name_key = f"{user.name_key[:480]} deleted {user.id}"
    touch(session, user)
