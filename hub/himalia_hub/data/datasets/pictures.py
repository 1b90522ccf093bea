"""Sending pictures: originals with ranges, thumbnails made once, headers that let nothing run."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.api.routes import Raw, Stream
from himalia_hub.core.db import Database
from himalia_hub.core.errors import HimaliaError, NotFound
from himalia_hub.data.content.store import SMALL_BYTES, ContentStore
from himalia_hub.data.datasets.tables import Thumbnail
from himalia_hub.data.imports.workers import PictureWorkers

SMALL_SIDE, SMALL_PICTURE = 256, 64 * 1024
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class RangeNotSatisfiable(HimaliaError):
    code = "range_not_satisfiable"
    status = 416


def headers(digest: str, name: str) -> dict[str, str]:
    """What every picture is sent with: nothing in it runs, its type is not guessed, it never changes."""
    return {
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-site",
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(name.rsplit('/', 1)[-1], safe='')}",
        "ETag": f'"{digest}"',
        "Accept-Ranges": "bytes",
    }


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Start and length of the one range asked for; None is the whole.

    Forms that are not understood are ignored, as RFC 9110 allows; one outside the bytes raises.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        length = min(int(last), size)
        start, end = size - length, size - 1
    else:
        start = int(first)
        end = min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    if start >= size or end < start:
        raise RangeNotSatisfiable(
            f"Range: the picture has {size} bytes.",
            zh=f"Range：图片共 {size} 字节。",
            field="Range",
            rule=f"within 0-{size - 1}",
            value=header,
        )
    return start, end - start + 1


async def original(store: ContentStore, tenant_id: int, row: Any, request: Mapping[str, str]) -> Raw | Stream:
    """The bytes of an item's picture as they were imported."""
    sent = headers(row.digest, row.name)
    if request.get("If-None-Match") == sent["ETag"]:
        return Raw(b"", row.media_type, 304, sent)
    span = parse_range(request.get("Range"), row.bytes)
    start, length = span or (0, row.bytes)
    status = 200
    if span is not None:
        status = 206
        sent["Content-Range"] = f"bytes {start}-{start + length - 1}/{row.bytes}"
    if length <= SMALL_BYTES:
        return Raw(await store.read(tenant_id, row.digest, start, length), row.media_type, status, sent)
    sent["Content-Length"] = str(length)
    return Stream(store.open(tenant_id, row.digest, start, length), row.media_type, status, sent)


class Thumbnails:
    """Makes the small pictures: on demand, and ahead of demand after an import."""

    def __init__(self, db: Database, store: ContentStore, workers: PictureWorkers, scratch: Path) -> None:
        self._db, self._store, self._workers, self._scratch = db, store, workers, scratch
        self._making: dict[tuple[int, str], asyncio.Future[tuple[bytes, str]]] = {}

    @staticmethod
    def is_small(row: Any) -> bool:
        """A small picture is its own thumbnail."""
        return bool(
            row.width <= SMALL_SIDE
            and row.height <= SMALL_SIDE
            and row.bytes <= SMALL_PICTURE
            and row.media_type != "image/bmp"
        )

    async def get(self, tenant_id: int, row: Any) -> tuple[bytes, str]:
        """Bytes and media type of an item's thumbnail."""
        if self.is_small(row):
            return await self._store.read(tenant_id, row.digest), row.media_type
        with self._db.read() as db:
            kept = db.execute(
                sa.select(Thumbnail.thumbnail, Thumbnail.media_type).where(
                    Thumbnail.tenant_id == tenant_id, Thumbnail.digest == row.digest
                )
            ).first()
        if kept is not None:
            return await self._store.read(tenant_id, kept.thumbnail), kept.media_type
        key = (tenant_id, row.digest)
        if key not in self._making:  # two who ask at once wait for one
            self._making[key] = asyncio.ensure_future(self._make(tenant_id, row.digest))
            self._making[key].add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(self._making[key])

    async def _make(self, tenant_id: int, digest: str) -> tuple[bytes, str]:
        made = await self._from_content(tenant_id, digest)
        if not made:
            raise NotFound(
                "No small picture could be made of this one.", zh="无法生成该图片的缩略图。", code="no_thumbnail"
            )
        await self._keep(tenant_id, {digest: made})
        return made, "image/webp"

    async def _from_content(self, tenant_id: int, digest: str) -> bytes:
        """One content's thumbnail; a large original goes through a file, never through our memory."""
        if self._store.size(tenant_id, digest) <= SMALL_BYTES:
            return (await self._workers.thumbnails([await self._store.read(tenant_id, digest)]))[0]
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=self._scratch, prefix="original-") as file:
            async for piece in self._store.open(tenant_id, digest):
                await asyncio.to_thread(file.write, piece)
            file.flush()
            return (await self._workers.thumbnails([file.name]))[0]

    async def _keep(self, tenant_id: int, made: Mapping[str, bytes]) -> None:
        """Store thumbnails by their original's digest; those that could not be made are left out."""
        good = {digest: data for digest, data in made.items() if data}
        if not good:
            return
        staged, blobs = await self._store.stage_many(tenant_id, good.values())

        def work(session: Session) -> None:
            staged.index(session)
            for digest, blob in zip(good, blobs, strict=True):
                if session.get(Thumbnail, (tenant_id, digest)) is None:
                    session.add(
                        Thumbnail(tenant_id=tenant_id, digest=digest, thumbnail=blob.digest, media_type="image/webp")
                    )
                    session.flush()

        await self._db.write(work)

    async def make_ahead(self, tenant_id: int, digests: list[str]) -> None:
        """The thumbnails of a batch of contents that have none, in one pack."""
        with self._db.read() as db:
            known = set(
                db.execute(
                    sa.select(Thumbnail.digest).where(Thumbnail.tenant_id == tenant_id, Thumbnail.digest.in_(digests))
                ).scalars()
            )
        missing = [digest for digest in dict.fromkeys(digests) if digest not in known]
        small = {digest: data async for digest, data in self._store.read_many(tenant_id, missing)}
        made: dict[str, bytes] = {}
        if small:
            made.update(zip(small, await self._workers.thumbnails(list(small.values())), strict=True))
        for digest in missing:
            if digest not in small:
                made[digest] = await self._from_content(tenant_id, digest)
        await self._keep(tenant_id, made)
