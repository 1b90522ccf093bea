"""The decoding processes: started at first use, replaced when one dies, culprits found one by one.

Talks to ``decode.serve`` over pipes in JSON and plain bytes; nothing that a decoding process says
is executed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence
from typing import Any

from himalia_hub.data.imports.decode import SECONDS_A_PICTURE, Fact

PROCESSES = 2
CRASHED: Fact = ("damaged", "decodes without an error", None, "decoding it failed")


class WorkerDied(Exception):
    """A decoding process ended or took too long; the picture it worked on is the suspect."""


class _Worker:
    """One decoding process; used by one call at a time."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, work: str, pictures: Sequence[bytes | str], seconds: float) -> tuple[Any, list[bytes]]:
        try:
            async with asyncio.timeout(seconds):
                return await self._ask(work, pictures)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, ValueError) as error:
            await self.end()
            raise WorkerDied(str(error)) from error
        except BaseException:
            await self.end()  # a reply that nobody reads would answer the next question
            raise

    async def _ask(self, work: str, pictures: Sequence[bytes | str]) -> tuple[Any, list[bytes]]:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "himalia_hub.data.imports.decode",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=1 << 20,
            )
        reader, writer = self._process.stdout, self._process.stdin
        assert reader is not None and writer is not None
        sizes = [picture if isinstance(picture, str) else len(picture) for picture in pictures]
        header = json.dumps({"work": work, "pictures": sizes}).encode()
        writer.write(b"".join((len(header).to_bytes(4, "big"), header, *(p for p in pictures if isinstance(p, bytes)))))
        await writer.drain()
        length = int.from_bytes(await reader.readexactly(4), "big")
        reply = json.loads(await reader.readexactly(length))
        return reply["facts"], [await reader.readexactly(size) for size in reply["sizes"]]

    async def end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        transport = process._transport  # type: ignore[attr-defined]
        try:
            await process.wait()
        finally:
            transport.close()  # else its pipes outlive the loop


class PictureWorkers:
    """Checks pictures and makes thumbnails in other processes."""

    def __init__(self, processes: int = PROCESSES) -> None:
        self._idle = [_Worker() for _ in range(processes)]
        self._all = list(self._idle)
        self._free = asyncio.Semaphore(processes)

    async def check(self, pictures: Sequence[bytes | str]) -> list[Fact]:
        """What each picture is, in order; a ``str`` is the path of a file."""
        try:
            facts, _ = await self._call("check", pictures, SECONDS_A_PICTURE)
        except WorkerDied:
            if len(pictures) == 1:
                return [CRASHED]
            return [fact for picture in pictures for fact in await self.check([picture])]
        return [tuple(fact) for fact in facts]

    async def thumbnails(self, pictures: Sequence[bytes | str]) -> list[bytes]:
        """A small WebP for each, in order; empty where none could be made."""
        try:
            _, made = await self._call("thumbnails", pictures, 2 * SECONDS_A_PICTURE)
        except WorkerDied:
            if len(pictures) == 1:
                return [b""]
            return [one for picture in pictures for one in await self.thumbnails([picture])]
        return made

    async def _call(self, work: str, pictures: Sequence[bytes | str], seconds: float) -> tuple[Any, list[bytes]]:
        async with self._free:  # waiting for a free process does not count as decoding
            worker = self._idle.pop()
            try:
                return await worker.ask(work, pictures, seconds)
            finally:
                self._idle.append(worker)

    async def close(self) -> None:
        """End the processes and wait until they have ended."""
        for worker in self._all:
            await worker.end()
