"""Keeps what the gateway counted, and answers monitoring from it (SRV-7)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session
from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.platform.parts import Platform
from himalia_hub.serving import figures, service
from himalia_hub.serving.figures import Counters
from himalia_hub.serving.tables import ServiceTraffic, ServiceVariant

log = logging.getLogger("himalia.serving")
KEEP_DAYS = 7
Calls = list[tuple[float, float]]


class TrafficCounter:
    """Reads Traefik's counters and writes the differences."""

    name = "serving-traffic"
    interval_seconds = 5.0
    wakes_on_commit = False

    def __init__(self, platform: Platform, metrics_url: str) -> None:
        self._platform = platform
        self._url = metrics_url
        self._before: dict[int, Counters] | None = None
        self._pruned_at: datetime | None = None

    async def step(self) -> None:
        try:
            answer = await AsyncHTTPClient().fetch(self._url, request_timeout=5)
        except (HTTPClientError, OSError) as error:
            log.warning("the gateway's counters could not be read: %s", error)
            return
        now = figures.parse(answer.body.decode("utf-8", "replace"))
        before, self._before = self._before, now
        if before is None:  # what was counted before this process began is nobody's interval
            return
        changed = {}
        for variant, counters in now.items():
            difference = figures.since(counters, before.get(variant, Counters()))
            if difference.requests > 0:
                changed[variant] = difference
        if changed:
            await self._platform.db.write(lambda session: self._keep(session, changed))

    def _keep(self, session: Session, changed: dict[int, Counters]) -> None:
        moment = clock.now()
        rows = session.execute(
            sa.select(ServiceVariant.id, ServiceVariant.service_id, ServiceVariant.name).where(
                ServiceVariant.id.in_(list(changed))
            )
        ).all()
        merged: dict[tuple[int, str], Counters] = {}
        for row in rows:
            found, total = changed[row.id], merged.setdefault((row.service_id, row.name), Counters())
            total.requests += found.requests
            total.errors += found.errors
            for bound, value in found.cumulative.items():
                total.cumulative[bound] = total.cumulative.get(bound, 0) + value
        for (service_id, name), counters in merged.items():
            session.add(_row(service_id, name, moment, counters))
            service.note_calls(session, service_id, int(counters.requests), int(counters.errors))
        if self._pruned_at is None or moment - self._pruned_at > timedelta(hours=1):
            self._pruned_at = moment
            session.execute(sa.delete(ServiceTraffic).where(ServiceTraffic.at < moment - timedelta(days=KEEP_DAYS)))


def _row(service_id: int, name: str, moment: datetime, counters: Counters) -> ServiceTraffic:
    buckets = [
        [None if bound == float("inf") else bound, int(count)]
        for bound, count in figures.split(counters.cumulative)
        if count
    ]
    return ServiceTraffic(
        service_id=service_id,
        variant=name,
        at=moment,
        requests=int(counters.requests),
        errors=int(counters.errors),
        buckets=buckets,
    )


def monitoring(db: Db, service_id: int, minutes: int) -> dict[str, Any]:
    """Figures of the last minutes: together, per variant, and as a series of at most 120 points."""
    now = clock.now()
    start = now - timedelta(minutes=minutes)
    rows = db.execute(
        sa.select(ServiceTraffic.__table__)
        .where(ServiceTraffic.service_id == service_id, ServiceTraffic.at >= start)
        .order_by(ServiceTraffic.at)
    ).all()
    width = max(10.0, minutes * 60 / 120)
    by_variant: dict[str, list[Any]] = {}
    by_time: dict[int, list[Any]] = {}
    for row in rows:
        by_variant.setdefault(row.variant, []).append(row)
        by_time.setdefault(int((row.at - start).total_seconds() // width), []).append(row)
    series = []
    for slot, found in sorted(by_time.items()):
        figure = _sum(found)
        figure.pop("p99")
        series.append({"at": clock.to_wire(start + timedelta(seconds=slot * width)), **figure})
    return {
        **_sum(rows),
        "per_variant": [{"name": name, **_sum(found)} for name, found in sorted(by_variant.items())],
        "series": series,
    }


def _sum(rows: Any) -> dict[str, Any]:
    buckets: Calls = [
        (float("inf") if bound is None else float(bound), float(count)) for row in rows for bound, count in row.buckets
    ]
    return {
        "requests": sum(row.requests for row in rows),
        "errors": sum(row.errors for row in rows),
        **figures.percentiles(buckets),
    }
