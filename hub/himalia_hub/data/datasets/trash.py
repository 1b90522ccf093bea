"""Emptying the trash: a dataset deleted for 7 days goes for good and gives back its storage.

Rows go in batches, each a unit of work that releases exactly the bytes it removes, so that a kill in
between leaves a smaller dataset in the trash and never wrong numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import clock
from himalia_hub.data.content import usage
from himalia_hub.data.datasets.items import TRASH
from himalia_hub.data.datasets.tables import Dataset, DatasetDelta, DatasetItem, DatasetVersion, ItemLabel
from himalia_hub.data.imports.tables import Import, ImportResult

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

BATCH = 2000


class TrashKeeper:
    """Looks once an hour; see the module's docstring."""

    name = "dataset-trash"
    interval_seconds = 3600.0
    wakes_on_commit = False

    def __init__(self, platform: Platform, operations: sa.Table) -> None:
        """``operations`` is labelling's log, which goes with its dataset."""
        self._platform = platform
        self._operations = operations

    async def step(self) -> None:
        with self._platform.db.read() as db:
            found = db.execute(sa.select(Dataset.id).where(Dataset.deleted_at < clock.now() - TRASH)).scalars().all()
        for dataset_id in found:
            while await self._platform.db.write(lambda session, number=dataset_id: self._some(session, number)):  # type: ignore[misc]
                pass

    def _some(self, session: Session, dataset_id: int) -> bool:
        """Remove a batch of items, or at last the dataset; True while something is left."""
        dataset = session.get(Dataset, dataset_id, with_for_update=True)
        if dataset is None:
            return False
        sizes: dict[int, int] = {
            row.item: row.bytes
            for row in session.execute(
                sa.select(DatasetItem.item, DatasetItem.bytes)
                .where(DatasetItem.dataset_id == dataset_id)
                .order_by(DatasetItem.item)
                .limit(BATCH)
            )
        }
        if not sizes:
            self._rest(session, dataset)
            return False
        here: Any = sa.and_(DatasetItem.dataset_id == dataset_id, DatasetItem.item.in_(list(sizes)))
        session.execute(sa.delete(DatasetItem.__table__).where(here))  # type: ignore[arg-type]
        usage.occupy(
            self._platform,
            session,
            tenant_id=dataset.tenant_id,
            department_id=dataset.department_id,
            owner_id=dataset.owner_id,
            kind="dataset",
            size=-sum(sizes.values()),
        )
        return True

    def _rest(self, session: Session, dataset: Dataset) -> None:
        imports = sa.select(Import.id).where(Import.dataset_id == dataset.id)
        session.execute(sa.delete(ImportResult).where(ImportResult.import_id.in_(imports)))
        session.execute(sa.delete(self._operations).where(self._operations.c.dataset_id == dataset.id))
        for table in (Import, ItemLabel, DatasetDelta, DatasetVersion):
            session.execute(sa.delete(table).where(table.dataset_id == dataset.id))
        session.delete(dataset)
