"""Alembic's entry: runs on the connection that ``migrate`` hands in."""

from __future__ import annotations

from alembic import context

from himalia_hub.core.db import Base
from himalia_hub.migrations.env_types import compare_type, render_item
from himalia_hub.platform import assembly

assembly.import_tables()
connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=render_item,
    compare_type=compare_type,
)
with context.begin_transaction():
    context.run_migrations()
