"""Bearer credentials: made once, kept as a digest, checked by one indexed read.

A token is ``<prefix>_<43 characters of base64url>`` (256 bits); the prefix tells what it is when
one is found somewhere: ``hmt`` notebook or workload, ``hmp`` a person's API token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth import holding, permissions
from himalia_hub.auth.actor import Actor, Reach, TokenKind
from himalia_hub.auth.holding import Held
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotAuthenticated
from himalia_hub.tenancy.tables import Department, StepUp, Tenant, Token, User

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

PREFIXES = {TokenKind.NOTEBOOK: "hmt", TokenKind.WORKLOAD: "hmt", TokenKind.API: "hmp"}


def digest_of(secret: str) -> str:
    """SHA-256, hex. A fast hash is right here: the secret has 256 bits of its own."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret(prefix: str) -> str:
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def issue(
    session: Session,
    *,
    user_id: int,
    kind: TokenKind,
    name: str = "",
    number: int = 0,
    scopes: list[str] | None = None,
    reach: Reach = Reach.OWN,
    workload_id: int | None = None,
    expires_at: datetime | None = None,
) -> tuple[int, str]:
    """Store a new token; answers its row id and the secret, which is shown this once."""
    secret = new_secret(PREFIXES[kind])
    row_id = session.execute(
        sa.insert(Token)
        .values(
            digest=digest_of(secret),
            prefix=secret[:8],
            kind=kind.value,
            user_id=user_id,
            number=number,
            name=name,
            scopes=scopes,
            reach=int(reach),
            workload_id=workload_id,
            created_at=clock.now(),
            expires_at=expires_at,
        )
        .returning(Token.id)
    ).scalar_one()
    return row_id, secret


def revoke_for_workload(session: Session, workload_id: int) -> None:
    """End every credential of a workload; part of ending it."""
    session.execute(
        sa.update(Token)
        .where(Token.workload_id == workload_id, Token.revoked_at.is_(None))
        .values(revoked_at=clock.now())
    )


_USER_COLUMNS = (
    User.id.label("user_id"),
    User.number.label("user_number"),
    User.name.label("user_name"),
    User.name_key,
    User.display_name,
    User.hub_name,
    User.enabled.label("user_enabled"),
    User.epoch,
    User.department_id,
    Department.number.label("department_number"),
    Department.name.label("department_name"),
    Department.enabled.label("department_enabled"),
    Tenant.id.label("tenant_id"),
    Tenant.code.label("tenant_code"),
    Tenant.name.label("tenant_name"),
    Tenant.enabled.label("tenant_enabled"),
    Tenant.valid_until,
)
_USER_JOIN = User.__table__.join(Tenant, Tenant.id == User.tenant_id).outerjoin(
    Department, Department.id == User.department_id
)
_BY_TOKEN = (
    sa.select(
        Token.id.label("token_id"),
        Token.kind,
        Token.scopes,
        Token.reach,
        Token.workload_id,
        Token.expires_at,
        *_USER_COLUMNS,
    )
    .select_from(Token.__table__.join(_USER_JOIN, User.id == Token.user_id))
    .where(Token.digest == sa.bindparam("digest"), Token.revoked_at.is_(None))
)
_BY_USER = sa.select(*_USER_COLUMNS).select_from(_USER_JOIN).where(User.id == sa.bindparam("user_id"))
_STEP_UP = sa.select(StepUp.expires_at).where(
    StepUp.digest == sa.bindparam("digest"), StepUp.user_id == sa.bindparam("user_id")
)


def _refused() -> NotAuthenticated:
    return NotAuthenticated(
        "The token is unknown, expired or revoked.",
        zh="令牌不存在、已过期或已撤销。",
        hint="Sign in again or create a new token.",
        hint_zh="请重新登录或新建令牌。",
    )


def enabled(row: Any) -> bool:
    """The user, the department and the organisation are all in force."""
    if not (row.user_enabled and row.tenant_enabled and row.department_enabled is not False):
        return False
    return row.valid_until is None or row.valid_until > clock.now()


