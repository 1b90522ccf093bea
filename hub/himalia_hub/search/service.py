"""Finding objects of several kinds by name or number: one bounded query per kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from himalia_hub.auth.actor import Actor
from himalia_hub.core import objects
from himalia_hub.core.db import Db
from himalia_hub.core.tables import OwnedMixin

LIMIT = 20


@dataclass(frozen=True, slots=True)
class Searchable:
    """A kind that people find by name or number; ``status`` is a column shown beside the name."""

    kind: str
    table: type[OwnedMixin]
    permission: str
    status: str | None = None


def find(db: Db, actor: Actor, kinds: Sequence[Searchable], text: str) -> list[dict[str, Any]]:
    """At most :data:`LIMIT` hits within the actor's reach: exact and leading matches first."""
    text = text.strip()
    if not text:
        return []
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    hits: list[tuple[int, Any]] = []
    for searchable in kinds:
        if actor.reach(searchable.permission) is None:
            continue
        table = searchable.table
        matches: list[sa.ColumnElement[bool]] = [table.name.ilike(f"%{escaped}%", escape="\\")]
        if text.isascii() and text.isdigit() and len(text) < 16:
            matches.append(table.number == int(text))
        status_column: Any = getattr(table, searchable.status) if searchable.status else sa.null()
        statement = (
            sa.select(table.number, table.name, status_column.label("status"))
            .where(objects.visible(table, actor, searchable.permission), sa.or_(*matches))
            .order_by(table.updated_at.desc())
            .limit(LIMIT)
        )
        for row in db.execute(statement):
            lower, wanted = row.name.lower(), text.lower()
            rank = 0 if lower == wanted else 1 if lower.startswith(wanted) else 2
            hits.append((rank, {"kind": searchable.kind, "id": row.number, "name": row.name, "status": row.status}))
    hits.sort(key=lambda hit: hit[0])
    return [hit for _, hit in hits[:LIMIT]]
