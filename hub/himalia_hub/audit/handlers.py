"""Routes of the audit log: list, one, export. Nothing here writes, edits or removes."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable, Stream
from himalia_hub.audit import archiving, reading, schemas, words
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotFound

routes = RouteTable("audit")
internal = RouteTable("audit.admin", internal=True)
TABLES = [routes, internal]
BATCH = 1000
COLUMNS = (
    "id",
    "at",
    "category",
    "organisation",
    "actor",
    "actor_organisation",
    "roles",
    "address",
    "session",
    "action",
    "object_kind",
    "object",
    "outcome",
    "detail",
    "request_id",
    "position",
    "digest",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def _walk(ctx: Context, seen: reading.Sight, query: schemas.Filter, below: int) -> AsyncIterator[dict[str, Any]]:
    """Matching entries, newest first: the table's in batches, then the archives'."""
    names = ctx.read(reading.organisations)
    while True:
        rows = ctx.read(lambda db: reading.table_rows(db, seen, query, below, BATCH))  # noqa: B023
        for row in rows:
            yield reading.to_wire(row, seen, names)
            below = row["id"]
        if len(rows) < BATCH:
            break
        await asyncio.sleep(0)
    store = archiving.store_of(ctx.platform)
    if store is None:
        return
    found = ctx.read(lambda db: reading.archives(db, query, below))
    for archive in found:
        for row in reading.matching(await reading.archived_rows(store, archive), seen, query, below):
            yield reading.to_wire(row, seen, names)
            below = row["id"]


async def _page(ctx: Context, query: schemas.EntryQuery) -> dict[str, Any]:
    seen = ctx.read(lambda db: reading.sight(db, ctx.actor, query.organisation))
    below = reading.cursor_of(query.cursor)

    def read(db: Db) -> tuple[list[dict[str, Any]], int, bool]:
        names = reading.organisations(db)
        rows = reading.table_rows(db, seen, query, below, query.limit + 1)
        return [reading.to_wire(row, seen, names) for row in rows], *reading.count(db, seen, query)

    items, total, capped = ctx.read(read)
    if len(items) <= query.limit:
        items = []
        async for entry in _walk(ctx, seen, query, below):
            items.append(entry)
            if len(items) > query.limit:
                break
    more = len(items) > query.limit
    items = items[: query.limit]
    return {
        "items": [_told(entry, ctx.language) for entry in items],
        "next_cursor": str(items[-1]["id"]) if more else None,
        "total": total,
        "total_capped": capped,
    }


def _told(entry: dict[str, Any], language: str) -> dict[str, Any]:
    """For people; exports keep to the names, which do not change with the reader's language."""
    action, kind = entry["action"], entry["object_kind"]
    return {**entry, "action_words": words.action(action, language), "object_words": words.thing(kind, language)}


@routes.get(
    "/audit-entries",
    permission=reading.PERMISSION,
    summary="The audit log, newest first",
    query=schemas.EntryQuery,
    response=schemas.EntryPage,
)
async def list_entries(ctx: Context, query: schemas.EntryQuery) -> dict[str, Any]:
    """Everything that was changed, refused, signed in to, or read by an administrator; archived entries included."""
    return await _page(ctx, query)


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        value = value.get("code") if set(value) == {"code", "name"} else json.dumps(value, ensure_ascii=False)
    elif isinstance(value, list):
        value = ",".join(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value  # kept text in a spreadsheet
    return "" if value is None else value


async def _lines(entries: AsyncIterator[dict[str, Any]], form: str) -> AsyncIterator[bytes]:
    held: list[dict[str, Any]] = []

    def written() -> bytes:
        if form == "jsonl":
            return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in held).encode()
        text = io.StringIO(newline="")
        csv.writer(text).writerows([_cell(entry[name]) for name in COLUMNS] for entry in held)
        return text.getvalue().encode()

    if form == "csv":
        yield b"\xef\xbb\xbf" + (",".join(COLUMNS) + "\r\n").encode()
    async for entry in entries:
        held.append(entry)
        if len(held) >= 500:
            yield written()
            held.clear()
    if held:
        yield written()


def _export(ctx: Context, query: schemas.ExportQuery) -> Stream:
    seen = ctx.read(lambda db: reading.sight(db, ctx.actor, query.organisation))
    media_type = "text/csv; charset=utf-8" if query.format == "csv" else "application/jsonl"
    return Stream(
        _lines(_walk(ctx, seen, query, reading.cursor_of(None)), query.format),
        media_type,
        headers={"Content-Disposition": f'attachment; filename="audit.{query.format}"'},
    )


@routes.get(
    "/audit-entries/export",
    permission=reading.PERMISSION,
    summary="The audit log of any range as .csv or JSON lines, streamed",
    query=schemas.ExportQuery,
    response_type="text/csv",
)
async def export_entries(ctx: Context, query: schemas.ExportQuery) -> Stream:
    return _export(ctx, query)


@routes.get(
    "/audit-entries/{entry}",
    permission=reading.PERMISSION,
    summary="One entry",
    response=schemas.Entry,
)
async def get_entry(ctx: Context, entry: int) -> dict[str, Any]:
    seen = ctx.read(lambda db: reading.sight(db, ctx.actor, None))
    async for found in _walk(ctx, seen, schemas.Filter(), entry + 1):
        if found["id"] == entry:
            return _told(found, ctx.language)
        break
    raise NotFound()


@internal.get("/admin/audit-entries", permission=reading.PERMISSION, summary="The audit log", query=schemas.EntryQuery)
async def admin_list_entries(ctx: Context, query: schemas.EntryQuery) -> dict[str, Any]:
    return await _page(ctx, query)


@internal.get(
    "/admin/audit-entries/export",
    permission=reading.PERMISSION,
    summary="The audit log as .csv or JSON lines",
    query=schemas.ExportQuery,
)
async def admin_export_entries(ctx: Context, query: schemas.ExportQuery) -> Stream:
    return _export(ctx, query)
