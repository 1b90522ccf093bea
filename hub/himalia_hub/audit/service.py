"""Writing the audit log. One entry a change, sign-in, refusal or administrative read; secrets never reach it.

Glossary
    chain     the entries of one organisation, each with the digest of the one before it.
    head      where a chain ends; locked while an entry is added, so a chain never forks.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.audit import rules
from himalia_hub.audit.masking import masked, text
from himalia_hub.audit.tables import AuditEntry, AuditHead
from himalia_hub.auth.actor import Actor
from himalia_hub.core import clock

__all__ = ["GENESIS", "entry_digest", "masked", "record"]

GENESIS = "0" * 64
_EPOCH = datetime(1970, 1, 1, tzinfo=clock.now().tzinfo)
_HEAD = (
    sa.select(AuditHead.position, AuditHead.digest).where(AuditHead.chain == sa.bindparam("chain_")).with_for_update()
)
_MOVE = (
    sa.update(AuditHead.__table__)  # type: ignore[arg-type]
    .where(AuditHead.chain == sa.bindparam("chain_"))
    .values(position=sa.bindparam("position_"), digest=sa.bindparam("digest_"))
)


def entry_digest(previous: str, values: dict[str, Any]) -> str:
    """SHA-256 over the previous digest and the canonical JSON of this entry; moments in microseconds."""
    plain = {
        k: ((v - _EPOCH) // timedelta(microseconds=1) if isinstance(v, datetime) else v) for k, v in values.items()
    }
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((previous + canonical).encode()).hexdigest()


def record(
    session: Session,
    action: str,
    *,
    actor: Actor | None = None,
    actor_name: str = "",
    tenant_id: int | None = None,
    object_kind: str = "",
    object_id: str | int = "",
    outcome: str = rules.DONE,
    address: str = "",
    request_id: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Append one entry in the caller's transaction.

    Args:
        tenant_id: The organisation that it happened in; without one the actor's.
        detail: ``sent``, ``before``, ``after`` and what else explains it; masked here.
    """
    own = (actor.tenant_id or None) if actor is not None else tenant_id
    where = tenant_id if tenant_id is not None else own
    chain = where or 0
    values: dict[str, Any] = {
        "chain": chain,
        "at": clock.now(),
        "category": rules.category(action, object_kind, outcome),
        "tenant_id": where,
        "actor_tenant_id": own,
        "user_id": (actor.user_id or None) if actor is not None else None,
        "actor_name": text(actor.user_name if actor is not None else actor_name, 512),
        "roles": ",".join(actor.roles)[:512] if actor is not None else "",
        "address": text(actor.address if actor is not None and actor.address else address, 64),
        "session": _session_of(actor),
        "action": text(action, 128),
        "object_kind": text(object_kind, 64),
        "object_id": text(str(object_id), 128),
        "outcome": outcome,
        "detail": masked(detail or {}),
        "request_id": text(request_id, 64),
    }
    head = session.execute(_HEAD, {"chain_": chain}).first()
    if head is None:
        head = _begin(session, chain)
    values["position"] = head.position + 1
    digest = entry_digest(head.digest, values)
    session.execute(sa.insert(AuditEntry).values(**values, previous=head.digest, digest=digest))
    session.connection().execute(_MOVE, {"chain_": chain, "position_": values["position"], "digest_": digest})


def _begin(session: Session, chain: int) -> Any:
    """The head of a chain that has none; two who begin it at once end with one."""
    dialect = session.get_bind().dialect.name
    insert: Any
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert
    session.execute(
        insert(AuditHead)
        .values(chain=chain, position=0, digest=GENESIS)
        .on_conflict_do_nothing(index_elements=["chain"])
    )
    return session.execute(_HEAD, {"chain_": chain}).one()


def _session_of(actor: Actor | None) -> str:
    """The browser's session where it is known, else the credential by its kind and row."""
    if actor is None:
        return ""
    if actor.session:
        return text(actor.session, 128)
    return f"{actor.token_kind.value}:{actor.token_id}" if actor.token_id is not None else actor.token_kind.value
