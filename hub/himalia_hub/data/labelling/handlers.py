"""Routes of labelling."""

from __future__ import annotations

from typing import Any

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.data.datasets import items, service
from himalia_hub.data.datasets.schemas import VersionQuery
from himalia_hub.data.labelling import schemas
from himalia_hub.data.labelling import service as labelling

routes = RouteTable("data.labelling")


@routes.post(
    "/datasets/{dataset}/operations",
    permission="data.dataset.annotate",
    summary="Label items; the same client and seq have one effect",
    body=schemas.Operations,
    response=schemas.OperationAnswer,
    audit=False,
    idempotent=False,
)
def operate(ctx: Context, dataset: int, body: schemas.Operations) -> dict[str, Any]:
    return labelling.apply(ctx.session, ctx.actor, dataset, str(body.client), body.operations)


@routes.get(
    "/datasets/{dataset}/items/{item}/history",
    permission="data.dataset.read",
    summary="What was done to an item, newest first",
    query=VersionQuery,
    response=schemas.History,
)
def item_history(ctx: Context, dataset: int, item: int, query: VersionQuery) -> dict[str, Any]:
    row = service.find(ctx.db, ctx.actor, ctx.permission, dataset)
    items.any_row(ctx.db, row.id, item)
    return labelling.history(ctx.db, row, item, query)
