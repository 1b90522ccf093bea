"""The revisions lead to the tables in code, on both databases, and can be run again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from himalia_hub.billing.tables import APPEND_ONLY
from himalia_hub.core.db import Base, Database
from himalia_hub.migrations import migrate
from himalia_hub.migrations.env_types import compare_type
from himalia_hub.platform import assembly


def test_revisions_and_tables_agree(database_url: str) -> None:
    assembly.import_tables()
    db = Database(database_url)
    migrate.upgrade(db)
    migrate.upgrade(db)
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": compare_type})
        differences = compare_metadata(context, Base.metadata)
        connection.rollback()
    db.close()
    assert differences == []


def test_the_database_itself_keeps_the_ledger(database_url: str) -> None:
    """OPS-3: rows of append-only tables cannot be changed, whoever asks."""
    assembly.import_tables()
    db = Database(database_url)
    migrate.upgrade(db)
    with db.engine.connect() as connection:
        if db.is_sqlite:
            found = connection.execute(sa.text("SELECT tbl_name FROM sqlite_master WHERE type = 'trigger'"))
        else:
            found = connection.execute(sa.text("SELECT event_object_table FROM information_schema.triggers"))
        guarded = set(found.scalars())
        connection.rollback()
    db.close()
    assert set(APPEND_ONLY) <= guarded
