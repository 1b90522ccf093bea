"""Routes of models and their versions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.api import once
from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable, Stream
from himalia_hub.core import clock, objects, paging
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput, NotFound
from himalia_hub.data.content.framing import MEDIA_TYPE
from himalia_hub.data.content.store import ContentStore
from himalia_hub.registry import rules, schemas, service, upload
from himalia_hub.registry.tables import ModelAlias, ModelFile, ModelVersion, RegisteredModel
from himalia_hub.tenancy.tables import Department, User

routes = RouteTable("registry")
READ, EDIT, DELETE = "model.model.read", "model.model.edit", "model.model.delete"


def _select() -> sa.Select[Any]:
    live = ModelVersion.deleted_at.is_(None)
    mine = ModelVersion.model_id == RegisteredModel.id
    counted = sa.select(sa.func.count()).where(mine, live).correlate(RegisteredModel).scalar_subquery()
    newest = sa.select(sa.func.max(ModelVersion.number)).where(mine, live).correlate(RegisteredModel).scalar_subquery()
    return (
        sa.select(
            RegisteredModel.__table__,
            counted.label("version_count"),
            newest.label("newest"),
            User.number.label("owner_number"),
            User.display_name.label("owner_name"),
            Department.number.label("department_number"),
            Department.name.label("department_name"),
        )
        .join(User, User.id == RegisteredModel.owner_id)
        .outerjoin(Department, Department.id == RegisteredModel.department_id)
    )


def _model(row: Any) -> dict[str, Any]:
    department = None
    if row.department_number is not None:
        department = {"id": row.department_number, "name": row.department_name}
    return {
        "id": row.number,
        "name": row.name,
        "owner": {"id": row.owner_number, "name": row.owner_name},
        "department": department,
        "framework": row.framework,
        "format": row.format,
        "category": row.category,
        "description": row.description,
        "versions": row.version_count,
        "latest": rules.version_name(row.newest) if row.newest else None,
        "created_at": clock.to_wire(row.created_at),
        "updated_at": clock.to_wire(row.updated_at),
        "version": row.version,
    }


def _one(db: Db, model_id: int) -> dict[str, Any]:
    return _model(db.execute(_select().where(RegisteredModel.id == model_id)).one())


def _visible(ctx: Context, db: Db, number: int) -> Any:
    row = db.execute(
        _select().where(objects.visible(RegisteredModel, ctx.actor, ctx.permission), RegisteredModel.number == number)
    ).first()
    if row is None:
        raise NotFound()
    return row


def render_versions(db: Db, model: Any, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Versions of one model with their files and aliases."""
    ids = [row.id for row in rows]
    files: dict[int, list[dict[str, Any]]] = {version_id: [] for version_id in ids}
    for file in db.execute(
        sa.select(ModelFile.__table__).where(ModelFile.version_id.in_(ids)).order_by(ModelFile.path)
    ):
        shown = {"path": file.path, "size": file.size, "sha256": file.digest, "pickled": file.pickled}
        files[file.version_id].append(shown)
    aliases: dict[int, list[str]] = {version_id: [] for version_id in ids}
    for alias in db.execute(
        sa.select(ModelAlias.__table__).where(ModelAlias.version_id.in_(ids)).order_by(ModelAlias.name)
    ):
        aliases[alias.version_id].append(alias.name)
    return [_version(model, row, files[row.id], aliases[row.id]) for row in rows]


def _version(model: Any, row: Any, files: list[dict[str, Any]], aliases: list[str]) -> dict[str, Any]:
    lineage = row.lineage
    return {
        "id": row.number,
        "model": {"id": model.number, "name": model.name},
        "version": rules.version_name(row.number),
        "number": row.number,
        "state": "ready",
        "bytes": row.bytes,
        "digest": row.manifest,
        "files": files,
        "signature": row.signature,
        "labels": row.labels,
        "metrics": row.metrics,
        "lineage": {
            **{name: lineage.get(name) for name in ("run", "job", "algorithm", "dataset", "dataset_version")},
            "label_authors": lineage.get("label_authors", []),
        },
        "aliases": aliases,
        "description": row.description,
        "source": row.source,
        "pickled": row.pickled,
        "created_at": clock.to_wire(row.created_at),
    }


