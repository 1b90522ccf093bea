"""Keeping sources, and signing their people in: find or make the person, apply the mapping, audit.

The hub has already had the person identified by the source; nothing here sees a password. Each
sign-in applies the mapping again: what the directory grants, it can take away; what an
administrator granted stays.
"""

from __future__ import annotations

import json
import secrets
import string
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.audit import service as audit
from himalia_hub.auth import permissions
from himalia_hub.auth.actor import Actor, Reach
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import Conflict, InvalidInput, NotFound
from himalia_hub.core.objects import next_number
from himalia_hub.core.sealing import Sealer
from himalia_hub.sign_in_sources import kinds, rules
from himalia_hub.sign_in_sources.rules import IdentityRefused, Mapped
from himalia_hub.sign_in_sources.tables import ExternalIdentity, SignInSource
from himalia_hub.tenancy import service as tenancy
from himalia_hub.tenancy import sessions
from himalia_hub.tenancy.roles import checks
from himalia_hub.tenancy.roles import service as roles
from himalia_hub.tenancy.tables import Department, Group, GroupMember, Tenant, User, UserRole

SEAL = "sign-in-source"
_ALPHABET = string.ascii_lowercase + string.digits


# -- the sources ------------------------------------------------------------------------------


def find(db: Db, name: str) -> SignInSource | Any:
    """A source by name, or not found; an ORM row within a unit of work, else a row."""
    condition = (SignInSource.name == name, SignInSource.deleted_at.is_(None))
    if isinstance(db, Session):
        row: Any = db.execute(sa.select(SignInSource).where(*condition).with_for_update()).scalar_one_or_none()
    else:
        row = db.execute(sa.select(SignInSource.__table__).where(*condition)).first()
    if row is None:
        raise NotFound(f"There is no sign-in source {name!r}.", zh=f"没有登录来源 {name!r}。", field="name", value=name)
    return row


def opened(row: Any, sealer: Sealer) -> dict[str, str]:
    """The secret settings of a source."""
    if not row.sealed_secrets:
        return {}
    found: dict[str, str] = json.loads(sealer.open(row.sealed_secrets, SEAL))
    return found


def sealed(given: dict[str, str], sealer: Sealer) -> str:
    return sealer.seal(json.dumps(given), SEAL) if given else ""


