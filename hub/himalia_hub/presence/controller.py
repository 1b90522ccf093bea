"""Tells the hub whose sessions are over, until it has heard; ends idle sessions.

The platform refuses the person from the commit on. What this adds is that the hub's cookies and
tokens, and the notebook servers' open connections, end within a second or two instead of when
they next ask; after a restart of either side it goes on where it was.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from himalia_hub.develop.notebooks.hub import HubClient, HubUnavailable
from himalia_hub.platform.parts import Platform
from himalia_hub.presence import service
from himalia_hub.tenancy import service as tenancy

log = logging.getLogger("himalia.presence")
IDLE_LOOK_SECONDS = 30.0


class SessionEnder:
    """See the module's docstring."""

    name = "presence.sessions"
    interval_seconds = 1.0
    wakes_on_commit = False

    def __init__(self, platform: Platform, hub: HubClient) -> None:
        self._platform = platform
        self._hub = hub
        self._looked = 0.0

    async def step(self) -> None:
        if time.monotonic() - self._looked > IDLE_LOOK_SECONDS:
            self._looked = time.monotonic()
            await self._platform.db.write(service.end_idle)
        if not self._hub.configured:
            return
        with self._platform.db.read() as db:
            rows = service.untold(db)
            known = {row.user_id: tenancy.identity(db, row.user_id) for row in rows}
        for row in rows:
            await self._tell(row, known[row.user_id])

    async def _tell(self, row: Any, identity: dict[str, Any] | None) -> None:
        try:
            await self._hub.end_sessions(row.hub_name, identity)
        except HubUnavailable as error:
            log.info("the hub was not told of %s yet: %s", row.hub_name, error)
            return
        await self._platform.db.write(lambda session: service.told(session, row.user_id, row.epoch))
