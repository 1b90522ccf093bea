"""Sends the files a run left behind, framed as docs/design/clients.md says."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import unicodedata
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from himalia.runner.platform import Away, Platform, Refused

PART_BYTES = 8 * 1024 * 1024
CALL_BYTES = 32 * 1024 * 1024
CALL_FRAMES = 500
CONTENT_TYPE = "application/vnd.himalia.files"


class Changed(Exception):
    """A file changed while it was read; it is looked at again."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was when its digest was taken."""

    path: str
    source: Path
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Part:
    file: File
    offset: int
    length: int

    def header(self) -> bytes:
        fields: dict[str, Any] = {"path": self.file.path, "size": self.file.size, "sha256": self.file.sha256}
        if self.length != self.file.size:
            fields |= {"offset": self.offset, "length": self.length}
        return frame(fields)

    def data(self) -> bytes:
        try:
            with self.file.source.open("rb") as file:
                status = os.fstat(file.fileno())
                file.seek(self.offset)
                data = file.read(self.length)
        except OSError as error:  # an OSError further up means the connection
            raise Changed(f"{self.file.path}: {error.strerror}") from None
        if len(data) != self.length or status.st_mtime_ns != self.file.mtime_ns:
            raise Changed(self.file.path)
        return data


def frame(header: dict[str, Any]) -> bytes:
    raw = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return struct.pack(">I", len(raw)) + raw


def find(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Regular files below ``folder`` in order of path; links and devices are left where they are."""
    for directory, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            source = Path(directory) / name
            try:
                regular = stat.S_ISREG(source.lstat().st_mode)
                relative = source.relative_to(folder).as_posix()
                relative.encode()
            except (OSError, UnicodeEncodeError):
                continue
            if regular:
                yield unicodedata.normalize("NFC", f"{prefix}/{relative}"), source


def look(path: str, source: Path) -> File:
    """Take the digest; a file that changes meanwhile is read again, the third time raises."""
    for _ in range(3):
        digest, size = hashlib.sha256(), 0
        with source.open("rb") as file:
            before = os.fstat(file.fileno())
            while chunk := file.read(1 << 20):
                digest.update(chunk)
                size += len(chunk)
            after = os.fstat(file.fileno())
        if before.st_mtime_ns == after.st_mtime_ns and size == after.st_size:
            return File(path, source, size, after.st_mtime_ns, digest.hexdigest())
    raise Changed(path)


def parts(file: File) -> Iterator[Part]:
    if file.size == 0:
        yield Part(file, 0, 0)
    for offset in range(0, file.size, PART_BYTES):
        yield Part(file, offset, min(PART_BYTES, file.size - offset))


def calls(files: Iterator[File]) -> Iterator[list[Part]]:
    """Parts gathered into calls of about 32 MiB and 500 frames."""
    call: list[Part] = []
    size = 0
    for file in files:
        for part in parts(file):
            if call and (size + part.length > CALL_BYTES or len(call) >= CALL_FRAMES):
                yield call
                call, size = [], 0
            call.append(part)
            size += part.length
    if call:
        yield call


class Uploader:
    """Sends folders; what cannot be sent is said and left out, and the rest goes on."""

    def __init__(self, platform: Platform, run: str, say: Any) -> None:
        self._platform, self._run, self._say = platform, run, say

    def send(self, folders: list[tuple[Path, str]], exit_code: int) -> bool:
        """Send all files of ``[(folder, prefix)]`` and the closing frame; True if all were kept."""
        self._whole = True
        sent: set[str] = set()
        try:
            for call in calls(self._files(folders)):
                self._call(call)
                sent.update(part.file.path for part in call)
            closing = {
                "path": "",
                "size": 0,
                "complete": self._whole,
                "files": len(sent),
                "exit_code": exit_code,
            }
            raw = frame(closing)
            self._platform.send("POST", self._path, raw, content_type=CONTENT_TYPE, key=str(uuid.uuid4()))
        except Away as error:
            self._say(f"not all files were sent: {error}")
            return False
        except Refused as error:
            self._say(f"the end of the upload was refused: {error}")
            return False
        return self._whole

    @property
    def _path(self) -> str:
        return f"/runs/{self._run}/outputs"

    def _files(self, folders: list[tuple[Path, str]]) -> Iterator[File]:
        for folder, prefix in folders:
            for path, source in find(folder, prefix):
                try:
                    yield look(path, source)
                except (OSError, Changed) as error:
                    self._lose(f"{path} was not sent: it could not be read ({error})")

    def _call(self, call: list[Part]) -> None:
        headers = [part.header() for part in call]
        length = sum(len(header) + part.length for header, part in zip(headers, call, strict=True))

        def body() -> Iterator[bytes]:
            for header, part in zip(headers, call, strict=True):
                yield header
                yield part.data()

        try:
            answer = self._platform.send(
                "POST", self._path, body, length=length, content_type=CONTENT_TYPE, key=str(uuid.uuid4())
            )
        except (Refused, Changed) as error:
            if len(call) > 1:  # find the one at fault; the others must arrive
                for part in call:
                    self._call([part])
            else:
                self._lose(f"{call[0].file.path} was not kept: {error}")
            return
        for result in _results(answer):
            if result.get("outcome") == "refused":
                self._lose(f"{result.get('path')} was not kept: {result.get('reason') or result.get('code')}")

    def _lose(self, message: str) -> None:
        self._whole = False
        self._say(message)


def _results(answer: bytes) -> list[dict[str, Any]]:
    try:
        results = json.loads(answer)["results"]
        return [result for result in results if isinstance(result, dict)]
    except (ValueError, KeyError, TypeError):
        return []
