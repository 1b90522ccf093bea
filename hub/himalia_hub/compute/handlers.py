"""Routes of the engine: workloads with log and use, quota, specs, profiles, verdict, environments."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import Field

from himalia_hub.api.context import Context
from himalia_hub.api.routes import Raw, Reply, RouteTable, Stream
from himalia_hub.backends.local.cache import ContentSource
from himalia_hub.backends.protocol import BackendError
from himalia_hub.compute import (
    assess,
    cards,
    folders,
    internal,
    limits,
    live,
    quotas,
    samples,
    schemas,
    sheets,
    specs,
    wire,
    wishes,
)
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.environments import EnvironmentView
from himalia_hub.compute.tables import Workload
from himalia_hub.core import objects, paging
from himalia_hub.core.errors import InvalidTransition, NotFound

routes = RouteTable("compute")
TABLES = [routes, internal.routes]

MAY_START = {
    "notebook": "develop.notebook.create",
    "training": "train.job.create",
    "inference": "serve.service.edit",
    "annotation": "data.dataset.annotate",
    "visualisation": "train.job.create",
}
"""The permission behind a start in each scenario, for verdicts."""


def _engine(ctx: Context) -> Engine:
    return ctx.platform.get(Engine)


# -- workloads --------------------------------------------------------------------------------


class WorkloadQuery(paging.ListQuery):
    active: bool | None = None
    kind: Annotated[str | None, Field(max_length=64)] = None
    phase: schemas.PhaseWord | None = None
    mine: bool | None = None
    """True: only one's own, whatever one's reach."""


@routes.get(
    "/workloads",
    permission="compute.workload.read",
    summary="Work that occupies or occupied resources",
    query=WorkloadQuery,
    response=paging.Page[schemas.WorkloadOut],
)
def list_workloads(ctx: Context, query: WorkloadQuery) -> dict[str, Any]:
    statement = wire.select_workloads().where(objects.visible(Workload, ctx.actor, ctx.permission))
    if query.active is not None:
        ended = Workload.ended_at.is_not(None)
        statement = statement.where(sa.not_(ended) if query.active else ended)
    if query.mine:
        statement = statement.where(Workload.owner_id == ctx.actor.user_id)
    if query.kind:
        statement = statement.where(Workload.kind == query.kind)
    if query.phase:
        statement = statement.where(Workload.phase == query.phase)
    rows: list[Any] = []
    page = paging.page(
        ctx.db,
        statement,
        query,
        sorts={
            "updated_at": Workload.updated_at,
            "created_at": Workload.created_at,
            "name": Workload.name,
            "status": Workload.phase,
        },
        key=Workload.id,
        render=lambda row: rows.append(row) or {},  # type: ignore[func-returns-value]
        search=(Workload.name, Workload.kind),
    )
    renderer = wire.Renderer(_engine(ctx), ctx.db, ctx.language, rows)
    return {**page, "items": [renderer.render(row) for row in rows]}


def _row(ctx: Context, workload: int) -> Any:
    with ctx.platform.db.read() as db:
        row = db.execute(
            wire.select_workloads().where(
                objects.visible(Workload, ctx.actor, ctx.permission), Workload.number == workload
            )
        ).first()
    if row is None:
        raise NotFound()
    return row


@routes.get(
    "/workloads/{workload}",
    permission="compute.workload.read",
    summary="One workload",
    response=schemas.WorkloadOut,
)
def get_workload(ctx: Context, workload: int) -> dict[str, Any]:
    row = ctx.db.execute(
        wire.select_workloads().where(objects.visible(Workload, ctx.actor, ctx.permission), Workload.number == workload)
    ).first()
    if row is None:
        raise NotFound()
    return wire.Renderer(_engine(ctx), ctx.db, ctx.language, [row]).render(row)


@routes.get(
    "/workloads/{workload}/log",
    permission="compute.workload.read",
    summary="The output of a replica from a byte offset",
    query=schemas.LogQuery,
    response_type="text/plain",
)
async def get_log(ctx: Context, workload: int, query: schemas.LogQuery) -> Raw:
    """Bytes from ``offset``; the headers say where they begin, where to go on, and whether more can come."""
    row = _row(ctx, workload)
    attempt = query.attempt or row.attempt
    start, data = query.offset, b""
    if attempt and attempt <= row.attempt:
        chunks = _engine(ctx).log_stream(row.id, attempt, replica=query.replica, offset=query.offset)
        try:
            async for offset, chunk in chunks:
                if not data:
                    start = offset
                data += chunk
                if len(data) >= query.limit:
                    break
        except BackendError:
            pass  # not started yet, or forgotten: there is no output
        finally:
            await chunks.aclose()  # type: ignore[attr-defined]
    more = len(data) > query.limit
    data = data[: query.limit]
    over = row.ended_at is not None or attempt < row.attempt
    ended = over and not more and len(data) < query.limit
    return Raw(
        data,
        "text/plain; charset=utf-8",
        headers={
            "Himalia-Log-Offset": str(start),
            "Himalia-Log-Next": str(start + len(data)),
            "Himalia-Log-End": "true" if ended else "false",
            "Content-Security-Policy": "sandbox",
        },
    )


@routes.get(
    "/workloads/{workload}/folders/{manifest}",
    permission="compute.workload.load",
    summary="A read-only folder of the workload whose token asks, framed",
    response_type=folders.MEDIA_TYPE,
)
async def get_folder(ctx: Context, workload: int, manifest: str) -> Stream:
    """Frames as in ``compute/folders.py``; a pod fetches its folders with it before its program starts."""
    tenant = ctx.read(lambda db: folders.own_folder(_engine(ctx), db, ctx.actor, workload, manifest))
    source = ctx.platform.get(ContentSource)  # type: ignore[type-abstract]
    return Stream(folders.frames(source, tenant, manifest), folders.MEDIA_TYPE)


@routes.get(
    "/workloads/{workload}/usage",
    permission="compute.workload.read",
    summary="What a workload used over time",
    query=schemas.UsageQuery,
    response=schemas.UsageSeries,
)
def get_usage(ctx: Context, workload: int, query: schemas.UsageQuery) -> dict[str, Any]:
    row = ctx.db.execute(
        sa.select(Workload.__table__).where(
            objects.visible(Workload, ctx.actor, ctx.permission), Workload.number == workload
        )
    ).first()
    if row is None:
        raise NotFound()
    found: list[Any] = samples.since(ctx.db, row.id, query.since)
    newest = _engine(ctx).live.newest(row.id)
    if newest is not None and (not found or newest.at > found[-1].at) and row.ended_at is None:
        found.append(newest)
    cpu, memory = row.cpu_millis * row.replicas, row.memory_bytes * row.replicas
    return {"samples": [live.to_wire(sample, cpu, memory) for sample in found]}


@routes.post(
    "/workloads/{workload}/stop",
    permission="compute.workload.stop",
    summary="Stop work that occupies resources",
    body=schemas.Nothing,
    response=schemas.WorkloadOut,
    status=202,
    object_kind="workload",
)
def stop_workload(ctx: Context, workload: int, body: schemas.Nothing) -> dict[str, Any]:
    row = objects.find(ctx.session, Workload, ctx.actor, ctx.permission, workload, lock=True)
    if row.ended_at is not None:
        raise InvalidTransition(
            f"It already ended: it is {row.phase}.",
            zh=f"它已经结束，状态为 {row.phase}。",
            rule="not ended",
            value=row.phase,
        )
    _engine(ctx).request_stop(ctx.session, row)
    ctx.session.flush()
    found = ctx.session.execute(wire.select_workloads().where(Workload.id == row.id)).one()
    return wire.Renderer(_engine(ctx), ctx.session, ctx.language, [found]).render(found)


# -- before a start ---------------------------------------------------------------------------


@routes.get(
    "/quota", permission="compute.quota.read", summary="Your quotas and what is used", response=schemas.QuotaView
)
def get_quota(ctx: Context) -> dict[str, Any]:
    return {"levels": _engine(ctx).quota(ctx.db, ctx.actor)}


def _priced(ctx: Context, spec: Any, section: str) -> dict[str, Any]:
    engine = _engine(ctx)
    estimate = engine.budget.estimate(ctx.db, ctx.actor.tenant_id, specs.resources_of(spec), 1, section)
    return specs.to_wire(spec, estimate.price_per_hour_micros)


@routes.get(
    "/specs",
    permission="account.self.read",
    summary="Sizes to choose from",
    query=schemas.ScenarioQuery,
    response=list[schemas.Spec],
)
def list_specs(ctx: Context, query: schemas.ScenarioQuery) -> list[dict[str, Any]]:
    found = specs.offered(ctx.db, query.scenario, query.kind)
    return [_priced(ctx, spec, specs.section_of(query.scenario or spec.scenario)) for spec in found]


@routes.get("/specs/{spec}", permission="account.self.read", summary="One resource spec", response=schemas.Spec)
def get_spec(ctx: Context, spec: int) -> dict[str, Any]:
    found = specs.view(ctx.db, spec)
    return _priced(ctx, found, specs.section_of(found.scenario))


@routes.get(
    "/spec-limits",
    permission="account.self.read",
    summary="The largest machine, and the accelerators and cards of the installation",
    response=schemas.Largest,
)
def get_spec_limits(ctx: Context) -> dict[str, Any]:
    return specs.largest(_engine(ctx).nodes, specs.card_names(ctx.db))


def _permitted(ctx: Context, scenario: str) -> bool:
    permission = MAY_START.get(scenario)
    return permission is None or ctx.actor.reach(permission) is not None


def profiles_for(ctx: Context, scenario: str) -> list[dict[str, Any]]:
    """Every basic size of a scenario with its verdict, what does not fit included (NB-3)."""
    permitted = _permitted(ctx, scenario)
    section = specs.section_of(scenario)
    found = specs.offered(ctx.db, scenario, specs.BASIC)
    sizes = [specs.resources_of(spec) for spec in found]
    verdicts = _engine(ctx).verdicts(ctx.db, ctx.actor, sizes, section, permitted=permitted)
    return [
        {"spec": specs.to_wire(spec, verdict["price_per_hour_micros"]), "verdict": verdict}
        for spec, verdict in zip(found, verdicts, strict=True)
    ]


@routes.get(
    "/profiles",
    permission="account.self.read",
    summary="Sizes with what would happen to a start",
    query=schemas.ProfileQuery,
    response=list[schemas.Profile],
)
def list_profiles(ctx: Context, query: schemas.ProfileQuery) -> list[dict[str, Any]]:
    return profiles_for(ctx, query.scenario)


@routes.post(
    "/verdict",
    permission="account.self.read",
    summary="What would happen to a start (BEY-1)",
    body=schemas.VerdictAsk,
    response=schemas.Verdict,
    audit=False,
    idempotent=False,
)
def ask_verdict(ctx: Context, body: schemas.VerdictAsk) -> dict[str, Any]:
    """One workload by its specs, or several that start together; by the code that admits them."""
    scenario = None if body.scenario == "any" else body.scenario
    asked = body.parts
    if asked is None:
        asked = [schemas.VerdictPart.model_validate(body.model_dump(exclude={"parts", "scenario"}))]
    parts: list[assess.Part] = []
    for index, part in enumerate(asked):
        field = f"parts[{index}]." if body.parts is not None else ""
        choice = wishes.choose(
            _engine(ctx),
            ctx.session,
            ctx.actor,
            part.spec_id,
            part.accelerator_spec_id,
            part.accelerator_wish,
            scenario=scenario,
            field=field,
            replicas=part.replicas,
            before=parts,
        )
        parts.append(assess.Part(choice.resources, part.replicas))
    permitted = _permitted(ctx, body.scenario)
    return _engine(ctx).verdict_of_parts(
        ctx.session, ctx.actor, parts, specs.section_of(body.scenario), permitted=permitted
    )


@routes.post(
    "/accelerators/resolve",
    permission="account.self.read",
    summary="What satisfies a wish for an accelerator, the best first, with verdict and price (BEY-23)",
    body=schemas.AcceleratorAsk,
    response=schemas.AcceleratorAnswer,
    audit=False,
    idempotent=False,
)
def resolve_accelerator(ctx: Context, body: schemas.AcceleratorAsk) -> dict[str, Any]:
    """With ``spec_id`` each verdict is of that basic spec with the accelerator, else of the accelerator alone."""
    scenario = None if body.scenario == "any" else body.scenario
    wish = schemas.AcceleratorWish.model_validate(body.model_dump(include=set(schemas.AcceleratorWish.model_fields)))
    basic = specs.NOTHING
    if body.spec_id is not None:
        basic = specs.choose(ctx.session, body.spec_id, None, scenario=scenario).resources
    found = wishes.resolve(
        _engine(ctx),
        ctx.session,
        ctx.actor,
        wish,
        scenario=scenario,
        basic=basic,
        replicas=body.replicas,
        permitted=_permitted(ctx, body.scenario),
    )
    section = specs.section_of(scenario)
    prices = {offer.spec.id: _priced(ctx, offer.spec, section)["price_per_hour_micros"] for offer in found.offers}
    return wishes.answer_to_wire(wish, found, prices)


@routes.get(
    "/environments",
    permission="account.self.read",
    summary="Runtime environments",
    response=list[schemas.EnvironmentOut],
)
def list_environments(ctx: Context) -> list[dict[str, Any]]:
    if not ctx.platform.has(EnvironmentView):
        return []
    return list(ctx.platform.get(EnvironmentView).environments(ctx.language))  # type: ignore[type-abstract]


# -- administration ---------------------------------------------------------------------------


@routes.post(
    "/specs",
    permission="compute.spec.manage",
    summary="Create a resource spec",
    body=schemas.SpecCreate,
    response=schemas.Spec,
    status=201,
    object_kind="resource_spec",
)
def create_spec(ctx: Context, body: schemas.SpecCreate) -> Reply:
    engine = _engine(ctx)
    row = specs.create(ctx.session, body, engine.nodes, cards.counts_of(engine.catalogue))
    ctx.audit_object = ("resource_spec", str(row.id))
    return Reply(specs.to_wire(row))


@routes.patch(
    "/specs/{spec}",
    permission="compute.spec.manage",
    summary="Edit a resource spec; running work keeps what it has",
    body=schemas.SpecUpdate,
    response=schemas.Spec,
    object_kind="resource_spec",
)
def update_spec(ctx: Context, spec: int, body: schemas.SpecUpdate) -> dict[str, Any]:
    row = specs.find(ctx.session, spec)
    limits.check_version(row.version, ctx.if_match)
    engine = _engine(ctx)
    specs.edit(ctx.session, row, body, engine.nodes, cards.counts_of(engine.catalogue))
    return specs.to_wire(row)


@routes.delete(
    "/specs/{spec}", permission="compute.spec.manage", summary="Delete a resource spec", object_kind="resource_spec"
)
def delete_spec(ctx: Context, spec: int) -> None:
    specs.remove(specs.find(ctx.session, spec))


@routes.get(
    "/quotas",
    permission="compute.quota.manage",
    summary="The limits of an organisation, department or member",
    query=schemas.QuotaOf,
    response=schemas.QuotaSheet,
)
def get_quotas(ctx: Context, query: schemas.QuotaOf) -> dict[str, Any]:
    subject = limits.find_subject(
        ctx.db, ctx.actor, ctx.permission, query.level, query.subject, query.tenant, change=False
    )
    return sheets.one(_engine(ctx), ctx.db, subject)


@routes.get(
    "/quota-sheets",
    permission="compute.quota.manage",
    summary="The limits of all organisations, departments or members within reach",
    query=schemas.SheetQuery,
    response=paging.Page[schemas.QuotaSheet],
)
def list_quota_sheets(ctx: Context, query: schemas.SheetQuery) -> dict[str, Any]:
    return sheets.page(_engine(ctx), ctx.db, ctx.actor, ctx.permission, query)


@routes.put(
    "/quotas",
    permission="compute.quota.manage",
    summary="Set limits of an organisation, department or member",
    body=schemas.QuotaSet,
    response=schemas.QuotaSheet,
    if_match=True,
    object_kind="quota",
)
def set_quotas(ctx: Context, body: schemas.QuotaSet) -> dict[str, Any]:
    engine = _engine(ctx)
    subject = limits.find_subject(
        ctx.session, ctx.actor, ctx.permission, body.level, body.subject, body.tenant, change=True
    )
    quotas.lock(ctx.session, subject.tenant_id)
    limits.check_version(limits.version_of(ctx.session, subject), ctx.if_match)
    limits.change(ctx.session, subject, body, engine.default_limits(), by=ctx.actor.user_name)
    ctx.audit_object = ("quota", f"{body.level}:{subject.name}"[:128])
    objects.announce(ctx.session, "quota", tenant_id=subject.tenant_id)
    return sheets.one(engine, ctx.session, subject)
