"""Fixtures of all tests.

    postgres        a real PostgreSQL server, one per session (its absence fails, never skips)
    database_url    an empty database, parametrised: SQLite and PostgreSQL
    service         a platform service on it, no people
    world           the same with tenants alpha and beta and people of every role
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import Postgres
from tests.support.service import LiveService, World, live_world, make_config

os.environ.setdefault("XDG_RUNTIME_DIR", "/tmp")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/himalia.sqlite3"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.create()
    yield url
    server.drop(url)


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[LiveService]:
    live = LiveService(make_config(tmp_path / "state", database_url))
    yield live
    live.close()


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    yield from live_world(make_config(tmp_path / "state", database_url))
