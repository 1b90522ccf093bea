"""What only the hub asks about notebooks: the start page, and the lives of named servers.

The hub says for whom; the person's own permissions decide. Shapes: ``docs/design/supervisor.md``.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.api.context import Context
from himalia_hub.api.routes import Reply, RouteTable
from himalia_hub.audit import service as audit
from himalia_hub.auth import tokens
from himalia_hub.auth.actor import Actor, TokenKind
from himalia_hub.backends.protocol import BackendError
from himalia_hub.compute import plans, specs, wishes
from himalia_hub.compute import wire as compute_wire
from himalia_hub.compute.engine import STOPPED_BY_USER, Engine
from himalia_hub.compute.environments import EnvironmentView
from himalia_hub.compute.explain import Explanation
from himalia_hub.compute.phases import ENDED, Phase, Reason
from himalia_hub.compute.schemas import AcceleratorWish, Nothing
from himalia_hub.compute.tables import Workload
from himalia_hub.core.admission import BalanceView
from himalia_hub.core.db import Db
from himalia_hub.core.errors import BackendUnavailable, HimaliaError, NotFound
from himalia_hub.develop.notebooks import preview, profiles, schemas, service, wire
from himalia_hub.develop.notebooks.kind import PORT_NAME
from himalia_hub.develop.notebooks.tables import Notebook
from himalia_hub.tenancy import service as tenancy
from himalia_hub.tenancy.tables import User

routes = RouteTable("internal.notebooks", internal=True)
HUB = "internal.hub.call"
ATTEMPTS = 10_000
"""The hub's attempt number names workload and attempt in one: an old server is never mistaken for a new one."""


def _actor(db: Db, hub_user: str) -> Actor:
    user = tenancy.user_by_hub_name(db, hub_user)
    return tokens.actor_of_user(db, user.id, TokenKind.NOTEBOOK)


def _audit(ctx: Context, session: Session, actor: Actor, action: str, row: Notebook) -> None:
    audit.record(
        session,
        f"develop.notebooks.{action}",
        actor=actor,
        object_kind="notebook",
        object_id=row.number,
        request_id=ctx.request_id,
        detail={"by": "hub"},
    )


def _render(ctx: Context, db: Db, actor: Actor, numbers: list[int] | None = None) -> list[dict[str, Any]]:
    """The person's notebooks as the start page shows them, newest first."""
    statement = wire.select_notebooks().where(Notebook.owner_id == actor.user_id, Notebook.deleted_at.is_(None))
    if numbers is not None:
        statement = statement.where(Notebook.number.in_(numbers))
    rows = db.execute(statement.order_by(Notebook.number.desc()).limit(200)).all()
    usual = db.execute(
        sa.select(sa.func.avg(Notebook.start_seconds)).where(Notebook.tenant_id == actor.tenant_id)
    ).scalar()
    renderer = wire.Renderer(ctx.platform, db, ctx.language, rows)
    return [renderer.for_start_page(row, float(usual) if usual is not None else None) for row in rows]


@routes.get(
    "/start-page",
    permission=HUB,
    summary="What the start page shows",
    query=schemas.StartPageQuery,
    response=schemas.StartPage,
)
def start_page(ctx: Context, query: schemas.StartPageQuery) -> dict[str, Any]:
    platform, db = ctx.platform, ctx.db
    if query.language is not None:
        ctx.language = query.language
    actor = _actor(db, query.user)
    identity = tenancy.identity(db, actor.user_id)
    if identity is None:
        raise NotFound()
    environments: list[dict[str, Any]] = []
    if platform.has(EnvironmentView):
        view = platform.get(EnvironmentView)  # type: ignore[type-abstract]
        environments = [e for e in view.environments(ctx.language) if "notebook" in e["uses"]]
    balance = None
    if platform.has(BalanceView) and actor.reach("money.balance.read") is not None:
        balance = dict(platform.get(BalanceView).balance(db, actor.tenant_id))  # type: ignore[type-abstract]
    cards = specs.offered(db, "notebook", "accelerator")
    chosen = next((card for card in cards if card.id == query.accelerator), None)
    engine = platform.get(Engine)
    wished = _wished(ctx, db, actor, query.least_bytes) if query.least_bytes and chosen is None else None
    return {
        "identity": identity,
        "currency": platform.config.currency.model_dump(),
        "isolation": platform.config.isolation,
        "balance": balance,
        "profiles": wished or _profiles(ctx, db, actor, chosen),
        "accelerators": [specs.to_wire(card, _price(engine, db, actor, card)) for card in cards],
        "accelerator": chosen.id if chosen is not None else None,
        "card_sizes": wishes.sizes(engine, db, "notebook"),
        "least_bytes": query.least_bytes if wished else None,
        "environments": environments,
        "default_environment": environments[0]["name"] if environments else "",
        "last": service.last_started(db, actor.user_id),
        "suggested_name": service.suggested_name(db, actor.user_id, ctx.language),
        "notebooks": _render(ctx, db, actor),
    }


