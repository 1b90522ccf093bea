"""From usage facts to usage intervals; what billing asks of them.

Facts are read by ascending id, a batch per transaction, and the cursor moves in the same
transaction. Applying a fact is idempotent, and each batch begins a little before the cursor:
on PostgreSQL a smaller id may become visible after a larger one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core.db import Db
from himalia_hub.core.usage import UsageFact
from himalia_hub.metering import rules
from himalia_hub.metering.tables import MeteringCursor, UsageInterval

BATCH = 2000
OVERLAP = 256
_COPIED = (
    "workload_id",
    "attempt",
    "replica",
    "tenant_id",
    "department_id",
    "owner_id",
    "workload_number",
    "kind",
    "object_kind",
    "object_number",
    "object_name",
    "section",
    "node",
    "cpu_millis",
    "memory_bytes",
    "accelerators",
)
_NEWEST = sa.select(sa.func.max(UsageFact.id))
_CURSOR = sa.select(MeteringCursor.fact_id).where(MeteringCursor.id == 1)


def behind(db: Db) -> bool:
    """Whether there are facts that no interval knows of."""
    return (db.execute(_NEWEST).scalar() or 0) > (db.execute(_CURSOR).scalar() or 0)


def apply_facts(session: Session) -> bool:
    """Bring the intervals up to the next batch of facts; True when more are left."""
    cursor = session.get(MeteringCursor, 1, with_for_update=True)
    if cursor is None:
        cursor = MeteringCursor(id=1, fact_id=0)
        session.add(cursor)
    facts = session.execute(
        sa.select(UsageFact.__table__)
        .where(UsageFact.id > cursor.fact_id - OVERLAP)
        .order_by(UsageFact.id)
        .limit(BATCH)
    ).all()
    new = [fact for fact in facts if fact.id > cursor.fact_id]
    if not new:
        return False
    known = _load(session, {fact.workload_id for fact in facts})
    for fact in facts:
        _apply(session, known, fact)
    cursor.fact_id = new[-1].id
    session.flush()
    return len(facts) == BATCH


def _load(session: Session, workload_ids: Collection[int]) -> dict[tuple[int, int, int], UsageInterval]:
    found: dict[tuple[int, int, int], UsageInterval] = {}
    ids = sorted(workload_ids)
    for start in range(0, len(ids), 500):
        rows = session.execute(sa.select(UsageInterval).where(UsageInterval.workload_id.in_(ids[start : start + 500])))
        found.update({(row.workload_id, row.attempt, row.replica): row for row in rows.scalars()})
    return found


def _apply(session: Session, known: dict[tuple[int, int, int], UsageInterval], fact: Any) -> None:
    key = (fact.workload_id, fact.attempt, fact.replica)
    row = known.get(key)
    before = rules.Known(row.opened_at, row.until, row.ended, row.corrected_by) if row is not None else None
    after = rules.apply(before, fact.id, fact.fact, fact.at, fact.opened_at)
    if row is None:
        row = UsageInterval(**{name: getattr(fact, name) for name in _COPIED}, opened_at=after.opened_at, fact_id=0)
        session.add(row)
        known[key] = row
    elif after == before:
        return
    row.until, row.ended, row.corrected_by = after.until, after.ended, after.corrected_by
    row.fact_id = max(row.fact_id or 0, fact.id)
    row.pending = True


def has_facts(session: Session, workload_id: int) -> bool:
    """Whether a workload ever occupied anything."""
    statement = sa.select(UsageFact.id).where(UsageFact.workload_id == workload_id).limit(1)
    return session.execute(statement).first() is not None


def mark_pending(session: Session, workload_id: int) -> None:
    """Ask billing to look at a workload again."""
    session.execute(
        sa.update(UsageInterval)
        .where(UsageInterval.workload_id == workload_id)
        .values(pending=True)
        .execution_options(synchronize_session=False)
    )


def clear_pending(session: Session, workload_id: int, fact_id: int) -> None:
    """Billing has charged what the facts up to ``fact_id`` say of a workload."""
    session.execute(
        sa.update(UsageInterval)
        .where(UsageInterval.workload_id == workload_id, UsageInterval.pending, UsageInterval.fact_id <= fact_id)
        .values(pending=False)
        .execution_options(synchronize_session=False)
    )


def pending(db: Db) -> list[tuple[int, int, bool, datetime]]:
    """``(tenant, workload, ended, until)`` of what billing has not seen, by ascending tenant.

    ``ended`` is true when any of the unseen intervals ended; ``until`` is their newest moment.
    """
    rows = db.execute(
        sa.select(
            UsageInterval.tenant_id,
            UsageInterval.workload_id,
            sa.func.max(sa.case((UsageInterval.ended, 1), else_=0)).label("ended"),
            sa.func.max(UsageInterval.until).label("until"),
        )
        .where(UsageInterval.pending)
        .group_by(UsageInterval.tenant_id, UsageInterval.workload_id)
        .order_by(UsageInterval.tenant_id, UsageInterval.workload_id)
    )
    return [(row.tenant_id, row.workload_id, bool(row.ended), row.until) for row in rows]


def intervals(db: Db, workload_ids: Iterable[int]) -> dict[int, list[Any]]:
    """All intervals of some workloads, by workload, in order of attempt and replica."""
    found: dict[int, list[Any]] = {}
    ids = sorted(set(workload_ids))
    for start in range(0, len(ids), 500):
        rows = db.execute(
            sa.select(UsageInterval.__table__)
            .where(UsageInterval.workload_id.in_(ids[start : start + 500]))
            .order_by(UsageInterval.workload_id, UsageInterval.attempt, UsageInterval.replica)
        )
        for row in rows:
            found.setdefault(row.workload_id, []).append(row)
    return found


def open_intervals(db: Db, tenant_id: int) -> list[Any]:
    """The intervals of a tenant that have not ended."""
    return list(
        db.execute(sa.select(UsageInterval.__table__).where(UsageInterval.tenant_id == tenant_id, ~UsageInterval.ended))
    )
