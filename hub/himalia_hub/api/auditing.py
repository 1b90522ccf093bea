"""What dispatch tells the audit log: changes, refusals and administrative reads of every route (SEC-1).

Reads and refusals that repeat within a short time by the same actor count as one entry, which says
how often the last one was repeated: a panel that refreshes, or a flood without a token, does not
fill the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.api.context import Context
from himalia_hub.api.routes import Reply, Route
from himalia_hub.audit import rules
from himalia_hub.audit import service as audit
from himalia_hub.auth.actor import Actor, Reach, TokenKind
from himalia_hub.core.errors import BalanceTooLow, HimaliaError, QuotaExceeded
from himalia_hub.tenancy.tables import Tenant

READ_SECONDS, REFUSAL_SECONDS = 300.0, 60.0
_SENT_BYTES = 20_000


def object_of(route: Route, context: Context | None, values: list[str], body: Any = None) -> tuple[str, str]:
    """Kind and number of what a request is about."""
    kind, number = context.audit_object if context is not None else ("", "")
    if not number and values:
        number = values[0]
    if not number and isinstance(body, dict):
        number = str(body.get("id", ""))
    return kind or route.object_kind or route.tag, number


def sent(parts: list[bytes]) -> dict[str, Any]:
    """The JSON that was sent, where it is small."""
    if not parts or sum(map(len, parts)) > _SENT_BYTES:
        return {}
    try:
        return {"sent": json.loads(b"".join(parts))}
    except (ValueError, RecursionError):
        return {}


def where(session: Session, context: Context | None, arguments: Mapping[str, Any]) -> int | None:
    """The organisation that a request with wide reach named, if it is not the actor's own."""
    if context is None or context.actor is None:
        return None
    if context.audit_tenant is not None:
        return context.audit_tenant
    actor = context.actor
    if context.route.permission is None or actor.reach(context.route.permission) is not Reach.PLATFORM:
        return None
    named: Any = context.headers.get("Himalia-Tenant")
    if context.route.path.startswith("/organisations/{organisation}"):
        named = arguments.get("organisation")
    for model in arguments.values():
        for name in ("organisation", "tenant"):
            named = getattr(model, name, None) or named
    if not isinstance(named, str) or named in ("", "*", actor.tenant_code):
        return None
    return session.execute(sa.select(Tenant.id).where(Tenant.code == named)).scalar_one_or_none()


def change(
    session: Session,
    context: Context,
    values: list[str],
    parts: list[bytes],
    result: Any,
    arguments: Mapping[str, Any],
    seen: Mapping[str, Any],
) -> None:
    """A write that was done; part of its own transaction."""
    route = context.route
    if route.audit is False:
        return
    kind, number = object_of(route, context, values, result.body if isinstance(result, Reply) else result)
    audit.record(
        session,
        route.operation_id,
        actor=context.actor,
        tenant_id=where(session, context, arguments),
        object_kind=kind,
        object_id=number,
        detail={**sent(parts), **seen, **context.audit_detail},
        request_id=context.request_id,
    )


def is_administrative_read(route: Route, actor: Actor | None) -> bool:
    """A read that reaches beyond the reader's own things; the hub's own questions are none."""
    if route.writes or route.audit is False or route.permission is None or actor is None:
        return False
    if actor.token_kind in (TokenKind.HUB, TokenKind.WORKLOAD):
        return False
    return (actor.reach(route.permission) or Reach.OWN) > Reach.OWN


def read(
    session: Session, context: Context, values: list[str], arguments: Mapping[str, Any], query: str, repeated: int
) -> None:
    """An administrative read."""
    kind, number = object_of(context.route, context, values)
    audit.record(
        session,
        context.route.operation_id,
        actor=context.actor,
        tenant_id=where(session, context, arguments),
        object_kind=kind,
        object_id=number,
        outcome=rules.READ,
        detail={
            **({"query": query} if query else {}),
            **({"repeated_before": repeated} if repeated else {}),
            **context.audit_detail,
        },
        request_id=context.request_id,
    )


def is_refusal(error: HimaliaError, route: Route | None, actor: Actor | None, values: list[str]) -> bool:
    """Who may not, who is not known, what is not theirs or not there, and what quota or balance refuse."""
    if route is None:
        return False
    if error.status in (401, 403, 429) or isinstance(error, QuotaExceeded | BalanceTooLow):
        return True
    return error.status == 404 and actor is not None and bool(values)


def refusal(
    session: Session,
    error: HimaliaError,
    route: Route,
    actor: Actor | None,
    *,
    values: list[str],
    address: str,
    request_id: str,
    repeated: int,
) -> None:
    kind, number = object_of(route, None, values)
    audit.record(
        session,
        route.operation_id,
        actor=actor,
        object_kind=kind,
        object_id=number,
        outcome=rules.REFUSED,
        address=address,
        detail={
            "refusal": error.code,
            "status": error.status,
            **error.details,
            **({"repeated_before": repeated} if repeated else {}),
        },
        request_id=request_id,
    )
