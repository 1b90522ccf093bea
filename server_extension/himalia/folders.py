"""Fetches the read-only folders of a workload: ``python -m himalia.folders MANIFEST=PATH…``.

What a pod runs before its program, with the workload's own token. Standard library only. A folder
appears whole or not at all: it is made aside and renamed, each file is checked against its digest,
and a stream that breaks off is asked for again.

Environment
    HIMALIA_API_URL, HIMALIA_TOKEN, HIMALIA_WORKLOAD_ID   as in every workload.
    HIMALIA_RETRY_SECONDS                                 how long to try while the platform is away.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import shutil
import struct
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

AWAY = frozenset({429, 502, 503, 504})
PIECE_BYTES = 1 << 20


class FolderError(Exception):
    """The folder cannot be had; the text is a sentence for the person."""


class _CutOff(Exception):
    """The stream ended too early or came damaged; asking again can help."""


class Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


def receive(stream: Reader, target: Path) -> int:
    """Write the framed files of a stream below ``target``; answers how many there are.

    Raises:
        _CutOff: It broke off, or bytes do not match their digest.
        FolderError: A path leads out of the folder.
    """
    while True:
        (length,) = struct.unpack(">I", _exactly(stream, 4))
        header = json.loads(_exactly(stream, length))
        if header.get("end"):
            return int(header["files"])
        first, *others = [target / _safe(path) for path in header["paths"]]
        first.parent.mkdir(parents=True, exist_ok=True)
        digest, left = hashlib.sha256(), int(header["size"])
        with first.open("xb") as file:
            while left:
                piece = _exactly(stream, min(left, PIECE_BYTES))
                digest.update(piece)
                file.write(piece)
                left -= len(piece)
        if digest.hexdigest() != header["sha256"]:
            raise _CutOff(f"{header['paths'][0]} arrived damaged")
        first.chmod(0o444)
        for other in others:
            other.parent.mkdir(parents=True, exist_ok=True)
            other.hardlink_to(first)


def _exactly(stream: Reader, size: int) -> bytes:
    pieces = []
    while size:
        piece = stream.read(size)
        if not piece:
            raise _CutOff("the stream broke off")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _safe(path: str) -> str:
    if not path or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise FolderError(f"{path!r} is not a relative path of plain names.")
    return path


def fetch(manifest: str, target: Path, *, retry_seconds: float) -> int:
    """Bring one folder to ``target``, which exists and is empty or complete; answers its number of files.

    Raises:
        FolderError: Refused, or the platform stayed away.
    """
    done = target.parent / f".{target.name}.complete"
    if done.exists():
        return int(done.read_text())
    url = f"{os.environ['HIMALIA_API_URL']}/workloads/{os.environ['HIMALIA_WORKLOAD_ID']}/folders/{manifest}"
    headers = {"Authorization": f"Bearer {os.environ['HIMALIA_TOKEN']}", "User-Agent": "himalia-folders"}
    if not url.startswith(("http://", "https://")):
        raise FolderError(f"HIMALIA_API_URL must be an http or https address, not {url!r}.")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until, pause = time.monotonic() + retry_seconds, 0.2
    while True:
        _empty(target)
        try:
            with opener.open(urllib.request.Request(url, headers=headers), timeout=60) as answer:  # noqa: S310
                count = receive(answer, target)
            done.write_text(str(count))
            return count
        except urllib.error.HTTPError as error:
            if error.code not in AWAY:
                raise FolderError(f"The platform refused the folder {manifest[:12]}: status {error.code}.") from error
            problem = f"it answered {error.code}"
        except (_CutOff, OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno == 28:
                raise FolderError(f"There is no room left for the folder {manifest[:12]}.") from error
            problem = str(error) or type(error).__name__
        if time.monotonic() > until:
            raise FolderError(f"The folder {manifest[:12]} did not come: {problem}.")
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        pause = min(pause * 2, 10.0)


def _empty(target: Path) -> None:
    for entry in target.iterdir() if target.exists() else ():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    target.mkdir(parents=True, exist_ok=True)


def main(arguments: Sequence[str]) -> int:
    """Fetch each ``MANIFEST=PATH``; the exit code is 1 at the first that cannot be had."""
    seconds = float(os.environ.get("HIMALIA_RETRY_SECONDS") or 300)
    for argument in arguments:
        manifest, _, path = argument.partition("=")
        began = time.monotonic()
        try:
            count = fetch(manifest, Path(path), retry_seconds=seconds)
        except FolderError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        sys.stdout.write(f"{path}: {count} files in {time.monotonic() - began:.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
