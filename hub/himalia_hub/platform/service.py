"""Starts and ends one platform service on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from tornado.httpserver import HTTPServer

from himalia_hub.api.application import make_application
from himalia_hub.core.db import Database
from himalia_hub.core.tasks import TaskRunner
from himalia_hub.migrations import migrate
from himalia_hub.platform import assembly
from himalia_hub.platform.config import PlatformConfig
from himalia_hub.platform.parts import Platform
from himalia_hub.tenancy.roles import service as roles

log = logging.getLogger("himalia.platform")
MAX_BUFFER = 16 * 1024 * 1024


class Service:
    """The running service: application, controllers, database."""

    def __init__(self, config: PlatformConfig) -> None:
        assembly.import_tables()
        self.platform = Platform(config=config, db=Database(config.database_url))
        self.server: HTTPServer | None = None
        self._waker: asyncio.Task[Any] | None = None
        self.port = config.listen.port

    async def start(self, *, controllers: bool = True) -> None:
        """Migrate, wire, listen, and start the controllers."""
        platform = self.platform
        await asyncio.to_thread(migrate.upgrade, platform.db)
        separate = self.platform.config.separate_duties
        if await platform.db.write(lambda session: roles.choose_mode(session, separate=separate)) != separate:
            log.warning("whether duties are separated was chosen at the first start and stays as it was")
        platform.load_machine_credentials()
        assembly.setup(platform)
        application = make_application(platform, assembly.route_tables())
        self.server = HTTPServer(application, xheaders=True, max_buffer_size=MAX_BUFFER, max_body_size=2**40)
        sockets = self._listen()
        self.server.add_sockets(sockets)
        self.port = sockets[0].getsockname()[1]
        if controllers:
            platform.controllers.start()
            self._waker = asyncio.create_task(self._wake_on_commit())

    def _listen(self) -> list[Any]:
        from tornado.netutil import bind_sockets

        listen = self.platform.config.listen
        return bind_sockets(listen.port, listen.host)[:1]

    async def _wake_on_commit(self) -> None:
        with self.platform.db.changed() as signal:
            while True:
                await signal.wait()
                signal.clear()
                self.platform.controllers.on_commit()
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """End in order: no new requests, controllers, tasks, database."""
        self.platform.shutting_down = True
        if self.server is not None:
            self.server.stop()
        if self._waker is not None:
            self._waker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._waker
        await self.platform.controllers.stop()
        await self.platform.get(TaskRunner).stop()
        for close in self.platform.closers:
            await close()
        if self.server is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.server.close_all_connections(), 2)
        self.platform.db.close()
