"""``/sign-in-sources``: set up, try and remove external sources (platform or security administrator)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.core import clock, objects
from himalia_hub.core.errors import Conflict
from himalia_hub.sign_in_sources import internal, kinds, probe, rules, schemas, service
from himalia_hub.sign_in_sources.tables import SignInSource
from himalia_hub.tenancy.tables import User

routes = RouteTable("tenancy.sources")
TABLES = [routes, internal.routes]
MANAGE = "tenancy.source.manage"


def callback_path(name: str) -> str:
    """Below the hub's address: where a provider sends people back to."""
    return f"/hub/himalia/source/{name}/callback"


def to_wire(ctx: Context, row: Any) -> dict[str, Any]:
    """A source without its secrets' values."""
    form = kinds.is_form(kinds.class_of(row.kind))
    users = ctx.db.execute(sa.select(sa.func.count()).where(User.source == row.name)).scalar_one()
    return {
        "name": row.name,
        "title": row.title,
        "kind": row.kind,
        "form": form,
        "origin": row.origin,
        "enabled": row.enabled,
        "settings": row.settings,
        "secrets": sorted(service.opened(row, ctx.platform.sealer)),
        "mapping": row.mapping,
        "auto_provision": row.auto_provision,
        "allow_private": row.allow_private,
        "case_sensitive": row.case_sensitive,
        "users": users,
        "callback_url": None if form else ctx.platform.config.public.hub_url + callback_path(row.name),
        "version": row.version,
        "created_at": clock.to_wire(row.created_at),
        "updated_at": clock.to_wire(row.updated_at),
    }


@routes.get("/sign-in-sources", permission=MANAGE, summary="External sign-in sources", response=list[schemas.Source])
def list_sources(ctx: Context) -> list[dict[str, Any]]:
    rows = ctx.db.execute(
        sa.select(SignInSource.__table__).where(SignInSource.deleted_at.is_(None)).order_by(SignInSource.name)
    )
    return [to_wire(ctx, row) for row in rows]


@routes.get(
    "/sign-in-sources/kinds",
    permission=MANAGE,
    summary="Kinds of sources with their settings",
    response=list[schemas.Kind],
)
def list_kinds(ctx: Context) -> list[dict[str, Any]]:
    return [kinds.describe(name) for name in kinds.names()]


@routes.get("/sign-in-sources/{source}", permission=MANAGE, summary="One sign-in source", response=schemas.Source)
def get_source(ctx: Context, source: str) -> dict[str, Any]:
    return to_wire(ctx, service.find(ctx.db, source))


@routes.post(
    "/sign-in-sources",
    permission=MANAGE,
    summary="Set up a sign-in source",
    body=schemas.SourceCreate,
    response=schemas.Source,
    status=201,
    object_kind="sign_in_source",
)
def create_source(ctx: Context, body: schemas.SourceCreate) -> dict[str, Any]:
    service.check_may_decide(ctx.actor)
    row = service.create(ctx.session, ctx.platform.sealer, body)
    ctx.audit_object = ("sign_in_source", row.name)
    return to_wire(ctx, row)


@routes.patch(
    "/sign-in-sources/{source}",
    permission=MANAGE,
    summary="Change, enable or disable a sign-in source; disabling ends its users' sessions",
    body=schemas.SourceChange,
    response=schemas.Source,
    object_kind="sign_in_source",
)
def change_source(ctx: Context, source: str, body: schemas.SourceChange) -> dict[str, Any]:
    row = _editable(ctx, source)
    objects.check_version(row, ctx.if_match)
    service.check_may_decide(ctx.actor)
    service.change(ctx.session, ctx.platform.sealer, row, body)
    return to_wire(ctx, row)


@routes.delete(
    "/sign-in-sources/{source}",
    permission=MANAGE,
    summary="Remove a sign-in source; its users stay, and cannot sign in",
    object_kind="sign_in_source",
)
def delete_source(ctx: Context, source: str) -> None:
    service.delete(ctx.session, _editable(ctx, source))


@routes.post(
    "/sign-in-sources/{source}/test",
    permission=MANAGE,
    summary="Try a source, and see what its mapping makes of claims",
    body=schemas.TestRequest,
    response=schemas.TestResult,
    object_kind="sign_in_source",
)
async def test_source(ctx: Context, source: str, body: schemas.TestRequest) -> dict[str, Any]:
    """Reaches the source as the hub would: addresses, certificate, endpoints, look-up account."""
    row = ctx.read(lambda db: service.find(db, source))
    steps = await probe.steps(row, service.opened(row, ctx.platform.sealer), ctx.platform.config.state_dir)
    mapped = None
    if body.claims is not None:
        try:
            found = rules.apply(row.mapping, body.claims)
            mapped = {
                "organisation": found.organisation,
                "department": found.department,
                "roles": list(found.roles),
                "groups": list(found.groups),
                "display_name": found.display_name,
            }
            steps.append({"name": "mapping", "passed": True, "detail": ""})
        except rules.IdentityRefused as error:
            steps.append({"name": "mapping", "passed": False, "detail": error.message})
    return {"passed": all(step["passed"] for step in steps), "steps": steps, "mapped": mapped}


def _editable(ctx: Context, name: str) -> SignInSource:
    row: SignInSource = service.find(ctx.session, name)
    if row.origin == "file":
        raise Conflict(
            f"{name}: this source is declared in jupyterhub_config.py and is changed there.",
            zh=f"{name}：此来源在 jupyterhub_config.py 中声明，请在该文件中修改。",
            field="source",
            rule="set up through the API",
            value=name,
            code="declared_in_file",
        )
    return row
