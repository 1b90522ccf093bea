"""Reading an uploaded version: framed files, or a .zip; nothing is kept of one that is refused."""

from __future__ import annotations

import asyncio
import tempfile
import zipfile
from collections.abc import AsyncIterator
from typing import IO

from himalia_hub.core.errors import InvalidInput, TooLarge
from himalia_hub.data.content.framing import FrameDecoder
from himalia_hub.data.content.store import ContentStore, TooManyBytes
from himalia_hub.registry import rules
from himalia_hub.registry.service import File

MAX_BYTES = 20 * 1024**3
MAX_RATIO = 200
READ_BYTES = 1024 * 1024


async def read_frames(store: ContentStore, tenant_id: int, stream: AsyncIterator[bytes]) -> list[File]:
    """Frames of whole files: ``{"path", "size", "sha256"?}`` and the bytes."""
    files: dict[str, File] = {}
    async for frame in FrameDecoder(stream):
        path = _next_path(files, str(frame.header.get("path", "")))
        blob = await store.put_stream(tenant_id, frame.chunks())
        announced = frame.header.get("sha256")
        if announced is not None and announced != blob.digest:
            raise _damaged(path, "the bytes do not have the sha256 that was announced", "内容与声明的 sha256 不符")
        files[path] = File(path, blob.digest, blob.size)
    return list(files.values())


async def read_zip(store: ContentStore, tenant_id: int, stream: AsyncIterator[bytes]) -> list[File]:
    """The members of an archive; one folder around everything is taken away."""
    with tempfile.TemporaryFile() as spool:
        async for chunk in stream:
            await asyncio.to_thread(spool.write, chunk)
        try:
            archive = await asyncio.to_thread(zipfile.ZipFile, spool)
        except (zipfile.BadZipFile, ValueError, OSError) as error:
            raise _damaged("body", f"this is no .zip archive ({error})", f"不是有效的 .zip 文件（{error}）") from error
        with archive:
            return await _members(store, tenant_id, archive)


async def _members(store: ContentStore, tenant_id: int, archive: zipfile.ZipFile) -> list[File]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    total = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if total > MAX_BYTES or (total > 64 * 1024**2 and total > MAX_RATIO * max(packed, 1)):
        raise TooLarge(
            f"The archive unpacks to {total} bytes; at most {MAX_BYTES} and {MAX_RATIO} times its size are taken.",
            zh=f"压缩包解压后为 {total} 字节；上限为 {MAX_BYTES} 字节且不超过其大小的 {MAX_RATIO} 倍。",
            field="body",
            rule=f"at most {MAX_BYTES} bytes unpacked",
            value=total,
        )
    prefix = _common_folder([member.filename for member in members])
    files: dict[str, File] = {}
    for member in members:
        if (member.external_attr >> 16) & 0o170000 == 0o120000:
            raise _damaged(member.filename, "links are not taken", "不支持链接")
        path = _next_path(files, member.filename.removeprefix(prefix))
        try:
            with archive.open(member) as source:
                blob = await store.put_stream(tenant_id, _pieces(source), most_bytes=member.file_size)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, TooManyBytes) as error:
            raise _damaged(path, f"it could not be unpacked ({error})", f"无法解压（{error}）") from error
        files[path] = File(path, blob.digest, blob.size)
    return list(files.values())


def _common_folder(paths: list[str]) -> str:
    """``model/`` when everything lies in that one folder, else nothing."""
    first = {path.partition("/")[0] for path in paths}
    if len(first) == 1 and not first & {"", ".", ".."} and all("/" in path for path in paths):
        return next(iter(first)) + "/"
    return ""


async def _pieces(source: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(source.read, READ_BYTES):
        yield piece


def _next_path(files: dict[str, File], path: str) -> str:
    path = rules.check_path(path)
    if path in files:
        raise _damaged(path, "this path comes twice", "路径重复")
    if len(files) >= rules.MAX_FILES:
        raise _damaged(path, f"a version has at most {rules.MAX_FILES} files", f"版本最多 {rules.MAX_FILES} 个文件")
    return path


def _damaged(path: str, rule: str, rule_zh: str) -> InvalidInput:
    return InvalidInput(
        f"{path[:120]}: {rule}.",
        zh=f"{path[:120]}：{rule_zh}。",
        field="body",
        rule=rule,
        value=path[:120],
        code="bad_upload",
    )
