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
from himalia_hub.data.datasets.filling import open_rows
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
    labels = {label["id"]: label["name"] for label in version.label_group["labels"]}
    splits = await store.read(dataset.tenant_id, version.split_digest)
    sink = _Sink()
    archive = zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED)
    statement = (
        sa.select(DatasetItem.__table__)
        .where(DatasetItem.dataset_id == dataset.id, service.at_revision(version.revision))
        .order_by(DatasetItem.item)
    )
    if wanted == "native":
        text = json.dumps(
            [{"name": label["name"], "color": label["colour"]} for label in version.label_group["labels"]],
            ensure_ascii=False,
            indent=1,
        )
        archive.writestr(_entry(f"label_{version.label_group['name']}.json"), text)
    table = io.StringIO()
    lines = csv.writer(table)
    lines.writerow(["path", "labels", "split", "state", "width", "height", "sha256"])
    async with open_rows(db, statement, BATCH) as rows:
        async for batch in rows:
            small = {d: data async for d, data in store.read_many(dataset.tenant_id, [row.digest for row in batch])}
            for row in batch:
                names = [labels.get(entry["label_id"], "") for entry in row.labels]
                split = items.split_of(splits, row.item) or ""
                path = _path(wanted, row, names, split)
                if row.digest in small:
                    archive.writestr(_entry(path), small[row.digest])
                    yield sink.taken()
                else:
                    with archive.open(_entry(path), "w", force_zip64=True) as target:
                        async for piece in store.open(dataset.tenant_id, row.digest):
                            target.write(piece)
                            yield sink.taken()
                if wanted == "native" and row.labels:
                    document = [
                        {"name": name, "score": entry.get("score")}
                        for name, entry in zip(names, row.labels, strict=True)
                    ]
                    archive.writestr(_entry(f"annotation/{row.name}.json"), json.dumps(document, ensure_ascii=False))
                if wanted == "csv":
                    lines.writerow([path, "|".join(names), split, row.state, row.width, row.height, row.digest])
    if wanted == "csv":
        archive.writestr(_entry("annotations.csv"), "\ufeff" + table.getvalue())
    archive.close()
    yield sink.taken()


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
