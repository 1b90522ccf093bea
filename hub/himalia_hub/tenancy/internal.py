"""What the hub and the machine's administrator ask about people (not for people themselves).

Shapes: ``docs/design/supervisor.md``, Internal API. Signing in itself is ``identity``'s.
"""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

import himalia
from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.core import clock
from himalia_hub.tenancy import service
from himalia_hub.tenancy.tables import StepUp, Tenant, User

routes = RouteTable("internal.identity", internal=True)
HUB = "internal.hub.call"
ADMIN = "internal.admin.call"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Refresh(_Body):
    hub_user: str
    session_epoch: int


class SessionEnded(_Body):
    hub_user: str
    session: Annotated[str, Field(max_length=128)]


class LinkRequest(_Body):
    user: str | None = None


@routes.post("/sign-in/refresh", permission=HUB, summary="Is this session still in force", body=Refresh, audit=False)
def refresh(ctx: Context, body: Refresh) -> dict[str, Any]:
    row = ctx.session.execute(sa.select(User.id, User.session_epoch).where(User.hub_name == body.hub_user)).first()
    found = service.identity(ctx.session, row.id) if row is not None else None
    valid = row is not None and found is not None and row.session_epoch == body.session_epoch
    return {"valid": valid, "identity": found}


@routes.post(
    "/sign-in/ended", permission=HUB, summary="A browser session ended", body=SessionEnded, audit=False, status=204
)
def ended(ctx: Context, body: SessionEnded) -> None:
    user = service.user_by_hub_name(ctx.session, body.hub_user)
    ctx.session.execute(sa.delete(StepUp).where(StepUp.user_id == user.id, StepUp.session == body.session))


@routes.post("/admin/links", permission=ADMIN, summary="A one-time sign-in link", body=LinkRequest, idempotent=False)
def make_link(ctx: Context, body: LinkRequest) -> dict[str, Any]:
    session = ctx.session
    if body.user is None:
        user_id = service.bootstrap(session).id
    else:
        user_id = service.user_by_name(session, body.user).id
    token, expires = service.new_link(session, user_id)
    user = session.get_one(User, user_id)
    ctx.audit_object = ("user", str(user.number))
    return {"token": token, "user": {"name": user.name}, "expires_at": clock.to_wire(expires)}


@routes.get("/admin/status", permission=ADMIN, summary="What this installation holds")
def status(ctx: Context) -> dict[str, Any]:
    def count(table: sa.FromClause) -> int:
        return int(ctx.db.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())

    workloads: dict[str, int] = {}
    counter = ctx.platform.workload_counts
    if counter is not None:
        workloads = counter(ctx.db)
    return {
        "version": himalia.__version__,
        "isolation": ctx.platform.config.isolation,
        "tenants": count(Tenant.__table__),
        "users": count(User.__table__),
        "workloads": workloads,
    }
