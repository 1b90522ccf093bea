"""Read-only folders for pods: what a workload mounts, handed over as one framed stream.

On one machine the backend binds folders from the node's cache. A pod fetches them itself before it
starts (``himalia.folders``), with the workload's own token, and gets only what its plan mounts.

A frame is a length (4 bytes, big-endian), a header (JSON: ``paths``, ``size``, ``sha256``) and
``size`` bytes; equal files are one frame with several paths. The last header is ``{"end": true}``:
without it the stream was cut off.
"""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator, Sequence
from typing import Any

import sqlalchemy as sa

from himalia_hub.auth.actor import Actor
from himalia_hub.backends.local.cache import ContentSource, ManifestEntry
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.kinds import WithFolders
from himalia_hub.compute.tables import Workload
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotFound
from himalia_hub.tenancy.tables import Tenant

MEDIA_TYPE = "application/vnd.himalia.folder"
BATCH_ENTRIES, BATCH_BYTES = 1000, 64 << 20


def own_folder(engine: Engine, db: Db, actor: Actor, number: int, manifest: str) -> str:
    """The tenant's code, where the asking workload mounts this folder.

    Raises:
        NotFound: Another workload's token, an ended one, or a folder that its plan does not mount.
    """
    row: Any = db.execute(
        sa.select(Workload.__table__, Tenant.code.label("tenant_code"))
        .join(Tenant, Tenant.id == Workload.tenant_id)
        .where(Workload.tenant_id == actor.tenant_id, Workload.number == number, Workload.ended_at.is_(None))
    ).first()
    if row is None or actor.workload_id is None or row.id != actor.workload_id:
        raise NotFound()
    translator = engine.translator(row.kind)
    if not isinstance(translator, WithFolders) or manifest not in translator.folders(db, row):
        raise NotFound()
    return str(row.tenant_code)


async def frames(source: ContentSource, tenant: str, manifest: str) -> AsyncIterator[bytes]:
    """The folder as frames; the pieces of a large file follow its header as they are read."""
    batch: list[ManifestEntry] = []
    size = count = 0
    async for entry in source.manifest(tenant, manifest):
        if batch and (len(batch) >= BATCH_ENTRIES or size + entry.size > BATCH_BYTES):
            async for piece in _batch(source, tenant, batch):
                yield piece
            batch, size = [], 0
        batch.append(entry)
        size += entry.size
        count += 1
    async for piece in _batch(source, tenant, batch):
        yield piece
    yield _frame({"end": True, "files": count})


async def _batch(source: ContentSource, tenant: str, entries: Sequence[ManifestEntry]) -> AsyncIterator[bytes]:
    paths: dict[str, list[str]] = {}
    distinct: dict[str, ManifestEntry] = {}
    for entry in entries:
        paths.setdefault(entry.digest, []).append(entry.path)
        distinct.setdefault(entry.digest, entry)
    begun = ""
    async for digest, piece in source.read(tenant, list(distinct.values())):
        if digest != begun:
            yield _frame({"paths": paths[digest], "size": distinct[digest].size, "sha256": digest})
            begun = digest
        yield piece


def _frame(header: dict[str, Any]) -> bytes:
    data = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return struct.pack(">I", len(data)) + data
