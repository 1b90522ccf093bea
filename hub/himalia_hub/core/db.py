"""The database: one schema on SQLite and PostgreSQL, reads at once, writes one at a time.

Handlers read on the event loop through Core selects over one open connection; a unit of work that
writes runs as a plain function in the writer's thread, inside one transaction, so it can never
span an await or a network call. On SQLite the writer owns the only writing connection and begins
with ``BEGIN IMMEDIATE``. A read too long for the event loop streams from a connection of its own
in a thread. Committed changes wake whoever waits on :meth:`Database.changed`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

T = TypeVar("T")
Db = Session | sa.Connection
"""What services take: a session inside a unit of work, a connection for reads."""

STREAM_BATCH = 2000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A 64-bit id; SQLite only counts up by itself on a plain INTEGER primary key."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC: ``timestamptz`` on PostgreSQL, microseconds since 1970 on SQLite."""

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(sa.BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        assert value.tzinfo is not None, "a moment without a zone reached the database"
        if dialect.name == "postgresql":
            return value
        return (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "postgresql":
            return value.astimezone(UTC)  # type: ignore[no-any-return]
        return _EPOCH + timedelta(microseconds=value)


class Base(DeclarativeBase):
    """All tables; constraint names are fixed so that migrations are equal on both databases."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: UtcDateTime(),
        dict[str, Any]: sa.JSON(),
        list[Any]: sa.JSON(),
        int: sa.BigInteger(),
    }


def make_engine(url: str) -> sa.Engine:
    """An engine with the pragmas and time-outs we rely on."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, pool_size=8, max_overflow=8, pool_pre_ping=True)
    engine = sa.create_engine(parsed, connect_args={"timeout": 30, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: reads begin deferred, writes immediate.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "busy_timeout=30000",
            "cache_size=-65536",
            "mmap_size=268435456",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


class Database:
    """Engine, the event loop's reader, and the writer's thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = make_engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="db-writer")
        self._write_engine = self.engine.execution_options(sqlite_begin="IMMEDIATE") if self.is_sqlite else self.engine
        self._reader: sa.Connection | None = None
        self._listeners: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._open: set[Any] = set()
        if not self.is_sqlite:  # there, closing under a thread that still reads is not safe, nor needed
            event.listen(self.engine, "connect", lambda connection, _record: self._open.add(connection))
            event.listen(self.engine, "close", lambda connection, _record: self._open.discard(connection))

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent snapshot for one read; only ever used from the event loop's thread."""
        connection = self._reader
        if connection is None or connection.closed or connection.invalidated:
            connection = self._reader = self.engine.connect()
        elif connection.in_transaction():  # a nested read gets a connection of its own
            with self.engine.connect() as own:
                yield own
            return
        try:
            yield connection
        finally:
            connection.rollback()

    @contextlib.asynccontextmanager
    async def stream(
        self, statement: sa.Select[Any], size: int = STREAM_BATCH
    ) -> AsyncIterator[AsyncIterator[list[Any]]]:
        """The rows of a long read in batches, on a connection of its own, fetched off the event loop.

        A context, so that the cursor is closed when its reader fails or is cancelled, not when the
        collector finds it.
        """
        held = contextlib.ExitStack()

        def begin() -> Any:
            connection = held.enter_context(self.engine.connect())
            streaming = connection.execution_options(yield_per=size, stream_results=True)
            return held.enter_context(streaming.execute(statement)).partitions(size)

        try:
            partitions = await _to_its_end(begin)

            async def batches() -> AsyncIterator[list[Any]]:
                while (batch := await _to_its_end(lambda: next(partitions, None))) is not None:
                    yield list(batch)

            yield batches()
        finally:
            await _to_its_end(held.close)

    def write_now(self, work: Callable[[Session], T]) -> T:
        """Run one unit of work in the calling thread: commit all of it or nothing."""
        with self._lock, Session(self._write_engine, expire_on_commit=False) as session:
            try:
                result = work(session)
                session.commit()
            except BaseException:
                session.rollback()
                raise
        self._notify()
        return result

    async def write(self, work: Callable[[Session], T]) -> T:
        """Run one unit of work in the writer's thread."""
        loop = self._loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self.write_now, work)

    @contextlib.contextmanager
    def changed(self) -> Iterator[asyncio.Event]:
        """An event that is set after each commit of this process."""
        self._loop = asyncio.get_running_loop()
        signal = asyncio.Event()
        self._listeners.add(signal)
        try:
            yield signal
        finally:
            self._listeners.discard(signal)

    def _notify(self) -> None:
        if self._loop is not None and self._listeners and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._set_all)

    def _set_all(self) -> None:
        for signal in self._listeners:
            signal.set()

    def close(self) -> None:
        """Let the writer end, then end every connection, also one that a request cut off in its middle holds."""
        self._writer.shutdown(wait=True)
        if self._reader is not None:
            self._reader.close()
        self.engine.dispose()
        while self._open:
            self._open.pop().close()


async def _to_its_end(call: Callable[[], T]) -> T:
    """Run a call in a thread; a cancelled caller waits for it, since the connection is in use until then."""
    work = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        work.exception()  # read, or it would be reported as never looked at
        raise
