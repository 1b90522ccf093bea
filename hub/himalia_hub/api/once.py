"""Idempotency keys of writes whose body is streamed: compared by what the body turned out to be (GEN-6)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.api.context import Context
from himalia_hub.core import clock
from himalia_hub.core.errors import InvalidInput
from himalia_hub.core.tables import IdempotencyRecord

HEADER = "Idempotency-Key"


def _key(ctx: Context) -> str | None:
    key: str | None = ctx.headers.get(HEADER)
    if key is not None and not 1 <= len(key) <= 128:
        raise InvalidInput(
            f"{HEADER}: 1-128 characters.",
            zh=f"{HEADER}：1-128 个字符。",
            field=HEADER,
            rule="1-128 characters",
            value=key,
        )
    return key


def kept(session: Session, ctx: Context, asked: str) -> dict[str, Any] | None:
    """The first answer to this key, or None; raises when the key was used for something else."""
    key = _key(ctx)
    row = session.get(IdempotencyRecord, (ctx.actor.user_id, key)) if key is not None else None
    if row is None:
        return None
    if row.request_digest != _digest(asked):
        raise InvalidInput(
            f"{HEADER}: this key was already used for another request.",
            zh=f"{HEADER}：此键已用于另一个请求。",
            field=HEADER,
            rule="one key, one request",
            value=key,
            code="idempotency_key_reused",
        )
    answer: dict[str, Any] = json.loads(row.body)
    return answer


def keep(session: Session, ctx: Context, asked: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Remember the answer with the effect, in one transaction."""
    key = _key(ctx)
    if key is not None:
        session.execute(
            sa.insert(IdempotencyRecord).values(
                user_id=ctx.actor.user_id,
                key=key,
                request_digest=_digest(asked),
                status=201,
                body=json.dumps(answer),
                headers={},
                at=clock.now(),
            )
        )
    return answer


def _digest(asked: str) -> str:
    return hashlib.sha256(asked.encode()).hexdigest()
