"""Lists by cursor: stable under concurrent inserts, bounded in work (GEN-1).

A cursor is the sort value and id of the last row, base64; the next page asks for what follows
them, so that neither inserts nor deletes shift a page.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput

COUNT_CAP = 10_000
Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None
    total: int
    total_capped: bool


class ListQuery(BaseModel):
    """Query parameters that every list takes; nouns add their filters."""

    model_config = ConfigDict(extra="forbid")
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: str | None = None
    sort: Annotated[str, Field(max_length=32)] = "-updated_at"
    q: Annotated[str, Field(max_length=200)] = ""


def encode_cursor(value: Any, row_id: int) -> str:
    if isinstance(value, datetime):
        value = {"t": clock.to_wire(value)}
    return base64.urlsafe_b64encode(json.dumps([value, row_id]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[Any, int]:
    try:
        value, row_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(value, dict):
            value = datetime.fromisoformat(value["t"])
        return value, int(row_id)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"cursor: {cursor[:40]!r} is not one that this list gave out.",
            zh=f"cursor：{cursor[:40]!r} 不是此列表给出的游标。",
            field="cursor",
            rule="a next_cursor of this list",
            value=cursor,
        ) from error


def page(
    db: Db,
    statement: sa.Select[Any],
    query: ListQuery,
    *,
    sorts: Mapping[str, sa.ColumnElement[Any] | Any],
    key: Any,
    render: Callable[[Any], Any],
    search: Sequence[Any] = (),
) -> dict[str, Any]:
    """Run a filtered select as one page.

    Args:
        statement: The select with all filters; rows must contain the sort columns and ``key``.
        sorts: Sortable names to columns; ``query.sort`` must be one of them, with ``-`` to reverse.
        key: The unique, ascending column that breaks ties.
        render: Turns a row into its wire shape.
        search: Columns matched by ``q`` (case-insensitive, anywhere).
    """
    name, descending = query.sort.lstrip("-"), query.sort.startswith("-")
    if name not in sorts:
        raise InvalidInput(
            f"sort: {query.sort!r} is not sortable; use one of {', '.join(sorts)}, with - to reverse.",
            zh=f"sort：不能按 {query.sort!r} 排序；可用：{'、'.join(sorts)}，前加 - 为倒序。",
            field="sort",
            rule=f"one of {', '.join(sorts)}",
            value=query.sort,
        )
    if query.q:
        pattern = "%" + query.q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        statement = statement.where(sa.or_(*[column.ilike(pattern, escape="\\") for column in search]))
    counted = db.execute(
        sa.select(sa.func.count()).select_from(statement.with_only_columns(key).limit(COUNT_CAP + 1).subquery())
    ).scalar_one()
    column = sorts[name]
    if query.cursor:
        value, row_id = decode_cursor(query.cursor)
        left, right = sa.tuple_(column, key), sa.tuple_(sa.literal(value, column.type), sa.literal(row_id, key.type))
        statement = statement.where(left < right if descending else left > right)
    order = (column.desc(), key.desc()) if descending else (column.asc(), key.asc())
    marked = statement.add_columns(column.label("_sort"), key.label("_key"))
    rows = db.execute(marked.order_by(*order).limit(query.limit + 1)).all()
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    return {
        "items": [render(row) for row in rows],
        "next_cursor": encode_cursor(rows[-1]._sort, rows[-1]._key) if more else None,
        "total": min(counted, COUNT_CAP),
        "total_capped": counted > COUNT_CAP,
    }
