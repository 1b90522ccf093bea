"""Routes of datasets, their items, versions and exports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from himalia_hub.api.context import Context
from himalia_hub.api.routes import Raw, RouteTable, Stream
from himalia_hub.core import objects, paging
from himalia_hub.core.db import Db
from himalia_hub.core.dependants import Dependants
from himalia_hub.data.content.store import ContentStore
from himalia_hub.data.datasets import counts, export, items, pictures, schemas, service, versions
from himalia_hub.data.datasets.tables import Dataset
from himalia_hub.data.imports import service as imports
from himalia_hub.data.label_groups.tables import LabelGroup

routes = RouteTable("data.datasets")
item_routes = RouteTable("data.items")
version_routes = RouteTable("data.versions")
TABLES = [routes, item_routes, version_routes]

SORTS = {"updated_at": Dataset.updated_at, "created_at": Dataset.created_at, "name": Dataset.name}


# -- datasets --------------------------------------------------------------------------------------


@routes.get(
    "/datasets",
    permission="data.dataset.read",
    summary="Datasets",
    query=schemas.DatasetQuery,
    response=paging.Page[schemas.DatasetOut],
)
def list_datasets(ctx: Context, query: schemas.DatasetQuery) -> dict[str, Any]:
    statement = service.listing().where(objects.visible(Dataset, ctx.actor, ctx.permission))
    if query.shared is not None:
        shared = objects.shared_with(Dataset, ctx.actor)
        statement = statement.where(shared if query.shared else sa.not_(shared))
    if query.data_type:
        statement = statement.where(Dataset.data_type == query.data_type)
    if query.annotation_type:
        statement = statement.where(Dataset.annotation_type == query.annotation_type)
    if query.pinned is not None:
        statement = statement.where(Dataset.pinned == query.pinned)
    if query.state:
        statement = statement.where(Dataset.id.in_(service.matching_state(ctx.db, ctx.actor, query.state)))
    found = paging.page(
        ctx.db,
        statement,
        query,
        sorts=SORTS,
        key=Dataset.id,
        render=lambda row: row,
        search=(Dataset.name, Dataset.description),
    )
    found["items"] = service.render(ctx.db, found["items"])
    return found


@routes.post(
    "/datasets",
    permission="data.dataset.create",
    summary="Create a dataset",
    body=schemas.DatasetCreate,
    response=schemas.DatasetOut,
    status=201,
)
def create_dataset(ctx: Context, body: schemas.DatasetCreate) -> dict[str, Any]:
    row = service.create(ctx.session, ctx.actor, **body.model_dump())
    return service.one(ctx.session, row.id)


@routes.get(
    "/datasets/{dataset}",
    permission="data.dataset.read",
    summary="One dataset",
    response=schemas.DatasetOut,
)
def get_dataset(ctx: Context, dataset: int) -> dict[str, Any]:
    return service.one(ctx.db, service.find(ctx.db, ctx.actor, ctx.permission, dataset).id)


@routes.patch(
    "/datasets/{dataset}",
    permission="data.dataset.edit",
    summary="Rename, describe or pin a dataset",
    body=schemas.DatasetUpdate,
    response=schemas.DatasetOut,
)
def update_dataset(ctx: Context, dataset: int, body: schemas.DatasetUpdate) -> dict[str, Any]:
    row = objects.find(ctx.session, Dataset, ctx.actor, ctx.permission, dataset, lock=True)
    objects.check_version(row, ctx.if_match)
    service.update(ctx.session, ctx.actor, row, body.model_dump(exclude_unset=True))
    return service.one(ctx.session, row.id)


@routes.delete("/datasets/{dataset}", permission="data.dataset.delete", summary="Delete a dataset")
def delete_dataset(ctx: Context, dataset: int) -> None:
    row = objects.find(ctx.session, Dataset, ctx.actor, ctx.permission, dataset, lock=True)
    service.delete(ctx.session, row, ctx.platform.get(Dependants))


@routes.get(
    "/datasets/{dataset}/statistics",
    permission="data.dataset.read",
    summary="Items by state, label and size",
    response=schemas.Statistics,
)
def statistics(ctx: Context, dataset: int) -> dict[str, Any]:
    row = service.find(ctx.db, ctx.actor, ctx.permission, dataset)
    numbers = counts.of(ctx.db, [row.id])[row.id]
    sizes = []
    for key, n in numbers.items():
        if key.startswith("size:") and n:
            width, height = key[5:].split("x")
            sizes.append({"width": int(width), "height": int(height), "count": n})
    reported = imports.reported(ctx.db, row.id)
    return {
        "items": numbers.get("items", 0),
        "by_state": service.state_counts(numbers),
        "by_label": service.label_counts(_labels(ctx.db, row), numbers),
        "sizes": {"width_height_buckets": sorted(sizes, key=lambda size: (size["width"], size["height"]))},
        "bytes": numbers.get("bytes", 0),
        **reported,
    }


def _labels(db: Db, dataset: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = db.execute(
        sa.select(LabelGroup.labels).where(LabelGroup.id == dataset.label_group_id)
    ).scalar_one()
    return found


# -- items -----------------------------------------------------------------------------------------


def _page(rows: list[dict[str, Any]], cursor: str | None, total: int) -> dict[str, Any]:
    return {
        "items": rows,
        "next_cursor": cursor,
        "total": min(total, paging.COUNT_CAP),
        "total_capped": total > paging.COUNT_CAP,
    }


@item_routes.get(
    "/datasets/{dataset}/items",
    permission="data.dataset.read",
    summary="The draft's items",
    query=schemas.ItemQuery,
    response=paging.Page[schemas.ItemOut],
)
async def list_items(ctx: Context, dataset: int, query: schemas.ItemQuery) -> dict[str, Any]:
    def work(db: Db) -> dict[str, Any]:
        row = service.find(db, ctx.actor, ctx.permission, dataset)
        rows, cursor, total = items.page(db, row, query)
        renderer = items.Renderer(db, row, _labels(db, row))
        return _page(renderer.items(rows), cursor, total)

    return await _read(ctx, work, long=bool(query.q))


async def _read(ctx: Context, work: Callable[[Db], dict[str, Any]], *, long: bool) -> dict[str, Any]:
    """A read; one that looks at every name runs beside the event loop, on a connection of its own."""
    if not long:
        return ctx.read(work)

    def beside() -> dict[str, Any]:
        with ctx.platform.db.engine.connect() as db:
            return work(db)

    return await asyncio.to_thread(beside)


@item_routes.get(
    "/datasets/{dataset}/items/{item}",
    permission="data.dataset.read",
    summary="One item",
    response=schemas.ItemOut,
)
def get_item(ctx: Context, dataset: int, item: int) -> dict[str, Any]:
    row = service.find(ctx.db, ctx.actor, ctx.permission, dataset)
    found = items.get(ctx.db, row.id, item)
    return items.Renderer(ctx.db, row, _labels(ctx.db, row)).items([found])[0]


@item_routes.get(
    "/datasets/{dataset}/items/{item}/thumbnail",
    permission="data.dataset.read",
    summary="A small picture of an item",
    query=schemas.ThumbnailQuery,
    response_type="image/webp",
)
async def thumbnail(ctx: Context, dataset: int, item: int, query: schemas.ThumbnailQuery) -> Raw:
    tenant_id, row = _picture(ctx, dataset, item)
    sent = pictures.headers(f"{row.digest}-{query.size}", row.name)
    if ctx.headers.get("If-None-Match") == sent["ETag"]:
        return Raw(b"", "image/webp", 304, sent)
    data, media_type = await ctx.platform.get(pictures.Thumbnails).get(tenant_id, row)
    return Raw(data, media_type, 200, sent)


@item_routes.get(
    "/datasets/{dataset}/items/{item}/image",
    permission="data.dataset.read",
    summary="The picture as it was imported; ranges are answered",
    response_type="image/*",
)
async def image(ctx: Context, dataset: int, item: int) -> Raw | Stream:
    tenant_id, row = _picture(ctx, dataset, item)
    return await pictures.original(ctx.platform.get(ContentStore), tenant_id, row, ctx.headers)


def _picture(ctx: Context, dataset: int, item: int) -> tuple[int, Any]:
    def work(db: Db) -> tuple[int, Any]:
        row = service.find(db, ctx.actor, ctx.permission, dataset)
        return row.tenant_id, items.any_row(db, row.id, item)

    return ctx.read(work)


@item_routes.post(
    "/datasets/{dataset}/items/delete",
    permission="data.dataset.edit",
    summary="Take items out of the draft",
    body=schemas.ItemNumbers,
    response=schemas.ItemsChanged,
)
def delete_items(ctx: Context, dataset: int, body: schemas.ItemNumbers) -> dict[str, Any]:
    row = service.find_shared(ctx.session, ctx.actor, ctx.permission, dataset)
    return _changed(ctx, row, body.items, items.delete(ctx.session, row, body.items))


@item_routes.post(
    "/datasets/{dataset}/items/restore",
    permission="data.dataset.edit",
    summary="Bring deleted items back, within 7 days",
    body=schemas.ItemNumbers,
    response=schemas.ItemsChanged,
)
def restore_items(ctx: Context, dataset: int, body: schemas.ItemNumbers) -> dict[str, Any]:
    row = service.find_shared(ctx.session, ctx.actor, ctx.permission, dataset)
    return _changed(ctx, row, body.items, items.restore(ctx.session, row, body.items))


def _changed(ctx: Context, row: Any, asked: list[int], changed: list[int]) -> dict[str, Any]:
    if changed:
        service.announce(ctx.session, row)
    done = set(changed)
    return {"items": changed, "skipped": [number for number in dict.fromkeys(asked) if number not in done]}


# -- versions --------------------------------------------------------------------------------------


@version_routes.post(
    "/datasets/{dataset}/publish",
    permission="data.dataset.publish",
    summary="Freeze the draft as the next version",
    body=schemas.Publish,
    response=schemas.VersionOut,
    status=201,
)
def publish(ctx: Context, dataset: int, body: schemas.Publish) -> dict[str, Any]:
    made = versions.publish(
        ctx.session,
        ctx.actor,
        dataset,
        description=body.description,
        shares=body.splits,
        seed=body.seed,
    )
    row = service.find(ctx.session, ctx.actor, ctx.permission, dataset)
    return versions.render(versions.find(ctx.session, row, str(made.number)))


@version_routes.get(
    "/datasets/{dataset}/versions",
    permission="data.dataset.read",
    summary="Published versions, newest first",
    query=schemas.VersionQuery,
    response=paging.Page[schemas.VersionOut],
)
def list_versions(ctx: Context, dataset: int, query: schemas.VersionQuery) -> dict[str, Any]:
    row = service.find(ctx.db, ctx.actor, ctx.permission, dataset)
    return versions.page(ctx.db, row, query)


@version_routes.get(
    "/datasets/{dataset}/versions/{version}",
    permission="data.dataset.read",
    summary="One version",
    response=schemas.VersionOut,
)
def get_version(ctx: Context, dataset: int, version: str) -> dict[str, Any]:
    row = service.find(ctx.db, ctx.actor, ctx.permission, dataset)
    return versions.render(versions.find(ctx.db, row, version))


@version_routes.get(
    "/datasets/{dataset}/versions/{version}/items",
    permission="data.dataset.read",
    summary="The items of a version as they were",
    query=schemas.VersionItemQuery,
    response=paging.Page[schemas.ItemOut],
)
async def list_version_items(
    ctx: Context, dataset: int, version: str, query: schemas.VersionItemQuery
) -> dict[str, Any]:
    row, found = ctx.read(lambda db: _version(ctx, db, dataset, version))
    splits = None
    if found.split_digest is not None:
        splits = await ctx.platform.get(ContentStore).read(row.tenant_id, found.split_digest)

    def work(db: Db) -> dict[str, Any]:
        rows, cursor, total = items.page(db, row, query, revision=found.revision)
        renderer = items.Renderer(db, row, found.label_group["labels"])
        return _page(renderer.items(rows, splits), cursor, total)

    return await _read(ctx, work, long=bool(query.q))


def _version(ctx: Context, db: Db, dataset: int, version: str) -> tuple[Any, Any]:
    row = service.find(db, ctx.actor, ctx.permission, dataset)
    return row, versions.find(db, row, version)


@version_routes.post(
    "/datasets/{dataset}/versions/{version}/describe",
    permission="data.dataset.publish",
    summary="Change a version's description",
    body=schemas.VersionUpdate,
    response=schemas.VersionOut,
)
def describe_version(ctx: Context, dataset: int, version: str, body: schemas.VersionUpdate) -> dict[str, Any]:
    row = objects.find(ctx.session, Dataset, ctx.actor, ctx.permission, dataset, lock=True)
    versions.describe(ctx.session, row, version, body.description)
    return versions.render(versions.find(ctx.session, row, version))


@version_routes.post(
    "/datasets/{dataset}/versions/{version}/set-current",
    permission="data.dataset.publish",
    summary="Make a version the current one",
    response=schemas.VersionOut,
)
def set_current(ctx: Context, dataset: int, version: str) -> dict[str, Any]:
    row = objects.find(ctx.session, Dataset, ctx.actor, ctx.permission, dataset, lock=True)
    versions.set_current(ctx.session, row, version)
    return versions.render(versions.find(ctx.session, row, version))


@version_routes.delete(
    "/datasets/{dataset}/versions/{version}",
    permission="data.dataset.publish",
    summary="Delete a version that nothing uses",
)
def delete_version(ctx: Context, dataset: int, version: str) -> None:
    row = objects.find(ctx.session, Dataset, ctx.actor, ctx.permission, dataset, lock=True)
    versions.delete(ctx.session, row, version, ctx.platform.get(Dependants))


@version_routes.get(
    "/datasets/{dataset}/compare",
    permission="data.dataset.read",
    summary="What differs between two versions, or a version and the draft",
    query=schemas.CompareQuery,
    response=schemas.Comparison,
)
def compare(ctx: Context, dataset: int, query: schemas.CompareQuery) -> dict[str, Any]:
    row = service.find(ctx.db, ctx.actor, ctx.permission, dataset)
    return versions.compare(ctx.db, row, query)


@version_routes.get(
    "/datasets/{dataset}/versions/{version}/export",
    permission="data.dataset.export",
    summary="A version as a .zip, written while it is sent",
    query=schemas.ExportQuery,
    response_type="application/zip",
)
async def export_version(ctx: Context, dataset: int, version: str, query: schemas.ExportQuery) -> Stream:
    row, found = ctx.read(lambda db: _version(ctx, db, dataset, version))
    export.check(row, found, query.format)
    platform = ctx.platform
    name = f"{row.name}-V{found.number:04d}-{query.format}.zip"
    disposition = pictures.headers("", name)["Content-Disposition"].replace("inline", "attachment")
    return Stream(
        export.stream(platform.db, platform.get(ContentStore), row, found, query.format),
        "application/zip",
        headers={"Content-Disposition": disposition},
    )
