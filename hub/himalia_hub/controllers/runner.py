"""Runs the controllers: loops that compare what should be with what is, and act.

A controller's ``step`` is safe to repeat from any state. It runs every ``interval_seconds`` and
whenever it is woken; a step that fails is logged and repeated later with back-off, and never
stops the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Protocol

log = logging.getLogger("himalia.controllers")


class Controller(Protocol):
    """One loop. ``wakes_on_commit`` asks for a step soon after any commit of this process."""

    name: str
    interval_seconds: float
    wakes_on_commit: bool

    async def step(self) -> None: ...


class ControllerRunner:
    """Owns the loops' tasks."""

    def __init__(self) -> None:
        self._controllers: list[Controller] = []
        self._wakes: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, controller: Controller) -> None:
        self._controllers.append(controller)
        self._wakes[controller.name] = asyncio.Event()

    def wake(self, name: str) -> None:
        """Ask for a step now; safe to call from the event loop at any time."""
        if name in self._wakes:
            self._wakes[name].set()

    def on_commit(self) -> None:
        for controller in self._controllers:
            if controller.wakes_on_commit:
                self._wakes[controller.name].set()

    def start(self) -> None:
        for controller in self._controllers:
            self._tasks.append(asyncio.create_task(self._loop(controller), name=controller.name))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()

    async def _loop(self, controller: Controller) -> None:
        failures = 0
        wake = self._wakes[controller.name]
        while True:
            wake.clear()
            try:
                await controller.step()
                failures = 0
            except asyncio.CancelledError:
                raise
            except Exception:
                failures += 1
                log.exception("controller %s failed (%d in a row)", controller.name, failures)
            delay = controller.interval_seconds if not failures else min(30.0, 0.5 * 2**failures)
            with contextlib.suppress(TimeoutError):
                if failures:
                    await asyncio.sleep(delay)
                else:
                    # Not wait_for: before Python 3.12 it forgets a cancellation that meets the wake.
                    async with asyncio.timeout(delay):
                        await wake.wait()
