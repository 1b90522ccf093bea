"""Which workloads deserve a look at a step, where the backend tells of changes.

Work that runs as it should and of which neither the database nor the backend tells anything new is
left alone: it costs its proof of life once a minute and nothing else (PERF-17). What hurries, waits,
ends or is in trouble is looked at every time. Deciding what follows is ``reconciler``'s.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from himalia_hub.backends.protocol import Changes, ObservedWorkload, ReplicaState
from himalia_hub.compute.decide import Decision
from himalia_hub.compute.facts import ALIVE_EVERY
from himalia_hub.compute.phases import Phase
from himalia_hub.compute.tables import Workload, id_of
from himalia_hub.core import clock
from himalia_hub.core.db import Db

SWEEP_SECONDS = 5.0
"""How often every live workload's version is compared: another process may have changed one."""
QUEUE_SECONDS = 5.0
_BATCH = 500
_SPREAD = 0.1
_FRESH = timedelta(seconds=5)
_RESTS = frozenset({Phase.RUNNING, Phase.QUEUED})


class Attention:
    """What one process knows of the live workloads, and which of them to look at."""

    def __init__(self) -> None:
        self.rows: dict[int, Any] = {}
        """Every live workload as last read."""
        self.beating: set[int] = set()
        self._restless: set[int] = set()
        self._beats: list[tuple[float, int]] = []
        self._beat_of: dict[int, float] = {}
        self._swept_at = self._queue_at = float("-inf")
        self._moved = True

    def choose(self, db: Db, edited: set[int], changes: Changes) -> set[int]:
        """The workloads to look at now, live or not; what is read of them is in :attr:`rows`.

        Those of which only a proof of life is due are in :attr:`beating` instead.

        Args:
            edited: Those that this process changed in the database since the last look.
            changes: What the backend tells.
        """
        told = {workload_id for key in changes.workloads if (workload_id := id_of(key)) is not None}
        stale = set(edited)
        moment = time.monotonic()
        if moment - self._swept_at > SWEEP_SECONDS:
            self._swept_at = moment
            stale |= self._sweep(db)
        stale |= {workload_id for workload_id in self._restless if workload_id in self.rows}
        self._read(db, stale)
        chosen = stale | told | self._restless
        self.beating = {workload_id for workload_id in self._due(moment) if workload_id in self.rows} - chosen
        self._moved = self._moved or bool(edited or told)
        return chosen

    def _sweep(self, db: Db) -> set[int]:
        """Those whose version is not the one known, and those that are live no more."""
        # Ids and versions only grow, so equal sums are equal rows; most of the time that is all there is to see.
        sums = sa.select(sa.func.count(), sa.func.sum(Workload.id), sa.func.sum(Workload.version))
        count, ids, versions = db.execute(sums.where(Workload.ended_at.is_(None))).one()
        known = self.rows.values()
        if (count, int(ids or 0), int(versions or 0)) == (
            len(self.rows),
            sum(row.id for row in known),
            sum(row.version for row in known),
        ):
            return set()
        live = db.execute(sa.select(Workload.id, Workload.version).where(Workload.ended_at.is_(None)))
        found = {row.id: row.version for row in live}
        other = {key for key, version in found.items() if key not in self.rows or self.rows[key].version != version}
        return other | (self.rows.keys() - found.keys())

    def _read(self, db: Db, ids: set[int]) -> None:
        """Read these rows anew; what has ended is forgotten."""
        wanted = sorted(ids)
        for start in range(0, len(wanted), _BATCH):
            part = wanted[start : start + _BATCH]
            statement = sa.select(Workload.__table__).where(Workload.id.in_(part), Workload.ended_at.is_(None))
            found = {row.id: row for row in db.execute(statement)}
            for workload_id in part:
                if workload_id in found:
                    self.rows[workload_id] = found[workload_id]
                else:
                    self.rows.pop(workload_id, None)

    def _due(self, moment: float) -> set[int]:
        """Whose proof of life is to be written again."""
        due = set()
        while self._beats and self._beats[0][0] <= moment:
            at, workload_id = heapq.heappop(self._beats)
            if self._beat_of.get(workload_id) == at:
                del self._beat_of[workload_id]
                due.add(workload_id)
        return due

    def settle(self, workload_id: int, *, steady: bool, written_at: datetime | None = None) -> None:
        """After a look: whether it may be left alone until something is told.

        Args:
            written_at: When its last proof of life was written; None where it occupies nothing.
        """
        if not steady:
            self._restless.add(workload_id)
            return
        self._restless.discard(workload_id)
        if written_at is not None and workload_id in self.rows and workload_id not in self._beat_of:
            # Spread, so that a start of the platform does not bring all of them at once for ever.
            later = ALIVE_EVERY.total_seconds() * (1 + _SPREAD * random.random())  # noqa: S311 (guards nothing)
            at = time.monotonic() + max(0.0, later - (clock.now() - written_at).total_seconds())
            self._beat_of[workload_id] = at
            heapq.heappush(self._beats, (at, workload_id))

    def is_steady(self, workload_id: int) -> bool:
        """It was left alone until now."""
        return workload_id in self.rows and workload_id not in self._restless

    def queue_moved(self) -> bool:
        """Who waits may have room since this was last asked: something changed, or a while has passed."""
        moved = self._moved or time.monotonic() - self._queue_at > QUEUE_SECONDS
        if moved:
            self._moved, self._queue_at = False, time.monotonic()
        return moved and any(row.phase == Phase.QUEUED for row in self.rows.values())


def rests(row: Any, decision: Decision) -> bool:
    """Nothing is asked of it, and nothing follows from what was seen of it. Pure."""
    idle = not (decision.apply or decision.stop or decision.restart_at)
    return idle and row.wanted == "running" and row.phase == decision.phase and row.phase in _RESTS


def fresh(row: Any, attempts: Sequence[ObservedWorkload], now: datetime) -> bool:
    """What should be at the backend is there and runs, on machines that answer. Pure."""
    if row.attempt_at is None:
        return not attempts
    return [one.attempt for one in attempts] == [row.attempt] and all(
        replica.state is ReplicaState.RUNNING
        and replica.last_alive_at is not None
        and now - replica.last_alive_at < _FRESH
        for replica in attempts[0].replicas
    )


def live_rows(db: Db) -> Sequence[Any]:
    """Every live workload, for a backend that must be asked about all."""
    return db.execute(sa.select(Workload.__table__).where(Workload.ended_at.is_(None))).all()
