"""What the machine's administrator and the supervisor ask of the engine."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from himalia_hub.api.context import Context
from himalia_hub.api.routes import Reply, RouteTable
from himalia_hub.compute import cards, limits, quotas, schemas, sheets, specs
from himalia_hub.compute.engine import Engine
from himalia_hub.core import objects

routes = RouteTable("internal.compute", internal=True)
ADMIN = "internal.admin.call"
QUOTAS = "compute.quota.manage"


class Shutdown(BaseModel):
    model_config = ConfigDict(extra="forbid")
    keep_workloads: bool = False


@routes.post(
    "/admin/shutdown", permission=ADMIN, summary="Start nothing new; stop what runs", body=Shutdown, status=202
)
def shutdown(ctx: Context, body: Shutdown) -> dict[str, Any]:
    """Until the platform's next start nothing begins; ``GET admin/status`` shows when none is left."""
    stopping = ctx.platform.get(Engine).drain(ctx.session, keep=body.keep_workloads)
    return {"stopping": stopping}


@routes.get("/admin/specs", permission=ADMIN, summary="Resource specs", response=list[schemas.Spec])
def list_specs(ctx: Context) -> list[dict[str, Any]]:
    return [specs.to_wire(spec) for spec in specs.offered(ctx.db)]


@routes.post(
    "/admin/specs",
    permission=ADMIN,
    summary="Create a resource spec",
    body=schemas.SpecCreate,
    response=schemas.Spec,
    status=201,
    object_kind="resource_spec",
)
def create_spec(ctx: Context, body: schemas.SpecCreate) -> Reply:
    engine = ctx.platform.get(Engine)
    row = specs.create(ctx.session, body, engine.nodes, cards.counts_of(engine.catalogue))
    ctx.audit_object = ("resource_spec", str(row.id))
    return Reply(specs.to_wire(row))


@routes.delete("/admin/specs/{spec}", permission=ADMIN, summary="Delete a resource spec", object_kind="resource_spec")
def delete_spec(ctx: Context, spec: int) -> None:
    specs.remove(specs.find(ctx.session, spec))


@routes.get("/admin/quotas", permission=ADMIN, summary="Limits", query=schemas.QuotaOf, response=schemas.QuotaSheet)
def get_quotas(ctx: Context, query: schemas.QuotaOf) -> dict[str, Any]:
    subject = limits.find_subject(ctx.db, ctx.actor, QUOTAS, query.level, query.subject, query.tenant, change=False)
    return sheets.one(ctx.platform.get(Engine), ctx.db, subject)


@routes.put(
    "/admin/quotas",
    permission=ADMIN,
    summary="Set limits",
    body=schemas.QuotaSet,
    response=schemas.QuotaSheet,
    object_kind="quota",
)
def set_quotas(ctx: Context, body: schemas.QuotaSet) -> dict[str, Any]:
    """Without If-Match: whoever sits at the machine has the last word."""
    engine = ctx.platform.get(Engine)
    subject = limits.find_subject(ctx.session, ctx.actor, QUOTAS, body.level, body.subject, body.tenant, change=True)
    quotas.lock(ctx.session, subject.tenant_id)
    limits.change(ctx.session, subject, body, engine.default_limits(), by=ctx.actor.user_name)
    ctx.audit_object = ("quota", f"{body.level}:{subject.name}"[:128])
    objects.announce(ctx.session, "quota", tenant_id=subject.tenant_id)
    return sheets.one(engine, ctx.session, subject)
