"""Moves bytes between a replica's network namespace and the machine. Standard library only.

Three ways cross the border, all driven by one :class:`~himalia_hub.backends.local.loop.Loop`:
inner ports to fixed services of the platform, outer ports to ports the workload opens, and (in
``proxy``) an HTTP proxy to public addresses. Each direction of a connection holds at most one
chunk: a slow reader stops the sender, nothing is buffered without bound.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import socket

from himalia_hub.backends.local import netns
from himalia_hub.backends.local.loop import IN, OUT, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 65536
_CONNECT_SECONDS = 10.0
_OTHER_DESCRIPTORS = 200
_SOCKETS_PAUSE = 0.5


class Connections:
    """Counts open relayed connections, so that one workload cannot use up the shim's descriptors."""

    def __init__(self, wanted: int) -> None:
        """Takes all descriptors the system allows; each connection needs two."""
        self.open = 0
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard == resource.RLIM_INFINITY:
            hard = 1 << 20
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.limit = max(1, min(wanted, (hard - _OTHER_DESCRIPTORS) // 2))

    def full(self) -> bool:
        return self.open >= self.limit


class _Way:
    """One direction: what was read from ``source`` and not yet taken by ``sink``."""

    __slots__ = ("ended", "pending", "sink", "source")

    def __init__(self, source: socket.socket, sink: socket.socket, pending: bytes) -> None:
        self.source = source
        self.sink = sink
        self.pending = memoryview(pending)
        self.ended = False


class Pair:
    """Two connected sockets joined until both directions have ended."""

    def __init__(
        self, loop: Loop, left: socket.socket, right: socket.socket, count: Connections, first: bytes = b""
    ) -> None:
        self._loop = loop
        self._count = count
        self._left, self._right = left, right
        self._ways = (_Way(left, right, first), _Way(right, left, b""))
        count.open += 1
        for end in (left, right):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if first:
            self._flush(self._ways[0])
        self._watch()

    def _watch(self) -> None:
        if self._left.fileno() < 0:
            return
        there, back = self._ways
        if there.ended and back.ended and not there.pending and not back.pending:
            self.close()
            return
        for end, outgoing, incoming in ((self._left, there, back), (self._right, back, there)):
            mask = 0
            if not outgoing.ended and not outgoing.pending:
                mask |= IN
            if incoming.pending:
                mask |= OUT
            self._loop.watch(end.fileno(), mask, self._ready)

    def _ready(self, _events: int) -> None:
        try:
            for way in self._ways:
                if way.pending:
                    self._flush(way)
                elif not way.ended:
                    self._fill(way)
        except OSError:
            self.close()
            return
        self._watch()

    def _fill(self, way: _Way) -> None:
        try:
            data = way.source.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            way.ended = True
            _end_writing(way.sink)
            return
        way.pending = memoryview(data)
        self._flush(way)

    def _flush(self, way: _Way) -> None:
        try:
            sent = way.sink.send(way.pending)
        except BlockingIOError:
            return
        way.pending = way.pending[sent:]

    def close(self) -> None:
        if self._left.fileno() < 0:
            return
        self._count.open -= 1
        for end in (self._left, self._right):
            self._loop.forget(end.fileno())
            end.close()


def _end_writing(sink: socket.socket) -> None:
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise


def connect(
    loop: Loop,
    sock: socket.socket,
    address: tuple[str, int],
    done: Callable[[socket.socket | None], None],
    seconds: float = _CONNECT_SECONDS,
) -> None:
    """Connect without blocking; ``done`` gets the socket, or ``None`` after closing a failed one."""
    sock.setblocking(False)
    code = sock.connect_ex(address)
    if code not in (0, errno.EINPROGRESS):
        sock.close()
        done(None)
        return

    def settle(failed: bool) -> None:
        timer.cancel()
        loop.forget(sock.fileno())
        if failed or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            sock.close()
            done(None)
        else:
            done(sock)

    timer = loop.later(seconds, lambda: settle(True))
    loop.watch(sock.fileno(), OUT, lambda _events: settle(False))


def listen(loop: Loop, listener: socket.socket, count: Connections, on_accept: Callable[[socket.socket], None]) -> None:
    """Accept for ever; connections beyond the limit are closed at once."""
    listener.setblocking(False)

    def ready(_events: int) -> None:
        for _ in range(16):
            try:
                accepted, _peer = listener.accept()
            except BlockingIOError:
                return
            except OSError:  # out of descriptors or memory: what is queued waits for the next turn
                return
            if count.full():
                accepted.close()
            else:
                on_accept(accepted)

    loop.watch(listener.fileno(), IN, ready)


class Targets:
    """Where the platform's services are now: read from a file, so that a restart may move them."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._read_at = -1
        self._targets: dict[str, tuple[str, int]] = {}

    def get(self, name: str) -> tuple[str, int] | None:
        try:
            changed = os.stat(self._path).st_mtime_ns
            if changed != self._read_at:
                with open(self._path) as file:
                    self._targets = {key: (host, port) for key, (host, port) in json.load(file).items()}
                self._read_at = changed
        except (OSError, ValueError):
            pass  # between two writes of the file the last good answer stays
        return self._targets.get(name)


class InnerSockets:
    """Unconnected sockets inside the namespace, fetched in batches before they run out."""

    def __init__(self, loop: Loop, space: netns.NetworkSpace) -> None:
        self._loop = loop
        self._space = space
        self._waiting: list[Callable[[socket.socket], None]] = []
        self._asked = False

    def take(self, use: Callable[[socket.socket], None]) -> None:
        if self._space.spare:
            use(self._space.spare.pop())
        else:
            self._waiting.append(use)
        if len(self._space.spare) < 8 and not self._asked:
            self._ask()

    def _ask(self) -> None:
        self._asked = True
        pid, channel = netns.request_sockets(self._space)

        def arrived(_events: int) -> None:
            self._loop.forget(channel.fileno())
            made = netns.receive_sockets(channel)
            self._space.spare.extend(made)
            channel.close()
            os.waitpid(pid, 0)
            # None came when the machine is out of processes or descriptors: not at once again.
            self._loop.later(0.0 if made else _SOCKETS_PAUSE, self._serve_waiting)

        self._loop.watch(channel.fileno(), IN, arrived)

    def _serve_waiting(self) -> None:
        self._asked = False
        waiting, self._waiting = self._waiting, []
        for use in waiting:
            self.take(use)


def offer(loop: Loop, listener: socket.socket, count: Connections, targets: Targets, name: str) -> None:
    """Relay an inner port to the platform service ``name``."""

    def accepted(inner: socket.socket) -> None:
        target = targets.get(name)
        if target is None:
            inner.close()
            return

        def connected(outer: socket.socket | None) -> None:
            if outer is None:
                inner.close()
            else:
                Pair(loop, inner, outer, count)

        family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        connect(loop, socket.socket(family), target, connected)

    listen(loop, listener, count, accepted)


def publish(loop: Loop, listener: socket.socket, count: Connections, inner: InnerSockets, port: int) -> None:
    """Relay an outer listener to a port of the workload."""

    def accepted(outer: socket.socket) -> None:
        def connected(sock: socket.socket | None) -> None:
            if sock is None:
                outer.close()
            else:
                Pair(loop, outer, sock, count)

        inner.take(lambda sock: connect(loop, sock, ("127.0.0.1", port), connected))

    listen(loop, listener, count, accepted)
