"""Imports: beginning, finishing, cancelling, and the task that unpacks archives."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor
from himalia_hub.auth.tokens import actor_of_user
from himalia_hub.core import clock, objects, paging, tasks
from himalia_hub.core.db import Db
from himalia_hub.core.errors import Conflict, HimaliaError
from himalia_hub.core.tables import TaskRow
from himalia_hub.core.tasks import Cancelled, TaskHandle
from himalia_hub.data.content import usage
from himalia_hub.data.content.store import SMALL_BYTES, ContentStore
from himalia_hub.data.datasets import pictures, service
from himalia_hub.data.datasets.tables import Dataset, DatasetItem
from himalia_hub.data.imports import archive, intake, rules
from himalia_hub.data.imports.intake import Intake
from himalia_hub.data.imports.tables import Import, ImportResult
from himalia_hub.platform.parts import Platform

BROWSER_TASK, ARCHIVE_TASK, THUMBNAIL_TASK = "import_browser", "import_archive", "thumbnails"
BATCH_FILES, BATCH_BYTES = 2000, 32 * 1024 * 1024
MOST_ARCHIVE_BYTES = 200 * 1024**3
FORGOTTEN_AFTER = timedelta(hours=1)
_END = object()


def scratch(platform: Platform) -> Path:
    """Where files rest while they are checked."""
    folder = platform.config.state_dir / "imports"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def begin(
    platform: Platform,
    session: Session,
    actor: Actor,
    dataset_number: int,
    *,
    source: str,
    total_files: int | None,
    total_bytes: int | None,
    labels_from_folders: bool,
) -> Import:
    """Open an import into a dataset of the actor's."""
    dataset = objects.find(session, Dataset, actor, "data.dataset.edit", dataset_number, lock=True)
    service.check_allowed(session, dataset, "import")
    if total_bytes:
        usage.check(
            platform,
            session,
            tenant_id=dataset.tenant_id,
            department_id=dataset.department_id,
            owner_id=dataset.owner_id,
            more_bytes=total_bytes,
        )
    row = Import(
        **objects.new_owned(session, actor, "import"),
        name=dataset.name,
        dataset_id=dataset.id,
        source=source,
        state="open",
        labels_from_folders=labels_from_folders,
        total_files=total_files,
        total_bytes=total_bytes,
        unknown_labels={},
        active_at=clock.now(),
    )
    session.add(row)
    session.flush()
    if source == "browser":
        task = tasks.create(
            session,
            actor,
            BROWSER_TASK,
            object_kind="dataset",
            object_number=dataset.number,
            object_name=dataset.name,
            payload={"import_id": row.id},
            total=total_files,
            state="running",
        )
        task.started_at = clock.now()
        row.task_id = task.id
    service.announce(session, dataset)
    return row


def render(db: Db, row: Any) -> dict[str, Any]:
    """An import as the API shows it."""
    dataset = db.execute(sa.select(Dataset.number, Dataset.name).where(Dataset.id == row.dataset_id)).one()
    task = None
    if row.task_id is not None:
        task = db.execute(sa.select(TaskRow.__table__).where(TaskRow.id == row.task_id)).one()
    return {
        "id": row.number,
        "dataset": {"kind": "dataset", "id": dataset.number, "name": dataset.name},
        "source": row.source,
        "state": row.state,
        "labels_from_folders": row.labels_from_folders,
        "total_files": row.total_files,
        "total_bytes": row.total_bytes,
        "received": row.received,
        "added": row.added,
        "duplicates": row.duplicates,
        "refused": row.refused,
        "unknown_labels": row.unknown_labels,
        "task": tasks.to_wire(task) if task is not None else None,
        "created_at": clock.to_wire(row.created_at),
        "version": row.version,
    }


