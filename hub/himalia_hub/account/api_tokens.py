"""A person's API tokens (TEN-18): named, scoped, of a reach, ending, revocable, hashed, shown once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth import permissions, tokens
from himalia_hub.auth.actor import Actor, Reach, TokenKind
from himalia_hub.core import clock, objects
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput, NotFound
from himalia_hub.tenancy.tables import Token


def to_wire(row: Any) -> dict[str, Any]:
    return {
        "id": row.number,
        "name": row.name,
        "prefix": row.prefix,
        "permissions": row.scopes,
        "reach": Reach(row.reach).word,
        "created_at": clock.to_wire(row.created_at),
        "expires_at": clock.to_wire(row.expires_at),
    }


def listed(db: Db, user_id: int) -> list[dict[str, Any]]:
    """The tokens in force or expired, not the revoked ones."""
    rows = db.execute(
        sa.select(Token.__table__)
        .where(Token.user_id == user_id, Token.kind == TokenKind.API.value, Token.revoked_at.is_(None))
        .order_by(Token.number)
    )
    return [to_wire(row) for row in rows]


def create(
    session: Session,
    actor: Actor,
    *,
    name: str,
    scopes: list[str] | None,
    reach: str,
    expires_at: datetime | None,
    proven: bool,
) -> dict[str, Any]:
    """A new token; ``token`` in the answer is its secret, and nobody sees it again.

    Raises:
        InvalidInput: unknown permissions, an end in the past, or a wider reach without a proof of presence.
    """
    unknown = [permission for permission in scopes or [] if permission not in permissions.BY_NAME]
    if unknown:
        raise InvalidInput(
            f"permissions: {unknown[0]!r} is not a permission.",
            zh=f"permissions：没有名为 {unknown[0]!r} 的权限。",
            field="permissions",
            rule="names from the table of permissions",
            value=unknown[0],
        )
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= clock.now()):
        raise InvalidInput(
            f"expires_at: {expires_at.isoformat()} is not a moment in the future, with its time zone.",
            zh=f"expires_at：{expires_at.isoformat()} 应为带时区的未来时刻。",
            field="expires_at",
            rule="in the future, with a time zone",
            value=expires_at.isoformat(),
        )
    wanted = Reach[reach.upper()]
    if wanted is not Reach.OWN and not proven:
        raise InvalidInput(
            "reach: a token that reaches beyond your own things needs the step-up first.",
            zh="reach：范围超出本人的令牌需要先确认身份。",
            field="reach",
            rule="own, or after the step-up",
            value=reach,
            code="step_up_required",
        )
    number = objects.next_number(session, actor.tenant_id, "api_token")
    row_id, secret = tokens.issue(
        session,
        user_id=actor.user_id,
        kind=TokenKind.API,
        name=name,
        number=number,
        scopes=scopes,
        reach=wanted,
        expires_at=expires_at,
    )
    row = session.execute(sa.select(Token.__table__).where(Token.id == row_id)).one()
    return {**to_wire(row), "token": secret}


def revoke(session: Session, actor: Actor, number: int) -> None:
    """End one of the actor's tokens at once."""
    changed = session.execute(
        sa.update(Token)
        .where(
            Token.user_id == actor.user_id,
            Token.kind == TokenKind.API.value,
            Token.number == number,
            Token.revoked_at.is_(None),
        )
        .values(revoked_at=clock.now())
        .returning(Token.id)
    ).all()
    if not changed:
        raise NotFound()
