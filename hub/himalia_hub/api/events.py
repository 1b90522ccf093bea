"""The stream of changes: server-sent events read from the outbox (UI-2).

An event names what changed; clients fetch it again. A subscriber sees what its actor may see: own
things, and what is told to the whole tenant.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable, Stream
from himalia_hub.auth.actor import Actor
from himalia_hub.core.tables import Change

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

routes = RouteTable("events")
KEEPALIVE_SECONDS = 15.0
BATCH = 500
BACKLOG = 10_000


def _mine(actor: Actor) -> sa.ColumnElement[bool]:
    told = [Change.owner_id.is_(None), Change.owner_id == actor.user_id]
    return sa.and_(Change.tenant_id == actor.tenant_id, sa.or_(*told))


@routes.get(
    "/events",
    permission="account.event.read",
    summary="Follow the changes to what you may see",
    response_type="text/event-stream",
)
async def follow(ctx: Context) -> Stream:
    """Server-sent events; ``Last-Event-ID`` resumes, ``event: reset`` asks to fetch all again."""
    last = ctx.headers.get("Last-Event-ID", "")
    position = int(last) if last.isdigit() and len(last) < 16 else None
    return Stream(
        _events(ctx.platform, ctx.actor, position),
        "text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _events(platform: Platform, actor: Actor, position: int | None) -> AsyncIterator[bytes]:
    with platform.db.changed() as signal:
        with platform.db.read() as db:
            newest = db.execute(sa.select(sa.func.coalesce(sa.func.max(Change.position), 0))).scalar_one()
        if position is None or position > newest or newest - position > BACKLOG:
            position = newest
            yield b"retry: 1000\nid: %d\nevent: reset\ndata: {}\n\n" % newest
        while not platform.shutting_down:
            signal.clear()
            chunk, position, more = _batch(platform, actor, position)
            if chunk:
                yield chunk
            if more:
                continue
            try:
                await asyncio.wait_for(signal.wait(), KEEPALIVE_SECONDS)
                await asyncio.sleep(0.05)  # let a burst of commits become one batch
            except TimeoutError:
                yield b": still here\n\n"


def _batch(platform: Platform, actor: Actor, position: int) -> tuple[bytes, int, bool]:
    statement = sa.select(Change).where(Change.position > position, _mine(actor)).order_by(Change.position).limit(BATCH)
    with platform.db.read() as db:
        rows = db.execute(statement).all()
    if not rows:
        return b"", position, False
    newest: dict[tuple[str, int], Any] = {}
    for row in rows:
        known = newest.get((row.kind, row.number))
        op = "created" if known is not None and known[1] == "created" and row.op == "updated" else row.op
        newest[(row.kind, row.number)] = (row, op)
    parts = []
    for row, op in sorted(newest.values(), key=lambda pair: pair[0].position):
        data = json.dumps({"kind": row.kind, "id": row.number, "version": row.version, "op": op})
        parts.append(f"id: {row.position}\nevent: change\ndata: {data}\n\n")
    return "".join(parts).encode(), rows[-1].position, len(rows) == BATCH


class ChangePruner:
    """Keeps the outbox small: what is older than a day is never asked for again."""

    name = "change-pruner"
    interval_seconds = 600.0
    wakes_on_commit = False

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def step(self) -> None:
        with self._platform.db.read() as db:
            newest = db.execute(sa.select(sa.func.coalesce(sa.func.max(Change.position), 0))).scalar_one()
        with contextlib.suppress(Exception):
            await self._platform.db.write(
                lambda session: session.execute(sa.delete(Change).where(Change.position < newest - 20 * BACKLOG))
            )
