"""A platform beyond the extension's outer border that says what reached it and can be away."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

from tornado import httpserver, web

PREFIX = "/services/himalia/api/v1"
PICTURE = bytes(range(256)) * 4096


def _port() -> int:
    """A free port below those the system gives to clients: while we are away none may take it."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


class StandIn:
    """Listens on one port for its life; ``close`` and ``open`` are a restart."""

    def __init__(self) -> None:
        self.port = _port()
        self.loop = asyncio.new_event_loop()
        self.seen: list[dict[str, Any]] = []
        self.streams: list[asyncio.Queue[bytes | None]] = []
        self.stream_heads: list[str] = []
        self.opened = threading.Semaphore(0)
        self._server: httpserver.HTTPServer | None = None
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.open()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PREFIX}"

    def call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def open(self) -> None:
        async def start() -> None:
            routes = [
                (PREFIX + "/echo(.*)", Echo, {"standin": self}),
                (PREFIX + "/picture", Picture),
                (PREFIX + "/refuse", Refuse),
                (PREFIX + "/half", Half),
                (PREFIX + "/events", Events, {"standin": self}),
            ]
            self._server = httpserver.HTTPServer(web.Application(routes), max_body_size=1 << 40)
            self._server.listen(self.port, "127.0.0.1")

        self.call(start())

    def close(self) -> None:
        async def stop() -> None:
            assert self._server is not None
            self._server.stop()
            for queue in self.streams:
                queue.put_nowait(None)
            await self._server.close_all_connections()

        self.call(stop())

    def event(self, number: int, name: str = "change") -> None:
        block = b'id: %d\nevent: %s\ndata: {"n": %d}\n\n' % (number, name.encode(), number)
        self.loop.call_soon_threadsafe(lambda: [queue.put_nowait(block) for queue in self.streams])

    def end(self) -> None:
        self.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@contextlib.contextmanager
def standin() -> Iterator[StandIn]:
    platform = StandIn()
    try:
        yield platform
    finally:
        platform.end()


@web.stream_request_body
class Echo(web.RequestHandler):
    def initialize(self, standin: StandIn) -> None:
        self.standin = standin
        self.digest, self.size = hashlib.sha256(), 0

    def data_received(self, chunk: bytes) -> None:
        self.digest.update(chunk)
        self.size += len(chunk)

    def answer(self, _path: str) -> None:
        record = {
            "method": self.request.method,
            "uri": self.request.uri,
            "headers": {name.lower(): value for name, value in self.request.headers.get_all()},
            "size": self.size,
            "sha256": self.digest.hexdigest(),
        }
        self.standin.seen.append(record)
        self.set_cookie("himalia", "stolen")
        self.set_header("ETag", '"7"')
        self.set_header("Access-Control-Allow-Origin", "*")
        self.set_header("Link", "<a>; rel=next")
        self.set_status(201 if self.request.method == "POST" else 200)
        self.finish(json.dumps(record))

    get = post = put = patch = delete = answer


class Picture(web.RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "image/webp")
        self.set_header("Cache-Control", "private, max-age=31536000, immutable")
        self.set_header("Content-Security-Policy", "sandbox")
        self.set_header("ETag", '"abc"')
        if self.request.headers.get("If-None-Match") == '"abc"':
            self.set_status(304)
            return
        wanted = self.request.headers.get("Range", "")
        if wanted.startswith("bytes="):
            first, last = (int(part) for part in wanted[6:].split("-"))
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {first}-{last}/{len(PICTURE)}")
            self.finish(PICTURE[first : last + 1])
            return
        self.finish(PICTURE)

    head = get


@web.stream_request_body
class Refuse(web.RequestHandler):
    """Refuses an upload at its first bytes and stops reading."""

    def data_received(self, chunk: bytes) -> None:
        if not self._finished:
            self.set_status(413)
            self.set_header("Content-Type", "application/problem+json")
            self.set_header("Connection", "close")
            self.finish('{"code": "too_large"}')

    def post(self) -> None:
        pass


class Half(web.RequestHandler):
    """Breaks off in the middle: of the body for GET, before any answer for POST."""

    def get(self) -> None:
        connection: Any = self.request.connection
        connection.stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        connection.stream.close()
        self._finished = True

    def post(self) -> None:
        connection: Any = self.request.connection
        connection.stream.close()
        self._finished = True


class Events(web.RequestHandler):
    def initialize(self, standin: StandIn) -> None:
        self.standin = standin

    async def get(self) -> None:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        last = self.request.headers.get("Last-Event-ID", "")
        self.standin.stream_heads.append(last)
        self.set_header("Content-Type", "text/event-stream")
        self.write(b": hello\n\n" if last else b"retry: 1000\nid: 100\nevent: reset\ndata: {}\n\n")
        await self.flush()
        self.standin.streams.append(queue)
        self.standin.opened.release()
        try:
            while (block := await queue.get()) is not None:
                self.write(block)
                await self.flush()
        finally:
            self.standin.streams.remove(queue)
