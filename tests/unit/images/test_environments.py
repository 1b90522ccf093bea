"""Runtime environments: addressed by content, finished or not there, without the hub (IMG-5)."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from himalia_hub.develop.images import builder
from himalia_hub.develop.images.definitions import DEFAULT_ENVIRONMENT, DEFINITIONS
from himalia_hub.develop.images.registry import RECORD, EnvironmentRegistry
from himalia_hub.develop.images.wheel import build_wheel


def record(root: Path, name: str, digest: str, built_at: str) -> Path:
    folder = root / f"{name}-{digest}"
    folder.mkdir()
    (folder / RECORD).write_text(
        json.dumps(
            {
                "name": name,
                "title": name.title(),
                "title_zh": name,
                "digest": digest,
                "python": "3.11.7",
                "packages": {"numpy": "2.4.6"},
                "size_bytes": 10,
                "uses": ["notebook"],
                "built_at": built_at,
            }
        )
    )
    return folder


def test_the_wheel_is_the_same_bytes_each_time_and_holds_nothing_of_the_hub() -> None:
    name, content = build_wheel()
    assert (name, content) == build_wheel()
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        names = wheel.namelist()
        metadata = wheel.read(next(entry for entry in names if entry.endswith("METADATA"))).decode()
        points = wheel.read(next(entry for entry in names if entry.endswith("entry_points.txt"))).decode()
    top = {entry.split("/")[0] for entry in names}
    assert {entry for entry in top if "." not in entry} == {"himalia"}
    assert "himalia/runner/main.py" in names
    assert not [entry for entry in names if "__pycache__" in entry]
    assert "sqlalchemy" not in metadata.lower() and "tornado" in metadata
    assert "himalia_hub" not in points


def test_each_definition_has_a_lock_with_hashes() -> None:
    assert DEFAULT_ENVIRONMENT in {definition.name for definition in DEFINITIONS}
    for definition in DEFINITIONS:
        text = definition.lock.read_text(encoding="utf-8")
        pins = [line for line in text.splitlines() if "==" in line and not line.lstrip().startswith("#")]
        assert pins and text.count("--hash=sha256:") >= len(pins)


def test_the_digest_follows_the_lock_and_our_own_part(monkeypatch: pytest.MonkeyPatch) -> None:
    science, base = DEFINITIONS
    digests = {
        builder.environment_digest(science, b"one"),
        builder.environment_digest(science, b"two"),
        builder.environment_digest(base, b"one"),
    }
    assert len(digests) == 3
    before = builder.environment_digest(science, b"one")
    monkeypatch.setattr(builder, "RECIPE", "changed")
    assert builder.environment_digest(science, b"one") != before


def test_an_unfinished_environment_does_not_exist(tmp_path: Path) -> None:
    record(tmp_path, "science", "aaaaaaaaaaaa", "2026-11-01T00:00:00+00:00")
    (tmp_path / "science-bbbbbbbbbbbb" / "bin").mkdir(parents=True)
    assert [item.reference for item in EnvironmentRegistry(tmp_path).all()] == ["science-aaaaaaaaaaaa"]


def test_the_newest_of_a_name_is_offered_and_older_ones_stay_reachable(tmp_path: Path) -> None:
    record(tmp_path, "base", "cccccccccccc", "2026-11-03T00:00:00+00:00")
    record(tmp_path, "science", "aaaaaaaaaaaa", "2026-11-01T00:00:00+00:00")
    record(tmp_path, "science", "bbbbbbbbbbbb", "2026-11-02T00:00:00+00:00")
    found = EnvironmentRegistry(tmp_path)
    assert [item.reference for item in found.newest()] == ["science-bbbbbbbbbbbb", "base-cccccccccccc"]
    older = found.find("science-aaaaaaaaaaaa")
    assert older is not None and older.digest == "aaaaaaaaaaaa"
    assert found.find("science-dddddddddddd") is None


@pytest.mark.slow
def test_a_real_environment_runs_our_code_and_lab_alone(tmp_path: Path) -> None:
    """Builds ``base`` from its lock; a second call finds it finished and does nothing."""
    said: list[str] = []
    builder.build_missing(tmp_path, names=("base",), report=said.append)
    (environment,) = EnvironmentRegistry(tmp_path).all()
    python = environment.path / "bin" / "python"
    code = "import himalia, importlib.util as u; print(himalia.__file__, u.find_spec('himalia_hub'))"
    out = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert out.split()[0].startswith(str(environment.path)) and out.split()[1] == "None"
    assert environment.packages["himalia"] and environment.packages["jupyterlab"]
    assert all(path.stat().st_mode & 0o004 for path in environment.path.glob("lib/**/himalia/**/*.py"))
    announcements = json.loads((environment.path / "etc/jupyter/labconfig/page_config.json").read_text())
    assert announcements["disabledExtensions"] == {"@jupyterlab/apputils-extension:announcements": True}
    assert said[-1].startswith("base: ready")
    said.clear()
    builder.build_missing(tmp_path, names=("base",), report=said.append)
    assert said == []
