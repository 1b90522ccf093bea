"""Where old facts go that must be kept: named objects, written once. Provided by whoever has the object store."""

from __future__ import annotations

from typing import Protocol


class ArchiveStore(Protocol):
    """What of an object store an archive needs; keys are made by the caller."""

    async def put(self, key: str, body: bytes) -> None: ...

    async def get(self, key: str, start: int, length: int) -> bytes: ...