def results(db: Db, import_id: int, query: Any) -> dict[str, Any]:
    """The files that were not added, in the order they came."""
    where = [ImportResult.import_id == import_id, ImportResult.outcome == query.outcome]
    total = db.execute(sa.select(sa.func.count()).select_from(ImportResult).where(*where)).scalar_one()
    if query.cursor:
        where.append(ImportResult.id > paging.decode_cursor(query.cursor)[1])
    rows = db.execute(
        sa.select(ImportResult.__table__).where(*where).order_by(ImportResult.id).limit(query.limit + 1)
    ).all()
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    return {
        "items": [intake.result_to_wire(row) for row in rows],
        "next_cursor": paging.encode_cursor(None, rows[-1].id) if more else None,
        "total": min(total, paging.COUNT_CAP),
        "total_capped": total > paging.COUNT_CAP,
    }


def reported(db: Db, dataset_id: int) -> dict[str, int]:
    """How many duplicates and damaged files the imports of a dataset left out."""
    joined = sa.select(sa.func.count()).select_from(ImportResult).join(Import, Import.id == ImportResult.import_id)
    mine = joined.where(Import.dataset_id == dataset_id)
    return {
        "duplicates": db.execute(mine.where(ImportResult.outcome == "duplicate")).scalar_one(),
        "damaged": db.execute(mine.where(ImportResult.code == "damaged")).scalar_one(),
    }


# -- ending ----------------------------------------------------------------------------------------


def finish(session: Session, actor: Actor, row: Import) -> None:
    """Close a browser's import; closing it again changes nothing."""
    if row.state == "done":
        return
    if row.state != "open" or row.source != "browser":
        raise Conflict(
            f"The import is {row.state}.",
            zh="该导入当前状态不能结束。",
            rule="an open import from the browser",
            value=row.state,
            code="invalid_transition",
        )
    close(session, actor, row, "done")


def close(session: Session, actor: Actor, row: Import, state: str) -> None:
    """Write the end of an import, of its task, and ask for thumbnails of what it added."""
    dataset = session.get(Dataset, row.dataset_id)
    assert dataset is not None
    row.state = state
    objects.touch(session, "import", row)
    task = session.get(TaskRow, row.task_id) if row.task_id is not None else None
    if task is not None and task.kind == BROWSER_TASK and task.state in tasks.ACTIVE:
        outcome = "succeeded" if state == "done" else "cancelled"
        task.done = row.received
        tasks.finish(session, task, outcome, result=summary(row))
    if row.added and dataset.deleted_at is None:
        tasks.create(
            session,
            actor,
            THUMBNAIL_TASK,
            object_kind="dataset",
            object_number=dataset.number,
            object_name=dataset.name,
            payload={"import_id": row.id},
            total=row.added,
        )
    objects.touch(session, "dataset", dataset)


def summary(row: Import) -> dict[str, Any]:
    return {
        "import": row.number,
        "added": row.added,
        "duplicates": row.duplicates,
        "refused": row.refused,
        "unknown_labels": row.unknown_labels,
    }


def cancel(session: Session, actor: Actor, row: Import) -> None:
    """Stop an import; what it added before stays and can be deleted like any item."""
    if row.state in ("done", "cancelled", "failed"):
        return
    task = session.get(TaskRow, row.task_id) if row.task_id is not None else None
    if task is not None and task.kind == ARCHIVE_TASK and task.state in tasks.ACTIVE:
        task.cancel_requested = True  # its body closes the import
        objects.touch(session, "task", task)
        return
    close(session, actor, row, "cancelled")


# -- archives --------------------------------------------------------------------------------------


def queue_archive(session: Session, actor: Actor, row: Import, digest: str, name: str) -> None:
    """The archive is stored; a task unpacks it."""
    if row.state != "open" or row.source != "archive" or row.archive is not None:
        raise Conflict(
            "This import takes no archive, or has one already.",
            zh="该导入不接收压缩包，或已有压缩包。",
            rule="an open import whose source is archive, one archive",
            value=row.state,
            code="invalid_transition",
        )
    dataset = session.get(Dataset, row.dataset_id)
    assert dataset is not None
    row.archive, row.archive_name, row.state = digest, name, "finishing"
    task = tasks.create(
        session,
        actor,
        ARCHIVE_TASK,
        object_kind="dataset",
        object_number=dataset.number,
        object_name=dataset.name,
        payload={"import_id": row.id},
        total=row.total_files,
    )
    row.task_id = task.id
    objects.touch(session, "import", row)
    service.announce(session, dataset)