def _price(engine: Engine, db: Db, actor: Actor, spec: Any) -> int:
    resources = specs.resources_of(spec)
    return engine.budget.estimate(db, actor.tenant_id, resources, 1, "notebook").price_per_hour_micros


def _profiles(ctx: Context, db: Db, actor: Actor, accelerator: Any | None) -> list[dict[str, Any]]:
    """Every basic size with what would happen to a start with it and the chosen accelerator (NB-3, BEY-1)."""
    engine = ctx.platform.get(Engine)
    permitted = actor.reach(service.CREATE) is not None
    found = specs.offered(db, "notebook", specs.BASIC)
    sizes = [specs.Choice(spec, accelerator).resources for spec in found]
    try:
        verdicts = engine.verdicts(db, actor, sizes, "notebook", permitted=permitted)
    except BackendUnavailable:
        return []  # the machine is not known yet: the page asks again in a moment
    return [
        {"spec": specs.to_wire(spec, verdict["price_per_hour_micros"]), "verdict": verdict}
        for spec, verdict in zip(found, verdicts, strict=True)
    ]


def _wished(ctx: Context, db: Db, actor: Actor, least_bytes: int) -> list[dict[str, Any]]:
    """Every basic size with the accelerator that a start would take for a wish; none where nothing satisfies it."""
    permitted = actor.reach(service.CREATE) is not None
    wish = AcceleratorWish(memory_bytes=least_bytes)
    rows = []
    for spec in specs.offered(db, "notebook", specs.BASIC):
        size = specs.resources_of(spec)
        try:
            found = wishes.resolve(
                ctx.platform.get(Engine), db, actor, wish, scenario="notebook", basic=size, permitted=permitted
            )
        except BackendUnavailable:
            return []
        if not found.offers:
            return []
        best = found.offers[0]
        shown = specs.to_wire(spec, best.verdict["price_per_hour_micros"])
        rows.append({"spec": shown, "verdict": best.verdict, "card": best.spec.name})
    return rows


async def _for_create(ctx: Context, body: schemas.HubCreate) -> profiles.Offered | HimaliaError:
    return await profiles.asked(ctx.platform, body.hub_user) if body.profile else ()


async def _for_start(
    ctx: Context, hub_user: str, server: str, body: schemas.HubStart
) -> profiles.Offered | HimaliaError:
    kept = (
        sa.select(Notebook.profile)
        .join(User, User.id == Notebook.owner_id)
        .where(User.hub_name == hub_user, Notebook.server_name == server)
    )
    asks = body.profile or ctx.read(lambda db: db.execute(kept).scalar())
    return await profiles.asked(ctx.platform, hub_user) if asks else ()


@routes.post(
    "/notebooks",
    permission=HUB,
    summary="Make and start a notebook",
    asks=_for_create,
    body=schemas.HubCreate,
    response=schemas.StartPageNotebook,
    status=201,
    audit=False,
)
def create(ctx: Context, body: schemas.HubCreate) -> Reply:
    session = ctx.session
    actor = _actor(session, body.hub_user)
    service.require(actor, service.CREATE)
    row = service.create(
        ctx.platform,
        session,
        actor,
        name=body.name,
        spec_id=body.spec_id,
        accelerator_spec_id=body.accelerator_spec_id,
        accelerator_wish=body.accelerator_wish,
        environment=body.environment,
        description=body.description,
        profile=profiles.chosen(ctx.told, body.profile, body.profile_options),
    )
    _audit(ctx, session, actor, "create_notebook", row)
    return Reply(_render(ctx, session, actor, [row.number])[0])