@routes.get(
    "/models", permission=READ, summary="Models", query=schemas.ModelQuery, response=paging.Page[schemas.ModelOut]
)
def list_models(ctx: Context, query: schemas.ModelQuery) -> dict[str, Any]:
    statement = _select().where(objects.visible(RegisteredModel, ctx.actor, ctx.permission))
    if query.shared is not None:
        shared = objects.shared_with(RegisteredModel, ctx.actor)
        statement = statement.where(shared if query.shared else sa.not_(shared))
    if query.framework:
        statement = statement.where(RegisteredModel.framework == query.framework)
    if query.category:
        statement = statement.where(RegisteredModel.category == query.category)
    return paging.page(
        ctx.db,
        statement,
        query,
        sorts={
            "updated_at": RegisteredModel.updated_at,
            "created_at": RegisteredModel.created_at,
            "name": RegisteredModel.name,
        },
        key=RegisteredModel.id,
        render=_model,
        search=(RegisteredModel.name, RegisteredModel.description),
    )


@routes.post(
    "/models",
    permission=EDIT,
    summary="Create a model",
    body=schemas.ModelCreate,
    response=schemas.ModelOut,
    status=201,
)
def create_model(ctx: Context, body: schemas.ModelCreate) -> dict[str, Any]:
    row = service.create(ctx.session, ctx.actor, body.model_dump())
    return _one(ctx.session, row.id)


@routes.get("/models/{model}", permission=READ, summary="One model", response=schemas.ModelOut)
def get_model(ctx: Context, model: int) -> dict[str, Any]:
    return _model(_visible(ctx, ctx.db, model))


@routes.patch(
    "/models/{model}", permission=EDIT, summary="Edit a model", body=schemas.ModelUpdate, response=schemas.ModelOut
)
def update_model(ctx: Context, model: int, body: schemas.ModelUpdate) -> dict[str, Any]:
    row = objects.find(ctx.session, RegisteredModel, ctx.actor, ctx.permission, model, lock=True)
    objects.check_version(row, ctx.if_match)
    service.update(ctx.session, row, body.model_dump(exclude_unset=True))
    return _one(ctx.session, row.id)


@routes.delete("/models/{model}", permission=DELETE, summary="Delete a model with its versions", object_kind="model")
def delete_model(ctx: Context, model: int) -> None:
    row = objects.find(ctx.session, RegisteredModel, ctx.actor, ctx.permission, model, lock=True)
    service.delete(ctx.platform, ctx.session, row)


# -- versions --------------------------------------------------------------------------------------


@routes.get(
    "/models/{model}/versions",
    permission=READ,
    summary="Versions of a model, the newest first",
    query=schemas.VersionQuery,
    response=schemas.VersionList,
)
def list_versions(ctx: Context, model: int, query: schemas.VersionQuery) -> dict[str, Any]:
    row = _visible(ctx, ctx.db, model)
    found = ctx.db.execute(
        sa.select(ModelVersion.__table__)
        .where(ModelVersion.model_id == row.id, ModelVersion.deleted_at.is_(None))
        .order_by(ModelVersion.number.desc())
        .limit(query.limit)
    ).all()
    return {"items": render_versions(ctx.db, row, found)}


