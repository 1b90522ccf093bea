"""Ends an organisation when its ``valid_until`` passes, and notes when it is open again (TEN-1, TEN-2)."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import clock
from himalia_hub.core.standing import Standing
from himalia_hub.tenancy.organisations import service
from himalia_hub.tenancy.tables import Tenant

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

log = logging.getLogger("himalia.tenancy")


class OrganisationKeeper:
    """Looks every few seconds; the API refuses an expired organisation's people by itself at once."""

    name = "organisations"
    interval_seconds = 5.0
    wakes_on_commit = False

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def step(self) -> None:
        open_now = service.in_force(clock.now())
        wrong = sa.or_(
            sa.and_(open_now, Tenant.closed_at.is_not(None)), sa.and_(sa.not_(open_now), Tenant.closed_at.is_(None))
        )
        with self._platform.db.read() as db:
            found = db.execute(sa.select(Tenant.id).where(wrong, Tenant.deleted_at.is_(None))).scalars().all()
        for tenant_id in found:
            stopped = await self._platform.db.write(functools.partial(self._apply, tenant_id))
            log.info("organisation %s changed its standing; %s workloads asked to stop", tenant_id, stopped)

    def _apply(self, tenant_id: int, session: Session) -> int:
        return service.apply(session, self._platform.get(Standing), service.find(session, tenant_id))
