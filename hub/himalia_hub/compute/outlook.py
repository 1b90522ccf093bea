"""When work of this platform will probably start: ``forecast`` on the rows of workloads (BEY-3).

The history is read with one bounded query and kept for some minutes, an answer for some seconds while
nobody starts or ends. How earlier answers turned out is kept in memory: a restart begins anew.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.compute import assess, forecast, queue
from himalia_hub.compute import resources as res
from himalia_hub.compute.expected import Expected
from himalia_hub.compute.phases import Phase
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock
from himalia_hub.core.db import Db

CASES = 1000
"""Ended workloads that are learned from, the newest ones."""
BACK = timedelta(days=60)
LEARNED_SECONDS = 300.0
FRESH_SECONDS = 10.0
_LIVE = (
    Workload.id,
    Workload.kind,
    Workload.tenant_id,
    Workload.phase,
    Workload.priority,
    Workload.cpu_millis,
    Workload.memory_bytes,
    Workload.accelerators,
    Workload.replicas,
    Workload.created_at,
    Workload.admitted_at,
    Workload.started_at,
    Workload.deadline_seconds,
    Workload.grace_seconds,
)
_ENDED = (
    Workload.kind,
    Workload.tenant_id,
    Workload.priority,
    Workload.cpu_millis,
    Workload.memory_bytes,
    Workload.accelerators,
    Workload.replicas,
    Workload.created_at,
    Workload.admitted_at,
    Workload.ended_at,
    Workload.deadline_seconds,
)


@dataclass(slots=True)
class _Scene:
    """The live rows as the simulation needs them."""

    now: datetime
    state: tuple[Any, ...]
    running: list[forecast.Running]
    waiting: list[forecast.Queued]


class Outlook:
    """One per engine; asked from the event loop and from the writer's thread."""

    def __init__(self) -> None:
        self.calibration = forecast.Calibration()
        self._lock = threading.Lock()
        self._history: tuple[float, forecast.History] | None = None
        self._answers: dict[tuple[Any, ...], tuple[float, Any]] = {}

    def forget(self) -> None:
        """Read the history anew at the next question."""
        with self._lock:
            self._history = None
            self._answers.clear()

    def of_queue(self, db: Db, capacity: Mapping[str, int]) -> dict[int, tuple[int, Expected]]:
        """Of each in the queue, by row id: its place from 1, and when it probably starts.

        A unit of work holds the only writer, so there nothing is simulated: it gets what was
        answered a moment ago, else what deadlines bound.
        """
        with self._lock:
            scene = _look(db)
            if not isinstance(db, Session):
                self._settle(db, scene)
            found: Mapping[int, forecast.Start] = {}
            if scene.waiting:
                found, _ = self._ask(db, scene, capacity, (), kept_only=isinstance(db, Session))
            second = scene.now.timestamp()
            for workload_id, start in found.items():
                self.calibration.told(workload_id, second, start)
            bounds = _bounds(scene, capacity)
            order = sorted(scene.waiting, key=lambda work: (-work.priority, work.workload_id))
            return {
                number: (place, _expected(scene.now, found.get(number, forecast.NOTHING), bounds.get(number)))
                for place, number in enumerate((work.workload_id for work in order), 1)
            }

    def of_asking(
        self, db: Db, capacity: Mapping[str, int], asking: Sequence[tuple[Mapping[str, int], datetime | None]]
    ) -> list[Expected]:
        """When each of these would probably start, each by itself; with the bound that deadlines give it."""
        if not asking:
            return []
        with self._lock:
            scene = _look(db)
            _, found = self._ask(db, scene, capacity, [asked for asked, _ in asking])
            return [_expected(scene.now, start, bound) for start, (_, bound) in zip(found, asking, strict=True)]

    def _ask(
        self,
        db: Db,
        scene: _Scene,
        capacity: Mapping[str, int],
        asking: Sequence[Mapping[str, int]],
        *,
        kept_only: bool = False,
    ) -> tuple[dict[int, forecast.Start], list[forecast.Start]]:
        moment = time.monotonic()
        key = (scene.state, tuple(sorted(capacity.items())), tuple(tuple(asked.items()) for asked in asking))
        kept = self._answers.get(key)
        if kept is not None and moment - kept[0] < FRESH_SECONDS:
            return kept[1]  # type: ignore[no-any-return]
        if kept_only:
            return {}, []
        if self._history is None or moment - self._history[0] >= LEARNED_SECONDS:
            self._history = (moment, _learn(db, scene.now))
        answer = forecast.forecast(
            self._history[1],
            capacity,
            scene.running,
            scene.waiting,
            asking=asking,
            shares=self.calibration.shares,
        )
        self._answers = {k: v for k, v in self._answers.items() if moment - v[0] < FRESH_SECONDS}
        self._answers[key] = moment, answer
        return answer

    def _settle(self, db: Db, scene: _Scene) -> None:
        """Compare what was answered with what came, for work that waits no longer."""
        waiting = {work.workload_id for work in scene.waiting}
        left = [workload_id for workload_id in self.calibration.waiting_for() if workload_id not in waiting]
        if not left:
            self.calibration.passed(scene.now.timestamp())
            return
        rows = db.execute(sa.select(Workload.id, Workload.admitted_at).where(Workload.id.in_(left)))
        admitted = {row.id: row.admitted_at for row in rows}
        for workload_id in left:
            at = admitted.get(workload_id)
            self.calibration.started(workload_id, None if at is None else at.timestamp())
        self.calibration.passed(scene.now.timestamp())