@routes.post(
    "/models/{model}/versions",
    permission=EDIT,
    summary="Upload a version: framed files, or a .zip",
    query=schemas.UploadQuery,
    response=schemas.ModelVersionOut,
    status=201,
    streams_body=True,
    max_body=upload.MAX_BYTES,
    body_type=MEDIA_TYPE,
    idempotent=False,
    object_kind="model",
)
async def upload_version(ctx: Context, model: int, query: schemas.UploadQuery) -> dict[str, Any]:
    """``application/vnd.himalia.files`` with one frame a file, or ``application/zip``.

    An ``Idempotency-Key`` is kept with the digest of what arrived, since a streamed body is known
    only at its end.
    """
    row = ctx.read(lambda db: _visible(ctx, db, model))
    store = ctx.platform.get(ContentStore)
    assert ctx.body_stream is not None
    kind = ctx.content_type.partition(";")[0].strip().lower()
    if kind == MEDIA_TYPE:
        files = await upload.read_frames(store, row.tenant_id, ctx.body_stream)
    elif kind in ("application/zip", "application/x-zip-compressed", "application/octet-stream"):
        files = await upload.read_zip(store, row.tenant_id, ctx.body_stream)
    else:
        raise InvalidInput(
            f"Content-Type: {kind or 'missing'}; send {MEDIA_TYPE} or application/zip.",
            zh=f"Content-Type：{kind or '缺失'}；请使用 {MEDIA_TYPE} 或 application/zip。",
            field="Content-Type",
            rule=f"{MEDIA_TYPE} or application/zip",
            value=kind,
        )
    content = await service.describe(store, row.tenant_id, files)

    def work(session: Session) -> dict[str, Any]:
        found = objects.find(session, RegisteredModel, ctx.actor, ctx.permission, model, lock=True)
        asked = f"model {found.id} {content.manifest} {query.description}"
        kept = once.kept(session, ctx, asked)
        if kept is not None:
            return kept
        version = service.add_version(
            ctx.platform, session, ctx.actor, found, content, source="upload", description=query.description
        )
        return once.keep(session, ctx, asked, render_versions(session, found, [version])[0])

    return await ctx.write(work)


@routes.get(
    "/models/{model}/versions/{version}",
    permission=READ,
    summary="One version, by name or alias",
    response=schemas.ModelVersionOut,
)
def get_version(ctx: Context, model: int, version: str) -> dict[str, Any]:
    row = _visible(ctx, ctx.db, model)
    return render_versions(ctx.db, row, [service.find_version(ctx.db, row.id, version)])[0]


@routes.delete("/models/{model}/versions/{version}", permission=DELETE, summary="Delete a version", object_kind="model")
def delete_version(ctx: Context, model: int, version: str) -> None:
    row = objects.find(ctx.session, RegisteredModel, ctx.actor, ctx.permission, model, lock=True)
    ctx.audit_object = ("model_version", f"{model}/{version}")
    service.delete_version(ctx.platform, ctx.session, row, version)


@routes.get(
    "/models/{model}/versions/{version}/files/{path}",
    permission=READ,
    summary="One file of a version",
    response_type="application/octet-stream",
)
async def download_file(ctx: Context, model: int, version: str, path: str) -> Stream:
    def look(db: Db) -> Any:
        row = _visible(ctx, db, model)
        found = service.find_version(db, row.id, version)
        file = db.execute(
            sa.select(ModelFile.digest, ModelFile.size).where(ModelFile.version_id == found.id, ModelFile.path == path)
        ).first()
        if file is None:
            raise NotFound()
        return row.tenant_id, file

    tenant_id, file = ctx.read(look)
    store = ctx.platform.get(ContentStore)

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in store.open(tenant_id, file.digest):
            yield chunk

    headers = {
        "Content-Length": str(file.size),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(path.rpartition('/')[2])}",
        "Content-Security-Policy": "sandbox",
    }
    return Stream(chunks(), "application/octet-stream", headers=headers)


@routes.put(
    "/models/{model}/aliases/{alias}",
    permission=EDIT,
    summary="Point an alias at a version",
    body=schemas.AliasIn,
    response=schemas.ModelVersionOut,
    object_kind="model",
)
def set_alias(ctx: Context, model: int, alias: str, body: schemas.AliasIn) -> dict[str, Any]:
    row = objects.find(ctx.session, RegisteredModel, ctx.actor, ctx.permission, model, lock=True)
    service.set_alias(ctx.session, row, alias, body.version)
    ctx.session.flush()
    return render_versions(ctx.session, row, [service.find_version(ctx.session, row.id, body.version)])[0]


@routes.delete("/models/{model}/aliases/{alias}", permission=EDIT, summary="Remove an alias", object_kind="model")
def remove_alias(ctx: Context, model: int, alias: str) -> None:
    row = objects.find(ctx.session, RegisteredModel, ctx.actor, ctx.permission, model, lock=True)
    service.remove_alias(ctx.session, row, alias)
