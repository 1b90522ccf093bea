"""Gathers concurrent requests into one run of the model.

While a batch runs, newcomers wait and form the next one: under load batches grow by themselves,
and a lone request never waits for company.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from himalia.serving.model import Model
from himalia.serving.problems import Problem


class Batcher:
    """Pictures in, scores out, one run of the model at a time.

    Args:
        largest: Pictures a run, at most.
        waiting: Pictures waiting, at most; above that callers get 503 ``overloaded``.
    """

    def __init__(self, model: Model, executor: ThreadPoolExecutor, *, largest: int = 32, waiting: int = 512) -> None:
        self._model, self._executor = model, executor
        self._largest, self._most_waiting = largest if model.batchable else 1, waiting
        self._waiting: list[tuple[NDArray[np.float32], asyncio.Future[NDArray[np.float32]]]] = []
        self._task: asyncio.Task[None] | None = None
        self.runs = 0
        self.pictures = 0

    async def predict(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of one picture.

        Raises:
            Problem: 503 ``overloaded``, or what the model refused.
        """
        if len(self._waiting) >= self._most_waiting:
            raise Problem(
                503,
                "overloaded",
                f"{len(self._waiting)} requests are waiting already; try again or add replicas.",
                f"已有 {len(self._waiting)} 个请求在等待;请稍后重试或增加副本。",
            )
        future: asyncio.Future[NDArray[np.float32]] = asyncio.get_running_loop().create_future()
        self._waiting.append((picture, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
                batch = [entry for entry in batch if not entry[1].done()]  # the caller has left
                if not batch:
                    continue
                pictures = np.stack([picture for picture, _ in batch])
                try:
                    scores = await loop.run_in_executor(self._executor, self._model.predict, pictures)
                except Exception as error:
                    _settle(batch, error)
                    continue
                self.runs += 1
                self.pictures += len(batch)
                for (_, future), row in zip(batch, scores, strict=True):
                    if not future.done():
                        future.set_result(row)
        finally:
            self._task = None


def _settle(batch: list[Any], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
