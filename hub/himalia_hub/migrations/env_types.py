"""How Alembic compares and writes our own column type."""

from __future__ import annotations

from typing import Any, Literal

from alembic.autogenerate.api import AutogenContext

from himalia_hub.core.db import UtcDateTime


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own column type by its name; everything else as Alembic does."""
    if kind == "type" and isinstance(item, UtcDateTime):
        autogen.imports.add("from himalia_hub.core.db import UtcDateTime")
        return "UtcDateTime()"
    return False


def compare_type(_context: Any, _column: Any, _metadata_column: Any, _inspected: Any, declared: Any) -> bool | None:
    """Our moments are integers on SQLite and time stamps on PostgreSQL; both are right."""
    return False if isinstance(declared, UtcDateTime) else None
