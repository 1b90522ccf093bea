"""Samples of use that outlive memory, and the last lines of a log (NB-12).

Every ten seconds one row per running workload; after an hour one a minute is left, after a day one
in ten minutes, after 30 days none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.compute.live import Sample
from himalia_hub.compute.tables import UsageSample, Workload, id_of
from himalia_hub.core import clock
from himalia_hub.core.db import Db

if TYPE_CHECKING:
    from himalia_hub.compute.engine import Engine

EVERY_SECONDS = 10.0
KEEP = timedelta(days=30)
TAIL_BYTES = 64 * 1024
THINNING = ((timedelta(hours=1), timedelta(minutes=1)), (timedelta(days=1), timedelta(minutes=10)))
"""From this age on, one sample in each interval is left."""


def keep(session: Session, due: Sequence[tuple[int, Sample]]) -> None:
    """Write samples; a workload that is gone meanwhile is left out."""
    known = set(
        session.execute(sa.select(Workload.id).where(Workload.id.in_([workload_id for workload_id, _ in due])))
        .scalars()
        .all()
    )
    for workload_id, sample in due:
        if workload_id in known and session.get(UsageSample, (workload_id, sample.at)) is None:
            session.execute(
                sa.insert(UsageSample).values(
                    workload_id=workload_id,
                    at=sample.at,
                    cpu_millis=sample.cpu_millis,
                    memory_bytes=sample.memory_bytes,
                    disk_bytes=sample.disk_bytes,
                    accelerators=dict(sample.accelerators),
                )
            )


def since(db: Db, workload_id: int, moment: datetime | None, limit: int = 2000) -> list[Any]:
    """Samples after a moment, oldest first, at most ``limit``."""
    statement = sa.select(UsageSample.__table__).where(UsageSample.workload_id == workload_id)
    if moment is not None:
        statement = statement.where(UsageSample.at > moment)
    rows = db.execute(statement.order_by(UsageSample.at.desc()).limit(limit)).all()
    return list(reversed(rows))


def superfluous(moments: Sequence[datetime], now: datetime) -> list[datetime]:
    """Which of one workload's samples to delete. Pure; ``moments`` ascend."""
    gone: list[datetime] = []
    kept: datetime | None = None
    for moment in moments:
        age = now - moment
        if age > KEEP:
            gone.append(moment)
            continue
        gap = max((every for older, every in THINNING if age > older), default=None)
        if gap is not None and kept is not None and moment - kept < gap:
            gone.append(moment)
        else:
            kept = moment
    return gone


class Sweeper:
    """Has the backend forget attempts (logs and journals) 30 days after their workload ended."""

    name = "ended-attempts"
    interval_seconds = 3600.0
    wakes_on_commit = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def step(self) -> None:
        backend = self._engine.backend
        if backend is None or not self._engine.nodes:
            return
        with self._engine.platform.db.read() as db:
            old = set(db.execute(sa.select(Workload.id).where(Workload.ended_at < clock.now() - KEEP)).scalars().all())
        if not old:
            return
        for attempt in await backend.observe():
            if id_of(attempt.workload) in old:
                await backend.delete(attempt.workload, attempt.attempt)


class Thinner:
    """The controller that thins samples, a few workloads at a time."""

    name = "usage-samples"
    interval_seconds = 600.0
    wakes_on_commit = False

    def __init__(self, engine: Engine) -> None:
        self._platform = engine.platform

    async def step(self) -> None:
        now = clock.now()
        with self._platform.db.read() as db:
            ids = (
                db.execute(sa.select(UsageSample.workload_id).where(UsageSample.at < now - THINNING[0][0]).distinct())
                .scalars()
                .all()
            )
        for workload_id in ids:
            with self._platform.db.read() as db:
                moments = (
                    db.execute(
                        sa.select(UsageSample.at).where(UsageSample.workload_id == workload_id).order_by(UsageSample.at)
                    )
                    .scalars()
                    .all()
                )
            gone = superfluous(moments, now)
            for start in range(0, len(gone), 500):
                await self._delete(workload_id, gone[start : start + 500])

    async def _delete(self, workload_id: int, moments: list[datetime]) -> None:
        statement = sa.delete(UsageSample).where(UsageSample.workload_id == workload_id, UsageSample.at.in_(moments))
        await self._platform.db.write(lambda session: session.execute(statement))


async def last_lines(engine: Engine, workload_id: int, attempt: int, count: int) -> list[str]:
    """The end of the first replica's log, at most ``count`` lines."""
    tail = b""
    async for _, chunk in engine.log_stream(workload_id, attempt):
        tail = (tail + chunk)[-TAIL_BYTES:]
    return [line[:1000] for line in tail.decode("utf-8", "replace").splitlines()[-count:]]
