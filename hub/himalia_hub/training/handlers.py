"""Routes of jobs and runs: start, follow, stop, repeat, compare, delete."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.compute.engine import Engine
from himalia_hub.core import clock, objects, paging
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotFound
from himalia_hub.training import compare, metrics, model_handlers, render, report_handlers, schemas, service
from himalia_hub.training.tables import Job, Run

routes = RouteTable("training")
TABLES = [routes, report_handlers.routes, model_handlers.routes]
READ = "train.job.read"


def _engine(ctx: Context) -> Engine:
    return ctx.platform.get(Engine)


def find_run(ctx: Context, db: Db, number: int, permission: str = READ) -> Any:
    """A run within reach as a row, or :class:`NotFound`."""
    row = db.execute(
        render.select_runs().where(objects.visible(Run, ctx.actor, permission), Run.number == number)
    ).first()
    if row is None:
        raise NotFound()
    return row


def find_job(ctx: Context, db: Db, number: int) -> Any:
    row = db.execute(render.select_jobs().where(objects.visible(Job, ctx.actor, READ), Job.number == number)).first()
    if row is None:
        raise NotFound()
    return row


# -- jobs ------------------------------------------------------------------------------------------


@routes.post(
    "/jobs/preview",
    permission="train.job.create",
    summary="The command as it will run, and whether it may start",
    body=schemas.JobCreate,
    response=schemas.Preview,
    audit=False,
)
def preview(ctx: Context, body: schemas.JobCreate) -> dict[str, Any]:
    request = schemas.RunRequest.model_validate(body.model_dump(exclude={"name", "description"}))
    prepared = service.prepare(ctx.platform, ctx.session, ctx.actor, request)
    verdict = _engine(ctx).verdict(ctx.session, ctx.actor, prepared.spec.resources, 1, "training")
    shown = ("id", "name", "version", "digest", "path")
    return {
        "command": service.show(prepared.command.words),
        "environment_variables": prepared.command.variables,
        "inputs": [{key: one[key] for key in shown} for one in prepared.inputs],
        "verdict": verdict,
    }


@routes.get(
    "/jobs", permission=READ, summary="Training jobs", query=schemas.JobQuery, response=paging.Page[schemas.JobOut]
)
def list_jobs(ctx: Context, query: schemas.JobQuery) -> dict[str, Any]:
    latest = sa.orm.aliased(Run)
    statement = (
        render.select_jobs()
        .outerjoin(latest, latest.id == Job.last_run_id)
        .where(objects.visible(Job, ctx.actor, READ))
    )
    if query.phase:
        statement = statement.where(latest.phase == query.phase)
    page = paging.page(
        ctx.db,
        statement,
        query,
        sorts={
            "updated_at": Job.updated_at,
            "created_at": Job.created_at,
            "name": Job.name,
            "status": sa.func.coalesce(latest.phase, ""),
        },
        key=Job.id,
        render=lambda row: row,
        search=(Job.name, Job.description),
    )
    page["items"] = render.jobs(_engine(ctx), ctx.db, ctx.language, page["items"])
    return page


@routes.post(
    "/jobs",
    permission="train.job.create",
    summary="Make a job and start its first run",
    body=schemas.JobCreate,
    response=schemas.JobOut,
    status=201,
    object_kind="job",
)
def create_job(ctx: Context, body: schemas.JobCreate) -> dict[str, Any]:
    request = schemas.RunRequest.model_validate(body.model_dump(exclude={"name", "description"}))
    prepared = service.prepare(ctx.platform, ctx.session, ctx.actor, request)
    job = service.create_job(ctx.session, ctx.actor, name=body.name, description=body.description, script=False)
    service.start(ctx.platform, ctx.session, ctx.actor, job, prepared)
    ctx.session.flush()
    return render.one_job(_engine(ctx), ctx.session, ctx.language, job.id)


@routes.get("/jobs/{job}", permission=READ, summary="One job", response=schemas.JobOut)
def get_job(ctx: Context, job: int) -> dict[str, Any]:
    return render.jobs(_engine(ctx), ctx.db, ctx.language, [find_job(ctx, ctx.db, job)])[0]


@routes.delete("/jobs/{job}", permission="train.job.delete", summary="Delete a job with its runs", object_kind="job")
def delete_job(ctx: Context, job: int) -> None:
    row = objects.find(ctx.session, Job, ctx.actor, ctx.permission, job, lock=True)
    runs = ctx.session.execute(sa.select(Run).where(Run.job_id == row.id, Run.deleted_at.is_(None))).scalars().all()
    service.delete_runs(ctx.platform, ctx.session, runs)
    row.deleted_at = clock.now()
    objects.touch(ctx.session, "job", row, op="deleted")


@routes.get(
    "/jobs/{job}/runs",
    permission=READ,
    summary="The runs of a job",
    query=paging.ListQuery,
    response=paging.Page[schemas.RunOut],
)
def list_runs_of_job(ctx: Context, job: int, query: paging.ListQuery) -> dict[str, Any]:
    row = find_job(ctx, ctx.db, job)
    return _page(ctx, render.select_runs().where(Run.job_id == row.id, Run.deleted_at.is_(None)), query)


@routes.post(
    "/jobs/{job}/runs",
    permission="train.job.create",
    summary="Start another run; what is left out is as in the last one",
    body=schemas.RunChange,
    response=schemas.RunOut,
    status=201,
    object_kind="run",
)
def create_run(ctx: Context, job: int, body: schemas.RunChange) -> dict[str, Any]:
    row = objects.find(ctx.session, Job, ctx.actor, ctx.permission, job, lock=True)
    prepared = service.changed(ctx.platform, ctx.session, ctx.actor, row, body)
    return _started(ctx, row, prepared)


@routes.post(
    "/scripts",
    permission="train.job.create",
    summary="Run a script: what %%train sends",
    body=schemas.ScriptCreate,
    response=schemas.RunOut,
    status=201,
    object_kind="run",
)
def create_script(ctx: Context, body: schemas.ScriptCreate) -> dict[str, Any]:
    prepared = service.prepare_script(ctx.platform, ctx.session, ctx.actor, body)
    job = service.job_of_script(ctx.session, ctx.actor, body.name, body.description)
    return _started(ctx, job, prepared)


def _started(ctx: Context, job: Job, prepared: service.Prepared) -> dict[str, Any]:
    run = service.start(ctx.platform, ctx.session, ctx.actor, job, prepared)
    ctx.session.flush()
    ctx.audit_object = ("run", str(run.number))
    return render.one_run(_engine(ctx), ctx.session, ctx.language, run.id)


# -- runs ------------------------------------------------------------------------------------------


def _page(ctx: Context, statement: sa.Select[Any], query: paging.ListQuery) -> dict[str, Any]:
    page = paging.page(
        ctx.db,
        statement,
        query,
        sorts={"updated_at": Run.updated_at, "created_at": Run.created_at, "name": Run.name, "status": Run.phase},
        key=Run.id,
        render=lambda row: row,
        search=(Run.name,),
    )
    page["items"] = render.RunRenderer(_engine(ctx), ctx.db, ctx.language, page["items"]).many(page["items"])
    return page


@routes.get("/runs", permission=READ, summary="Runs", query=schemas.RunQuery, response=paging.Page[schemas.RunOut])
def list_runs(ctx: Context, query: schemas.RunQuery) -> dict[str, Any]:
    statement = render.select_runs().where(objects.visible(Run, ctx.actor, READ))
    if query.phase:
        statement = statement.where(Run.phase == query.phase)
    if query.job is not None:
        statement = statement.where(Job.number == query.job)
    if query.active is not None:
        active = Run.phase.in_(service.NOT_ENDED)
        statement = statement.where(active if query.active else sa.not_(active))
    return _page(ctx, statement, query)


@routes.get(
    "/runs/compare",
    permission=READ,
    summary="Runs side by side",
    query=schemas.CompareQuery,
    response=schemas.Comparison,
)
def compare_runs(ctx: Context, query: schemas.CompareQuery) -> dict[str, Any]:
    rows = [find_run(ctx, ctx.db, int(number)) for number in dict.fromkeys(query.ids.split(","))]
    renderer = render.RunRenderer(_engine(ctx), ctx.db, ctx.language, rows)
    return compare.compare([renderer.full(row, None) for row in rows], [renderer.summary(row) for row in rows])


@routes.get("/runs/{run}", permission=READ, summary="One run", response=schemas.RunOut)
def get_run(ctx: Context, run: int) -> dict[str, Any]:
    row = find_run(ctx, ctx.db, run)
    return render.RunRenderer(_engine(ctx), ctx.db, ctx.language, [row]).many([row])[0]


@routes.post(
    "/runs/{run}/stop",
    permission="train.job.stop",
    summary="Stop a run",
    response=schemas.RunOut,
    status=202,
    object_kind="run",
)
def stop_run(ctx: Context, run: int) -> dict[str, Any]:
    row = objects.find(ctx.session, Run, ctx.actor, ctx.permission, run, lock=True)
    service.stop(ctx.platform, ctx.session, row)
    ctx.session.flush()
    return render.one_run(_engine(ctx), ctx.session, ctx.language, row.id)


@routes.post(
    "/runs/{run}/repeat",
    permission="train.job.create",
    summary="The same again, exactly",
    response=schemas.RunOut,
    status=201,
    object_kind="run",
)
def repeat_run(ctx: Context, run: int) -> dict[str, Any]:
    row = objects.find(ctx.session, Run, ctx.actor, ctx.permission, run)
    prepared = service.repeated(ctx.platform, ctx.session, ctx.actor, row)
    job = ctx.session.get(Job, row.job_id, with_for_update=True)
    assert job is not None
    return _started(ctx, job, prepared)


@routes.delete("/runs/{run}", permission="train.job.delete", summary="Delete a run that has ended", object_kind="run")
def delete_run(ctx: Context, run: int) -> None:
    row = objects.find(ctx.session, Run, ctx.actor, ctx.permission, run, lock=True)
    service.delete_runs(ctx.platform, ctx.session, [row])
    job = ctx.session.get(Job, row.job_id, with_for_update=True)
    assert job is not None
    if job.last_run_id == row.id:
        job.last_run_id = ctx.session.execute(
            sa.select(sa.func.max(Run.id)).where(Run.job_id == job.id, Run.deleted_at.is_(None))
        ).scalar()
        objects.touch(ctx.session, "job", job)


@routes.get(
    "/runs/{run}/metrics",
    permission=READ,
    summary="Metrics as points, thinned for plots",
    query=schemas.MetricsQuery,
    response=schemas.Metrics,
)
def read_metrics(ctx: Context, run: int, query: schemas.MetricsQuery) -> dict[str, Any]:
    row = find_run(ctx, ctx.db, run)
    names = [name for text in query.names for name in text.split(",") if name]
    series = metrics.read(ctx.db, row.id, names=names, since_step=query.since_step, max_points=query.max_points)
    return {"series": series}