def create(session: Session, sealer: Sealer, body: Any, *, origin: str = "api") -> SignInSource:
    """A new source; its name must never have been another source's."""
    rules.check_source_name(body.name)
    kinds.check(body.kind, body.settings, body.secrets)
    mapping = body.mapping.model_dump(exclude_none=True)
    check_mapping(session, mapping)
    if session.execute(sa.select(SignInSource.id).where(SignInSource.name == body.name)).first():
        raise Conflict(
            f"name: {body.name!r} is or was a source here; its users keep the name.",
            zh=f"name：{body.name!r} 已是或曾是登录来源，其用户仍占用该名称。",
            field="name",
            rule="never used before",
            value=body.name,
        )
    moment = clock.now()
    # OAuth subjects and system accounts differ by case; directories compare names without it.
    case_sensitive = body.case_sensitive if body.case_sensitive is not None else body.kind != "ldap"
    row = SignInSource(
        name=body.name,
        title=body.title,
        kind=body.kind,
        origin=origin,
        enabled=body.enabled,
        settings=body.settings,
        sealed_secrets=sealed(body.secrets, sealer),
        mapping=mapping,
        auto_provision=body.auto_provision,
        allow_private=body.allow_private,
        case_sensitive=case_sensitive,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    session.flush()
    return row


def change(session: Session, sealer: Sealer, row: SignInSource, body: Any) -> None:
    """Apply the fields that were sent; secrets are merged, an empty one is removed."""
    given = body.model_fields_set
    held = opened(row, sealer)
    if body.secrets is not None:
        held = {name: value for name, value in {**held, **body.secrets}.items() if value}
    settings = row.settings if body.settings is None else body.settings
    kinds.check(row.kind, settings, held)
    if body.mapping is not None:
        mapping = body.mapping.model_dump(exclude_none=True)
        check_mapping(session, mapping)
        row.mapping = mapping
    row.settings, row.sealed_secrets = settings, sealed(held, sealer)
    for name in ("title", "auto_provision", "allow_private"):
        if name in given and getattr(body, name) is not None:
            setattr(row, name, getattr(body, name))
    if body.enabled is not None and body.enabled != row.enabled:
        row.enabled = body.enabled
        if not body.enabled:
            sessions.end(session, User.source == row.name)
    row.version += 1
    row.updated_at = clock.now()
    session.flush()


def delete(session: Session, row: SignInSource) -> None:
    """End its users' sessions and keep the name taken; without users nothing is kept."""
    users = session.execute(sa.select(sa.func.count()).where(User.source == row.name)).scalar_one()
    if not users:
        session.delete(row)
    else:
        sessions.end(session, User.source == row.name)
        row.enabled, row.deleted_at = False, clock.now()
        row.sealed_secrets, row.settings = "", {}
        row.version += 1
    session.flush()


def check_may_decide(actor: Actor) -> None:
    """TEN-9: a source says who somebody is and, by its mapping, which roles they hold, administrators' too.

    So setting one up or changing it is granting any role, and needs that permission beside its own.
    """
    checks.check_covered({checks.GRANT_ANY: Reach.PLATFORM}, actor.grants, "A sign-in source")


def check_mapping(session: Session, mapping: dict[str, Any]) -> None:
    """Organisations and roles that a mapping names exist."""
    part = mapping.get("organisation") or {}
    codes = {*(part.get("values") or {}).values(), *([part["default"]] if part.get("default") else [])}
    known = set(session.execute(sa.select(Tenant.code).where(Tenant.code.in_(codes))).scalars())
    for code in sorted(codes - known):
        raise InvalidInput(
            f"mapping.organisation: there is no organisation {code!r}.",
            zh=f"mapping.organisation：没有代码为 {code!r} 的组织。",
            field="mapping.organisation",
            rule="codes of organisations",
            value=code,
        )
    part = mapping.get("roles") or {}
    if part.get("claim") and not part.get("values"):
        raise InvalidInput(
            "mapping.roles.values: say which value of the claim grants which roles.",
            zh="mapping.roles.values：请指明声明的哪些值授予哪些角色。",
            field="mapping.roles.values",
            rule="not empty when a claim is named",
        )
    named = {role for granted in (part.get("values") or {}).values() for role in granted}
    for role in sorted((named | set(part.get("default") or [])) - set(permissions.BUILT_IN_ROLES)):
        raise InvalidInput(
            f"mapping.roles: there is no role {role!r}.",
            zh=f"mapping.roles：没有角色 {role!r}。",
            field="mapping.roles",
            rule="known roles",
            value=role,
        )


# -- their people -----------------------------------------------------------------------------


def sign_in(
    session: Session, row: SignInSource, *, name: str, subject: str, claims: dict[str, Any], address: str
) -> tuple[User, dict[str, Any]]:
    """The person behind an identity of a source, made or brought up to date; and what changed.

    Raises:
        IdentityRefused: unknown here and not to be made, of another organisation than before, or a
            name that the source gave to somebody else.
    """
    name = rules.check_external_name(name)
    key = rules.name_key(name, case_sensitive=row.case_sensitive)
    mapped = rules.apply(row.mapping, claims)
    user = session.execute(
        sa.select(User).where(User.source == row.name, User.name_key == key).with_for_update()
    ).scalar_one_or_none()
    if user is None:
        if not row.auto_provision:
            raise IdentityRefused(
                "You have no account here yet.",
                zh="您在此平台还没有账号。",
                hint="Ask an administrator of your organisation to add you.",
                hint_zh="请联系组织管理员添加您的账号。",
            )
        user = _provision(session, row, name, key, mapped)
    _same_person(session, user, subject, mapped)
    told = bring_up_to_date(session, user, subject, mapped)
    user.last_sign_in_at = clock.now()
    session.flush()
    return user, told


def _same_person(session: Session, user: User, subject: str, mapped: Mapped) -> None:
    identity = session.get(ExternalIdentity, user.id)
    if identity is not None and identity.subject and subject and identity.subject != subject:
        raise IdentityRefused(
            "Your name belonged to somebody else at this source before.",
            zh="您的名称此前在该来源属于其他人。",
            hint="Ask a platform administrator to remove the earlier account.",
            hint_zh="请联系平台管理员移除之前的账号。",
        )
    tenant = session.get_one(Tenant, user.tenant_id)
    if tenant.code != mapped.organisation:
        raise IdentityRefused(
            f"Your account is of the organisation {tenant.code}, and the source now says {mapped.organisation}.",
            zh=f"您的账号属于组织 {tenant.code}，而来源现在给出的是 {mapped.organisation}。",
            hint="Ask a platform administrator; an account does not move between organisations by itself.",
            hint_zh="请联系平台管理员；账号不会自动在组织之间移动。",
        )


def _provision(session: Session, row: SignInSource, name: str, key: str, mapped: Mapped) -> User:
    tenant_id = session.execute(sa.select(Tenant.id).where(Tenant.code == mapped.organisation)).scalar_one_or_none()
    if tenant_id is None:
        raise IdentityRefused(
            f"There is no organisation {mapped.organisation!r} here.",
            zh=f"此平台没有组织 {mapped.organisation!r}。",
            hint="Ask a platform administrator to create it or to correct the mapping.",
            hint_zh="请联系平台管理员创建该组织或修正映射规则。",
        )
    return add_person(session, row, tenant_id, name, key, mapped.display_name)


def add_person(
    session: Session, row: SignInSource, tenant_id: int, name: str, key: str, display_name: str = ""
) -> User:
    """A person of a source, without a role: the mapping or an administrator grants them."""
    moment = clock.now()
    user = User(
        tenant_id=tenant_id,
        number=next_number(session, tenant_id, "user"),
        source=row.name,
        name=name,
        name_key=key,
        hub_name="u" + "".join(secrets.choice(_ALPHABET) for _ in range(12)),
        display_name=display_name or name[:64],
        created_at=moment,
        updated_at=moment,
    )
    session.add(user)
    session.flush()
    return user


def bring_up_to_date(session: Session, user: User, subject: str, mapped: Mapped) -> dict[str, Any]:
    """Grant and take what the mapping says; answers the changes for the audit entry."""
    identity = session.get(ExternalIdentity, user.id)
    if identity is None:
        identity = ExternalIdentity(user_id=user.id, roles=[], groups=[], department="", at=clock.now())
        session.add(identity)
    told: dict[str, Any] = {}
    held = set(session.execute(sa.select(UserRole.role).where(UserRole.user_id == user.id)).scalars())
    gained, lost = rules.changes(set(identity.roles), set(mapped.roles), held)
    for role in sorted(gained):
        session.add(UserRole(user_id=user.id, role=role))
    if lost:
        session.execute(sa.delete(UserRole).where(UserRole.user_id == user.id, UserRole.role.in_(lost)))
    if gained or lost:
        told["roles_gained"], told["roles_lost"] = sorted(gained), sorted(lost)
    joined, left = _groups(session, user, set(identity.groups), set(mapped.groups))
    if joined or left:
        told["groups_joined"], told["groups_left"] = joined, left
    if mapped.department is not None and mapped.department != identity.department:
        told["department"] = {"before": identity.department, "after": mapped.department}
        user.department_id = _department(session, user.tenant_id, mapped.department)
    if mapped.display_name and mapped.display_name != user.display_name:
        told["display_name"] = {"before": user.display_name, "after": mapped.display_name}
        user.display_name = mapped.display_name
    identity.subject = identity.subject or subject
    # What somebody else had granted before stays theirs to take away.
    identity.roles = sorted((set(identity.roles) & set(mapped.roles)) | gained)
    identity.groups, identity.at = sorted(mapped.groups), clock.now()
    if mapped.department is not None:
        identity.department = mapped.department
    session.flush()
    roles.check_new_account(session, user.id)
    if told.keys() & {"roles_gained", "groups_joined", "department"}:
        sessions.renew(session, User.id == user.id)
        session.refresh(user)
    return told


def _groups(session: Session, user: User, before: set[str], now: set[str]) -> tuple[list[str], list[str]]:
    """Join and leave the organisation's groups that carry an external name of this source."""
    rows = session.execute(
        sa.select(Group.id, Group.external_name).where(
            Group.tenant_id == user.tenant_id, Group.external_name.in_(before | now)
        )
    ).all()
    member_of = set(session.execute(sa.select(GroupMember.group_id).where(GroupMember.user_id == user.id)).scalars())
    joined, left = [], []
    for group_id, name in rows:
        if name in now and group_id not in member_of:
            session.add(GroupMember(group_id=group_id, user_id=user.id))
            joined.append(name)
        elif name in before - now and group_id in member_of:
            session.execute(
                sa.delete(GroupMember).where(GroupMember.group_id == group_id, GroupMember.user_id == user.id)
            )
            left.append(name)
    session.flush()
    return sorted(joined), sorted(left)


def _department(session: Session, tenant_id: int, name: str) -> int | None:
    """A department by name; one that does not exist here is a refusal, not a new department."""
    if not name:
        return None
    found = session.execute(
        sa.select(Department.id).where(
            Department.tenant_id == tenant_id, Department.name == name, Department.deleted_at.is_(None)
        )
    ).scalar_one_or_none()
    if found is None:
        raise IdentityRefused(
            f"Your department {name!r} does not exist here.",
            zh=f"您所属的部门 {name!r} 在此平台不存在。",
            hint="Ask an administrator of your organisation to create it.",
            hint_zh="请联系组织管理员创建该部门。",
        )
    return found


def note_sign_in(
    session: Session,
    row: Any,
    name: str,
    user: User | None,
    *,
    outcome: str,
    address: str,
    request_id: str,
    detail: dict[str, Any],
) -> None:
    """The audit entry of a sign-in by a source, refused ones included."""
    audit.record(
        session,
        "sign_in.source",
        actor_name=f"{row.name}:{name}"[:255],
        tenant_id=user.tenant_id if user is not None else None,
        object_kind="user",
        object_id=user.number if user is not None else "",
        outcome=outcome,
        address=address,
        request_id=request_id,
        detail={"source": row.name, **detail},
    )


def identity_or_refusal(db: Db, user_id: int) -> dict[str, Any]:
    """What the hub may know of the person; disabled here is refused whatever the source says."""
    found = tenancy.identity(db, user_id)
    if found is None:
        raise tenancy.AccountDisabled(
            "This account is disabled.",
            zh="此账号已停用。",
            hint="Ask an administrator of your organisation.",
            hint_zh="请联系组织管理员。",
        )
    return found
