"""Alembic's entry: runs on the connection that ``migrate`` hands in."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from himalia_hub.core.db import Base, UtcDateTime
from himalia_hub.platform import assembly


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own column type by its name; everything else as Alembic does."""
    if kind == "type" and isinstance(item, UtcDateTime):
        autogen.imports.add("from himalia_hub.core.db import UtcDateTime")
        return "UtcDateTime()"
    return False


def compare_type(_context: Any, _column: Any, _metadata_column: Any, inspected: Any, declared: Any) -> bool | None:
    """Our moments are integers on SQLite and time stamps on PostgreSQL; both are right."""
    return False if isinstance(declared, UtcDateTime) else None


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
