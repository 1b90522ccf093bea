"""Tenants and people: making them, signing them in, ending their sessions.

Passwords and the steps of signing in are ``identity``'s. Every function that changes what somebody
may do moves the user's epoch, which ends cached permissions at once; see ``sessions``.
"""

from __future__ import annotations

import secrets
import string
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth import holding, permissions, tokens
from himalia_hub.core import clock
from himalia_hub.core import security_policy as policies
from himalia_hub.core.db import Db
from himalia_hub.core.errors import Conflict, HimaliaError, InvalidInput, NotFound
from himalia_hub.core.objects import next_number
from himalia_hub.core.tables import Setting
from himalia_hub.tenancy import rules, wording
from himalia_hub.tenancy.roles import service as roles_service
from himalia_hub.tenancy.tables import (
    Department,
    SignInLink,
    StepUp,
    Tenant,
    User,
    UserRole,
)

LINK_LIFETIME = timedelta(minutes=15)
_ALPHABET = string.ascii_lowercase + string.digits


class LinkExpired(HimaliaError):
    code = "link_expired"
    status = 410


class AccountDisabled(HimaliaError):
    code = "account_disabled"
    status = 403


def create_tenant(session: Session, *, code: str, name: str, description: str = "") -> Tenant:
    rules.check_code(code)
    taken = session.execute(sa.select(Tenant.code).where(sa.or_(Tenant.code == code, Tenant.name == name))).first()
    if taken is not None:
        field, value = ("code", code) if taken.code == code else ("name", name)
        raise wording.not_available(field, value)
    moment = clock.now()
    tenant = Tenant(code=code, name=name, description=description, created_at=moment, updated_at=moment)
    session.add(tenant)
    session.flush()
    return tenant


def create_department(session: Session, tenant_id: int, name: str, description: str = "") -> Department:
    moment = clock.now()
    department = Department(
        tenant_id=tenant_id,
        number=next_number(session, tenant_id, "department"),
        name=name,
        description=description,
        created_at=moment,
        updated_at=moment,
    )
    session.add(department)
    session.flush()
    return department


def create_user(
    session: Session,
    tenant_id: int,
    name: str,
    *,
    roles: tuple[str, ...] = (permissions.MEMBER,),
    department_id: int | None = None,
    display_name: str = "",
) -> User:
    """A local account without a password: it signs in by a one-time link and sets one (TEN-14)."""
    policy = policies.load(session)
    rules.check_user_name(name, policy.user_name_minimum, policy.user_name_maximum)
    key = name.casefold()
    if session.execute(sa.select(User.id).where(User.source == "local", User.name_key == key)).first():
        raise wording.not_available("name", name)
    unknown = [role for role in roles if role not in permissions.BUILT_IN_ROLES]
    if unknown:
        raise InvalidInput(
            f"roles: {unknown[0]!r} is not a role.",
            zh=f"roles：没有角色 {unknown[0]!r}。",
            field="roles",
            rule="known roles",
            value=unknown[0],
        )
    moment = clock.now()
    user = User(
        tenant_id=tenant_id,
        department_id=department_id,
        number=next_number(session, tenant_id, "user"),
        name=name,
        name_key=key,
        hub_name="u" + "".join(secrets.choice(_ALPHABET) for _ in range(12)),
        display_name=display_name or name,
        created_at=moment,
        updated_at=moment,
    )
    session.add(user)
    session.flush()
    for role in roles:
        session.add(UserRole(user_id=user.id, role=role, department_id=place_of(role, department_id)))
    session.flush()
    roles_service.check_new_account(session, user.id)
    return user


def place_of(role: str, department_id: int | None) -> int | None:
    """The department that a new account's role names: the account's own."""
    return department_id if role == permissions.DEPARTMENT_ADMIN else None