@routes.post(
    "/notebooks/{hub_user}/{server}/start",
    permission=HUB,
    summary="Start a stopped notebook, with another profile where one is given",
    asks=_for_start,
    body=schemas.HubStart,
    response=schemas.StartPageNotebook,
    status=202,
    audit=False,
)
def start(ctx: Context, hub_user: str, server: str, body: schemas.HubStart) -> dict[str, Any]:
    actor = _actor(ctx.session, hub_user)
    service.require(actor, service.CREATE)
    row = service.of_hub(ctx.session, actor.user_id, server)
    if body.profile is not None:
        change = schemas.NotebookUpdate(profile=body.profile, profile_options=body.profile_options)
        service.update(ctx.platform, ctx.session, actor, row, change, ctx.told)
    profiles.require(ctx.told, row.profile)
    service.start(ctx.platform, ctx.session, actor, row)
    _audit(ctx, ctx.session, actor, "start_notebook", row)
    return _render(ctx, ctx.session, actor, [row.number])[0]


@routes.post(
    "/notebooks/{hub_user}/{server}/stop",
    permission=HUB,
    summary="Stop a notebook or take it out of the queue",
    body=Nothing,
    response=schemas.StartPageNotebook,
    status=202,
    audit=False,
)
def stop(ctx: Context, hub_user: str, server: str, body: Nothing) -> dict[str, Any]:
    actor = _actor(ctx.session, hub_user)
    service.require(actor, service.STOP)
    row = service.of_hub(ctx.session, actor.user_id, server)
    service.stop(ctx.platform, ctx.session, row)
    _audit(ctx, ctx.session, actor, "stop_notebook", row)
    return _render(ctx, ctx.session, actor, [row.number])[0]


@routes.post(
    "/notebooks/{hub_user}/{server}/delete",
    permission=HUB,
    summary="Delete a stopped notebook with its home",
    body=Nothing,
    status=204,
    audit=False,
)
def delete(ctx: Context, hub_user: str, server: str, body: Nothing) -> None:
    actor = _actor(ctx.session, hub_user)
    service.require(actor, service.DELETE)
    row = service.of_hub(ctx.session, actor.user_id, server)
    service.delete(ctx.platform, ctx.session, row)
    _audit(ctx, ctx.session, actor, "delete_notebook", row)


# -- the spawner ------------------------------------------------------------------------------


@routes.post(
    "/notebooks/{hub_user}/{server}/launch",
    permission=HUB,
    summary="The spawner starts an attempt",
    body=schemas.Launch,
    response=schemas.Launched,
    status=202,
    audit=False,
    idempotent=False,
)
def launch(ctx: Context, hub_user: str, server: str, body: schemas.Launch) -> dict[str, Any]:
    actor = _actor(ctx.session, hub_user)
    service.require(actor, service.CREATE)
    row = service.of_hub(ctx.session, actor.user_id, server)
    workload = _workload(ctx.session, row)
    engine = ctx.platform.get(Engine)
    attempt = engine.launch(ctx.session, workload, body)
    row.hub_state = "held"
    answer: dict[str, Any] = {"attempt": workload.id * ATTEMPTS + attempt}
    if profiles.on_a_cluster(ctx.platform):
        plan = engine.translator(workload.kind).plan(ctx.session, workload, attempt)
        api_url = ctx.platform.config.public.workloads_api
        answer |= preview.handed_over(ctx.platform, plans.finish(ctx.session, workload, plan, api_url))
    return answer


def _workload(session: Session, row: Notebook) -> Workload:
    workload = session.get(Workload, row.workload_id, with_for_update=True) if row.workload_id else None
    if workload is None:
        raise NotFound()
    return workload


