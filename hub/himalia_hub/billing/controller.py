"""Reads new usage facts into intervals and charges what is due. Safe to repeat from any state."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from himalia_hub.billing import charging
from himalia_hub.metering import service as metering

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform


class Charger:
    """Wakes with every commit; looks first and writes only when there is something to do.

    Args:
        charge_every: How much running time is charged at once, at most 5 minutes less a heartbeat.
    """

    name = "charges"
    interval_seconds = 30.0
    wakes_on_commit = True

    def __init__(self, platform: Platform, *, charge_every: timedelta = charging.CHARGE_EVERY) -> None:
        self._platform = platform
        self._charge_every = charge_every

    async def step(self) -> None:
        database = self._platform.db
        with database.read() as db:
            behind = metering.behind(db)
        while behind:
            behind = await database.write(metering.apply_facts)
        with database.read() as db:
            due = charging.due(db, self._charge_every)
        for tenant_id, workload_ids in due.items():
            for start in range(0, len(workload_ids), charging.BATCH):
                batch = workload_ids[start : start + charging.BATCH]
                await database.write(partial(charging.charge, tenant_id=tenant_id, workload_ids=batch))
