"""``GET /search``: the hits of the side panel's search field."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.data.datasets.tables import Dataset
from himalia_hub.data.label_groups.tables import LabelGroup
from himalia_hub.develop.notebooks.tables import Notebook
from himalia_hub.registry.tables import RegisteredModel
from himalia_hub.search.service import Searchable, find
from himalia_hub.serving.tables import InferenceService
from himalia_hub.training.tables import Run

routes = RouteTable("search")

KINDS = (
    Searchable("dataset", Dataset, "data.dataset.read"),
    Searchable("label_group", LabelGroup, "data.label_group.read"),
    Searchable("notebook", Notebook, "develop.notebook.read"),
    Searchable("run", Run, "train.job.read", "phase"),
    Searchable("model", RegisteredModel, "model.model.read"),
    Searchable("inference_service", InferenceService, "serve.service.read", "phase"),
)


class SearchQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    q: Annotated[str, Field(max_length=200)] = ""


class Hit(BaseModel):
    kind: str
    id: int
    name: str
    status: str | None


class Hits(BaseModel):
    items: list[Hit]


@routes.get(
    "/search",
    permission="account.self.read",
    summary="Find anything by name or number",
    query=SearchQuery,
    response=Hits,
)
def search(ctx: Context, query: SearchQuery) -> dict[str, Any]:
    """At most 20 hits, each limited by its own kind's permission."""
    return {"items": find(ctx.db, ctx.actor, KINDS, query.q)}