def bootstrap(session: Session) -> User:
    """The first platform administrator and the organisation it works in; made once.

    Where duties are separated there is none: ``roles.first`` makes the three.
    """
    if roles_service.separated(session):
        raise Conflict(
            "Duties are separated here, so there is no single administrator.",
            zh="此平台已分离职责，没有单一的平台管理员。",
            hint="Name one: himalia admin link --user NAME.",
            hint_zh="请指定用户：himalia admin link --user 名称。",
            code="duties_are_separated",
        )
    found = (
        session.execute(
            sa.select(User)
            .join(UserRole, UserRole.user_id == User.id)
            .where(UserRole.role == permissions.ADMINISTRATOR)
            .order_by(User.id)
        )
        .scalars()
        .first()
    )
    if found is not None:
        return found
    tenant = create_tenant(session, code="home", name="home")
    return create_user(
        session,
        tenant.id,
        "administrator",
        roles=(permissions.ADMINISTRATOR, permissions.TENANT_ADMIN, permissions.MEMBER),
        display_name="Administrator",
    )


def user_by_name(db: Db, name: str) -> Any:
    row = db.execute(sa.select(User.__table__).where(User.source == "local", User.name_key == name.casefold())).first()
    if row is None:
        raise NotFound(f"No user is called {name!r}.", zh=f"没有名为 {name!r} 的用户。", field="name", value=name)
    return row


def user_by_hub_name(db: Db, hub_name: str) -> Any:
    row = db.execute(sa.select(User.__table__).where(User.hub_name == hub_name)).first()
    if row is None:
        raise NotFound()
    return row


def identity(db: Db, user_id: int) -> dict[str, Any] | None:
    """What the hub may know of a person; None when the person may not sign in.

    An account without a role is not active yet (TEN-11): it signs in once somebody granted one.
    """
    row = db.execute(tokens._BY_USER, {"user_id": user_id}).first()
    if row is None or not tokens.enabled(row):
        return None
    more = db.execute(
        sa.select(
            User.password_hash.is_not(None).label("password_set"),
            User.must_change_password,
            User.language,
            User.session_epoch,
        ).where(User.id == user_id)
    ).one()
    roles = holding.load(db, user_id).roles
    if not roles:
        return None
    department = {"id": row.department_number, "name": row.department_name} if row.department_id else None
    return {
        "hub_user": row.hub_name,
        "user": {"id": row.user_number, "name": row.user_name, "display_name": row.display_name},
        "tenant": {"code": row.tenant_code, "name": row.tenant_name},
        "department": department,
        "roles": list(roles),
        "session_epoch": more.session_epoch,
        "password_set": bool(more.password_set),
        "must_change_password": bool(more.must_change_password),
        "language": more.language,
    }


def new_link(session: Session, user_id: int, lifetime: timedelta = LINK_LIFETIME) -> tuple[str, datetime]:
    """A one-time sign-in link's token; earlier unused ones of this user end."""
    moment = clock.now()
    session.execute(
        sa.update(SignInLink).where(SignInLink.user_id == user_id, SignInLink.used_at.is_(None)).values(used_at=moment)
    )
    token = secrets.token_urlsafe(32)
    expires = moment + lifetime
    session.add(SignInLink(digest=tokens.digest_of(token), user_id=user_id, created_at=moment, expires_at=expires))
    session.flush()
    return token, expires


def find_link(session: Session, token: str) -> SignInLink:
    row = session.get(SignInLink, tokens.digest_of(token))
    if row is None or row.used_at is not None or row.expires_at <= clock.now():
        raise LinkExpired(
            "This sign-in link was used or has expired.",
            zh="此登录链接已使用或已过期。",
            hint="Ask for a new one: himalia admin link.",
            hint_zh="请重新获取：himalia admin link。",
        )
    return row


def grant_step_up(session: Session, user_id: int, session_name: str) -> tuple[str, datetime]:
    """A proof of presence for one browser session; one at a time per session."""
    moment = clock.now()
    session.execute(sa.delete(StepUp).where(StepUp.user_id == user_id, StepUp.session == session_name))
    grant = secrets.token_urlsafe(32)
    until = moment + timedelta(minutes=policies.load(session).step_up_minutes)
    session.add(
        StepUp(
            digest=tokens.digest_of(grant), user_id=user_id, session=session_name, created_at=moment, expires_at=until
        )
    )
    session.flush()
    return grant, until


def setting(db: Db, key: str) -> dict[str, Any] | None:
    return db.execute(sa.select(Setting.value).where(Setting.key == key)).scalar_one_or_none()


def keep_setting(session: Session, key: str, value: dict[str, Any]) -> None:
    row = session.get(Setting, key)
    if row is None:
        session.add(Setting(key=key, value=value))
    else:
        row.value = value
    session.flush()
