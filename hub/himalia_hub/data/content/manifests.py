"""Manifests: what a read-only folder holds, as a blob of JSON Lines ordered by path.

One ``{"path", "digest", "size"}`` a line; paths are relative, ``/``-separated, compared by their
UTF-8 bytes. A backend materialises a folder from it (``backends/protocol.FolderMount``).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass

from himalia_hub.data.content.store import ContentStore

_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the folder."""

    path: str
    digest: str
    size: int


def line(entry: Entry) -> bytes:
    """The entry's line; the same entry always gives the same bytes."""
    return (
        json.dumps(
            {"path": entry.path, "digest": entry.digest, "size": entry.size},
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        + b"\n"
    )


async def write(store: ContentStore, tenant_id: int, entries: Iterable[Entry] | AsyncIterable[Entry]) -> str:
    """Store a manifest; answers its digest. Entries must come in order of path, each path once."""

    async def chunks() -> AsyncIterator[bytes]:
        held, size, last = [], 0, b""
        async for entry in _each(entries):
            path = entry.path.encode()
            if path <= last:
                raise ValueError(f"manifest entries out of order at {entry.path!r}")
            last = path
            text = line(entry)
            held.append(text)
            size += len(text)
            if size >= _CHUNK_BYTES:
                yield b"".join(held)
                held, size = [], 0
        yield b"".join(held)

    return (await store.put_stream(tenant_id, chunks())).digest


async def _each(entries: Iterable[Entry] | AsyncIterable[Entry]) -> AsyncIterator[Entry]:
    if isinstance(entries, AsyncIterable):
        async for entry in entries:
            yield entry
    else:
        for entry in entries:
            yield entry


async def read(store: ContentStore, tenant_id: int, digest: str) -> AsyncIterator[Entry]:
    """The entries of a manifest, in order."""
    rest = b""
    async for chunk in store.open(tenant_id, digest):
        *lines, rest = (rest + chunk).split(b"\n")
        for text in lines:
            fields = json.loads(text)
            yield Entry(fields["path"], fields["digest"], fields["size"])
