"""Files on their way into a dataset: hashed, checked in other processes, packed, then admitted.

One intake takes one call's or one archive batch's files. Nothing is visible before ``admit``: the
blobs' index, the items, the counts and the report are one transaction. Sending a file again finds
what the first time left: its item, or its refusal.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import clock, objects
from himalia_hub.core.errors import Conflict, NotFound
from himalia_hub.core.tables import TaskRow
from himalia_hub.data.content import usage
from himalia_hub.data.content.store import SMALL_BYTES, ContentStore, Staged, digest_of
from himalia_hub.data.datasets import counts, items, rules, service
from himalia_hub.data.datasets.tables import OPEN, Dataset, DatasetItem
from himalia_hub.data.imports import rules as import_rules
from himalia_hub.data.imports.decode import Fact
from himalia_hub.data.imports.rules import Refusal
from himalia_hub.data.imports.tables import Import, ImportResult
from himalia_hub.data.imports.workers import PictureWorkers
from himalia_hub.data.label_groups.tables import LabelGroup
from himalia_hub.platform.parts import Platform

CHECK_FILES, CHECK_BYTES = 256, 4 * 1024 * 1024
READ_BYTES = 1024 * 1024
_SHOWN = 100
_RESULTS: sa.Table = ImportResult.__table__  # type: ignore[assignment]


@dataclass(slots=True)
class Candidate:
    """One file of the intake."""

    path: str
    """As it was sent; results are found by it."""
    name: str = ""
    label: str | None = None
    digest: str = ""
    size: int = 0
    data: bytes | None = None
    spooled: Path | None = None
    refusal: Refusal | None = None
    media_type: str = ""
    width: int = 0
    height: int = 0


Result = dict[str, Any]


class Intake:
    """Use as: ``add`` or ``add_stream`` for each file, then ``finish`` once."""

    def __init__(self, platform: Platform, import_id: int, tenant_id: int, scratch: Path) -> None:
        self._platform = platform
        self._store = platform.get(ContentStore)
        self._workers = platform.get(PictureWorkers)
        self._import_id = import_id
        self._tenant_id = tenant_id
        self._scratch = scratch
        self._candidates: list[Candidate] = []
        self._waiting: list[Candidate] = []
        self._waiting_bytes = 0
        self._checks: list[asyncio.Task[None]] = []

    def __len__(self) -> int:
        return len(self._candidates)

    @property
    def held_bytes(self) -> int:
        """Bytes of small files in memory."""
        return sum(len(candidate.data) for candidate in self._candidates if candidate.data is not None)

    def _begin(self, path: Any, label: str | None, size: int, most: int) -> Candidate:
        checked = import_rules.check_path(path)
        candidate = Candidate(path=path if isinstance(path, str) else str(path), label=label, size=size)
        self._candidates.append(candidate)
        if isinstance(checked, Refusal):
            candidate.refusal = checked
        else:
            candidate.name = checked
            candidate.refusal = import_rules.check_size(size, most)
        return candidate

    def refuse(self, path: str, refusal: Refusal) -> None:
        """Report a file that was not even read."""
        self._candidates.append(Candidate(path=path, refusal=refusal))

    def add(self, path: Any, data: bytes, *, label: str | None = None, sha256: str | None = None) -> None:
        """A file of at most 1 MiB."""
        candidate = self._begin(path, label, len(data), SMALL_BYTES)
        if candidate.refusal is not None:
            return
        candidate.digest = digest_of(data)
        if not _same_digest(candidate, sha256):
            return
        candidate.data = data
        self._waiting.append(candidate)
        self._waiting_bytes += len(data)
        if len(self._waiting) >= CHECK_FILES or self._waiting_bytes >= CHECK_BYTES:
            self._check_waiting()

    async def add_stream(
        self,
        path: Any,
        chunks: AsyncIterator[bytes],
        size: int,
        *,
        label: str | None = None,
        sha256: str | None = None,
        most: int = import_rules.MOST_FILE_BYTES,
    ) -> None:
        """A larger file: spooled to disk, checked there, stored when the check is over."""
        candidate = self._begin(path, label, size, most)
        if candidate.refusal is not None:
            async for _ in chunks:
                pass
            return
        hasher, written = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(dir=self._scratch)
        candidate.spooled = Path(name)
        with os.fdopen(handle, "wb") as file:
            async for chunk in chunks:
                hasher.update(chunk)
                written += len(chunk)
                await asyncio.to_thread(file.write, chunk)
        candidate.size, candidate.digest = written, hasher.hexdigest()
        if _same_digest(candidate, sha256):
            self._checks.append(asyncio.create_task(self._check([candidate])))

    def _check_waiting(self) -> None:
        if self._waiting:
            self._checks.append(asyncio.create_task(self._check(self._waiting)))
            self._waiting, self._waiting_bytes = [], 0

    async def _check(self, batch: Sequence[Candidate]) -> None:
        pictures = [c.data if c.data is not None else str(c.spooled) for c in batch]
        for candidate, fact in zip(batch, await self._workers.check(pictures), strict=True):
            _apply(candidate, fact)

    async def finish(self) -> list[Result]:
        """Store and admit everything; answers one result a file, in order."""
        try:
            self._check_waiting()
            for check in self._checks:
                await check
            staged = await self._stage()
            return await self._platform.db.write(lambda session: self._admit(session, staged))
        finally:
            await self.discard()

    async def discard(self) -> None:
        """End what is still running, and forget what is on disk."""
        for check in self._checks:
            check.cancel()
        try:
            await asyncio.gather(*self._checks, return_exceptions=True)
        finally:
            for candidate in self._candidates:
                if candidate.spooled is not None:
                    candidate.spooled.unlink(missing_ok=True)

    async def _stage(self) -> list[Staged]:
        good = {c.digest: c for c in self._candidates if c.refusal is None}
        small = [c for c in good.values() if c.data is not None]
        contents = [c.data for c in small if c.data is not None]
        packed, _ = await self._store.stage_many(self._tenant_id, contents, [c.digest for c in small])
        staged = [packed]
        for candidate in good.values():
            if candidate.spooled is not None:
                large, _ = await self._store.stage_stream(self._tenant_id, _pieces(candidate.spooled))
                staged.append(large)
        return staged

    # -- in the writer's transaction ---------------------------------------------------------

    def _admit(self, session: Session, staged: list[Staged]) -> list[Result]:
        row = session.get(Import, self._import_id, with_for_update=True)
        if row is None:
            raise NotFound()
        _check_open(session, row)
        dataset = session.get(Dataset, row.dataset_id, with_for_update=True)
        if dataset is None or dataset.deleted_at is not None:
            raise NotFound()
        return _Admission(self._platform, session, row, dataset, self._candidates).run(staged)


def _check_open(session: Session, row: Import) -> None:
    cancelled = (
        row.task_id is not None
        and session.execute(sa.select(TaskRow.cancel_requested).where(TaskRow.id == row.task_id)).scalar()
    )
    if row.state not in ("open", "finishing") or cancelled:
        raise Conflict(
            f"The import is {'cancelled' if cancelled else row.state}; it takes no more files.",
            zh="该导入已结束，不再接收文件。",
            rule="the import is open",
            value="cancelled" if cancelled else row.state,
            hint="Begin another import.",
            hint_zh="请新建导入。",
            code="invalid_transition",
        )


def _same_digest(candidate: Candidate, sha256: str | None) -> bool:
    if sha256 is None or sha256.lower() == candidate.digest:
        return True
    candidate.refusal = Refusal(
        "digest_mismatch",
        "sha256 is that of the bytes",
        sha256[:64],
        "It arrived damaged: its SHA-256 is another than the one sent with it. Send it again.",
        "文件在传输中损坏：SHA-256 与声明不符，请重新发送。",
        "sha256",
    )
    return False


def _apply(candidate: Candidate, fact: Fact) -> None:
    if fact[0] == "ok":
        candidate.media_type, candidate.width, candidate.height = fact[1], fact[2], fact[3]
    else:
        candidate.refusal = import_rules.from_fact(*fact)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, READ_BYTES):
            yield piece


class _Admission:
    """The transaction that turns checked files into items."""

    def __init__(
        self,
        platform: Platform,
        session: Session,
        row: Import,
        dataset: Dataset,
        candidates: list[Candidate],
    ) -> None:
        self._platform, self._session, self._row, self._dataset = platform, session, row, dataset
        self._candidates = candidates
        labels = session.execute(
            sa.select(LabelGroup.labels).where(LabelGroup.id == dataset.label_group_id)
        ).scalar_one()
        self._labels: dict[str, int] = {label["name"]: label["id"] for label in labels}
        self._unknown: Counter[str] = Counter(row.unknown_labels)
        self._new_items: list[dict[str, Any]] = []
        self._new_results: list[dict[str, Any]] = []
        self._overruled: list[str] = []

    def run(self, staged: list[Staged]) -> list[Result]:
        for part in staged:
            part.index(self._session)
        earlier = self._earlier()
        present = self._present()
        taken = items.live_names(
            self._session, self._dataset.id, [c.name for c in self._candidates if c.refusal is None]
        )
        results = []
        for candidate in self._candidates:
            result = earlier.get(candidate.path)
            if result is None:
                result = self._decide(candidate, present, taken)
                earlier[candidate.path] = result
            results.append(result)
        self._write()
        return results

    def _earlier(self) -> dict[str, Result]:
        """What this import has reported before of the same paths."""
        if not self._row.refused and not self._row.duplicates:
            return {}
        digests = [_path_digest(candidate.path) for candidate in self._candidates]
        found = {}
        for start in range(0, len(digests), 1000):
            rows = self._session.execute(
                sa.select(ImportResult.__table__).where(
                    ImportResult.import_id == self._row.id,
                    ImportResult.path_digest.in_(digests[start : start + 1000]),
                )
            )
            found.update({row.path: result_to_wire(row) for row in rows})
        # A file that came damaged may come again whole: then its refusal is taken back.
        for candidate in self._candidates:
            if candidate.refusal is None and found.get(candidate.path, {}).get("outcome") == "refused":
                del found[candidate.path]
                self._overruled.append(_path_digest(candidate.path))
        return found

    def _present(self) -> dict[str, Any]:
        """The draft's items by digest, for the digests at hand."""
        digests = [c.digest for c in self._candidates if c.refusal is None]
        found: dict[str, Any] = {}
        for start in range(0, len(digests), 1000):
            rows = self._session.execute(
                sa.select(
                    DatasetItem.digest,
                    DatasetItem.item,
                    DatasetItem.name,
                    DatasetItem.source_path,
                    DatasetItem.import_id,
                ).where(
                    DatasetItem.dataset_id == self._dataset.id,
                    DatasetItem.digest.in_(digests[start : start + 1000]),
                    service.live(),
                )
            )
            found.update({row.digest: (row.item, row.source_path or row.name, row.import_id) for row in rows})
        return found

    def _decide(self, candidate: Candidate, present: dict[str, Any], taken: set[str]) -> Result:
        refusal = candidate.refusal
        if refusal is not None:
            return self._report(
                candidate,
                "refused",
                code=refusal.code,
                field=refusal.field,
                rule=refusal.rule,
                value=None if refusal.value is None else str(refusal.value)[:300],
                reason=refusal.reason,
                reason_zh=refusal.reason_zh,
            )
        known = present.get(candidate.digest)
        if known is not None:
            item, path, import_id = known
            if import_id == self._row.id and path == candidate.name:
                return {"path": candidate.path, "outcome": "added", "item": item, "code": None, "reason": None}
            return self._report(candidate, "duplicate", item=item)
        self._dataset.last_item += 1
        item = self._dataset.last_item
        name = candidate.name if candidate.name not in taken else items.numbered(candidate.name, taken)
        taken.add(name)
        present[candidate.digest] = (item, candidate.name, self._row.id)
        self._new_items.append(self._item(candidate, item, name))
        return {"path": candidate.path, "outcome": "added", "item": item, "code": None, "reason": None}

    def _item(self, candidate: Candidate, item: int, name: str) -> dict[str, Any]:
        wanted = candidate.label
        if wanted is None and self._row.labels_from_folders:
            wanted = import_rules.folder_label(candidate.name)
        labels: list[dict[str, Any]] = []
        if wanted is not None:
            label_id = self._labels.get(wanted)
            if label_id is None:
                if wanted in self._unknown or len(self._unknown) < _SHOWN:
                    self._unknown[wanted] += 1
            else:
                labels = [{"label_id": label_id, "origin": "import", "by": None, "score": None}]
        return {
            "dataset_id": self._dataset.id,
            "item": item,
            "valid_from": self._dataset.draft_revision,
            "valid_to": OPEN,
            "name": name,
            "digest": candidate.digest,
            "media_type": candidate.media_type,
            "width": candidate.width,
            "height": candidate.height,
            "bytes": candidate.size,
            "state": "confirmed" if labels else "none",
            "labels": labels,
            "labels_key": rules.labels_key(entry["label_id"] for entry in labels) if labels else "",
            "annotated_by": None,
            "item_version": 1,
            "import_id": self._row.id,
            "source_path": candidate.name if name != candidate.name else None,
            "trashed_at": None,
        }

    def _report(self, candidate: Candidate, outcome: str, **fields: Any) -> Result:
        row = {
            "import_id": self._row.id,
            "path": candidate.path[:2000].encode("utf-8", "replace").decode(),
            "path_digest": _path_digest(candidate.path),
            "outcome": outcome,
            **dict.fromkeys(("item", "code", "field", "rule", "value", "reason", "reason_zh")),
            **fields,
        }
        row["path"] = row["path"].replace("\x00", "\ufffd")
        self._new_results.append(row)
        return {
            "path": candidate.path,
            "outcome": outcome,
            "item": row["item"],
            "code": row["code"],
            "reason": row["reason"],
            "reason_zh": row["reason_zh"],
            "field": row["field"],
            "rule": row["rule"],
            "value": row["value"],
        }

    def _write(self) -> None:
        session, row, dataset, new = self._session, self._row, self._dataset, self._new_items
        if new:
            items.insert_new(session, new)
            changes: Counter[str] = Counter()
            for item in new:
                changes["items"] += 1
                changes["bytes"] += item["bytes"]
                changes[f"state:{item['state']}"] += 1
                changes[f"size:{rules.size_bucket(item['width'], item['height'])}"] += 1
                for entry in item["labels"]:
                    changes[f"label:{entry['label_id']}"] += 1
            counts.add(session, dataset.id, changes)
            usage.occupy(
                self._platform,
                session,
                tenant_id=dataset.tenant_id,
                department_id=dataset.department_id,
                owner_id=dataset.owner_id,
                kind="dataset",
                size=changes["bytes"],
            )
        fresh = {result["path_digest"]: result for result in self._new_results}
        if self._overruled:
            session.execute(
                sa.delete(ImportResult).where(
                    ImportResult.import_id == row.id, ImportResult.path_digest.in_(self._overruled)
                )
            )
            row.refused -= len(self._overruled)
        if fresh:
            session.execute(sa.insert(_RESULTS), list(fresh.values()))
        row.added += len(new)
        outcomes = Counter(result["outcome"] for result in fresh.values())
        row.refused += outcomes["refused"]
        row.duplicates += outcomes["duplicate"]
        row.received = row.added + row.refused + row.duplicates
        row.unknown_labels = dict(self._unknown)
        row.active_at = clock.now()
        dataset.import_failed = False
        session.flush()
        service.announce(session, dataset)
        self._progress()

    def _progress(self) -> None:
        """The task of a browser's import shows what has arrived; an archive's reports by itself."""
        if self._row.source != "browser" or self._row.task_id is None:
            return
        task = self._session.get(TaskRow, self._row.task_id)
        if task is not None and task.state == "running":
            task.done = self._row.received
            objects.touch(self._session, "task", task)


def _path_digest(path: str) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()


def result_to_wire(row: Any) -> Result:
    """A reported file as the API shows it."""
    return {
        "path": row.path,
        "outcome": row.outcome,
        "item": row.item,
        "code": row.code,
        "reason": row.reason,
        "reason_zh": row.reason_zh,
        "field": row.field,
        "rule": row.rule,
        "value": row.value,
    }
