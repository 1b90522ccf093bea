"""Writing the audit log. One entry a change, sign-in, refusal; secrets never reach it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.audit.tables import AuditEntry
from himalia_hub.auth.actor import Actor
from himalia_hub.core import clock

SECRET_WORDS = ("password", "secret", "token", "credential", "code", "key", "authorization")
GENESIS = "0" * 64


def masked(value: Any, name: str = "") -> Any:
    """The value with everything that looks like a secret by its name replaced, cut to size."""
    if any(word in name.lower() for word in SECRET_WORDS) and isinstance(value, str):
        return "•••"
    if isinstance(value, dict):
        return {str(k): masked(v, str(k)) for k, v in list(value.items())[:64]}
    if isinstance(value, list):
        return [masked(v, name) for v in value[:32]]
    if isinstance(value, str) and len(value) > 512:
        return value[:512] + "…"
    return value


def entry_digest(previous: str, values: dict[str, Any]) -> str:
    """SHA-256 over the previous digest and the canonical JSON of this entry."""
    plain = {k: (v.isoformat() if isinstance(v, datetime) else v) for k, v in values.items()}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((previous + text).encode()).hexdigest()


def record(
    session: Session,
    action: str,
    *,
    actor: Actor | None = None,
    actor_name: str = "",
    tenant_id: int | None = None,
    object_kind: str = "",
    object_id: str | int = "",
    outcome: str = "done",
    address: str = "",
    request_id: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Append one entry in the caller's transaction."""
    head = session.execute(
        sa.select(AuditEntry.digest).order_by(AuditEntry.id.desc()).limit(1).with_for_update()
    ).scalar_one_or_none()
    values: dict[str, Any] = {
        "at": clock.now(),
        "tenant_id": actor.tenant_id if actor is not None else tenant_id,
        "user_id": actor.user_id if actor is not None else None,
        "actor_name": actor.user_name if actor is not None else actor_name,
        "roles": ",".join(actor.roles) if actor is not None else "",
        "address": actor.address if actor is not None else address,
        "session": actor.session if actor is not None else "",
        "action": action,
        "object_kind": object_kind,
        "object_id": str(object_id),
        "outcome": outcome,
        "detail": masked(detail or {}),
        "request_id": request_id,
    }
    previous = head or GENESIS
    session.execute(sa.insert(AuditEntry).values(**values, previous=previous, digest=entry_digest(previous, values)))
