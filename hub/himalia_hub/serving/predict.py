"""Predicting from a panel: the picture goes to a replica, its answer comes back as it is."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from himalia_hub.compute.tables import Workload
from himalia_hub.core.db import Db
from himalia_hub.core.errors import BackendUnavailable, InvalidTransition, TooLarge
from himalia_hub.serving.controller import addresses_of
from himalia_hub.serving.tables import ServiceVariant

MAX_BODY = 32 * 1024 * 1024
TIMEOUT_SECONDS = 60.0
NO_ANSWER = 599
"""What the client says for a connection that broke or took too long."""


@dataclass(frozen=True, slots=True)
class Target:
    variant: str
    weight: int
    addresses: tuple[str, ...]


def targets(db: Db, service: Any) -> list[Target]:
    """Replicas that answer now; raises :class:`InvalidTransition` when there are none."""
    rows = db.execute(
        sa.select(ServiceVariant.name, ServiceVariant.weight_percent, ServiceVariant.revision, Workload.endpoints)
        .join(Workload, Workload.id == ServiceVariant.workload_id)
        .where(ServiceVariant.service_id == service.id, ServiceVariant.state != "gone", Workload.phase == "running")
    )
    live = service.live_revision or 0
    found = [
        Target(row.name, row.weight_percent, addresses_of(row.endpoints))
        for row in rows
        if row.revision <= live and addresses_of(row.endpoints)
    ]
    if not found:
        raise InvalidTransition(
            f"The service is {service.phase}; it answers once it is running.",
            zh=f"服务当前状态为 {service.phase}；运行后才能调用。",
            rule="running",
            value=service.phase,
            code="not_running",
        )
    return found


def choose(found: Sequence[Target]) -> tuple[str, str]:
    """A variant by weight and one of its replicas: ``(variant, host:port)``."""
    weights = [target.weight for target in found]
    chosen = random.choices(found, weights if any(weights) else None)[0]  # noqa: S311 - balancing
    return chosen.variant, random.choice(chosen.addresses)  # noqa: S311


async def gather(stream: AsyncIterator[bytes]) -> bytes:
    """The body in memory; at most :data:`MAX_BODY`, as the route has checked."""
    pieces = [chunk async for chunk in stream]
    body = b"".join(pieces)
    if len(body) > MAX_BODY:
        raise TooLarge(f"At most {MAX_BODY} bytes.", zh=f"最多 {MAX_BODY} 字节。", field="body", value=len(body))
    return body


async def ask(address: str, body: bytes, content_type: str, language: str) -> HTTPResponse:
    """The replica's answer, whatever its status; :class:`BackendUnavailable` when it gives none."""
    headers = {"Content-Type": content_type or "application/octet-stream", "Accept-Language": language}
    request = HTTPRequest(
        f"http://{address}/infer", method="POST", body=body, headers=headers, request_timeout=TIMEOUT_SECONDS
    )
    answer = await AsyncHTTPClient().fetch(request, raise_error=False)
    if answer.code == NO_ANSWER:
        raise BackendUnavailable(
            "The replica did not answer.",
            zh="副本没有响应。",
            hint="It may be restarting; try again in a moment.",
            hint_zh="可能正在重启，请稍后重试。",
            cause=str(answer.error)[:200],
        )
    return answer
