"""Moves entries older than the retention to the object store, in one piece and provably, and out of the table.

The object is written first, then, in one unit of work, its row in ``audit_archives`` and the
removal of exactly those entries; the database's guard lets no other entry go. An object that was
written before a crash is written again under the same key.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.audit.tables import AuditArchive, AuditEntry
from himalia_hub.core import clock
from himalia_hub.core.archive import ArchiveStore
from himalia_hub.core.db import Db
from himalia_hub.core.tables import Setting
from himalia_hub.platform.parts import Platform

log = logging.getLogger("himalia.audit")
RETENTION = "audit_retention"
DEFAULT_DAYS = 3 * 365
BATCH = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def store_of(platform: Platform) -> ArchiveStore | None:
    """The object store, where this installation has one."""
    kind = cast(type[Any], ArchiveStore)
    return cast(ArchiveStore, platform.get(kind)) if platform.has(kind) else None


def retention_days(db: Db) -> int:
    """How long entries stay in the table before they go to the object store."""
    value = db.execute(sa.select(Setting.value).where(Setting.key == RETENTION)).scalar_one_or_none()
    return int(value["days"]) if value else DEFAULT_DAYS


def packed(rows: list[dict[str, Any]]) -> bytes:
    """Entries as gzipped JSON Lines, moments in microseconds; the same rows make the same bytes."""
    lines = []
    for row in rows:
        plain = {**row, "at": (row["at"] - _EPOCH) // timedelta(microseconds=1)}
        lines.append(json.dumps(plain, sort_keys=True, ensure_ascii=False) + "\n")
    return gzip.compress("".join(lines).encode(), mtime=0)


class Archiver:
    """One batch a step, oldest first, while there is something to move."""

    name = "audit-archiver"
    interval_seconds = 3600.0
    wakes_on_commit = False

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def step(self) -> None:
        store = store_of(self._platform)
        while store is not None and await self._batch(store):
            pass

    async def _batch(self, store: ArchiveStore) -> bool:
        with self._platform.db.read() as db:
            before = clock.now() - timedelta(days=retention_days(db))
            # Everything up to the last id that is old enough, so that archives never overlap.
            young = db.execute(sa.select(sa.func.min(AuditEntry.id)).where(AuditEntry.at >= before)).scalar()
            statement = sa.select(AuditEntry.__table__).order_by(AuditEntry.id).limit(BATCH)
            if young is not None:
                statement = statement.where(AuditEntry.id < young)
            rows = [dict(row._mapping) for row in db.execute(statement)]
        if not rows:
            return False
        data = packed(rows)
        first, last = rows[0]["id"], rows[-1]["id"]
        key = f"audit/{first:012d}-{last:012d}.jsonl.gz"
        await store.put(key, data)

        def work(session: Session) -> None:
            session.add(
                AuditArchive(
                    first_id=first,
                    last_id=last,
                    first_at=min(row["at"] for row in rows),
                    last_at=max(row["at"] for row in rows),
                    entries=len(rows),
                    key=key,
                    bytes=len(data),
                    sha256=hashlib.sha256(data).hexdigest(),
                    at=clock.now(),
                )
            )
            session.flush()
            gone = sa.delete(AuditEntry).where(AuditEntry.id.in_([row["id"] for row in rows]))
            removed = cast(Any, session.execute(gone)).rowcount
            assert removed == len(rows), f"{removed} of {len(rows)} entries were there to be archived"

        await self._platform.db.write(work)
        log.info("moved %d audit entries to %s", len(rows), key)
        return len(rows) == BATCH
