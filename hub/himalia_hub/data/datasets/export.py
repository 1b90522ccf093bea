"""A version as a .zip that is written while it is sent: memory holds a batch of small files."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator, Sequence
from typing import Any

import sqlalchemy as sa

from himalia_hub.core.db import Database
from himalia_hub.core.errors import Conflict, InvalidInput
from himalia_hub.data.content.store import ContentStore
from himalia_hub.data.datasets import items, service
from himalia_hub.data.datasets.tables import DatasetItem

BATCH = 500
_EPOCH = (1980, 1, 1, 0, 0, 0)


class _Sink(io.RawIOBase):
    """Takes what zipfile writes and gives it on."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def check(dataset: Any, version: Any, wanted: str) -> None:
    """Refuse what cannot be written in this format."""
    if wanted == "imagefolder" and dataset.multi_label:
        raise InvalidInput(
            "format: imagefolder has one label an item, and this dataset may have several.",
            zh="format：imagefolder 每个条目只有一个标签，而此数据集允许多个。",
            field="format",
            rule="native or csv for several labels an item",
            value=wanted,
            hint="Choose native or csv.",
            hint_zh="请选择 native 或 csv。",
        )
    if not version.filled:
        raise Conflict(
            "The splits of this version are still being drawn.",
            zh="该版本的划分仍在生成。",
            hint="It takes moments after publishing; try again.",
            hint_zh="发布后片刻即可就绪，请重试。",
            code="version_not_ready",
        )


async def stream(db: Database, store: ContentStore, dataset: Any, version: Any, wanted: str) -> AsyncIterator[bytes]:
    """The archive of a version as ``imagefolder``, ``native`` or ``csv``."""
    splits = await store.read(dataset.tenant_id, version.split_digest)
    writer = _Writer(store, dataset.tenant_id, version.label_group, splits, wanted)
    statement = (
        sa.select(DatasetItem.__table__)
        .where(DatasetItem.dataset_id == dataset.id, service.at_revision(version.revision))
        .order_by(DatasetItem.item)
    )
    writer.begin()
    async with db.stream(statement, BATCH) as rows:
        async for batch in rows:
            async for piece in writer.add(batch):
                yield piece
    yield writer.end()


class _Writer:
    """The archive as it grows; bytes are given on as soon as zipfile has written them."""

    def __init__(
        self, store: ContentStore, tenant_id: int, label_group: dict[str, Any], splits: bytes, wanted: str
    ) -> None:
        self._store, self._tenant_id, self._label_group = store, tenant_id, label_group
        self._splits, self._wanted = splits, wanted
        self._names = {label["id"]: label["name"] for label in label_group["labels"]}
        self._sink = _Sink()
        self._archive = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_STORED)
        self._table = io.StringIO()
        self._lines = csv.writer(self._table)

    def begin(self) -> None:
        if self._wanted == "native":
            labels = [{"name": label["name"], "color": label["colour"]} for label in self._label_group["labels"]]
            text = json.dumps(labels, ensure_ascii=False, indent=1)
            self._archive.writestr(_entry(f"label_{self._label_group['name']}.json"), text)
        self._lines.writerow(["path", "labels", "split", "state", "width", "height", "sha256"])

    async def add(self, batch: Sequence[Any]) -> AsyncIterator[bytes]:
        digests = [row.digest for row in batch]
        small = {digest: data async for digest, data in self._store.read_many(self._tenant_id, digests)}
        for row in batch:
            names = [self._names.get(entry["label_id"], "") for entry in row.labels]
            split = items.split_of(self._splits, row.item) or ""
            path = _path(self._wanted, row, names, split)
            if row.digest in small:
                self._archive.writestr(_entry(path), small[row.digest])
                yield self._sink.taken()
            else:
                with self._archive.open(_entry(path), "w", force_zip64=True) as target:
                    async for piece in self._store.open(self._tenant_id, row.digest):
                        target.write(piece)
                        yield self._sink.taken()
            self._describe(row, path, names, split)

    def _describe(self, row: Any, path: str, names: Sequence[str], split: str) -> None:
        """What the format says about an item beside its bytes."""
        if self._wanted == "native" and row.labels:
            document = [
                {"name": name, "score": entry.get("score")} for name, entry in zip(names, row.labels, strict=True)
            ]
            self._archive.writestr(_entry(f"annotation/{row.name}.json"), json.dumps(document, ensure_ascii=False))
        if self._wanted == "csv":
            self._lines.writerow([path, "|".join(names), split, row.state, row.width, row.height, row.digest])

    def end(self) -> bytes:
        if self._wanted == "csv":
            self._archive.writestr(_entry("annotations.csv"), "\ufeff" + self._table.getvalue())
        self._archive.close()
        return self._sink.taken()


def _entry(path: str) -> zipfile.ZipInfo:
    """Every entry with the same date, so that the same version gives the same bytes."""
    entry = zipfile.ZipInfo(path, _EPOCH)
    entry.external_attr = 0o644 << 16
    return entry


def _path(wanted: str, row: Any, names: Sequence[str], split: str) -> str:
    if wanted == "native":
        return f"origin/{row.name}"
    if wanted == "csv":
        return f"images/{row.name}"
    return "/".join((split, _folder(names[0]) if names else "unlabelled", row.name))


def _folder(label: str) -> str:
    """A label as one path segment."""
    safe = label.replace("/", "_").replace("\\", "_")
    return f"_{safe}" if safe in (".", "..") else safe
