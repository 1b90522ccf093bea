"""Requests whose effects are taken back: every cell of the matrix meets the same world.

While it lasts, the platform's units of work are savepoints of one transaction that is rolled back
at the end, and its reads see what that transaction wrote. What a handler reads on a connection of
its own sees the world as it was before.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core.db import Base, Database

NOT_EFFECTS = ("idempotency_records", "audit_entries", "audit_heads")
"""What a repeated request may leave: the record of having been answered."""


@contextlib.contextmanager
def undone(db: Database) -> Iterator[sa.Connection]:
    """Take back whatever is written inside; answers the connection that sees it."""
    connection = db._write_engine.connect()
    transaction = connection.begin()

    def write_now(work: Callable[[Session], Any]) -> Any:
        with db._lock, Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            try:
                result = work(session)
                session.commit()
            except BaseException:
                session.rollback()
                raise
        return result

    @contextlib.contextmanager
    def read() -> Iterator[sa.Connection]:
        yield connection

    db.write_now, db.read = write_now, read  # type: ignore[method-assign]
    try:
        yield connection
    finally:
        del db.write_now, db.read  # type: ignore[method-assign]
        transaction.rollback()
        connection.close()


def digest(connection: sa.Connection) -> dict[str, str]:
    """The content of every table that shows effects, table by table."""
    found = {}
    for table in Base.metadata.sorted_tables:
        if table.name in NOT_EFFECTS:
            continue
        rows = sorted(repr(tuple(row)) for row in connection.execute(sa.select(table)))
        found[table.name] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found
