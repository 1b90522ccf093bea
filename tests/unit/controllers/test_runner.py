"""The loops that run controllers end when they are asked to."""

from __future__ import annotations

import asyncio

import pytest

from himalia_hub.controllers.runner import ControllerRunner


class Idle:
    name = "idle"
    interval_seconds = 60.0
    wakes_on_commit = True

    async def step(self) -> None:
        return None


@pytest.mark.parametrize("turns", range(5))
def test_a_stop_that_meets_a_wake_is_not_forgotten(turns: int) -> None:
    """A commit just before the end must not leave a loop running, at whatever turn of the event loop they meet."""

    async def run() -> float:
        loop = asyncio.get_running_loop()
        runner = ControllerRunner()
        runner.add(Idle())
        runner.start()
        for _ in range(4):
            await asyncio.sleep(0)
        runner.on_commit()
        for _ in range(turns):
            await asyncio.sleep(0)
        began = loop.time()
        task = asyncio.create_task(runner.stop())
        await asyncio.wait({task}, timeout=3)
        return loop.time() - began

    assert asyncio.run(run()) < 2
