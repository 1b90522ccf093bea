"""Files that a run leaves: received in frames and parts, kept as blobs (docs/design/clients.md).

A file exists once all its parts are there and its digest is right. Receiving the same again gives
the same result. One file that is refused does not stop the others.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import clock, objects
from himalia_hub.core.errors import HimaliaError, QuotaExceeded
from himalia_hub.data.content import usage
from himalia_hub.data.content.framing import Frame, FrameDecoder
from himalia_hub.data.content.store import ContentStore, Staged, TooManyBytes
from himalia_hub.platform.parts import Platform
from himalia_hub.training import metrics
from himalia_hub.training.tables import Run, RunFile, RunPart

PART_BYTES = 8 * 1024 * 1024
BATCH_BYTES = 8 * 1024 * 1024
BATCH_FILES = 500
MAX_FILES = 100_000
MAX_FILE_BYTES = 1 << 40
FOLDERS = ("output", "model")


@dataclass(frozen=True, slots=True)
class Piece:
    """One frame, understood: a whole file or a part of one."""

    folder: str
    path: str
    size: int
    sha256: str
    offset: int
    length: int

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.path}"

    @property
    def whole(self) -> bool:
        return self.offset == 0 and self.length == self.size


class RefusedFile(Exception):
    """A frame that is not kept: code and sentence go into its result."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def understand(header: dict[str, Any], length: int) -> Piece:
    """Check one frame's header. Pure; raises :class:`RefusedFile`."""
    folder, path = check_path(str(header.get("path", "")))
    size, offset = header.get("size"), header.get("offset", 0)
    if type(size) is not int or not 0 <= size <= MAX_FILE_BYTES:
        raise RefusedFile("invalid_input", f"size is the number of bytes of the whole file, at most {MAX_FILE_BYTES}")
    if type(offset) is not int or offset < 0 or offset + length > size or length > PART_BYTES:
        raise RefusedFile("invalid_input", f"a part has at most {PART_BYTES} bytes and lies within the file")
    if length != size and (offset % PART_BYTES or (length != PART_BYTES and offset + length != size)):
        raise RefusedFile("invalid_input", f"parts are of {PART_BYTES} bytes, the last one of the rest")
    sha256 = str(header.get("sha256", "")).lower()
    if len(sha256) != 64 or any(c not in "0123456789abcdef" for c in sha256):
        raise RefusedFile("invalid_input", "sha256 of the whole file is missing")
    return Piece(folder, path, size, sha256, offset, length)


def check_path(path: str) -> tuple[str, str]:
    """``(folder, path inside it)``; raises :class:`RefusedFile`."""
    folder, _, inside = path.partition("/")
    parts = inside.split("/")
    bad = (
        folder not in FOLDERS
        or any(part in ("", ".", "..") for part in parts)
        or unicodedata.normalize("NFC", path) != path
        or len(inside.encode("utf-8", "surrogatepass")) > 1000
        or any(unicodedata.category(c) in ("Cc", "Cs") for c in path)
        or "\\" in path
    )
    if bad:
        raise RefusedFile("bad_path", "a path begins with output/ or model/ and has no empty part, . or ..")
    return folder, inside


