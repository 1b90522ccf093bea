"""Routes that a run itself uses, with its own token, and those that read what it left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable, Stream
from himalia_hub.core import clock, objects
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotFound
from himalia_hub.data.content.framing import MEDIA_TYPE
from himalia_hub.data.content.store import ContentStore
from himalia_hub.training import metrics, schemas, service
from himalia_hub.training.outputs import Intake
from himalia_hub.training.tables import Run, RunFile

routes = RouteTable("training.reports")
CALL_BYTES = 64 * 1024 * 1024
REPORT = "train.run.report"


@routes.post(
    "/runs/{run}/metrics",
    permission=REPORT,
    summary="The run reports metrics; name and step again replaces",
    body=schemas.MetricsIn,
    status=204,
    audit=False,
    idempotent=False,
)
def report_metrics(ctx: Context, run: int, body: schemas.MetricsIn) -> None:
    row = service.own_run(ctx.db, ctx.actor, run)
    if not body.points:
        return
    now = clock.now()
    points = []
    for point in body.points:
        at = point.at if point.at is not None and point.at.tzinfo is not None else now
        points.append((point.name, point.step, point.value, at))
    metrics.add(ctx.session, row.id, points)
    objects.announce(ctx.session, "run_metrics", row)


@routes.put(
    "/runs/{run}/progress",
    permission=REPORT,
    summary="The run says how far it is",
    body=schemas.ProgressIn,
    status=204,
    audit=False,
    idempotent=False,
)
def report_progress(ctx: Context, run: int, body: schemas.ProgressIn) -> None:
    found = service.own_run(ctx.db, ctx.actor, run)
    row = ctx.session.get(Run, found.id)
    assert row is not None
    row.progress_step, row.progress_total = body.step, body.total
    objects.touch(ctx.session, "run", row)


@routes.post(
    "/runs/{run}/outputs",
    permission=REPORT,
    summary="The run sends files, framed",
    response=schemas.UploadResults,
    streams_body=True,
    max_body=CALL_BYTES,
    body_type=MEDIA_TYPE,
    audit=False,
    idempotent=False,
)
async def upload_outputs(ctx: Context, run: int) -> dict[str, Any]:
    """Frames as in docs/design/clients.md; one result a frame."""
    row = ctx.read(lambda db: service.own_run(db, ctx.actor, run))
    assert ctx.body_stream is not None
    return {"results": await Intake(ctx.platform, row).receive(ctx.body_stream)}


def _visible_run(ctx: Context, db: Db, number: int) -> Any:
    row = db.execute(
        sa.select(Run.__table__).where(objects.visible(Run, ctx.actor, ctx.permission), Run.number == number)
    ).first()
    if row is None:
        raise NotFound()
    return row


@routes.get(
    "/runs/{run}/outputs",
    permission="train.job.read",
    summary="Files that a run left",
    query=schemas.FilesQuery,
    response=schemas.RunFiles,
)
def list_outputs(ctx: Context, run: int, query: schemas.FilesQuery) -> dict[str, Any]:
    row = _visible_run(ctx, ctx.db, run)
    files = ctx.db.execute(
        sa.select(RunFile.path, RunFile.size, RunFile.digest)
        .where(RunFile.run_id == row.id, RunFile.folder == query.folder)
        .order_by(RunFile.path)
    )
    items = [{"path": file.path, "size": file.size, "sha256": file.digest} for file in files]
    return {"items": items, "complete": row.files_complete}


@routes.get(
    "/runs/{run}/outputs/{path}",
    permission="train.job.read",
    summary="One file that a run left",
    query=schemas.FilesQuery,
    response_type="application/octet-stream",
)
async def download_output(ctx: Context, run: int, path: str, query: schemas.FilesQuery) -> Stream:
    def look(db: Db) -> Any:
        row = _visible_run(ctx, db, run)
        file = db.execute(
            sa.select(RunFile.digest, RunFile.size).where(
                RunFile.run_id == row.id, RunFile.folder == query.folder, RunFile.path == path
            )
        ).first()
        if file is None:
            raise NotFound()
        return row.tenant_id, file.digest, file.size

    tenant_id, digest, size = ctx.read(look)
    return download(ctx.platform.get(ContentStore), tenant_id, digest, size, path)


def download(store: ContentStore, tenant_id: int, digest: str, size: int, path: str) -> Stream:
    """A blob as an attachment: what people's programs wrote is never shown as a page of ours."""
    from urllib.parse import quote

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in store.open(tenant_id, digest):
            yield chunk

    name = quote(path.rpartition("/")[2])
    return Stream(
        chunks(),
        "application/octet-stream",
        headers={
            "Content-Length": str(size),
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "Content-Security-Policy": "sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )


def model_files(session: Session, run_id: int) -> list[Any]:
    """What the run left in its model folder, by path."""
    return list(
        session.execute(
            sa.select(RunFile.path, RunFile.digest, RunFile.size)
            .where(RunFile.run_id == run_id, RunFile.folder == "model")
            .order_by(RunFile.path)
        )
    )
