"""One stream of changes from the platform, shared by all browsers of this server."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError

from himalia.extension import HimaliaExtension
from himalia.extension.handlers import PanelHandler
from himalia.extension.upstream import Unreachable, Upstream

KEPT_EVENTS = 2000
WAITING_EVENTS = 500
IDLE_SECONDS = 30.0
CONNECT_SECONDS = 10.0
KEEPALIVE_SECONDS = 15.0
SILENCE_SECONDS = 60.0
RESET = b"event: reset\ndata: {}\n\n"


class Relay:
    """Reads the platform's events while anybody listens, and for half a minute after.

    A listener that names the last event it saw gets what came after it, if that is still kept;
    otherwise ``reset``. When the platform is lost every listener is ended: the browser shows it
    and comes back by itself.
    """

    def __init__(self, upstream: Upstream, token: Callable[[], str]) -> None:
        self._upstream, self._token = upstream, token
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT_EVENTS)
        self._complete_from: int | None = None
        self._last: int | None = None
        self._connected = asyncio.Event()
        self._wanted = 0
        self._task: asyncio.Task[None] | None = None

    async def listen(self, last_seen: int | None) -> AsyncIterator[bytes]:
        """Blocks of the event stream, ending when the platform is lost; keep-alives among them.

        Raises:
            Unreachable: The platform was not reached within ten seconds.
        """
        self._wanted += 1
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING_EVENTS)
        try:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._read())
            try:
                await asyncio.wait_for(self._connected.wait(), CONNECT_SECONDS)
            except TimeoutError:
                raise Unreachable("no event stream", sent=False) from None
            self._listeners.add(queue)
            yield b"retry: 1000\n\n" + self._missed(last_seen)
            while True:
                try:
                    block = await asyncio.wait_for(queue.get(), KEEPALIVE_SECONDS)
                except TimeoutError:
                    block = b": still here\n\n"
                if block is None:
                    return
                yield block
        finally:
            self._listeners.discard(queue)
            self._wanted -= 1

    def _missed(self, last_seen: int | None) -> bytes:
        if last_seen is None or last_seen == self._last:
            return b""
        complete = self._complete_from is not None and last_seen >= self._complete_from
        if not complete or self._last is None or last_seen > self._last:
            return RESET
        return b"".join(block for number, block in self._kept if number > last_seen)

    async def _read(self) -> None:
        pause = 0.2
        idle_since: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            reading = asyncio.create_task(self._connection())
            while not reading.done():
                await asyncio.wait({reading}, timeout=1.0)
                if self._wanted:
                    idle_since = None
                else:
                    idle_since = idle_since or loop.time()
                    if loop.time() - idle_since > IDLE_SECONDS:
                        reading.cancel()
            was_connected = self._connected.is_set()
            self._connected.clear()
            for queue in list(self._listeners):
                self._end(queue)
            if reading.cancelled():
                return
            pause = 0.2 if was_connected else min(pause * 2, 5.0)
            await asyncio.sleep(pause)
            if not self._wanted:
                return

    async def _connection(self) -> None:
        """One connection to its end."""
        headers = HTTPHeaders({"Accept": "text/event-stream", "Authorization": f"Bearer {self._token()}"})
        if self._last is not None:
            headers["Last-Event-ID"] = str(self._last)
        try:
            exchange = await self._upstream.exchange("GET", "/events", headers, wait=0)
        except Unreachable:
            return
        try:
            if exchange.status != 200:
                return
            self._connected.set()
            waiting = b""
            chunks = exchange.chunks()
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    waiting += await anext(chunks)
                *blocks, waiting = waiting.replace(b"\r\n", b"\n").split(b"\n\n")
                for block in blocks:
                    self._block(block + b"\n\n")
        except (Unreachable, StopAsyncIteration, TimeoutError):
            return
        finally:
            exchange.close()

    def _block(self, block: bytes) -> None:
        fields = dict(line.split(b": ", 1) for line in block.splitlines() if b": " in line and line[:1] != b":")
        if b"data" not in fields:
            return
        number = int(fields[b"id"]) if fields.get(b"id", b"").isdigit() else None
        reset = fields.get(b"event") == b"reset"
        if reset:
            self._kept.clear()
            self._complete_from = number
        if number is not None:
            self._last = number
            if self._complete_from is None:
                self._complete_from = number
            if not reset:
                if len(self._kept) == self._kept.maxlen:
                    self._complete_from = self._kept[0][0]
                self._kept.append((number, block))
        for queue in list(self._listeners):
            try:
                queue.put_nowait(block)
            except asyncio.QueueFull:
                self._end(queue)  # too slow: it comes back and catches up

    def _end(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._listeners.discard(queue)
        while queue.full():
            queue.get_nowait()
        queue.put_nowait(None)


class EventsHandler(PanelHandler):
    """``<base>himalia/events``: server-sent events, with ``Last-Event-ID``."""

    def initialize(self, extension: HimaliaExtension, upstream: Upstream, relay: Relay | None = None) -> None:
        super().initialize(extension, upstream)
        assert relay is not None
        self._relay = relay
        self._serving: asyncio.Task[None] | None = None

    async def get(self) -> None:
        self._serving = asyncio.create_task(self._serve())
        await asyncio.wait({self._serving})
        if not self._serving.cancelled():  # cancelled: the browser has gone
            self._serving.result()

    async def _serve(self) -> None:
        last = self.request.headers.get("Last-Event-ID", "")
        events: Any = self._relay.listen(int(last) if last.isdecimal() and len(last) < 19 else None)
        async with contextlib.aclosing(events):
            try:
                block = await anext(events)
            except Unreachable:
                self.problem(503, "platform_unavailable")
                return
            self._transforms = []
            self.set_header("Content-Type", "text/event-stream")
            self.set_header("Cache-Control", "no-store")
            self.set_header("X-Accel-Buffering", "no")
            with contextlib.suppress(StreamClosedError, StopAsyncIteration):
                while True:
                    self.write(block)
                    await self.flush()
                    block = await anext(events)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self._serving is not None:
            self._serving.cancel()
