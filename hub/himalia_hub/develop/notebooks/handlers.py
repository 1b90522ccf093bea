"""Routes of notebooks for the panels; the hub's are in ``internal``."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import Field

from himalia_hub.api.context import Context
from himalia_hub.api.routes import Reply, RouteTable
from himalia_hub.compute.schemas import Nothing, PhaseWord
from himalia_hub.core import objects, paging
from himalia_hub.core.errors import HimaliaError, NotFound
from himalia_hub.develop.notebooks import internal, preview, profiles, schemas, service, wire
from himalia_hub.develop.notebooks.tables import Notebook

routes = RouteTable("develop.notebooks")
TABLES = [routes, internal.routes]
READ = "develop.notebook.read"


class NotebookQuery(paging.ListQuery):
    phase: Annotated[PhaseWord | None, Field()] = None


def _one(ctx: Context, number: int) -> dict[str, Any]:
    row = ctx.db.execute(
        wire.select_notebooks().where(objects.visible(Notebook, ctx.actor, READ), Notebook.number == number)
    ).first()
    if row is None:
        raise NotFound()
    return wire.Renderer(ctx.platform, ctx.db, ctx.language, [row]).render(row)


@routes.get(
    "/notebooks",
    permission=READ,
    summary="Notebooks",
    query=NotebookQuery,
    response=paging.Page[schemas.NotebookOut],
)
def list_notebooks(ctx: Context, query: NotebookQuery) -> dict[str, Any]:
    statement = wire.select_notebooks().where(objects.visible(Notebook, ctx.actor, ctx.permission))
    if query.phase is not None:
        statement = statement.where(Notebook.phase == query.phase)
    rows: list[Any] = []
    page = paging.page(
        ctx.db,
        statement,
        query,
        sorts={
            "updated_at": Notebook.updated_at,
            "created_at": Notebook.created_at,
            "name": Notebook.name,
            "status": Notebook.phase,
        },
        key=Notebook.id,
        render=lambda row: rows.append(row) or {},  # type: ignore[func-returns-value]
        search=(Notebook.name, Notebook.description),
    )
    renderer = wire.Renderer(ctx.platform, ctx.db, ctx.language, rows)
    return {**page, "items": [renderer.render(row) for row in rows]}


async def _profiles(ctx: Context) -> profiles.Offered | HimaliaError:
    return await profiles.asked(ctx.platform, ctx.actor.hub_name)


async def _for_create(ctx: Context, body: schemas.NotebookCreate) -> profiles.Offered | HimaliaError:
    return await _profiles(ctx) if body.profile else ()


async def _for_update(ctx: Context, notebook: int, body: schemas.NotebookUpdate) -> profiles.Offered | HimaliaError:
    return await _profiles(ctx) if body.profile or body.profile_options else ()


async def _for_start(ctx: Context, notebook: int, body: Nothing) -> profiles.Offered | HimaliaError:
    mine = sa.select(Notebook.profile).where(
        objects.visible(Notebook, ctx.actor, ctx.permission), Notebook.number == notebook
    )
    return await _profiles(ctx) if ctx.read(lambda db: db.execute(mine).scalar()) else ()


@routes.get(
    "/notebook-profiles",
    permission=service.CREATE,
    summary="The profiles of the hub's configuration that a notebook of yours can start with, the default first",
    response=list[schemas.SpawnProfile],
)
async def notebook_profiles(ctx: Context) -> profiles.Offered:
    return await profiles.offered(ctx.platform, ctx.actor.hub_name)


@routes.post(
    "/notebooks",
    permission=service.CREATE,
    summary="Create a notebook and start it",
    asks=_for_create,
    body=schemas.NotebookCreate,
    response=schemas.NotebookOut,
    status=201,
    object_kind="notebook",
)
def create_notebook(ctx: Context, body: schemas.NotebookCreate) -> Reply:
    row = service.create(
        ctx.platform,
        ctx.session,
        ctx.actor,
        name=body.name,
        spec_id=body.spec_id,
        accelerator_spec_id=body.accelerator_spec_id,
        accelerator_wish=body.accelerator_wish,
        environment=body.environment,
        description=body.description,
        bindings=body.bindings,
        profile=profiles.chosen(ctx.told, body.profile, body.profile_options),
        stop_when_idle_seconds=body.stop_when_idle_seconds,
        start_now=body.start,
    )
    ctx.audit_object = ("notebook", str(row.number))
    return Reply(_one(ctx, row.number))


@routes.get("/notebooks/{notebook}", permission=READ, summary="One notebook", response=schemas.NotebookOut)
def get_notebook(ctx: Context, notebook: int) -> dict[str, Any]:
    return _one(ctx, notebook)


@routes.patch(
    "/notebooks/{notebook}",
    permission=service.CREATE,
    summary="Edit a stopped notebook",
    asks=_for_update,
    body=schemas.NotebookUpdate,
    response=schemas.NotebookOut,
    object_kind="notebook",
)
def update_notebook(ctx: Context, notebook: int, body: schemas.NotebookUpdate) -> dict[str, Any]:
    row = objects.find(ctx.session, Notebook, ctx.actor, ctx.permission, notebook, lock=True)
    objects.check_version(row, ctx.if_match)
    service.update(ctx.platform, ctx.session, ctx.actor, row, body, ctx.told)
    return _one(ctx, notebook)


@routes.post(
    "/notebooks/{notebook}/start",
    permission=service.CREATE,
    summary="Start a stopped notebook",
    asks=_for_start,
    body=Nothing,
    response=schemas.NotebookOut,
    status=202,
    object_kind="notebook",
)
def start_notebook(ctx: Context, notebook: int, body: Nothing) -> dict[str, Any]:
    row = objects.find(ctx.session, Notebook, ctx.actor, ctx.permission, notebook, lock=True)
    profiles.require(ctx.told, row.profile)
    service.start(ctx.platform, ctx.session, ctx.actor, row)
    return _one(ctx, notebook)


@routes.post(
    "/notebooks/{notebook}/stop",
    permission=service.STOP,
    summary="Stop a notebook, or take it out of the queue",
    body=Nothing,
    response=schemas.NotebookOut,
    status=202,
    object_kind="notebook",
)
def stop_notebook(ctx: Context, notebook: int, body: Nothing) -> dict[str, Any]:
    row = objects.find(ctx.session, Notebook, ctx.actor, ctx.permission, notebook, lock=True)
    service.stop(ctx.platform, ctx.session, row)
    return _one(ctx, notebook)


@routes.delete(
    "/notebooks/{notebook}",
    permission=service.DELETE,
    summary="Delete a stopped notebook with its home",
    object_kind="notebook",
)
def delete_notebook(ctx: Context, notebook: int) -> None:
    row = objects.find(ctx.session, Notebook, ctx.actor, ctx.permission, notebook, lock=True)
    service.delete(ctx.platform, ctx.session, row)


@routes.post(
    "/pod-preview",
    permission="compute.spec.manage",
    summary="The pod that a start would make, before anything is saved or started",
    body=schemas.PodPreviewAsk,
    response=schemas.PodPreview,
    idempotent=False,
)
async def preview_pod(ctx: Context, body: schemas.PodPreviewAsk) -> dict[str, Any]:
    return await preview.render(ctx, body)
