"""Routes of imports: open, send files or an archive, finish, and read what was left out."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.core import objects, paging
from himalia_hub.core.db import Db
from himalia_hub.core.errors import Conflict, InvalidInput, NotFound
from himalia_hub.data.content.framing import MEDIA_TYPE, Frame, FrameDecoder
from himalia_hub.data.content.store import SMALL_BYTES, ContentStore, TooManyBytes
from himalia_hub.data.imports import rules, schemas, service
from himalia_hub.data.imports.intake import Intake
from himalia_hub.data.imports.tables import Import

routes = RouteTable("data.imports")
MOST_FRAMES = 20_000
MOST_CALL_BYTES = rules.MOST_FRAME_BYTES + 8 * 1024 * 1024
"""64 MiB of files and the headers around them."""


@routes.post(
    "/datasets/{dataset}/imports",
    permission="data.dataset.edit",
    summary="Begin an import into a dataset",
    body=schemas.ImportCreate,
    response=schemas.ImportOut,
    status=201,
)
def begin_import(ctx: Context, dataset: int, body: schemas.ImportCreate) -> dict[str, Any]:
    row = service.begin(ctx.platform, ctx.session, ctx.actor, dataset, **body.model_dump())
    return service.render(ctx.session, row)


def _find(db: Db, ctx: Context, number: int, permission: str | None = None) -> Any:
    row = db.execute(
        sa.select(Import.__table__).where(
            objects.visible(Import, ctx.actor, permission or ctx.permission), Import.number == number
        )
    ).first()
    if row is None:
        raise NotFound()
    return row


@routes.get(
    "/imports/{number}",
    permission="data.dataset.read",
    summary="One import",
    response=schemas.ImportOut,
)
def get_import(ctx: Context, number: int) -> dict[str, Any]:
    return service.render(ctx.db, _find(ctx.db, ctx, number))


@routes.get(
    "/imports/{number}/refused",
    permission="data.dataset.read",
    summary="The files an import left out",
    query=schemas.ResultQuery,
    response=paging.Page[schemas.FileResult],
)
def list_refused(ctx: Context, number: int, query: schemas.ResultQuery) -> dict[str, Any]:
    found = service.results(ctx.db, _find(ctx.db, ctx, number).id, query)
    found["items"] = [_worded(result, ctx.language) for result in found["items"]]
    return found


def _worded(result: dict[str, Any], language: str) -> dict[str, Any]:
    """The result with its reason in the person's language."""
    chinese = result.pop("reason_zh", None)
    return {**result, "reason": chinese or result["reason"]} if language == "zh" else result


@routes.post(
    "/imports/{number}/files",
    permission="data.dataset.edit",
    summary="Send files; sending one again gives the same result",
    response=schemas.FileResults,
    streams_body=True,
    body_type=MEDIA_TYPE,
    max_body=MOST_CALL_BYTES,
    audit=False,
    idempotent=False,
)
async def send_files(ctx: Context, number: int) -> dict[str, Any]:
    row = ctx.read(lambda db: _find(db, ctx, number))
    _check_takes(row, "browser")
    if ctx.content_type.split(";")[0].strip().lower() != MEDIA_TYPE:
        raise InvalidInput(
            f"Content-Type: {MEDIA_TYPE} is expected.",
            zh=f"Content-Type：应为 {MEDIA_TYPE}。",
            field="Content-Type",
            rule=MEDIA_TYPE,
            value=ctx.content_type,
        )
    assert ctx.body_stream is not None
    batch = Intake(ctx.platform, row.id, row.tenant_id, service.scratch(ctx.platform))
    try:
        async for frame in FrameDecoder(ctx.body_stream):
            if frame.index >= MOST_FRAMES:
                raise InvalidInput(
                    f"frames: at most {MOST_FRAMES} a call.",
                    zh=f"frames：每次最多 {MOST_FRAMES} 个。",
                    field="frames",
                    rule=f"at most {MOST_FRAMES}",
                    value=frame.index + 1,
                )
            await _take(batch, frame)
        results = await batch.finish()
    finally:
        await batch.discard()
    return {"results": [_worded(dict(result), ctx.language) for result in results]}


