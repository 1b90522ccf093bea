"""Brings a database to the present schema; the same revisions run on SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from himalia_hub.core.db import Database

HERE = Path(__file__).parent


def alembic_config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def upgrade(db: Database) -> None:
    """Run all revisions that this database has not seen."""
    with db.engine.connect() as connection:
        command.upgrade(alembic_config(connection), "head")
        connection.commit()