async def unpack(handle: TaskHandle) -> dict[str, Any]:
    """The body of the task ``import_archive``; begun again, it finds what it added before."""
    platform = handle.platform
    with platform.db.read() as db:
        row = db.execute(sa.select(Import.__table__).where(Import.id == handle.payload["import_id"])).one()
        actor = actor_of_user(db, row.owner_id)
    state = "failed"
    try:
        with tempfile.TemporaryDirectory(dir=scratch(platform), prefix="archive-") as folder:
            await _Unpacking(handle, row, Path(folder)).run()
        state = "done"
    except Cancelled:
        state = "cancelled"
        raise
    except asyncio.CancelledError:
        state = "finishing"  # the platform stops; the next start goes on
        raise
    finally:
        if state != "finishing":
            await platform.db.write(lambda session: _closed(session, actor, row.id, state))
    with platform.db.read() as db:
        return summary(db.execute(sa.select(Import.__table__).where(Import.id == row.id)).one())  # type: ignore[arg-type]


def _closed(session: Session, actor: Actor, import_id: int, state: str) -> None:
    row = session.get(Import, import_id, with_for_update=True)
    assert row is not None
    if row.state == "finishing":
        if state == "failed":
            session.execute(sa.update(Dataset).where(Dataset.id == row.dataset_id).values(import_failed=True))
        close(session, actor, row, state)


class _Unpacking:
    def __init__(self, handle: TaskHandle, row: Any, folder: Path) -> None:
        self._handle, self._row, self._folder = handle, row, folder
        self._platform = handle.platform
        self._done = 0

    async def run(self) -> None:
        path = self._folder / "archive"
        with path.open("wb") as file:
            async for piece in self._platform.get(ContentStore).open(self._row.tenant_id, self._row.archive):
                await asyncio.to_thread(file.write, piece)
        kind, total, expanded = await asyncio.to_thread(archive.inspect, path)
        await self._platform.db.write(lambda session: self._check_room(session, expanded))
        await self._handle.progress(0, total, force=True)
        members = archive.members(path, kind)
        batch = self._intake()
        try:
            while (read := await asyncio.to_thread(self._next, members)) is not _END:
                await self._take(batch, read)
                if len(batch) >= BATCH_FILES or batch.held_bytes >= BATCH_BYTES:
                    batch = await self._commit(batch, total)
            await self._commit(batch, total)
        finally:
            await batch.discard()

    def _check_room(self, session: Session, expanded: int) -> None:
        dataset = session.get(Dataset, self._row.dataset_id)
        assert dataset is not None
        usage.check(
            self._platform,
            session,
            tenant_id=dataset.tenant_id,
            department_id=dataset.department_id,
            owner_id=dataset.owner_id,
            more_bytes=expanded,
        )

    def _intake(self) -> Intake:
        return Intake(self._platform, self._row.id, self._row.tenant_id, self._folder)

    async def _commit(self, batch: Intake, total: int | None) -> Intake:
        self._done += len(batch)
        await batch.finish()
        await self._handle.progress(self._done, total)
        return self._intake()

    def _next(self, members: Iterator[archive.Member]) -> Any:
        """Up to 256 members with their bytes, or a large one in a file; in a thread."""
        read: list[tuple[archive.Member, bytes | Path | None]] = []
        size = 0
        for member in members:
            content = self._read(member)
            read.append((member, content))
            size += len(content) if isinstance(content, bytes) else 0
            if len(read) >= intake.CHECK_FILES or size >= intake.CHECK_BYTES or isinstance(content, Path):
                break
        return read or _END

    def _read(self, member: archive.Member) -> bytes | Path | None:
        if member.refusal is not None or member.file is None:
            return None
        refusal = rules.check_size(member.size)
        if refusal is not None:
            member.refusal = refusal
            return None
        try:
            if member.size <= SMALL_BYTES:
                return member.file.read(SMALL_BYTES + 1)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as target:
                while piece := member.file.read(archive.CHUNK):
                    target.write(piece)
                return Path(target.name)
        except Exception as error:  # zipfile and zlib raise many kinds; all mean a damaged member
            member.refusal = archive.unreadable(member.path, error)
            return None

    async def _take(self, batch: Intake, read: list[tuple[archive.Member, bytes | Path | None]]) -> None:
        for member, content in read:
            if member.refusal is not None:
                batch.refuse(member.path, member.refusal)
            elif isinstance(content, bytes):
                batch.add(member.path, content)
            elif content is not None:
                await batch.add_stream(member.path, _file_pieces(content), member.size)
                content.unlink()


