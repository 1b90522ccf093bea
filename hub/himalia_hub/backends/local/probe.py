"""Asks a workload over HTTP whether it is ready, without blocking. Standard library only."""

from __future__ import annotations

import socket

from himalia_hub.backends.local.loop import IN, Loop
from himalia_hub.backends.local.relay import connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ANSWER_SECONDS = 5.0
_FIRST_PAUSE = 0.05
_LAST_PAUSE = 1.0


class Probe:
    """Asks again, ever more slowly, until one answer is good; then calls ``ready`` once."""

    def __init__(
        self,
        loop: Loop,
        take_socket: Callable[[Callable[[socket.socket], None]], None],
        port: int,
        path: str,
        statuses: list[int],
        ready: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._take_socket = take_socket
        self._port = port
        self._path = path
        self._statuses = statuses
        self._ready = ready
        self._pause = _FIRST_PAUSE
        self._ended = False
        self.last = "no connection"

    def start(self) -> None:
        if not self._ended:
            self._take_socket(lambda sock: connect(self._loop, sock, ("127.0.0.1", self._port), self._connected, 5.0))

    def end(self) -> None:
        self._ended = True

    def _connected(self, sock: socket.socket | None) -> None:
        if sock is None:
            self._again()
            return
        head = f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nConnection: close\r\n"
        try:
            sock.send(f"{head}User-Agent: himalia-probe\r\nAccept: */*\r\n\r\n".encode())
        except OSError:
            sock.close()
            self._again()
            return
        timer = self._loop.later(_ANSWER_SECONDS, lambda: finish(b""))
        data = b""

        def readable(_events: int) -> None:
            nonlocal data
            try:
                piece = sock.recv(512)
            except BlockingIOError:
                return
            except OSError:
                piece = b""
            data += piece
            if not piece or b"\r\n" in data or len(data) > 4096:
                finish(data)

        def finish(answer: bytes) -> None:
            timer.cancel()
            self._loop.forget(sock.fileno())
            sock.close()
            self._judge(answer)

        self._loop.watch(sock.fileno(), IN, readable)

    def _judge(self, answer: bytes) -> None:
        words = answer.split(b"\r\n", 1)[0].split()
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
            self.last = "no HTTP answer"
            self._again()
            return
        status = int(words[1])
        good = status in self._statuses if self._statuses else status < 400
        if good and not self._ended:
            self._ended = True
            self._ready()
        else:
            self.last = f"HTTP {status}"
            self._again()

    def _again(self) -> None:
        if not self._ended:
            self._loop.later(self._pause, self.start)
            self._pause = min(self._pause * 1.3, _LAST_PAUSE)
