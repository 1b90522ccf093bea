"""Ends the open connections of browsers whose session is over, and reports that somebody is at work.

A notebook server asks the hub who somebody is once, when a WebSocket opens, and keeps answers for
a while. When the platform ends a session, the hub calls ``POST <base>himalia/sessions/check``: the
kept answers are dropped and the hub is asked again about everyone connected; who is nobody any
more is disconnected. The call needs no credential, since asking again harms nobody.

Activity (TEN-17) is input, a running cell or a transfer; polling, push and reading are not.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
import weakref
from collections.abc import AsyncIterator
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import ioloop, web, websocket
from tornado.httputil import HTTPHeaders

from himalia.extension.upstream import Unreachable, Upstream

log = logging.getLogger("himalia.sessions")
REPORT_SECONDS = 60.0
SESSION_ENDED = 4401
READING = frozenset(("GET", "HEAD", "OPTIONS"))


class Connections:
    """Every WebSocket of this server, and the check of all of them."""

    def __init__(self, hub_auth: Any) -> None:
        self._hub_auth = hub_auth
        self._open: weakref.WeakSet[websocket.WebSocketHandler] = weakref.WeakSet()
        self._lock = asyncio.Lock()

    def watch(self) -> None:
        """Note each WebSocket as it opens; once per process."""
        inherited = websocket.WebSocketHandler.get

        @functools.wraps(inherited)
        async def get(handler: websocket.WebSocketHandler, *args: Any, **kwargs: Any) -> None:
            self._open.add(handler)
            await inherited(handler, *args, **kwargs)

        websocket.WebSocketHandler.get = get  # type: ignore[assignment,method-assign]

    async def check(self) -> int:
        """Ask the hub again about everyone connected; answers how many were disconnected."""
        if self._hub_auth is None:
            return 0
        async with self._lock:
            self._hub_auth.cache.clear()
            ended = 0
            for handler in list(self._open):
                if handler.ws_connection is None:
                    self._open.discard(handler)
                elif not await self._known(handler):
                    handler.close(SESSION_ENDED, "The session has ended.")
                    self._open.discard(handler)
                    ended += 1
            return ended

    async def _known(self, handler: websocket.WebSocketHandler) -> bool:
        auth = self._hub_auth
        token = auth._get_token_cookie(handler) or auth.get_token(handler)
        if not token:
            return False
        try:
            user = await auth.user_for_token(token, session_id=auth.get_session_id(handler), sync=False)
        except web.HTTPError as error:
            # The hub restarts or is busy: nothing is known against this person.
            log.warning("the hub did not say whether a session goes on: %s", error)
            return error.status_code != 403
        return user is not None


class CheckHandler(web.RequestHandler):
    """``POST <base>himalia/sessions/check``."""

    def initialize(self, connections: Connections) -> None:
        self.connections = connections

    def check_xsrf_cookie(self) -> None:
        """Called by the hub, which has no cookie here."""

    @allow_unauthenticated
    async def post(self) -> None:
        await self.connections.check()
        self.set_status(204)
        self.finish()


class Activity:
    """Notices work and tells the platform at most once a minute.

    Args:
        web_app: The server's application; its requests are seen through its log function.
        kernels: The kernel manager; a busy kernel is a running cell.
    """

    def __init__(self, web_app: Any, kernels: Any, upstream: Upstream, token: Any) -> None:
        self._kernels, self._upstream, self._token = kernels, upstream, token
        self._active = True
        logged = web_app.settings.get("log_function")

        def note(handler: web.RequestHandler) -> None:
            if handler.request.method not in READING and not isinstance(handler, CheckHandler):
                self._active = True
            if logged is not None:
                logged(handler)

        web_app.settings["log_function"] = note
        self._seen = time.time()

    def start(self) -> None:
        ioloop.PeriodicCallback(self.report, REPORT_SECONDS * 1000).start()

    def working(self) -> bool:
        """Whether there was work since the last look; forgets what was noted."""
        active, self._active = self._active, False
        since, self._seen = self._seen, time.time()
        for kernel_id in self._kernels.list_kernel_ids():
            kernel = self._kernels.get_kernel(kernel_id)
            if getattr(kernel, "execution_state", "") == "busy":
                return True
            last = getattr(kernel, "last_activity", None)
            if last is not None and last.timestamp() > since:
                return True
        return active

    async def report(self) -> None:
        if not self.working() or not self._token():
            return
        headers = HTTPHeaders({"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"})
        headers["Content-Length"] = "2"
        with contextlib.suppress(Unreachable, OSError):
            exchange = await self._upstream.exchange("POST", "/me/activity", headers, _body)
            exchange.close()


async def _body() -> AsyncIterator[bytes]:
    yield b"{}"
