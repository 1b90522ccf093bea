"""Fixtures of all tests.

postgres        a real PostgreSQL server, one per session (its absence fails, never skips)
database_url    an empty database, parametrised: SQLite and PostgreSQL
service         a platform service on it, no people
world           the same with tenants alpha and beta and people of every role
s3_server       a real S3 server (the bundled one), one per session
stored_world    world with an empty bucket
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.postgres import Postgres
from tests.support.s3 import S3Server
from tests.support.service import LiveService, World, live_world, make_config

os.environ.setdefault("XDG_RUNTIME_DIR", "/tmp")
# How long an example takes says something about the machine, not about the code.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


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


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def stored_world(database_url: str, s3_server: S3Server, tmp_path: Path) -> Iterator[World]:
    config = make_config(tmp_path / "state", database_url, s3=s3_server.bucket().model_dump(mode="json"))
    yield from live_world(config)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world for all tests of a module, where each leaves what the others need."""
    place = tmp_path_factory.mktemp("shared")
    if request.param == "sqlite":
        yield from live_world(make_config(place / "state", f"sqlite:///{place}/himalia.sqlite3"))
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.create()
    try:
        yield from live_world(make_config(place / "state", url))
    finally:
        server.drop(url)
