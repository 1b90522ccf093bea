"""Inserting thousands of rows at once: straight through the driver, in the session's transaction.

For tables of which an import writes a row a file; values must be what the driver takes (texts, numbers,
None; documents as JSON texts).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session


@cache
def _statement(table: sa.Table, columns: tuple[str, ...], dialect: str, ignore: bool) -> str:
    mark = "%s" if dialect == "postgresql" else "?"
    names = ", ".join(f'"{table.c[name].name}"' for name in columns)
    marks = ", ".join([mark] * len(columns))
    if dialect == "postgresql":
        tail = " ON CONFLICT DO NOTHING" if ignore else ""
        return f"INSERT INTO {table.name} ({names}) VALUES ({marks}){tail}"  # noqa: S608 - names are ours
    return f"INSERT {'OR IGNORE ' if ignore else ''}INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608


def insert(
    session: Session, table: Any, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], *, ignore: bool = False
) -> None:
    """Insert ``rows``; with ``ignore`` those whose key exists are left as they are."""
    if rows:
        connection = session.connection()
        statement = _statement(table, columns, connection.dialect.name, ignore)
        connection.exec_driver_sql(statement, list(rows))