class RoleCache:
    """What users hold, by user and epoch; a change of roles moves the epoch, so nothing goes stale."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, int], Held] = {}

    def get(self, db: Db, user_id: int, epoch: int) -> Held:
        found = self._held.get((user_id, epoch))
        if found is None:
            found = holding.load(db, user_id)
            if len(self._held) > 20_000:
                self._held.clear()
            self._held[(user_id, epoch)] = found
        return found


def authenticate(
    platform: Platform,
    secret: str,
    *,
    name: str | None = None,
    step_up: str | None = None,
    tenant: str | None = None,
    address: str = "",
) -> Actor:
    """The actor behind a bearer secret; raises :class:`NotAuthenticated`."""
    machine = platform.machine_credentials.get(digest_of(secret))
    if machine is not None:
        return machine_actor(machine, address)
    with platform.db.read() as db:
        row = db.execute(_BY_TOKEN, {"digest": digest_of(secret)}).first()
        if row is None or not enabled(row):
            raise _refused()
        if row.expires_at is not None and row.expires_at <= clock.now():
            raise _refused()
        if name is not None and not hmac.compare_digest(name.casefold().encode(), row.name_key.encode()):
            raise _refused()
        standing = platform.roles.get(db, row.user_id, row.epoch)
        kind = TokenKind(row.kind)
        stepped_up = False
        if step_up and kind is TokenKind.NOTEBOOK:
            until = db.execute(_STEP_UP, {"digest": digest_of(step_up), "user_id": row.user_id}).scalar()
            stepped_up = until is not None and until > clock.now()
    held = dict(standing.reaches)
    if kind is TokenKind.WORKLOAD:
        own = permissions.clip(held, TokenKind.NOTEBOOK, reach=None, scopes=None, stepped_up=False)
        held = {**own, **permissions.held_by([permissions.WORKLOAD])}
    grants = permissions.clip(held, kind, reach=Reach(row.reach), scopes=row.scopes, stepped_up=stepped_up)
    shown = held if kind is TokenKind.NOTEBOOK else grants
    return _actor(row, standing, shown, grants, kind, stepped_up, address)


def _actor(
    row: Any,
    standing: Held,
    held: dict[str, Reach],
    grants: dict[str, Reach],
    kind: TokenKind,
    stepped_up: bool,
    address: str,
) -> Actor:
    return Actor(
        user_id=row.user_id,
        user_number=row.user_number,
        user_name=row.user_name,
        display_name=row.display_name,
        hub_name=row.hub_name,
        tenant_id=row.tenant_id,
        tenant_code=row.tenant_code,
        tenant_name=row.tenant_name,
        department_id=row.department_id,
        department_number=row.department_number,
        department_name=row.department_name,
        roles=standing.roles,
        departments=standing.departments,
        token_kind=kind,
        token_id=getattr(row, "token_id", None),
        workload_id=getattr(row, "workload_id", None),
        grants=grants,
        held=held,
        stepped_up=stepped_up,
        address=address,
    )


def actor_of_user(db: Db, user_id: int, kind: TokenKind = TokenKind.SYSTEM) -> Actor:
    """The actor of a user for work that the platform does on their behalf (hub pages, controllers).

    With kind ``NOTEBOOK`` the grants are those of the user's notebook: reach own.
    """
    row = db.execute(_BY_USER, {"user_id": user_id}).one()
    standing = holding.load(db, user_id)
    held = dict(standing.reaches)
    grants = permissions.clip(held, kind, reach=None, scopes=None, stepped_up=False)
    return _actor(row, standing, held, grants, kind, False, "")


def machine_actor(role: str, address: str) -> Actor:
    """The hub, or the administrator of the machine: known by a credential file, not by a user."""
    kind = TokenKind.HUB if role == permissions.HUB else TokenKind.ADMIN
    held = permissions.held_by([role])
    return Actor(
        user_id=0,
        user_number=0,
        user_name=role,
        display_name=role,
        hub_name="",
        tenant_id=0,
        tenant_code="",
        tenant_name="",
        department_id=None,
        department_number=None,
        department_name=None,
        roles=(role,),
        token_kind=kind,
        grants=held,
        held=held,
        stepped_up=True,
        address=address,
    )
