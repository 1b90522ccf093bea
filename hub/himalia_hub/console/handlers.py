"""Routes of the console: the checklist of a new installation and a new organisation (CON-6)."""

from __future__ import annotations

from typing import Any

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.auth.actor import Reach
from himalia_hub.compute.limits import tenant_of
from himalia_hub.console import rules, schemas, service

routes = RouteTable("console")


@routes.get(
    "/checklist",
    permission="console.checklist.read",
    summary="What an installation and an organisation still lack, and who can do it",
    query=schemas.ChecklistQuery,
    response=schemas.Checklists,
)
def get_checklist(ctx: Context, query: schemas.ChecklistQuery) -> dict[str, Any]:
    actor = ctx.actor
    tenant_id, code, name = tenant_of(ctx.db, actor, ctx.permission, query.tenant)
    facts = service.facts(ctx.platform, ctx.db, tenant_id)
    installation = None
    if actor.reach(ctx.permission) is Reach.PLATFORM:
        title = ctx.platform.config.installation.name
        items = rules.installation(facts)
        installation = service.to_wire(rules.INSTALLATION, None, title, items, actor, ctx.language)
    items = rules.organisation(facts)
    return {
        "installation": installation,
        "organisation": service.to_wire(rules.ORGANISATION, code, name, items, actor, ctx.language),
    }
