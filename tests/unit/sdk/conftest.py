"""A real platform on SQLite with a real S3 server, and the SDK speaking to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import himalia
from himalia.sdk import client as client_module
from tests.support.service import World


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/himalia.sqlite3"


@pytest.fixture
def client(stored_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[himalia.Client]:
    """As a notebook of a member of tenant alpha has it."""
    person = stored_world.alpha.people["member"]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HIMALIA_API_URL", f"{stored_world.live.base_url}/services/himalia/api/v1")
    monkeypatch.setenv("HIMALIA_TOKEN", person.notebook_token)
    monkeypatch.setattr(client_module, "_current", None)
    with himalia.connect() as connected:
        yield connected
