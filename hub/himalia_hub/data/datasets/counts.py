"""Counts as signed deltas: appended with each change, summed on read, folded now and then.

Nobody updates a shared counter, so writers never wait for each other on one, and publishing reads
a handful of rows however large the dataset is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core.db import Db
from himalia_hub.data.content.tables import StorageUsage
from himalia_hub.data.datasets.tables import DatasetDelta

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

FOLD_ABOVE = 64


def add(session: Session, dataset_id: int, changes: Mapping[str, int]) -> None:
    """Append the changes that are not zero."""
    rows = [{"dataset_id": dataset_id, "key": key, "n": n} for key, n in changes.items() if n]
    if rows:
        session.execute(sa.insert(DatasetDelta), rows)


def of(db: Db, dataset_ids: Collection[int]) -> dict[int, Counter[str]]:
    """The present counts of some datasets; missing keys are 0."""
    result: dict[int, Counter[str]] = {number: Counter() for number in dataset_ids}
    rows = db.execute(
        sa.select(DatasetDelta.dataset_id, DatasetDelta.key, sa.func.sum(DatasetDelta.n))
        .where(DatasetDelta.dataset_id.in_(dataset_ids))
        .group_by(DatasetDelta.dataset_id, DatasetDelta.key)
    )
    for dataset_id, key, n in rows:
        result[dataset_id][key] = int(n)
    return result


def fold(session: Session, dataset_id: int) -> None:
    """Replace a dataset's deltas by their sums; concurrent writers' rows are left for next time."""
    sums: Counter[str] = Counter()
    gone = session.execute(
        sa.delete(DatasetDelta).where(DatasetDelta.dataset_id == dataset_id).returning(DatasetDelta.key, DatasetDelta.n)
    )
    for key, n in gone:
        sums[key] += n
    add(session, dataset_id, sums)


def fold_usage(session: Session) -> None:
    """Replace the storage deltas of each owner by their sum."""
    sums: Counter[tuple[int, int | None, int, str]] = Counter()
    gone = session.execute(
        sa.delete(StorageUsage).returning(
            StorageUsage.tenant_id,
            StorageUsage.department_id,
            StorageUsage.owner_id,
            StorageUsage.kind,
            StorageUsage.bytes,
        )
    )
    for tenant_id, department_id, owner_id, kind, size in gone:
        sums[(tenant_id, department_id, owner_id, kind)] += size
    rows = [
        {"tenant_id": t, "department_id": d, "owner_id": o, "kind": k, "bytes": n}
        for (t, d, o, k), n in sums.items()
        if n
    ]
    if rows:
        session.execute(sa.insert(StorageUsage), rows)


class CountFolder:
    """Keeps the delta tables short."""

    name = "dataset-counts"
    interval_seconds = 20.0
    wakes_on_commit = False

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def step(self) -> None:
        rows = sa.func.count()
        with self._platform.db.read() as db:
            long = (
                db.execute(
                    sa.select(DatasetDelta.dataset_id).group_by(DatasetDelta.dataset_id).having(rows > FOLD_ABOVE)
                )
                .scalars()
                .all()
            )
            usage = db.execute(sa.select(rows).select_from(StorageUsage)).scalar_one()
            owners = db.execute(sa.select(sa.func.count(sa.distinct(StorageUsage.owner_id)))).scalar_one()
        for dataset_id in long:
            await self._platform.db.write(lambda session, number=dataset_id: fold(session, number))  # type: ignore[misc]
        if usage > FOLD_ABOVE + 4 * owners:
            await self._platform.db.write(fold_usage)
