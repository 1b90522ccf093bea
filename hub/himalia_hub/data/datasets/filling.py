"""What a version's recipes ask for, done by a task right after publishing: splits, digest, folder.

The task reads only the frozen revision and stores only content-addressed blobs, so running it
again from the start always gives the same result.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import objects
from himalia_hub.core.db import Database
from himalia_hub.core.tasks import TaskHandle
from himalia_hub.data.content import manifests
from himalia_hub.data.content.store import ContentStore
from himalia_hub.data.datasets import rules, service
from himalia_hub.data.datasets.tables import Dataset, DatasetItem, DatasetVersion
from himalia_hub.tenancy.tables import User

DRAW_BATCH = 20_000
"""Two short columns a row: larger batches, fewer trips to a thread."""


async def fill(handle: TaskHandle) -> dict[str, Any]:
    """The body of the task ``fill_version``."""
    db, store = handle.platform.db, handle.platform.get(ContentStore)
    with db.read() as connection:
        version = connection.execute(
            sa.select(DatasetVersion.__table__, Dataset.name.label("dataset_name"))
            .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
            .where(DatasetVersion.id == handle.payload["version_id"])
        ).one()
    filler = _Filler(db, store, handle, version)
    return await filler.run()


class _Filler:
    def __init__(self, db: Database, store: ContentStore, handle: TaskHandle, version: Any) -> None:
        self._db, self._store, self._handle, self._version = db, store, handle, version
        self._total = version.counts.get("items", 0)
        self._names = {label["id"]: label["name"] for label in version.label_group["labels"]}
        self._splits = b""
        self._folder = hashlib.sha256()
        self._authors: set[int] = set()

    async def run(self) -> dict[str, Any]:
        version, tenant = self._version, self._version.tenant_id
        split_counts = await self._draw()
        splits = await self._store.put(tenant, self._splits)
        described = self._items(
            DatasetItem.item, DatasetItem.name, DatasetItem.digest, DatasetItem.width, DatasetItem.height,
            DatasetItem.state, DatasetItem.labels,
        )  # fmt: skip
        async with self._db.stream(described.order_by(DatasetItem.name)) as rows:
            annotations = await self._store.put_stream(tenant, self._annotations(rows))
        labels = json.dumps(version.label_group["labels"], ensure_ascii=False, indent=1).encode()
        self._folder.update(f"labels {hashlib.sha256(labels).hexdigest()}\n".encode())
        self._folder.update(f"annotations {annotations.digest}\n".encode())
        digest = self._folder.hexdigest()
        about = json.dumps(self._about(digest, split_counts), ensure_ascii=False, indent=1).encode()
        label_blob, about_blob = await self._store.put_many(tenant, [labels, about])

        async def entries(rows: AsyncIterator[list[Any]]) -> AsyncIterator[manifests.Entry]:
            yield manifests.Entry("annotations.jsonl", annotations.digest, annotations.size)
            yield manifests.Entry("dataset.json", about_blob.digest, about_blob.size)
            async for batch in rows:
                for row in batch:
                    yield manifests.Entry(f"images/{row.name}", row.digest, row.bytes)
            yield manifests.Entry("labels.json", label_blob.digest, label_blob.size)

        named = self._items(DatasetItem.name, DatasetItem.digest, DatasetItem.bytes)
        async with self._db.stream(named.order_by(DatasetItem.name)) as rows:
            manifest = await manifests.write(self._store, tenant, entries(rows))
        await self._handle.progress(self._total, self._total, force=True)
        await self._db.write(lambda session: self._keep(session, split_counts, splits.digest, digest, manifest))
        return {"version": rules.version_name(version.number), "digest": digest}

    def _items(self, *columns: Any) -> sa.Select[Any]:
        return sa.select(*columns).where(
            DatasetItem.dataset_id == self._version.dataset_id, service.at_revision(self._version.revision)
        )

    async def _draw(self) -> dict[str, int]:
        """Assign every item of the revision to a split."""
        strata: dict[str, list[int]] = {}
        async with self._db.stream(self._items(DatasetItem.item, DatasetItem.labels_key), DRAW_BATCH) as rows:
            async for batch in rows:
                for item, key in batch:
                    strata.setdefault(key, []).append(item)
        recipe = self._version.recipe
        drawn = await asyncio.to_thread(rules.draw_splits, strata, recipe["shares"], recipe["seed"])
        codes = bytearray(max(drawn, default=0) + 1)
        for item, code in drawn.items():
            codes[item] = code
        self._splits = bytes(codes)
        return {name: codes.count(n) for n, name in enumerate(rules.SPLITS, 1)}

    async def _annotations(self, rows: AsyncIterator[list[Any]]) -> AsyncIterator[bytes]:
        """The lines of ``annotations.jsonl`` in order of path; what they say goes into the digest."""
        done = 0
        async for batch in rows:
            lines = []
            for row in batch:
                self._folder.update(f"{row.digest} {row.name}\n".encode())
                self._authors.update(entry["by"] for entry in row.labels if entry.get("by"))
                lines.append(json.dumps(self._line(row), ensure_ascii=False, separators=(",", ":")).encode())
            done += len(batch)
            yield b"\n".join(lines) + b"\n"
            await self._handle.progress(done, self._total)

    def _line(self, row: Any) -> dict[str, Any]:
        code = self._splits[row.item]
        line: dict[str, Any] = {
            "path": f"images/{row.name}",
            "labels": [self._names.get(entry["label_id"], "") for entry in row.labels],
            "split": rules.SPLITS[code - 1],
            "width": row.width,
            "height": row.height,
        }
        if row.state == "automatic":
            line["confirmed"] = False
            line["scores"] = [entry.get("score") for entry in row.labels]
        return line

    def _about(self, digest: str, split_counts: dict[str, int]) -> dict[str, Any]:
        version = self._version
        return {
            "schema": 1,
            "name": version.dataset_name,
            "version": rules.version_name(version.number),
            "digest": digest,
            "items": self._total,
            "splits": split_counts,
            "states": service.state_counts(version.counts),
            "labels": {
                entry["name"]: entry["count"]
                for entry in service.label_counts(version.label_group["labels"], version.counts)
            },
            "recipe": {"shares": version.recipe["shares"], "seed": version.recipe["seed"]},
        }

    def _keep(
        self, session: Session, split_counts: dict[str, int], split_digest: str, digest: str, manifest: str
    ) -> None:
        names = session.execute(
            sa.select(User.display_name)
            .where(User.tenant_id == self._version.tenant_id, User.number.in_(self._authors))
            .order_by(User.number)
        ).scalars()
        session.execute(
            sa.update(DatasetVersion)
            .where(DatasetVersion.id == self._version.id)
            .values(
                filled=True,
                split_counts=split_counts,
                split_digest=split_digest,
                digest=digest,
                manifest=manifest,
                recipe={**self._version.recipe, "label_authors": list(names)},
            )
        )
        dataset = session.get(Dataset, self._version.dataset_id)
        assert dataset is not None
        objects.announce(session, "dataset", dataset)
