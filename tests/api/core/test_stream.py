"""A long read is given back when its reader fails or is cancelled, wherever it was at that moment."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from himalia_hub.core.db import Database
from tests.support.postgres import Postgres

ROWS = 50_000
COUNT = sa.text(
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :most) SELECT n FROM numbers"
).columns(sa.column("n", sa.Integer))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def lent(database: Database) -> list[Any]:
    """The connections that are out of the pool."""
    out: list[Any] = []
    event.listen(database.engine, "checkout", lambda connection, *_: out.append(connection))
    event.listen(database.engine, "checkin", lambda connection, *_: out.remove(connection))
    return out


def statement() -> Any:
    return sa.select(COUNT.bindparams(most=ROWS).subquery().c.n)


def test_all_rows_come_once_in_batches(database: Database, lent: list[Any]) -> None:
    async def read() -> list[int]:
        async with database.stream(statement(), 1_000) as rows:
            return [row.n async for batch in rows for row in batch]

    assert asyncio.run(read()) == list(range(1, ROWS + 1))
    assert lent == []


def test_a_reader_that_fails_gives_its_connection_back(database: Database, lent: list[Any]) -> None:
    async def read() -> None:
        async with database.stream(statement(), 10) as rows:
            async for _ in rows:
                assert len(lent) == 1
                raise RuntimeError("the reader failed")

    with pytest.raises(RuntimeError, match="the reader failed"):
        asyncio.run(read())
    assert lent == []
    gc.collect()  # a cursor left open would speak up here


@pytest.mark.parametrize("moment", range(12))
def test_a_cancelled_reader_gives_its_connection_back(database: Database, lent: list[Any], moment: int) -> None:
    async def read() -> None:
        async with database.stream(statement(), 10) as rows:
            async for _ in rows:
                pass

    async def cancel() -> None:
        reading = asyncio.create_task(read())
        for _ in range(moment**2):
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert lent == []

    asyncio.run(cancel())
    gc.collect()


def test_closing_ends_what_somebody_still_holds(postgres: Postgres) -> None:
    """A request that is cut off when the platform stops never gives its connection back."""
    url = postgres.create()
    opened = Database(url)
    held = [opened.engine.connect() for _ in range(3)]
    raw = [one.connection.driver_connection for one in held]
    opened.close()
    assert [one.closed for one in raw] == [True, True, True]
    for one in held:
        one.invalidate()
        one.close()
    postgres.drop(url)