@routes.get(
    "/notebooks/{hub_user}/{server}/state",
    permission=HUB,
    summary="How an attempt does",
    query=schemas.StateQuery,
    response=schemas.State,
)
def state(ctx: Context, hub_user: str, server: str, query: schemas.StateQuery) -> dict[str, Any]:
    user = tenancy.user_by_hub_name(ctx.db, hub_user)
    notebook = ctx.db.execute(
        sa.select(Notebook.__table__).where(Notebook.owner_id == user.id, Notebook.server_name == server)
    ).first()
    if notebook is None or notebook.workload_id is None:
        raise NotFound()
    asked = query.attempt
    workload_id = asked // ATTEMPTS if asked is not None else notebook.workload_id
    row = ctx.db.execute(
        compute_wire.select_workloads().where(
            Workload.id == workload_id,
            Workload.tenant_id == notebook.tenant_id,
            Workload.object_kind == "notebook",
            Workload.object_number == notebook.number,
        )
    ).first()
    if row is None or row.attempt_at is None:
        raise NotFound()
    renderer = compute_wire.Renderer(ctx.platform.get(Engine), ctx.db, ctx.language, [row])
    current = asked is None or asked % ATTEMPTS == row.attempt
    phase = row.phase if current else Phase.STOPPED
    endpoint = row.endpoints[0] if row.endpoints else None
    ready = current and phase == Phase.RUNNING and endpoint is not None and bool(endpoint["ready"])
    return {
        "attempt": asked if asked is not None else row.id * ATTEMPTS + row.attempt,
        "phase": phase,
        "reason": row.reason if current else None,
        "message": renderer.message(row) if current else "",
        "ready": ready,
        "address": endpoint["addresses"].get(PORT_NAME) if endpoint is not None and current else None,
        "exit_code": row.exit_code if current else None,
        "queue_position": renderer.queued(row)[0],
        "steps": renderer.steps(row),
        "last_lines": row.last_lines,
    }


@routes.post(
    "/notebooks/{hub_user}/{server}/terminate",
    permission=HUB,
    summary="The spawner ends an attempt",
    body=schemas.Terminate,
    status=202,
    audit=False,
    idempotent=False,
)
def terminate(ctx: Context, hub_user: str, server: str, body: schemas.Terminate) -> dict[str, Any]:
    actor = _actor(ctx.session, hub_user)
    row = service.of_hub(ctx.session, actor.user_id, server, deleted=True)
    workload = _workload(ctx.session, row)
    if workload.attempt_at is not None and workload.phase not in ENDED:
        engine = ctx.platform.get(Engine)
        engine.request_stop(ctx.session, workload, _why_ended(ctx, workload), grace_seconds=body.grace_seconds)
    return {"phase": workload.phase}


@runtime_checkable
class Explaining(Protocol):
    """A backend that can say why a start does not come on."""

    def cause(self, workload: str, attempt: int, replica: int = 0) -> Any: ...


def _why_ended(ctx: Context, workload: Workload) -> Explanation:
    """A start that the hub gave up ended for what held it up; whoever stops it by hand asked the platform first."""
    backend: object = ctx.platform.backend
    if workload.phase == Phase.STARTING and isinstance(backend, Explaining):
        try:
            cause = backend.cause(workload.key, workload.attempt)
        except BackendError:  # its pod is not there
            cause = None
        if cause is not None:
            return Explanation(
                Reason.START_FAILED,
                f"It was given up because it did not start in time. {cause.text}",
                f"未能按时启动，已放弃。{cause.zh}",
            )
    return STOPPED_BY_USER


@routes.post(
    "/notebooks/{hub_user}/{server}/stopped",
    permission=HUB,
    summary="The hub has let go of the server",
    body=Nothing,
    status=204,
    audit=False,
    idempotent=False,
)
def stopped(ctx: Context, hub_user: str, server: str, body: Nothing) -> None:
    actor = _actor(ctx.session, hub_user)
    row = service.of_hub(ctx.session, actor.user_id, server, deleted=True)
    row.hub_state = "free"
    if row.workload_id is None:
        return
    workload = _workload(ctx.session, row)
    if workload.attempt_at is not None:
        ctx.platform.get(Engine).request_stop(ctx.session, workload)
