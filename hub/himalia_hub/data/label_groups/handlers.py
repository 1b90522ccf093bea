"""Routes of label groups."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.core import clock, objects, paging
from himalia_hub.core.db import Db
from himalia_hub.core.dependants import Dependants
from himalia_hub.core.errors import NotFound
from himalia_hub.core.sharing import Access
from himalia_hub.data.label_groups import schemas, service
from himalia_hub.data.label_groups.presets import PRESETS
from himalia_hub.data.label_groups.tables import LabelGroup
from himalia_hub.tenancy.tables import User

routes = RouteTable("data.label_groups")


def _render(ctx: Context, db: Db, row: Any, owner: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "id": row.number,
        "name": row.name,
        "type": row.type,
        "description": row.description,
        "labels": row.labels,
        "preset": False,
        "used_by": len(ctx.platform.get(Dependants).of(db, "label_group", row.id)),
        "owner": owner or objects.person(db, row.owner_id),
        "created_at": clock.to_wire(row.created_at),
        "updated_at": clock.to_wire(row.updated_at),
        "version": row.version,
    }


@routes.get(
    "/label-groups",
    permission="data.label_group.read",
    summary="Label groups",
    query=schemas.LabelGroupQuery,
    response=paging.Page[schemas.LabelGroupOut],
)
def list_groups(ctx: Context, query: schemas.LabelGroupQuery) -> dict[str, Any]:
    statement = (
        sa.select(LabelGroup.__table__, User.number.label("owner_number"), User.display_name)
        .join(User, User.id == LabelGroup.owner_id)
        .where(objects.visible(LabelGroup, ctx.actor, ctx.permission))
    )
    if query.shared is not None:
        shared = objects.shared_with(LabelGroup, ctx.actor)
        statement = statement.where(shared if query.shared else sa.not_(shared))
    if query.type:
        statement = statement.where(LabelGroup.type == query.type)
    return paging.page(
        ctx.db,
        statement,
        query,
        sorts={"updated_at": LabelGroup.updated_at, "created_at": LabelGroup.created_at, "name": LabelGroup.name},
        key=LabelGroup.id,
        render=lambda row: _render(ctx, ctx.db, row, {"id": row.owner_number, "name": row.display_name}),
        search=(LabelGroup.name, LabelGroup.description),
    )


@routes.get(
    "/label-groups/presets",
    permission="data.label_group.read",
    summary="Label groups to copy from",
    response=list[schemas.Preset],
)
def presets(ctx: Context) -> list[dict[str, Any]]:
    return [{"preset": key, **preset} for key, preset in PRESETS.items()]


@routes.post(
    "/label-groups",
    permission="data.label_group.edit",
    summary="Create a label group",
    body=schemas.LabelGroupCreate,
    response=schemas.LabelGroupOut,
    status=201,
)
def create_group(ctx: Context, body: schemas.LabelGroupCreate) -> dict[str, Any]:
    row = service.create(
        ctx.session,
        ctx.actor,
        name=body.name,
        group_type=body.type,
        description=body.description,
        labels=[label.plain() for label in body.labels],
        preset=body.preset,
    )
    return _render(ctx, ctx.session, row)


@routes.get(
    "/label-groups/{label_group}",
    permission="data.label_group.read",
    summary="One label group",
    response=schemas.LabelGroupOut,
)
def get_group(ctx: Context, label_group: int) -> dict[str, Any]:
    row = ctx.db.execute(
        sa.select(LabelGroup.__table__).where(
            objects.visible(LabelGroup, ctx.actor, ctx.permission), LabelGroup.number == label_group
        )
    ).first()
    if row is None:
        raise NotFound()
    return _render(ctx, ctx.db, row)


@routes.patch(
    "/label-groups/{label_group}",
    permission="data.label_group.edit",
    summary="Rename, describe, or change the labels",
    body=schemas.LabelGroupUpdate,
    response=schemas.LabelGroupOut,
)
def update_group(ctx: Context, label_group: int, body: schemas.LabelGroupUpdate) -> dict[str, Any]:
    row = objects.find(ctx.session, LabelGroup, ctx.actor, ctx.permission, label_group, lock=True)
    objects.check_version(row, ctx.if_match)
    labels = None if body.labels is None else [label.plain() for label in body.labels]
    service.update(
        ctx.session,
        row,
        ctx.platform.get(Dependants),
        name=body.name,
        description=body.description,
        labels=labels,
    )
    return _render(ctx, ctx.session, row)


@routes.post(
    "/label-groups/{label_group}/copy",
    permission="data.label_group.edit",
    summary="Copy a label group",
    body=schemas.LabelGroupCopy,
    response=schemas.LabelGroupOut,
    status=201,
)
def copy_group(ctx: Context, label_group: int, body: schemas.LabelGroupCopy) -> dict[str, Any]:
    source = objects.find(ctx.session, LabelGroup, ctx.actor, "data.label_group.read", label_group, access=Access.USE)
    return _render(ctx, ctx.session, service.copy(ctx.session, ctx.actor, source, body.name))


@routes.delete("/label-groups/{label_group}", permission="data.label_group.edit", summary="Delete a label group")
def delete_group(ctx: Context, label_group: int) -> None:
    row = objects.find(ctx.session, LabelGroup, ctx.actor, ctx.permission, label_group, lock=True, access=Access.NONE)
    service.delete(ctx.session, row, ctx.platform.get(Dependants))