def _group(row: Any) -> forecast.Group:
    cards = "+".join(f"{count}x{name}" for name, count in sorted(row.accelerators.items()) if count)
    return forecast.Group(row.kind, row.tenant_id, f"{row.replicas}*{row.cpu_millis}*{cards}")


def _asked(row: Any) -> res.Amounts:
    return res.amounts(assess.resources_of(row), row.replicas)


def _look(db: Db) -> _Scene:
    now = clock.now()
    running, waiting, state = [], [], []
    for row in db.execute(sa.select(*_LIVE).where(Workload.ended_at.is_(None)).order_by(Workload.id)):
        if row.admitted_at is not None:
            left = None
            if row.deadline_seconds:
                began = row.started_at or row.admitted_at
                left = max(0.0, row.deadline_seconds - (now - began).total_seconds())
            if row.phase == Phase.STOPPING:
                left = min(float(row.grace_seconds), math.inf if left is None else left)
            age = max(0.0, (now - row.admitted_at).total_seconds())
            running.append(forecast.Running(_group(row), _asked(row), age, left))
        elif row.phase == Phase.QUEUED:
            longest = float(row.deadline_seconds) if row.deadline_seconds else None
            waiting.append(forecast.Queued(row.id, row.priority, _group(row), _asked(row), longest))
        else:
            continue
        state.append((row.id, row.phase))
    return _Scene(now, tuple(state), running, waiting)


def _learn(db: Db, now: datetime) -> forecast.History:
    """From the newest ends and from what runs; the index on ``ended_at`` bounds the reading."""
    ended = db.execute(
        sa.select(*_ENDED)
        .where(Workload.ended_at > now - BACK, Workload.admitted_at.is_not(None))
        .order_by(Workload.ended_at.desc())
        .limit(CASES)
    ).all()
    live = db.execute(sa.select(*_ENDED).where(Workload.ended_at.is_(None), Workload.admitted_at.is_not(None))).all()
    cases = [
        forecast.Case(
            _group(row),
            row.admitted_at.timestamp(),
            None if row.ended_at is None else row.ended_at.timestamp(),
            created=row.created_at.timestamp(),
            priority=row.priority,
            asked=_asked(row),
            longest=float(row.deadline_seconds) if row.deadline_seconds else None,
        )
        for row in (*ended, *live)
    ]
    if len(ended) == CASES:
        since = ended[-1].ended_at
    else:
        since = max(now - BACK, min((row.admitted_at for row in (*ended, *live)), default=now))
    return forecast.History(cases, now.timestamp(), since=since.timestamp())


def _bounds(scene: _Scene, capacity: Mapping[str, int]) -> dict[int, datetime]:
    """By when deadlines alone make room, where they do."""
    occupying = [
        queue.Occupying(work.asked, None if work.left is None else scene.now + timedelta(seconds=work.left))
        for work in scene.running
    ]
    waiting = [queue.Waiting(work.workload_id, work.priority, work.asked) for work in scene.waiting]
    return queue.expected_starts(waiting, capacity, occupying)


def _expected(now: datetime, start: forecast.Start, bound: datetime | None) -> Expected:
    half, most = (None if s is None else now + timedelta(seconds=s) for s in (start.half, start.most))
    if bound is not None:
        half, most = None if half is None else min(half, bound), bound if most is None else min(most, bound)
    return Expected(half, most)
