"""Unpacking archives: .zip, .tar and .tar.gz, with bombs, escapes and links kept out (DAT-3).

Blocking code for a thread of its own; it yields members one by one and never extracts to a path
that an archive names.
"""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from himalia_hub.core.errors import InvalidInput
from himalia_hub.data.imports import rules
from himalia_hub.data.imports.rules import Refusal

MOST_MEMBERS = 1_000_000
CHUNK = 1024 * 1024


@dataclass(slots=True)
class Member:
    """A file of the archive: its path, its declared size, and either its bytes or why not."""

    path: str
    size: int
    file: IO[bytes] | None = None
    refusal: Refusal | None = None


def _not_an_archive() -> InvalidInput:
    return InvalidInput(
        "archive: the file is neither a .zip nor a .tar nor a .tar.gz, or it is damaged.",
        zh="archive：文件不是 .zip、.tar 或 .tar.gz，或已损坏。",
        field="archive",
        rule=".zip, .tar or .tar.gz",
        hint="Pack the pictures again.",
        hint_zh="请重新打包图片。",
        code="not_an_archive",
    )


def _bomb(expanded: int, packed: int) -> InvalidInput:
    return InvalidInput(
        f"archive: {packed} bytes expand to more than {expanded} bytes.",
        zh=f"archive：{packed} 字节将展开为超过 {expanded} 字节。",
        field="archive",
        rule=f"beyond 1 GiB at most {rules.BOMB_RATIO} times its own size",
        value=expanded,
        hint="Nothing was imported. Send the pictures themselves.",
        hint_zh="未导入任何内容。请直接发送图片。",
        code="archive_bomb",
    )


def inspect(path: Path) -> tuple[str, int | None, int]:
    """Kind, number of files where it is known, and bytes when unpacked; refuses bombs before anything.

    Raises:
        InvalidInput: ``not_an_archive`` or ``archive_bomb``.
    """
    packed = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
    if head[:2] == b"\x1f\x8b":
        return "tar.gz", None, _gzip_size(path, packed)
    if zipfile.is_zipfile(path):
        with _zip(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
        expanded = sum(info.file_size for info in infos)
        if rules.bomb(expanded, packed):
            raise _bomb(expanded, packed)
        if len(infos) > MOST_MEMBERS:
            raise InvalidInput(
                f"archive: it holds {len(infos)} files; at most {MOST_MEMBERS} are taken.",
                zh=f"archive：包含 {len(infos)} 个文件，最多 {MOST_MEMBERS} 个。",
                field="archive",
                rule=f"at most {MOST_MEMBERS} files",
                value=len(infos),
            )
        return "zip", len(infos), expanded
    if tarfile.is_tarfile(path):
        return "tar", None, packed
    raise _not_an_archive()


def _gzip_size(path: Path, packed: int) -> int:
    expanded = 0
    try:
        with gzip.open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                expanded += len(chunk)
                if rules.bomb(expanded, packed):
                    raise _bomb(expanded, packed)
    except (OSError, EOFError) as error:
        raise _not_an_archive() from error
    return expanded


def _zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _not_an_archive() from error


def members(path: Path, kind: str) -> Iterator[Member]:
    """The files of an archive in their order; a member's ``file`` is read before the next is asked for."""
    yield from _zip_members(path) if kind == "zip" else _tar_members(path, kind)


def _zip_members(path: Path) -> Iterator[Member]:
    with _zip(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            name = _zip_name(info)
            if rules.is_clutter(name):
                continue
            mode = info.external_attr >> 16
            if mode & 0o170000 == 0o120000:
                yield Member(name, 0, refusal=_link(name))
            elif info.flag_bits & 0x1:
                yield Member(name, 0, refusal=_encrypted(name))
            else:
                try:
                    file = archive.open(info)
                except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
                    yield Member(name, 0, refusal=unreadable(name, error))
                    continue
                with file:
                    yield Member(name, info.file_size, file)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The member's name; older archivers write GBK or plain UTF-8 without saying so."""
    if info.flag_bits & 0x800:
        return info.filename
    raw = info.orig_filename.encode("cp437", "replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return info.filename


def _tar_members(path: Path, kind: str) -> Iterator[Member]:
    mode: Any = "r|gz" if kind == "tar.gz" else "r|"
    try:
        with tarfile.open(path, mode) as archive:
            for info in archive:
                archive.members = []  # type: ignore[attr-defined]  # a stream keeps every header otherwise
                if info.isdir():
                    continue
                name = _tar_name(info.name)
                if rules.is_clutter(name):
                    continue
                if not info.isreg():
                    yield Member(name, 0, refusal=_link(name))
                    continue
                file = archive.extractfile(info)
                assert file is not None
                yield Member(name, info.size, file)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise _not_an_archive() from error


def _tar_name(name: str) -> str:
    name = name.removeprefix("./")
    try:
        name.encode()
    except UnicodeEncodeError:
        try:
            return name.encode("utf-8", "surrogateescape").decode("gb18030")
        except UnicodeDecodeError:
            return name
    return name


def _link(name: str) -> Refusal:
    return Refusal("link", "regular files", name, "It is a link or a device, not a file.", "它是链接或设备，不是文件。")


def _encrypted(name: str) -> Refusal:
    return Refusal("encrypted", "not encrypted", name, "It is encrypted in the archive.", "该文件在压缩包中已加密。")


def unreadable(name: str, error: Exception) -> Refusal:
    """A member whose bytes cannot be had."""
    return Refusal(
        "damaged",
        "unpacks without an error",
        name,
        f"It could not be unpacked: {str(error)[:120]}.",
        "解压失败，文件已损坏。",
        "content",
    )