async def _take(batch: Intake, frame: Frame) -> None:
    header = frame.header
    label, digest = header.get("label"), header.get("sha256")
    for name, value in (("label", label), ("sha256", digest)):
        if value is not None and not isinstance(value, str):
            raise InvalidInput(
                f"frames[{frame.index}].{name}: a text.",
                zh=f"frames[{frame.index}].{name}：应为文本。",
                field=f"frames[{frame.index}].{name}",
                rule="a text",
                value=value,
            )
    if header.get("length", header.get("size")) != header.get("size"):
        raise InvalidInput(
            f"frames[{frame.index}]: an import takes whole files, not parts.",
            zh=f"frames[{frame.index}]：导入只接收完整文件。",
            field=f"frames[{frame.index}].length",
            rule="equals size",
            value=header.get("length"),
        )
    if frame.length <= SMALL_BYTES:
        batch.add(header.get("path"), await frame.read(), label=label, sha256=digest)
    else:
        most = rules.MOST_FRAME_BYTES
        await batch.add_stream(header.get("path"), frame.chunks(), frame.length, label=label, sha256=digest, most=most)


def _check_takes(row: Any, source: str) -> None:
    if row.state != "open" or row.source != source:
        raise Conflict(
            f"The import is {row.state} and its source is {row.source}.",
            zh="该导入当前不接收此内容。",
            rule=f"an open import whose source is {source}",
            value=row.state,
            hint="Begin another import.",
            hint_zh="请新建导入。",
            code="invalid_transition",
        )


@routes.post(
    "/imports/{number}/archive",
    permission="data.dataset.edit",
    summary="Send a .zip, .tar or .tar.gz; a task unpacks it",
    query=schemas.ArchiveQuery,
    response=schemas.ImportOut,
    status=202,
    streams_body=True,
    body_type="application/octet-stream",
    max_body=service.MOST_ARCHIVE_BYTES,
    idempotent=False,
)
async def send_archive(ctx: Context, number: int, query: schemas.ArchiveQuery) -> dict[str, Any]:
    row = ctx.read(lambda db: _find(db, ctx, number))
    _check_takes(row, "archive")
    assert ctx.body_stream is not None
    store = ctx.platform.get(ContentStore)
    try:
        blob = await store.put_stream(row.tenant_id, ctx.body_stream, most_bytes=service.MOST_ARCHIVE_BYTES)
    except TooManyBytes:
        raise service.too_large_archive() from None

    def work(session: Any) -> dict[str, Any]:
        locked = objects.find(session, Import, ctx.actor, ctx.permission, number, lock=True)
        service.queue_archive(session, ctx.actor, locked, blob.digest, query.name)
        return service.render(session, locked)

    return await ctx.write(work)


@routes.post(
    "/imports/{number}/finish",
    permission="data.dataset.edit",
    summary="Close an import from the browser",
    response=schemas.ImportOut,
)
def finish_import(ctx: Context, number: int) -> dict[str, Any]:
    row = objects.find(ctx.session, Import, ctx.actor, ctx.permission, number, lock=True)
    service.finish(ctx.session, ctx.actor, row)
    return service.render(ctx.session, row)


@routes.post(
    "/imports/{number}/cancel",
    permission="data.dataset.edit",
    summary="Stop an import; what it added stays",
    response=schemas.ImportOut,
)
def cancel_import(ctx: Context, number: int) -> dict[str, Any]:
    row = objects.find(ctx.session, Import, ctx.actor, ctx.permission, number, lock=True)
    service.cancel(ctx.session, ctx.actor, row)
    return service.render(ctx.session, row)
