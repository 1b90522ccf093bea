"""Gives backends the folders of manifests: implements the local backend's ``ContentSource``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import sqlalchemy as sa

from himalia_hub.backends.local.cache import ManifestEntry
from himalia_hub.core.db import Database
from himalia_hub.data.content import manifests
from himalia_hub.data.content.store import SMALL_BYTES, ContentStore
from himalia_hub.tenancy.tables import Tenant


class FolderSource:
    """Reads manifests and their files; tenants arrive by code, as backends know them."""

    def __init__(self, db: Database, store: ContentStore) -> None:
        self._db, self._store = db, store
        self._tenants: dict[str, int] = {}

    def _tenant(self, code: str) -> int:
        if code not in self._tenants:  # a code never changes its tenant
            with self._db.read() as db:
                found = db.execute(sa.select(Tenant.id).where(Tenant.code == code)).scalar()
            if found is None:
                raise LookupError(f"no tenant {code!r}")
            self._tenants[code] = found
        return self._tenants[code]

    async def manifest(self, tenant: str, digest: str) -> AsyncIterator[ManifestEntry]:
        """The folder's files, ordered by path; raises ``LookupError`` for an unknown manifest."""
        async for entry in manifests.read(self._store, self._tenant(tenant), digest):
            yield ManifestEntry(entry.path, entry.digest, entry.size)

    async def read(self, tenant: str, entries: Sequence[ManifestEntry]) -> AsyncIterator[tuple[str, bytes]]:
        """The bytes of all entries: small ones by neighbouring ranges of packs, large ones in pieces."""
        tenant_id = self._tenant(tenant)
        small = [entry.digest for entry in entries if entry.size <= SMALL_BYTES]
        async for digest, data in self._store.read_many(tenant_id, small):
            yield digest, data
        for entry in {entry.digest: entry for entry in entries if entry.size > SMALL_BYTES}.values():
            async for piece in self._store.open(tenant_id, entry.digest):
                yield entry.digest, piece