class Intake:
    """Receives one call's frames for one run."""

    def __init__(self, platform: Platform, run: Any) -> None:
        self._platform = platform
        self._store = platform.get(ContentStore)
        self._run = run
        self._results: list[dict[str, Any]] = []
        self._batch: list[tuple[Piece, bytes, dict[str, Any]]] = []
        self._batch_bytes = 0

    async def receive(self, stream: AsyncIterator[bytes]) -> list[dict[str, Any]]:
        """Read all frames; one result a frame, in order."""
        async for frame in FrameDecoder(stream):
            result: dict[str, Any] = {"path": str(frame.header.get("path", ""))[:1100], "outcome": "stored"}
            self._results.append(result)
            if "complete" in frame.header and not result["path"]:
                await self._flush()
                await self._complete(bool(frame.header["complete"]), result)
                continue
            try:
                piece = understand(frame.header, frame.length)
            except RefusedFile as refused:
                await frame.skip()
                _refuse(result, refused.code, refused.reason)
                continue
            await self._take(piece, frame, result)
        await self._flush()
        return self._results

    async def _take(self, piece: Piece, frame: Frame, result: dict[str, Any]) -> None:
        data = await frame.read()
        if not piece.whole:
            await self._flush()
            await self._guard(self._part(piece, data, result), result)
            return
        if hashlib.sha256(data).hexdigest() != piece.sha256:
            _refuse(result, "digest_mismatch", "the bytes do not have the sha256 that was announced")
            return
        self._batch.append((piece, data, result))
        self._batch_bytes += len(data)
        if self._batch_bytes >= BATCH_BYTES or len(self._batch) >= BATCH_FILES:
            await self._flush()

    @staticmethod
    async def _guard(work: Any, result: dict[str, Any]) -> None:
        try:
            await work
        except QuotaExceeded as error:
            _refuse(result, error.code, error.message)

    async def _flush(self) -> None:
        """Keep the gathered small files: one put, one transaction. Over quota they are tried singly."""
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if not batch:
            return
        staged, _ = await self._store.stage_many(
            self._run.tenant_id, [data for _, data, _ in batch], [piece.sha256 for piece, _, _ in batch]
        )
        pieces = [piece for piece, _, _ in batch]
        try:
            await self._platform.db.write(lambda session: self._keep(session, staged, pieces))
        except QuotaExceeded as error:
            if len(batch) == 1:
                _refuse(batch[0][2], error.code, error.message)
                return
            for one in batch:
                self._batch = [one]
                await self._flush()

    def _keep(self, session: Session, staged: Staged, pieces: list[Piece]) -> None:
        """Index the blobs and name the files, in one unit of work."""
        staged.index(session)
        known = {
            (row.folder, row.path): row.size
            for row in session.execute(
                sa.select(RunFile.folder, RunFile.path, RunFile.size).where(
                    RunFile.run_id == self._run.id, RunFile.path.in_([piece.path for piece in pieces])
                )
            )
        }
        count = session.execute(
            sa.select(sa.func.count()).select_from(RunFile).where(RunFile.run_id == self._run.id)
        ).scalar_one()
        if count + len(pieces) - len(known) > MAX_FILES:
            raise QuotaExceeded(f"A run keeps at most {MAX_FILES} files.", zh=f"一次运行最多保留 {MAX_FILES} 个文件。")
        newest = {(piece.folder, piece.path): piece for piece in pieces}
        more = sum(piece.size - known.get(key, 0) for key, piece in newest.items())
        usage.occupy(
            self._platform,
            session,
            tenant_id=self._run.tenant_id,
            department_id=self._run.department_id,
            owner_id=self._run.owner_id,
            kind="run",
            size=more,
        )
        rows = [
            {
                "run_id": self._run.id,
                "folder": piece.folder,
                "path": piece.path,
                "digest": piece.sha256,
                "size": piece.size,
                "at": clock.now(),
            }
            for piece in newest.values()
        ]
        metrics.insert_or_replace(session, RunFile.__table__, rows, ("run_id", "folder", "path"))

    # -- large files -------------------------------------------------------------------------

    async def _part(self, piece: Piece, data: bytes, result: dict[str, Any]) -> None:
        key = hashlib.sha256(piece.name.encode()).hexdigest()
        staged, [blob] = await self._store.stage_many(self._run.tenant_id, [data])

        def keep(session: Session) -> list[tuple[int, str, int]]:
            staged.index(session)
            mine = sa.and_(RunPart.run_id == self._run.id, RunPart.file == key)
            session.execute(sa.delete(RunPart).where(mine, RunPart.sha256 != piece.sha256))
            row = {
                "run_id": self._run.id,
                "file": key,
                "offset": piece.offset,
                "sha256": piece.sha256,
                "digest": blob.digest,
                "length": piece.length,
            }
            metrics.insert_or_replace(session, RunPart.__table__, [row], ("run_id", "file", "offset"))
            parts = session.execute(
                sa.select(RunPart.offset, RunPart.digest, RunPart.length).where(mine).order_by(RunPart.offset)
            )
            return [(part.offset, part.digest, part.length) for part in parts]

        parts = await self._platform.db.write(keep)
        if sum(length for _, _, length in parts) < piece.size:
            result["outcome"] = "partial"
            return
        await self._assemble(piece, key, parts, result)

    async def _assemble(
        self, piece: Piece, key: str, parts: list[tuple[int, str, int]], result: dict[str, Any]
    ) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _, digest, _ in parts:
                async for chunk in self._store.open(self._run.tenant_id, digest):
                    yield chunk

        try:
            staged, blob = await self._store.stage_stream(self._run.tenant_id, chunks(), most_bytes=piece.size)
        except TooManyBytes:
            blob = None
        forget = sa.delete(RunPart).where(RunPart.run_id == self._run.id, RunPart.file == key)
        if blob is None or blob.digest != piece.sha256:
            await self._platform.db.write(lambda session: session.execute(forget))
            _refuse(result, "digest_mismatch", "the parts together do not have the sha256 that was announced")
            return

        def keep(session: Session) -> None:
            self._keep(session, staged, [piece])
            session.execute(forget)

        await self._platform.db.write(keep)

    async def _complete(self, complete: bool, result: dict[str, Any]) -> None:
        def work(session: Session) -> None:
            run = session.get(Run, self._run.id)
            if run is not None and run.files_complete != complete:
                run.files_complete = complete
                objects.touch(session, "run", run)

        try:
            await self._platform.db.write(work)
        except HimaliaError as error:
            _refuse(result, error.code, error.message)


def _refuse(result: dict[str, Any], code: str, reason: str) -> None:
    result.update(outcome="refused", code=code, reason=reason)
