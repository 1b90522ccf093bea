"""From observations to usage facts: which interval opened, lives, closed. See ``core/usage.py``.

The book is the memory of this process of what it has written; after a restart it is read back, so
no fact is written twice and none is missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import ObservedReplica, ObservedWorkload, ReplicaState
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.usage import Fact, FactSource, UsageFact

ALIVE_EVERY = timedelta(seconds=60)
DOUBT_FOR = timedelta(days=1)
Key = tuple[int, int, int]
"""Workload id, attempt, replica."""


@dataclass(slots=True)
class Interval:
    """What was written of one interval, and the newest proof of life seen."""

    opened_at: datetime
    written_at: datetime
    seen_at: datetime
    node: str = ""
    closed_at: datetime | None = None
    certain: bool = True


@dataclass(frozen=True, slots=True)
class NewFact:
    key: Key
    fact: Fact
    at: datetime
    source: FactSource
    opened_at: datetime
    node: str


class FactBook:
    """Intervals of live workloads, and of ended ones whose end is in doubt."""

    def __init__(self) -> None:
        self._intervals: dict[int, dict[Key, Interval]] = {}
        """By workload, so that a look at one costs nothing for all the others."""

    def load(self, db: Db) -> None:
        """Read back what earlier processes wrote."""
        live = sa.select(Workload.id).where(Workload.ended_at.is_(None))
        doubtful = sa.select(UsageFact.workload_id).where(
            UsageFact.fact == Fact.CLOSED,
            UsageFact.source == FactSource.LAST_PROOF_OF_LIFE,
            UsageFact.recorded_at > clock.now() - DOUBT_FOR,
        )
        rows = db.execute(
            sa.select(UsageFact.__table__)
            .where(sa.or_(UsageFact.workload_id.in_(live), UsageFact.workload_id.in_(doubtful)))
            .order_by(UsageFact.id)
        )
        for row in rows:
            self._note(
                NewFact(
                    (row.workload_id, row.attempt, row.replica),
                    Fact(row.fact),
                    row.at,
                    FactSource(row.source),
                    row.opened_at,
                    row.node,
                )
            )

    def _note(self, fact: NewFact) -> None:
        of_workload = self._intervals.setdefault(fact.key[0], {})
        interval = of_workload.get(fact.key)
        if interval is None:
            interval = of_workload[fact.key] = Interval(fact.opened_at, fact.at, fact.at, fact.node)
        interval.written_at = max(interval.written_at, fact.at)
        interval.seen_at = max(interval.seen_at, fact.at)
        if fact.fact in (Fact.CLOSED, Fact.CORRECTED):
            interval.closed_at = fact.at
            interval.certain = fact.source is FactSource.EXIT

    def seen(self, workload_id: int, attempt: int) -> bool:
        return any(key[1] == attempt for key in self._of(workload_id))

    def _of(self, workload_id: int) -> dict[Key, Interval]:
        return self._intervals.get(workload_id, {})

    def started_at(self, workload_id: int) -> datetime | None:
        return min((interval.opened_at for interval in self._of(workload_id).values()), default=None)

    def written_at(self, workload_id: int) -> datetime | None:
        """When the oldest proof of life of its open intervals was written; None where none is open."""
        open_ = (interval for interval in self._of(workload_id).values() if interval.closed_at is None)
        return min((interval.written_at for interval in open_), default=None)

    def went_on(self, workload_id: int, until: datetime) -> list[NewFact]:
        """It is known to have lived until then, although nobody looked: its watch told of no change.

        Returns:
            The proofs of life that are to be written now.
        """
        due = []
        for key, interval in self._of(workload_id).items():
            if interval.closed_at is None:
                interval.seen_at = max(interval.seen_at, until)
                if until - interval.written_at >= ALIVE_EVERY:
                    due.append(NewFact(key, Fact.ALIVE, until, FactSource.HEARTBEAT, interval.opened_at, interval.node))
        return due

    def due(self, workload_id: int, observed: Sequence[ObservedWorkload]) -> list[NewFact]:
        """The facts that these observations of a live workload call for.

        ``observed`` are all its attempts as the backend sees them now; an open interval that is
        not among them has vanished and is closed at its last proof of life.
        """
        facts: list[NewFact] = []
        present: set[Key] = set()
        for attempt in observed:
            for replica in attempt.replicas:
                key = (workload_id, attempt.attempt, replica.index)
                present.add(key)
                facts.extend(self._of_replica(key, replica))
        for key, interval in self._of(workload_id).items():
            if key not in present and interval.closed_at is None:
                facts.append(
                    NewFact(
                        key,
                        Fact.CLOSED,
                        interval.seen_at,
                        FactSource.LAST_PROOF_OF_LIFE,
                        interval.opened_at,
                        interval.node,
                    )
                )
        return facts

    def _of_replica(self, key: Key, replica: ObservedReplica) -> Iterable[NewFact]:
        interval = self._of(key[0]).get(key)
        if replica.started_at is None:
            return
        opened, node = replica.started_at, replica.node
        if interval is None:
            yield NewFact(key, Fact.OPENED, opened, FactSource.START, opened, node)
            written = opened
        else:
            opened, written, node = interval.opened_at, interval.written_at, interval.node
        alive = replica.last_alive_at or opened
        if replica.state in (ReplicaState.EXITED, ReplicaState.LOST):
            certain = replica.state is ReplicaState.EXITED and replica.ended_at is not None
            end = replica.ended_at if certain and replica.ended_at is not None else alive
            source = FactSource.EXIT if certain else FactSource.LAST_PROOF_OF_LIFE
            end = max(end, opened)
            if interval is None or interval.closed_at is None:
                yield NewFact(key, Fact.CLOSED, end, source, opened, node)
            elif certain and not interval.certain:
                yield NewFact(key, Fact.CORRECTED, end, source, opened, node)
            return
        if interval is not None:
            interval.seen_at = max(interval.seen_at, alive)
        if alive - written >= ALIVE_EVERY:
            yield NewFact(key, Fact.ALIVE, alive, FactSource.HEARTBEAT, opened, node)

    def doubtful(self, workload_id: int) -> bool:
        """An interval of this ended workload was closed without knowing its true end."""
        return any(interval.closed_at and not interval.certain for interval in self._of(workload_id).values())

    def remember(self, facts: Iterable[NewFact]) -> None:
        """The facts were committed."""
        for fact in facts:
            self._note(fact)

    def forget(self, workload_id: int) -> None:
        """The workload ended with every end certain; its intervals are history."""
        self._intervals.pop(workload_id, None)


def write(session: Session, row: Workload | Any, facts: Sequence[NewFact]) -> None:
    """Append facts of one workload in the caller's transaction."""
    write_all(session, [(row, facts)])


def write_all(session: Session, found: Iterable[tuple[Workload | Any, Sequence[NewFact]]]) -> None:
    """Append facts of any number of workloads with one statement."""
    moment = clock.now()
    values = [_values(row, fact, moment) for row, facts in found for fact in facts]
    if values:
        session.execute(sa.insert(UsageFact), values)


def _values(row: Workload | Any, fact: NewFact, moment: datetime) -> dict[str, Any]:
    return {
        "fact": fact.fact.value,
        "at": fact.at,
        "source": fact.source.value,
        "recorded_at": moment,
        "workload_id": fact.key[0],
        "attempt": fact.key[1],
        "replica": fact.key[2],
        "opened_at": fact.opened_at,
        "tenant_id": row.tenant_id,
        "department_id": row.department_id,
        "owner_id": row.owner_id,
        "workload_number": row.number,
        "kind": row.kind,
        "object_kind": row.object_kind,
        "object_number": row.object_number,
        "object_name": row.name,
        "section": row.section,
        "node": fact.node,
        "cpu_millis": row.cpu_millis,
        "memory_bytes": row.memory_bytes,
        "accelerators": row.accelerators,
    }
