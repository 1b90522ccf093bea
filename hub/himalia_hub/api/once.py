"""Idempotency keys: one key, one request, one answer (GEN-6).

The dispatcher keeps answers of writes by the digest of the request. Where the body is streamed, its
handler does, by what the body turned out to be.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.api.context import Context
from himalia_hub.core import clock
from himalia_hub.core.errors import InvalidInput
from himalia_hub.core.tables import IdempotencyRecord

HEADER = "Idempotency-Key"


def key_of(headers: Mapping[str, str]) -> str | None:
    """The request's key, or None.

    Raises:
        InvalidInput: It is empty or longer than 128 characters.
    """
    key = headers.get(HEADER)
    if key is not None and not 1 <= len(key) <= 128:
        raise InvalidInput(
            f"{HEADER}: 1-128 characters.",
            zh=f"{HEADER}：1-128 个字符。",
            field=HEADER,
            rule="1-128 characters",
            value=key,
        )
    return key


def find(session: Session, user_id: int, key: str, digest: str) -> IdempotencyRecord | None:
    """The first answer to a person's key.

    Raises:
        InvalidInput: The key was used for something else.
    """
    row = session.get(IdempotencyRecord, (user_id, key))
    if row is not None and row.request_digest != digest:
        raise InvalidInput(
            f"{HEADER}: this key was already used for another request.",
            zh=f"{HEADER}：此键已用于另一个请求。",
            field=HEADER,
            rule="one key, one request",
            value=key,
            code="idempotency_key_reused",
        )
    return row


def store(
    session: Session, user_id: int, key: str, digest: str, *, status: int, body: str, headers: Mapping[str, str]
) -> None:
    """Remember an answer in the transaction of its effect."""
    session.execute(
        sa.insert(IdempotencyRecord).values(
            user_id=user_id,
            key=key,
            request_digest=digest,
            status=status,
            body=body,
            headers=dict(headers),
            at=clock.now(),
        )
    )


def kept(session: Session, ctx: Context, asked: str) -> dict[str, Any] | None:
    """In a handler of a streamed body: the first answer to this key, or None."""
    key = key_of(ctx.headers)
    row = find(session, ctx.actor.user_id, key, _digest(asked)) if key is not None else None
    answer: dict[str, Any] | None = json.loads(row.body) if row is not None else None
    return answer


def keep(session: Session, ctx: Context, asked: str, answer: dict[str, Any]) -> dict[str, Any]:
    """In a handler of a streamed body: remember the answer with the effect, in one transaction."""
    key = key_of(ctx.headers)
    if key is not None:
        body = json.dumps(answer)
        store(session, ctx.actor.user_id, key, _digest(asked), status=ctx.route.status, body=body, headers={})
    return answer


def _digest(asked: str) -> str:
    return hashlib.sha256(asked.encode()).hexdigest()
