"""Streams one HTTP exchange with the platform, both ways, holding no more than a chunk.

Built on tornado's HTTP/1 connection rather than its client, because the answer is read while the
request is still being sent (an early refusal of an upload arrives) and an exchange ends as soon
as the browser is gone.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient

Result = TypeVar("Result")
CHUNK_BYTES = 256 * 1024
CONNECT_SECONDS = 5.0
HEADERS_SECONDS = 120.0
AWAY_STATUSES = frozenset({502, 503, 504})


class Unreachable(Exception):
    """No answer from the platform; ``sent`` says whether it may have seen the request."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class _Receiver(HTTPMessageDelegate):
    """Hands chunks over one at a time: the next is read when the last was taken."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[tuple[int, HTTPHeaders]] = loop.create_future()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self.whole = False
        self._ended = False

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        assert isinstance(start_line, ResponseStartLine)
        if start_line.code >= 200 and not self.started.done():
            self.started.set_result((start_line.code, headers))

    def data_received(self, chunk: bytes) -> Awaitable[None]:
        return self._chunks.put(chunk)

    def finish(self) -> None:
        self.whole = True

    def on_connection_close(self) -> None:
        if not self.started.done():
            self.started.set_exception(Unreachable("the connection was closed", sent=True))

    async def end(self) -> None:
        if not self._ended:
            self._ended = True
            self.on_connection_close()
            await self._chunks.put(None)

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk


class Exchange:
    """An answer that has begun. Read ``chunks`` to the end, or ``close`` it; both are needed once."""

    def __init__(self, stream: IOStream, receiver: _Receiver, tasks: list[asyncio.Task[None]]) -> None:
        self._stream, self._receiver, self._tasks = stream, receiver, tasks
        self.status, self.headers = receiver.started.result()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes.

        Raises:
            Unreachable: It ended before it was whole.
        """
        async for chunk in self._receiver.chunks():
            yield chunk
        if not self._receiver.whole:
            raise Unreachable("the answer broke off", sent=True)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._stream.close()


Body = Callable[[], AsyncIterator[bytes]]


class Upstream:
    """The platform as one base address.

    Args:
        base_url: ``http://127.0.0.1:7001/services/himalia/api/v1``.
        retry_seconds: How long requests that can be repeated wait for a platform that restarts.
    """

    def __init__(self, base_url: str, retry_seconds: float) -> None:
        parts = urlsplit(base_url)
        self.configured = parts.scheme in ("http", "https") and bool(parts.hostname)
        self._host, self._secure = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._netloc, self._prefix = parts.netloc, parts.path.rstrip("/")
        self._retry_seconds = retry_seconds
        self._client = TCPClient()

    async def exchange(
        self, method: str, path: str, headers: HTTPHeaders, body: Body | None = None, *, wait: float | None = None
    ) -> Exchange:
        """Send one request; returns once the answer's headers are there.

        A request that was not sent is tried again; one that may have been sent only if it is a
        GET or HEAD, whose repetition has no effect.

        Args:
            path: Raw path and query below the base address, ``/datasets?limit=5``.
            headers: Complete but for Host.
            body: Called once, when the connection stands.
            wait: Seconds to go on trying, in place of ``retry_seconds``.

        Raises:
            Unreachable: No answer in time.
        """
        if not self.configured:
            raise Unreachable("this server was started without the address of a platform", sent=False)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._retry_seconds if wait is None else wait)
        pause = 0.1
        repeatable = method in ("GET", "HEAD")
        while True:
            try:
                exchange = await self._once(method, path, headers, body)
                if not (repeatable and _away(exchange) and loop.time() + pause < deadline):
                    return exchange
                exchange.close()
            except Unreachable as error:
                if (error.sent and not repeatable) or loop.time() + pause >= deadline:
                    raise
            await asyncio.sleep(pause * random.uniform(0.7, 1.0))  # noqa: S311 - jitter
            pause = min(pause * 1.7, 1.5)

    async def _once(self, method: str, path: str, headers: HTTPHeaders, body: Body | None) -> Exchange:
        stream = await self._connect()
        receiver = _Receiver()
        connection = HTTP1Connection(
            stream,
            is_client=True,
            params=HTTP1ConnectionParameters(
                no_keep_alive=True, max_body_size=1 << 62, chunk_size=CHUNK_BYTES, decompress=False
            ),
        )
        sent = headers.copy()
        sent["Host"] = self._netloc
        sent["Connection"] = "close"
        try:
            connection.write_headers(RequestStartLine(method, self._prefix + path, "HTTP/1.1"), sent)
        except StreamClosedError as error:
            raise Unreachable(str(error), sent=True) from None
        tasks = [
            asyncio.create_task(_receive(connection, receiver)),
            asyncio.create_task(_send(connection, body)),
        ]
        try:
            await asyncio.wait_for(asyncio.shield(receiver.started), None if body else HEADERS_SECONDS)
        except BaseException as error:
            for task in tasks:
                task.cancel()
            stream.close()
            if isinstance(error, TimeoutError):
                raise Unreachable(f"no answer within {HEADERS_SECONDS:.0f} seconds", sent=True) from None
            raise
        return Exchange(stream, receiver, tasks)

    async def _connect(self) -> IOStream:
        context = ssl.create_default_context() if self._secure else None
        try:
            stream = await self._client.connect(
                self._host, self._port, ssl_options=context, timeout=CONNECT_SECONDS, max_buffer_size=4 * CHUNK_BYTES
            )
        except (OSError, StreamClosedError, TimeoutError) as error:
            raise Unreachable(str(error) or "it does not answer", sent=False) from None
        if stream.socket.getsockname() == stream.socket.getpeername():
            stream.close()  # TCP connected to itself: nobody listens on a port clients may be given
            raise Unreachable("nobody listens", sent=False)
        stream.set_nodelay(True)
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return stream


def _away(exchange: Exchange) -> bool:
    """A proxy's word that the platform is not there, not the platform's own answer."""
    kind = exchange.headers.get("Content-Type", "")
    return exchange.status in AWAY_STATUSES and not kind.startswith("application/problem+json")


async def _receive(connection: HTTP1Connection, receiver: _Receiver) -> None:
    try:
        await connection.read_response(_Ending(receiver, connection))
    except (StreamClosedError, OSError):
        pass
    finally:
        await receiver.end()


class _Ending(HTTPMessageDelegate):
    """Passes everything on and closes the connection when the answer is whole, sent or not."""

    def __init__(self, receiver: _Receiver, connection: HTTP1Connection) -> None:
        self._receiver, self._connection = receiver, connection

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        self._receiver.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None]:
        return self._receiver.data_received(chunk)

    def finish(self) -> None:
        self._receiver.finish()
        self._connection.close()

    def on_connection_close(self) -> None:
        self._receiver.on_connection_close()


async def _send(connection: HTTP1Connection, body: Body | None) -> None:
    """Write the body; when the platform stops reading, its answer says why."""
    try:
        if body is not None:
            async for chunk in body():
                await connection.write(chunk)
        connection.finish()
    except (StreamClosedError, OSError):
        pass
