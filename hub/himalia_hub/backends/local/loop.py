"""A small event loop on epoll: a third of asyncio's memory and start time, which every replica pays.

Standard library only: shims load this. Callbacks must not block.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

IN = select.EPOLLIN
OUT = select.EPOLLOUT
BROKEN = select.EPOLLHUP | select.EPOLLERR


def complain(text: str) -> None:
    """A line to the shim's own error file, if there is room for it."""
    with contextlib.suppress(OSError):
        os.write(2, f"himalia shim: {text}\n".encode())


class Timer:
    __slots__ = ("callback", "due", "order")

    def __init__(self, due: float, order: int, callback: Callable[[], None] | None) -> None:
        self.due = due
        self.order = order
        self.callback = callback

    def __lt__(self, other: Timer) -> bool:
        return (self.due, self.order) < (other.due, other.order)

    def cancel(self) -> None:
        self.callback = None


class Loop:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._masks: dict[int, int] = {}
        self._timers: list[Timer] = []
        self._order = 0
        self._running = False
        self._posted: deque[Callable[[], None]] = deque()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.watch(self._wake, IN, self._drain)

    def watch(self, fd: int, mask: int, handler: Callable[[int], None]) -> None:
        """Call ``handler`` with the events of ``fd``; a mask of 0 stops watching."""
        if mask == 0:
            self.forget(fd)
            return
        before = self._masks.get(fd)
        if before is None:
            self._epoll.register(fd, mask)
        elif before != mask:
            self._epoll.modify(fd, mask)
        self._masks[fd] = mask
        self._handlers[fd] = handler

    def forget(self, fd: int) -> None:
        if self._masks.pop(fd, None) is not None:
            del self._handlers[fd]
            self._epoll.unregister(fd)

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        self._order += 1
        timer = Timer(time.monotonic() + seconds, self._order, callback)
        heapq.heappush(self._timers, timer)
        return timer

    def post(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` in the loop; the one method other threads may call."""
        self._posted.append(callback)
        os.eventfd_write(self._wake, 1)

    def _drain(self, _events: int) -> None:
        os.eventfd_read(self._wake)
        while self._posted:
            self._call(self._posted.popleft())

    def run(self) -> None:
        self._running = True
        while self._running:
            timeout = -1.0
            while self._timers and self._timers[0].callback is None:
                heapq.heappop(self._timers)
            if self._timers:
                timeout = max(0.0, self._timers[0].due - time.monotonic())
            for fd, events in self._epoll.poll(timeout, 64):
                handler = self._handlers.get(fd)
                if handler is not None:
                    self._call(handler, events)
            now = time.monotonic()
            while self._timers and self._timers[0].due <= now:
                callback = heapq.heappop(self._timers).callback
                if callback is not None:
                    self._call(callback)

    @staticmethod
    def _call(callback: Callable[..., None], *arguments: int) -> None:
        """One connection's accident must not end the workload: it is written down, the loop goes on."""
        try:
            callback(*arguments)
        except Exception as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
            complain(f"{type(error).__name__}: {error} at {place}")

    def stop(self) -> None:
        self._running = False
