"""Long operations with progress: created with the intent, carried on by a controller (GEN-4).

A noun registers a function per task kind. The function is called again after a restart with the
same task and must go on from what is already done; it reports through :class:`TaskHandle`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor
from himalia_hub.core import clock, objects
from himalia_hub.core.errors import HimaliaError
from himalia_hub.core.tables import TaskRow

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

log = logging.getLogger("himalia.tasks")
Body = Callable[["TaskHandle"], Awaitable[dict[str, Any] | None]]
ACTIVE = ("queued", "running")


class Cancelled(Exception):
    """Raised inside a task's body when the person asked to cancel it."""


def create(
    session: Session,
    actor: Actor,
    kind: str,
    *,
    object_kind: str,
    object_number: int,
    object_name: str,
    payload: dict[str, Any],
    total: int | None = None,
    unit: str = "items",
    state: str = "queued",
) -> TaskRow:
    """Write the intent in the caller's transaction; a controller picks it up after the commit."""
    row = TaskRow(
        **objects.new_owned(session, actor, "task"),
        name=object_name[:255],
        kind=kind,
        object_kind=object_kind,
        object_number=object_number,
        state=state,
        total=total,
        unit=unit,
        payload=payload,
    )
    session.add(row)
    session.flush()
    objects.touch(session, "task", row, op="created")
    return row


def finish(
    session: Session,
    row: TaskRow,
    state: str,
    *,
    result: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
) -> None:
    """End a task: ``succeeded``, ``failed`` or ``cancelled``."""
    row.state = state
    row.result = result
    row.error = error
    row.ended_at = clock.now()
    objects.touch(session, "task", row)


def to_wire(row: Any) -> dict[str, Any]:
    """The ``Task`` shape of the API from a row or entity."""
    rate = remaining = None
    if row.started_at is not None and row.done:
        elapsed = ((row.ended_at or clock.now()) - row.started_at).total_seconds()
        if elapsed > 0.2:
            rate = row.done / elapsed
            if row.total and row.state == "running":
                remaining = max(0.0, (row.total - row.done) / rate)
    return {
        "id": row.number,
        "kind": row.kind,
        "object": {"kind": row.object_kind, "id": row.object_number, "name": row.name},
        "state": row.state,
        "done": row.done,
        "total": row.total,
        "unit": row.unit,
        "rate_per_second": rate,
        "remaining_seconds": remaining,
        "message": row.message,
        "result": row.result,
        "error": row.error,
        "created_at": clock.to_wire(row.created_at),
        "started_at": clock.to_wire(row.started_at),
        "ended_at": clock.to_wire(row.ended_at),
        "version": row.version,
    }


class TaskHandle:
    """What a task's body holds: its payload, and how to report."""

    def __init__(self, platform: Platform, row: TaskRow) -> None:
        self.platform = platform
        self.id = row.id
        self.number = row.number
        self.tenant_id = row.tenant_id
        self.owner_id = row.owner_id
        self.object_number = row.object_number
        self.payload: dict[str, Any] = dict(row.payload)
        self.done = row.done
        self._reported_at = 0.0

    async def progress(self, done: int, total: int | None = None, *, message: str = "", force: bool = False) -> None:
        """Report progress, at most four times a second; raises :class:`Cancelled` when asked to stop."""
        self.done = done
        if not force and time.monotonic() - self._reported_at < 0.25:
            return
        self._reported_at = time.monotonic()

        def work(session: Session) -> bool:
            row = session.get(TaskRow, self.id)
            assert row is not None
            row.done = done
            if total is not None:
                row.total = total
            if message:
                row.message = message
            objects.touch(session, "task", row)
            return row.cancel_requested

        if await self.platform.db.write(work):
            raise Cancelled()

    async def remember(self, **values: Any) -> None:
        """Keep values in the payload, so that a restart goes on from them."""
        self.payload.update(values)

        def work(session: Session) -> None:
            row = session.get(TaskRow, self.id)
            assert row is not None
            row.payload = dict(self.payload)

        await self.platform.db.write(work)


class TaskRunner:
    """The controller that carries tasks on, a few at a time."""

    name = "tasks"
    interval_seconds = 5.0
    wakes_on_commit = True

    def __init__(self, platform: Platform, *, parallel: int = 4) -> None:
        self._platform = platform
        self._bodies: dict[str, Body] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._parallel = parallel

    def register(self, kind: str, body: Body) -> None:
        self._bodies[kind] = body

    async def step(self) -> None:
        free = self._parallel - len(self._running)
        if free <= 0:
            return
        with self._platform.db.read() as db:
            found = (
                db.execute(
                    sa.select(TaskRow.id)
                    .where(
                        TaskRow.state.in_(ACTIVE),
                        TaskRow.kind.in_(list(self._bodies)),
                        TaskRow.id.not_in(list(self._running) or [0]),
                    )
                    .order_by(TaskRow.id)
                    .limit(free)
                )
                .scalars()
                .all()
            )
        for task_id in found:
            job = asyncio.create_task(self._run(task_id))
            self._running[task_id] = job
            job.add_done_callback(functools.partial(self._finished, task_id))

    def _finished(self, task_id: int, _job: asyncio.Task[None]) -> None:
        self._running.pop(task_id, None)
        self._platform.controllers.wake(self.name)

    async def _run(self, task_id: int) -> None:
        def begin(session: Session) -> TaskHandle | None:
            row = session.get(TaskRow, task_id)
            if row is None or row.state not in ACTIVE:
                return None
            if row.cancel_requested and row.state == "queued":
                finish(session, row, "cancelled")
                return None
            row.state = "running"
            row.started_at = row.started_at or clock.now()
            objects.touch(session, "task", row)
            return TaskHandle(self._platform, row)

        handle = await self._platform.db.write(begin)
        if handle is None:
            return
        with self._platform.db.read() as db:
            kind = db.execute(sa.select(TaskRow.kind).where(TaskRow.id == task_id)).scalar_one()
        state, result, error = "succeeded", None, None
        try:
            result = await self._bodies[kind](handle)
        except Cancelled:
            state = "cancelled"
        except HimaliaError as failure:
            state, error = (
                "failed",
                {"code": failure.code, "detail": failure.message, "detail_zh": failure.zh, "hint": failure.hint},
            )
        except asyncio.CancelledError:
            raise
        except Exception as failure:
            log.exception("task %s (%s) failed", task_id, kind)
            state, error = "failed", {"code": "internal_error", "detail": f"{type(failure).__name__}: {failure}"}

        def end(session: Session) -> None:
            row = session.get(TaskRow, task_id)
            assert row is not None
            if row.state in ACTIVE:
                row.done = max(row.done, handle.done)
                finish(session, row, state, result=result, error=error)

        await self._platform.db.write(end)

    async def stop(self) -> None:
        for job in list(self._running.values()):
            job.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
