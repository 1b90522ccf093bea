"""Carries services from what is asked to what is: routes, phases, drains.

Each step reads everything, decides purely (``rules.decide``), makes the routes live, and only then
writes: a service is ``running`` once the gateway leads to replicas that answered a sample.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import BackendError, RouteBackend, RouteTarget, ServiceRoute
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.tables import Workload, key_of
from himalia_hub.core import clock, objects
from himalia_hub.core.db import Db
from himalia_hub.platform.parts import Platform
from himalia_hub.serving import rules
from himalia_hub.serving.rules import Decision, Seen, decide
from himalia_hub.serving.service import OBJECT
from himalia_hub.serving.tables import InferenceService, ServiceVariant
from himalia_hub.serving.workload import PORT_NAME
from himalia_hub.tenancy.tables import Tenant

log = logging.getLogger("himalia.serving")
COALESCE_SECONDS = 0.05


def sentence(row: Any) -> tuple[str, str]:
    """Why a variant is not ready, with the last thing its program said."""
    said = next((line.removeprefix("himalia: ") for line in reversed(row.last_lines or []) if line.strip()), "")
    if not said or row.phase in ("running", "stopped"):
        return row.message, row.message_zh
    return f"{said} {row.message}".strip()[:2000], f"{said} {row.message_zh}".strip()[:2000]


def addresses_of(endpoints: list[Any] | None) -> tuple[str, ...]:
    """The ready replicas of a workload as ``host:port``."""
    found = [one["addresses"].get(PORT_NAME) for one in endpoints or [] if one.get("ready")]
    return tuple(address for address in found if address)


def look(db: Db) -> list[tuple[Any, list[Seen]]]:
    """Every service that is not deleted with its variants."""
    services = db.execute(
        sa.select(InferenceService.__table__, Tenant.code.label("tenant_code"))
        .join(Tenant, Tenant.id == InferenceService.tenant_id)
        .where(InferenceService.deleted_at.is_(None))
        .order_by(InferenceService.id)
    ).all()
    by_service: dict[int, list[Seen]] = {service.id: [] for service in services}
    columns = (
        Workload.phase,
        Workload.reason,
        Workload.message,
        Workload.message_zh,
        Workload.last_lines,
        Workload.endpoints,
        Workload.attempt,
    )
    rows = db.execute(
        sa.select(ServiceVariant.__table__, *columns)
        .outerjoin(Workload, Workload.id == ServiceVariant.workload_id)
        .where(ServiceVariant.state != "gone")
        .order_by(ServiceVariant.id)
    )
    for row in rows:
        if row.service_id not in by_service:
            continue
        text, text_zh = sentence(row) if row.phase else ("", "")
        by_service[row.service_id].append(
            Seen(
                id=row.id,
                revision=row.revision,
                state=row.state,
                weight=row.weight_percent,
                phase=row.phase,
                reason=row.reason,
                message=text,
                message_zh=text_zh,
                addresses=addresses_of(row.endpoints) if row.phase == "running" else (),
                drain_until=row.drain_until,
                workload=key_of(row.workload_id) if row.workload_id is not None else "",
                attempt=row.attempt or 0,
            )
        )
    return [(service, by_service[service.id]) for service in services]


def route_of(service: Any, variants: list[Seen], decision: Decision) -> ServiceRoute:
    """What the gateway is told; weights of those that answer, in their proportion."""
    targets = tuple(
        RouteTarget(
            f"v{variant.id}", variant.addresses, variant.weight, workload=variant.workload, attempt=variant.attempt
        )
        for variant in variants
        if variant.id in decision.routed
    )
    if targets and not any(target.weight for target in targets):
        targets = tuple(replace(target, weight=1) for target in targets)
    return ServiceRoute(service.tenant_code, service.slug, targets)


class ServingController:
    """The controller of online services."""

    name = "serving"
    interval_seconds = 2.0
    wakes_on_commit = True

    def __init__(self, platform: Platform, gateway: RouteBackend | None) -> None:
        self._platform = platform
        self._gateway = gateway
        self._routes: list[ServiceRoute] | None = None

    async def step(self) -> None:
        with self._platform.db.read() as db:
            found = look(db)
        now = clock.now()
        decided = [
            (service, variants, decide(service.wanted, service.revision, service.live_revision, variants, now))
            for service, variants in found
        ]
        if not await self._open([route_of(*one) for one in decided]):
            return
        changed = [one for one in decided if matters(*one)]
        if changed:
            await self._platform.db.write(lambda session: self._commit(session, changed))
        await asyncio.sleep(COALESCE_SECONDS)

    async def _open(self, routes: list[ServiceRoute]) -> bool:
        """Make the routes live; False when the gateway did not take them and the step must repeat."""
        if self._gateway is None or routes == self._routes:
            return True
        try:
            await self._gateway.apply_routes(routes)
        except BackendError as error:
            log.error("routes were not opened: %s", error)
            return False
        self._routes = routes
        return True

    def _commit(self, session: Session, changed: list[tuple[Any, list[Seen], Decision]]) -> None:
        engine = self._platform.get(Engine)
        for seen, _, decision in changed:
            row = session.get(InferenceService, seen.id, with_for_update=True)
            if row is None or row.version != seen.version or row.deleted_at is not None:
                continue  # changed since it was read; the next step looks again
            row.phase, row.live_revision = decision.phase, decision.live_revision
            row.reason, row.message, row.message_zh = decision.reason, decision.message, decision.message_zh
            for variant_id in decision.drain:
                variant = session.get(ServiceVariant, variant_id)
                assert variant is not None
                variant.drain_until = clock.now() + timedelta(seconds=rules.DRAIN_SECONDS)
            for variant_id in decision.stop:
                self._stop(session, engine, variant_id)
            objects.note(session, OBJECT, row)

    @staticmethod
    def _stop(session: Session, engine: Engine, variant_id: int) -> None:
        variant = session.get(ServiceVariant, variant_id)
        workload = session.get(Workload, variant.workload_id) if variant and variant.workload_id else None
        if workload is not None:
            engine.request_stop(session, workload)
        if variant is not None and variant.state == "retiring":
            variant.state = "gone"


def matters(service: Any, variants: list[Seen], decision: Decision) -> bool:
    """Whether a decision changes anything that is written."""
    stopping = [variant for variant in variants if variant.id in decision.stop and variant.phase != "stopping"]
    return bool(
        decision.drain
        or stopping
        or (decision.phase, decision.live_revision) != (service.phase, service.live_revision)
        or (decision.reason, decision.message) != (service.reason, service.message)
    )