async def _file_pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, archive.CHUNK):
            yield piece


# -- afterwards ------------------------------------------------------------------------------------


async def make_thumbnails(handle: TaskHandle) -> dict[str, Any] | None:
    """The body of the task ``thumbnails``: small pictures of what an import added."""
    platform = handle.platform
    with platform.db.read() as db:
        row = db.execute(sa.select(Import.__table__).where(Import.id == handle.payload["import_id"])).one()
    maker = platform.get(pictures.Thumbnails)
    last = done = 0
    while True:
        with platform.db.read() as db:
            rows = db.execute(
                sa.select(DatasetItem.__table__)
                .where(
                    DatasetItem.dataset_id == row.dataset_id,
                    DatasetItem.item > last,
                    DatasetItem.import_id == row.id,
                    service.live(),
                )
                .order_by(DatasetItem.item)
                .limit(64)
            ).all()
        if not rows:
            return {"made": done}
        last, done = rows[-1].item, done + len(rows)
        wanted = [item.digest for item in rows if not maker.is_small(item)]
        if wanted:
            await maker.make_ahead(row.tenant_id, wanted)
        await handle.progress(done)


class ImportKeeper:
    """Closes imports whose browser went away, or whose task somebody cancelled."""

    name = "imports"
    interval_seconds = 5.0
    wakes_on_commit = False

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def step(self) -> None:
        forgotten = Import.active_at < clock.now() - FORGOTTEN_AFTER
        with self._platform.db.read() as db:
            found = db.execute(
                sa.select(Import.id, Import.owner_id, TaskRow.cancel_requested)
                .outerjoin(TaskRow, TaskRow.id == Import.task_id)
                .where(Import.state == "open", sa.or_(forgotten, TaskRow.cancel_requested.is_(True)))
                .limit(100)
            ).all()
        for import_id, owner_id, cancelled in found:
            await self._platform.db.write(
                lambda session, number=import_id, owner=owner_id, gone=cancelled: self._close(  # type: ignore[misc]
                    session, number, owner, gone
                )
            )

    @staticmethod
    def _close(session: Session, import_id: int, owner_id: int, cancelled: bool | None) -> None:
        row = session.get(Import, import_id, with_for_update=True)
        if row is not None and row.state == "open":
            state = "done" if row.added and not cancelled else "cancelled"
            close(session, actor_of_user(session, owner_id), row, state)


def too_large_archive() -> HimaliaError:
    """The refusal of an archive beyond what is taken."""
    from himalia_hub.core.errors import TooLarge

    return TooLarge(
        f"The archive has more than {MOST_ARCHIVE_BYTES} bytes.",
        zh=f"压缩包超过 {MOST_ARCHIVE_BYTES} 字节。",
        field="body",
        rule=f"at most {MOST_ARCHIVE_BYTES} bytes",
        hint="Split it.",
        hint_zh="请拆分后再上传。",
    )
