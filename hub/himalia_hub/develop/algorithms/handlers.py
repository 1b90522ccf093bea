"""Routes of algorithms."""

from __future__ import annotations

from typing import Any

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.core import paging
from himalia_hub.core.errors import NotFound
from himalia_hub.develop.algorithms import schemas
from himalia_hub.develop.algorithms.catalogue import BUILT_IN, to_wire

routes = RouteTable("develop.algorithms")


class AlgorithmQuery(paging.ListQuery):
    category: str | None = None


@routes.get(
    "/algorithms",
    permission="develop.algorithm.read",
    summary="Algorithms that a job can start from",
    query=AlgorithmQuery,
    response=paging.Page[schemas.AlgorithmOut],
)
def list_algorithms(ctx: Context, query: AlgorithmQuery) -> dict[str, Any]:
    found = [
        to_wire(algorithm, ctx.language)
        for algorithm in BUILT_IN.values()
        if query.category in (None, algorithm.category)
        and query.q.lower() in f"{algorithm.name} {algorithm.title}".lower()
    ]
    return {"items": found[: query.limit], "next_cursor": None, "total": len(found), "total_capped": False}


@routes.get(
    "/algorithms/{algorithm}",
    permission="develop.algorithm.read",
    summary="One algorithm",
    response=schemas.AlgorithmOut,
)
def get_algorithm(ctx: Context, algorithm: int) -> dict[str, Any]:
    found = BUILT_IN.get(algorithm)
    if found is None:
        raise NotFound()
    return to_wire(found, ctx.language)
