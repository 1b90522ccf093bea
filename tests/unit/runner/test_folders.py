"""Read-only folders on their way into a pod: framed by the platform, received by ``himalia.folders``."""

from __future__ import annotations

import asyncio
import hashlib
import io
from pathlib import Path

import pytest

from himalia import folders as receiving
from himalia_hub.backends.local.cache import ManifestEntry
from himalia_hub.compute import folders as sending
from tests.contract.harness import Folders

FILES = {"a.txt": b"alpha", "sub/b.bin": bytes(range(256)) * 9000, "sub/empty": b"", "zwölf/same.txt": b"alpha"}


def framed(source: Folders, manifest: str) -> bytes:
    async def collect() -> bytes:
        return b"".join([piece async for piece in sending.frames(source, "acme", manifest)])

    return asyncio.run(collect())


@pytest.mark.parametrize("entries", [1, 2, 1000])
def test_a_folder_arrives_as_it_was(tmp_path: Path, entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "BATCH_ENTRIES", entries)
    source = Folders()
    data = framed(source, source.add(FILES))
    assert receiving.receive(io.BytesIO(data), tmp_path) == 4
    found = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == FILES
    assert {path.stat().st_mode & 0o777 for path in found.values()} == {0o444}


def test_equal_files_travel_and_lie_once(tmp_path: Path) -> None:
    source = Folders()
    data = framed(source, source.add(dict.fromkeys(("a", "b", "c"), b"x" * 100_000)))
    assert len(data) < 101_000
    receiving.receive(io.BytesIO(data), tmp_path)
    assert (tmp_path / "a").stat().st_ino == (tmp_path / "c").stat().st_ino


def test_a_stream_that_breaks_off_anywhere_is_noticed(tmp_path: Path) -> None:
    source = Folders()
    data = framed(source, source.add({"a": b"alpha", "b": b"beta"}))
    for length in range(len(data)):
        place = tmp_path / str(length)
        place.mkdir()
        with pytest.raises(receiving._CutOff):
            receiving.receive(io.BytesIO(data[:length]), place)


def test_bytes_that_changed_on_the_way_are_noticed(tmp_path: Path) -> None:
    source = Folders()
    data = framed(source, source.add({"a": b"alpha"})).replace(b"alpha", b"alpho")
    with pytest.raises(receiving._CutOff, match="damaged"):
        receiving.receive(io.BytesIO(data), tmp_path)


@pytest.mark.parametrize("path", ["../out", "/etc/passwd", "a//b", "a/./b", "", "a\0b"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    source = Folders()
    source.blobs[digest := hashlib.sha256(b"x").hexdigest()] = b"x"
    data = framed(source, source.add_entries([ManifestEntry(path, digest, 1)]))
    with pytest.raises(receiving.FolderError, match="plain names"):
        receiving.receive(io.BytesIO(data), tmp_path / "inner")
    assert not (tmp_path / "out").exists()


def test_a_folder_is_asked_for_again_until_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Folders()
    manifest = source.add(FILES)
    whole = framed(source, manifest)
    answers = [whole[:5], whole[:-3], whole]

    class Opener:
        def open(self, _request: object, timeout: float) -> io.BytesIO:
            assert timeout > 0
            return io.BytesIO(answers.pop(0))

    for name, value in (("API_URL", "http://platform"), ("TOKEN", "t"), ("WORKLOAD_ID", "7")):
        monkeypatch.setenv(f"HIMALIA_{name}", value)
    monkeypatch.setattr("urllib.request.build_opener", lambda *_: Opener())
    target = tmp_path / "folder" / "tree"
    assert receiving.fetch(manifest, target, retry_seconds=30) == 4
    assert not answers and (target / "a.txt").read_bytes() == b"alpha"
    assert receiving.fetch(manifest, target, retry_seconds=0) == 4, "what is complete is not fetched again"
