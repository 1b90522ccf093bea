"""The content store: bytes in, digest out; digest in, bytes out. Per tenant, written once.

Glossary
    blob      bytes addressed by the SHA-256 of what they hold, within one tenant.
    pack      an immutable object of up to about 64 MiB that holds many small blobs end to end.
    staged    in S3 but not yet in the index; a unit of work indexes it together with what uses it,
              so that a blob either is whole and referenced, or was never there.

Who may read which blob is decided by the nouns whose rows name it; nothing here is reachable
from outside. Blobs that nothing names any more are left to the collector.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import clock
from himalia_hub.core.db import Database, Db
from himalia_hub.data.content import bulk
from himalia_hub.data.content.s3 import PART_BYTES, READ_BYTES, MissingObject, ObjectStore
from himalia_hub.data.content.tables import BlobRow, StoredObject

SMALL_BYTES = 1024 * 1024
"""Blobs above this have an object of their own."""
PACK_BYTES = 64 * 1024 * 1024
CACHE_BYTES = 64 * 1024 * 1024
LOOKUP = 1000
GAP_BYTES = 64 * 1024
"""Two blobs of a pack that lie this close are fetched by one request."""
SPAN_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Blob:
    """What was stored: SHA-256 in hex, and its number of bytes."""

    digest: str
    size: int


class UnknownBlob(LookupError):
    """No such blob in this tenant: a broken invariant, or damage."""


class TooManyBytes(Exception):
    """A stream was longer than its caller allows; nothing of it is kept."""


@dataclass(slots=True)
class Staged:
    """Objects already in S3 and the blobs in them, waiting for a unit of work to index them."""

    tenant_id: int
    objects: list[tuple[str, str, int, list[tuple[str, int, int]]]] = field(default_factory=list)
    """(key, kind, bytes, [(digest, offset, size)])"""

    def index(self, session: Session) -> None:
        """Write the index rows in the caller's transaction; a digest known meanwhile keeps its place."""
        moment = clock.now()
        for key, kind, size, blobs in self.objects:
            object_id = session.execute(
                sa.insert(StoredObject)
                .values(tenant_id=self.tenant_id, key=key, kind=kind, bytes=size, created_at=moment)
                .returning(StoredObject.id)
            ).scalar_one()
            rows = [(self.tenant_id, digest, object_id, offset, length) for digest, offset, length in blobs]
            columns = ("tenant_id", "digest", "object_id", "offset", "size")
            bulk.insert(session, BlobRow.__table__, columns, rows, ignore=True)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a blob lies."""

    digest: str
    key: str
    offset: int
    size: int


class ContentStore:
    """One per platform; see the module's docstring. All methods run on the event loop."""

    def __init__(self, db: Database, objects: ObjectStore) -> None:
        self._db = db
        self._objects = objects
        self._cache: OrderedDict[tuple[int, str], bytes] = OrderedDict()
        self._cached_bytes = 0

    # -- writing -----------------------------------------------------------------------------

    async def put_many(self, tenant_id: int, contents: Iterable[bytes]) -> list[Blob]:
        """Store small contents, one S3 object per 64 MiB; answers in the order given."""
        staged, blobs = await self.stage_many(tenant_id, contents)
        if staged.objects:
            await self._db.write(staged.index)
        return blobs

    async def put(self, tenant_id: int, content: bytes) -> Blob:
        return (await self.put_many(tenant_id, [content]))[0]

    async def stage_many(
        self, tenant_id: int, contents: Iterable[bytes], digests: Sequence[str] | None = None
    ) -> tuple[Staged, list[Blob]]:
        """Put what is not yet there into packs; the caller indexes them in its own transaction.

        Args:
            contents: Whole blobs; together at most what the caller holds in memory anyway.
            digests: Their digests where the caller has computed them itself.
        """
        data = list(contents)
        names = list(digests) if digests is not None else [digest_of(content) for content in data]
        known = self.known(tenant_id, names)
        staged = Staged(tenant_id)
        pack: list[bytes] = []
        entries: list[tuple[str, int, int]] = []
        size = 0
        for name, content in zip(names, data, strict=True):
            if name in known:
                continue
            known.add(name)
            if pack and size + len(content) > PACK_BYTES:
                await self._put_pack(staged, pack, entries, size)
                pack, entries, size = [], [], 0
            entries.append((name, size, len(content)))
            pack.append(content)
            size += len(content)
        if pack:
            await self._put_pack(staged, pack, entries, size)
        return staged, [Blob(name, len(content)) for name, content in zip(names, data, strict=True)]

    async def _put_pack(
        self, staged: Staged, pack: list[bytes], entries: list[tuple[str, int, int]], size: int
    ) -> None:
        key = f"tenants/{staged.tenant_id}/packs/{uuid.uuid4().hex}"
        await self._objects.put(key, pack[0] if len(pack) == 1 else b"".join(pack))
        staged.objects.append((key, "pack", size, entries))

    async def put_stream(self, tenant_id: int, chunks: AsyncIterable[bytes], *, most_bytes: int | None = None) -> Blob:
        """Store one content of unknown length; memory holds at most a part of 8 MiB and a chunk.

        Raises:
            TooManyBytes: It is longer than ``most_bytes``; nothing was kept.
        """
        staged, blob = await self.stage_stream(tenant_id, chunks, most_bytes=most_bytes)
        if staged.objects:
            await self._db.write(staged.index)
        return blob

    async def stage_stream(
        self, tenant_id: int, chunks: AsyncIterable[bytes], *, most_bytes: int | None = None
    ) -> tuple[Staged, Blob]:
        """As :meth:`put_stream`, indexed by the caller."""
        upload = _Upload(self._objects, f"tenants/{tenant_id}/blobs/{uuid.uuid4().hex}")
        try:
            async for chunk in chunks:
                await upload.add(chunk)
                if most_bytes is not None and upload.size > most_bytes:
                    raise TooManyBytes(upload.size)
            digest = upload.digest
            staged = Staged(tenant_id)
            if digest in self.known(tenant_id, [digest]):
                await upload.abort()
            elif upload.size <= SMALL_BYTES:
                await self._put_pack(staged, [upload.rest], [(digest, 0, upload.size)], upload.size)
            else:
                await upload.finish()
                staged.objects.append((upload.key, "blob", upload.size, [(digest, 0, upload.size)]))
        except BaseException:
            await upload.abort()
            raise
        return staged, Blob(digest, upload.size)

    # -- reading -----------------------------------------------------------------------------

    def known(self, tenant_id: int, digests: Sequence[str]) -> set[str]:
        """Which of the digests this tenant has."""
        found: set[str] = set()
        with self._db.read() as db:
            for start in range(0, len(digests), LOOKUP):
                found.update(
                    db.execute(
                        sa.select(BlobRow.digest).where(
                            BlobRow.tenant_id == tenant_id, BlobRow.digest.in_(digests[start : start + LOOKUP])
                        )
                    ).scalars()
                )
        return found

    def places(self, tenant_id: int, digests: Iterable[str]) -> dict[str, Place]:
        """Where the blobs lie; raises :class:`UnknownBlob` for the first that is missing."""
        wanted = list(dict.fromkeys(digests))
        with self._db.read() as db:
            found = places(db, tenant_id, wanted)
        for digest in wanted:
            if digest not in found:
                raise UnknownBlob(f"tenant {tenant_id} has no blob {digest}")
        return found

    def size(self, tenant_id: int, digest: str) -> int:
        return self.places(tenant_id, [digest])[digest].size

    async def read(self, tenant_id: int, digest: str, start: int = 0, length: int | None = None) -> bytes:
        """A blob or a range of it in memory; small ones come from a cache the second time."""
        cached = self._cached(tenant_id, digest)
        if cached is None:
            place = self.places(tenant_id, [digest])[digest]
            if place.size > SMALL_BYTES:
                wanted = place.size - start if length is None else min(length, place.size - start)
                return await self._objects.get(place.key, place.offset + start, max(wanted, 0))
            cached = _checked(await self._objects.get(place.key, place.offset, place.size), digest)
            self._remember(tenant_id, digest, cached)
        return cached[start:] if length is None else cached[start : start + length]

    async def open(
        self, tenant_id: int, digest: str, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of a blob or of a range of it, in pieces of at most 1 MiB."""
        place = self.places(tenant_id, [digest])[digest]
        if place.size <= SMALL_BYTES:
            yield await self.read(tenant_id, digest, start, length)
            return
        wanted = place.size - start if length is None else min(length, place.size - start)
        async for piece in self._objects.stream(place.key, place.offset + start, max(wanted, 0)):
            yield piece

    async def read_many(self, tenant_id: int, digests: Iterable[str]) -> AsyncIterator[tuple[str, bytes]]:
        """Small blobs in the order of their packs, neighbours by one request; each digest once.

        Large ones (above 1 MiB) are left out: stream them by :meth:`open`.
        """
        found = self.places(tenant_id, digests)
        small = sorted(
            (place for place in found.values() if place.size <= SMALL_BYTES), key=lambda p: (p.key, p.offset)
        )
        for span in spans(small):
            start, end = span[0].offset, span[-1].offset + span[-1].size
            data = await self._objects.get(span[0].key, start, end - start)
            for place in span:
                at = place.offset - start
                yield place.digest, _checked(data[at : at + place.size], place.digest)

    # -- the cache ---------------------------------------------------------------------------

    def _cached(self, tenant_id: int, digest: str) -> bytes | None:
        data = self._cache.get((tenant_id, digest))
        if data is not None:
            self._cache.move_to_end((tenant_id, digest))
        return data

    def _remember(self, tenant_id: int, digest: str, data: bytes) -> None:
        if (tenant_id, digest) in self._cache:
            return
        self._cache[(tenant_id, digest)] = data
        self._cached_bytes += len(data)
        while self._cached_bytes > CACHE_BYTES:
            _, dropped = self._cache.popitem(last=False)
            self._cached_bytes -= len(dropped)

    async def ensure_bucket(self) -> None:
        await self._objects.ensure_bucket()

    def close(self) -> None:
        self._objects.close()


class _Upload:
    """One large object on its way: parts of 8 MiB, begun only when a second part is due."""

    def __init__(self, objects: ObjectStore, key: str) -> None:
        self._objects = objects
        self.key = key
        self.size = 0
        self._hasher = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._held = 0
        self._id: str | None = None
        self._etags: list[str] = []
        self._done = False

    @property
    def digest(self) -> str:
        return self._hasher.hexdigest()

    @property
    def rest(self) -> bytes:
        return b"".join(self._pieces)

    async def add(self, chunk: bytes) -> None:
        for start in range(0, len(chunk), READ_BYTES):
            piece = chunk[start : start + READ_BYTES]
            self._hasher.update(piece)
            self._pieces.append(piece)
            self._held += len(piece)
            self.size += len(piece)
            if self._held >= PART_BYTES:
                await self._part()

    async def _part(self) -> None:
        if self._id is None:
            self._id = await self._objects.begin_upload(self.key)
        data = self.rest
        self._pieces, self._held = [], 0
        self._etags.append(await self._objects.upload_part(self.key, self._id, len(self._etags) + 1, data))

    async def finish(self) -> None:
        if self._id is None:
            await self._objects.put(self.key, self.rest)
        else:
            if self._held:
                await self._part()
            await self._objects.complete_upload(self.key, self._id, self._etags)
        self._done = True

    async def abort(self) -> None:
        """Forget what was sent; a finished object is deleted."""
        if self._done:
            await self._objects.delete(self.key)
        elif self._id is not None:
            await self._objects.abort_upload(self.key, self._id)
        self._id, self._pieces = None, []


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _checked(data: bytes, digest: str) -> bytes:
    if digest_of(data) != digest:
        raise MissingObject(f"the bytes of {digest} are not those that were stored")
    return data


def places(db: Db, tenant_id: int, digests: Sequence[str]) -> dict[str, Place]:
    """The places of those digests that exist."""
    found: dict[str, Place] = {}
    for start in range(0, len(digests), LOOKUP):
        rows = db.execute(
            sa.select(BlobRow.digest, StoredObject.key, BlobRow.offset, BlobRow.size)
            .join_from(BlobRow, StoredObject, StoredObject.id == BlobRow.object_id)
            .where(BlobRow.tenant_id == tenant_id, BlobRow.digest.in_(digests[start : start + LOOKUP]))
        )
        found.update({row.digest: Place(row.digest, row.key, row.offset, row.size) for row in rows})
    return found


def spans(small: Sequence[Place]) -> list[list[Place]]:
    """Groups of neighbours that one ranged read fetches: same pack, small gaps, at most 8 MiB."""
    groups: list[list[Place]] = []
    for place in small:
        last = groups[-1] if groups else None
        if (
            last is not None
            and last[-1].key == place.key
            and place.offset - (last[-1].offset + last[-1].size) <= GAP_BYTES
            and place.offset + place.size - last[0].offset <= SPAN_BYTES
        ):
            last.append(place)
        else:
            groups.append([place])
    return groups
