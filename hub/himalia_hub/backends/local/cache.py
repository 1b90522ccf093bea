"""The node's cache of read-only folders, and what the platform must give to fill it.

A folder is named by its manifest's digest and kept per tenant, so that nobody can learn from a
fast start that another tenant has the same data. It appears whole (built aside, renamed) and is
bound into sandboxes as it is: files 0444, no copy per workload. Unused folders go, the longest
unused first, when the cache outgrows its budget.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file of a folder; ``digest`` is the SHA-256 of its bytes in hexadecimal."""

    path: str
    digest: str
    size: int


class ContentSource(Protocol):
    """Where the bytes of folders come from; the data part implements it over its packs."""

    def manifest(self, tenant: str, digest: str) -> AsyncIterator[ManifestEntry]:
        """The folder's files, ordered by path.

        Raises:
            LookupError: The tenant has no such manifest.
        """

    def read(self, tenant: str, entries: Sequence[ManifestEntry]) -> AsyncIterator[tuple[str, bytes]]:
        """The bytes of all entries as ``(digest, piece)``, each distinct digest once, in any order.

        The pieces of one digest follow each other directly; an empty file is one empty piece.
        """


class FolderError(Exception):
    """A folder cannot be made from what the source gave; trying again will not help."""


Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""

_BATCH_ENTRIES = 2000
_BATCH_BYTES = 256 << 20


class NodeCache:
    def __init__(self, root: Path, *, bytes_max: int) -> None:
        self._root = root
        self._bytes_max = bytes_max
        self._making: dict[tuple[str, str], asyncio.Lock] = {}
        root.mkdir(parents=True, exist_ok=True)
        for leftover in root.glob(".making-*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _entry(self, tenant: str, digest: str) -> Path:
        return self._root / tenant / digest

    def find(self, tenant: str, digest: str) -> Path | None:
        """The folder's place when it is complete; counts as a use."""
        entry = self._entry(tenant, digest)
        try:
            os.utime(entry / "size")
        except FileNotFoundError:
            return None
        return entry / "tree"

    async def ensure(self, tenant: str, digest: str, source: ContentSource, progress: Progress) -> Path:
        """Make the folder if it is not there; answers its place.

        Raises:
            FolderError: The manifest names an unsafe path, or bytes do not match their digest.
            LookupError: The tenant has no such manifest.
        """
        lock = self._making.setdefault((tenant, digest), asyncio.Lock())
        async with lock:
            found = self.find(tenant, digest)
            if found is not None:
                return found
            building = self._root / f".making-{uuid.uuid4().hex}"
            try:
                size = await self._build(building, tenant, digest, source, progress)
                await asyncio.to_thread(self._settle, building, self._entry(tenant, digest), size)
            finally:
                await asyncio.to_thread(shutil.rmtree, building, True)
            self._making.pop((tenant, digest), None)
            return self._entry(tenant, digest) / "tree"

    async def _build(self, building: Path, tenant: str, digest: str, source: ContentSource, progress: Progress) -> int:
        entries = [entry async for entry in source.manifest(tenant, digest)]
        total, done = sum(entry.size for entry in entries), 0
        tree = building / "tree"
        tree.mkdir(parents=True)
        progress(0, total)
        for batch in _batches(entries):
            writer = _Writer(tree, batch)
            async for piece_digest, piece in source.read(tenant, writer.distinct):
                await asyncio.to_thread(writer.write, piece_digest, piece)
                done += len(piece)
                progress(done, total)
            await asyncio.to_thread(writer.finish)
        return total

    @staticmethod
    def _settle(building: Path, entry: Path, size: int) -> None:
        (building / "size").write_text(json.dumps(size))
        entry.parent.mkdir(parents=True, exist_ok=True)
        building.chmod(0o755)
        building.rename(entry)

    def evict(self, in_use: Collection[tuple[str, str]]) -> list[str]:
        """Remove unused folders, longest unused first, until the budget holds; answers their digests."""
        entries = []
        for size_file in self._root.glob("*/*/size"):
            entry = size_file.parent
            with contextlib.suppress(OSError, ValueError):
                entries.append((size_file.stat().st_mtime, int(size_file.read_text()), entry))
        total = sum(size for _, size, _ in entries)
        gone = []
        for _, size, entry in sorted(entries, key=lambda item: item[0]):
            if total <= self._bytes_max:
                break
            key = (entry.parent.name, entry.name)
            if key in in_use or key in self._making:
                continue
            doomed = self._root / f".making-{uuid.uuid4().hex}"
            entry.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
            total -= size
            gone.append(entry.name)
        return gone


def _batches(entries: Sequence[ManifestEntry]) -> list[list[ManifestEntry]]:
    batches: list[list[ManifestEntry]] = [[]]
    size = 0
    for entry in entries:
        if batches[-1] and (len(batches[-1]) >= _BATCH_ENTRIES or size + entry.size > _BATCH_BYTES):
            batches.append([])
            size = 0
        batches[-1].append(entry)
        size += entry.size
    return [batch for batch in batches if batch]


class _Writer:
    """Writes the files of one batch as their bytes arrive; equal files are linked, not repeated."""

    def __init__(self, tree: Path, entries: Sequence[ManifestEntry]) -> None:
        self._tree = tree
        self._places: dict[str, list[Path]] = {}
        distinct: dict[str, ManifestEntry] = {}
        for entry in entries:
            self._places.setdefault(entry.digest, []).append(tree / _safe(entry.path))
            distinct.setdefault(entry.digest, entry)
        self.distinct = list(distinct.values())
        self._digest = ""
        self._hash = hashlib.sha256()
        self._fd = -1

    def write(self, digest: str, piece: bytes) -> None:
        if digest != self._digest:
            self._close()
            if digest not in self._places:
                raise FolderError(f"content {digest} was not asked for, or came twice")
            self._digest, self._hash = digest, hashlib.sha256()
            place = self._places[digest][0]
            place.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        self._hash.update(piece)
        view = memoryview(piece)
        while view:
            view = view[os.write(self._fd, view) :]

    def _close(self) -> None:
        if self._fd < 0:
            return
        os.fchmod(self._fd, 0o444)
        os.close(self._fd)
        self._fd = -1
        if self._hash.hexdigest() != self._digest:
            raise FolderError(f"content {self._digest} arrived damaged (it hashes to {self._hash.hexdigest()})")
        first, *others = self._places.pop(self._digest)
        for place in others:
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(first, place)

    def finish(self) -> None:
        self._close()
        if self._places:
            raise FolderError(f"content {next(iter(self._places))} did not arrive")


def _safe(path: str) -> str:
    parts = path.split("/")
    if not path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise FolderError(f"{path!r} is not a relative path of plain names")
    return path
