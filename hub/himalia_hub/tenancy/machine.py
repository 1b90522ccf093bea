"""What the machine's administrator does to organisations and people, without signing in."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.api.context import Context
from himalia_hub.api.routes import Reply, RouteTable
from himalia_hub.auth import permissions
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotFound
from himalia_hub.tenancy import service
from himalia_hub.tenancy.members import service as members
from himalia_hub.tenancy.tables import Department, Tenant, User, UserRole

routes = RouteTable("internal.organisations", internal=True)
ADMIN = "internal.admin.call"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TenantCreate(_Body):
    code: str
    name: Annotated[str, Field(min_length=1, max_length=64)]
    description: Annotated[str, Field(max_length=256)] = ""


class UserCreate(_Body):
    tenant: str
    name: str
    display_name: Annotated[str, Field(max_length=64)] = ""
    department: Annotated[str | None, Field(max_length=32)] = None
    roles: list[str] = [permissions.MEMBER]


class UserChange(_Body):
    enabled: bool


def tenant_by_code(db: Db, code: str) -> Any:
    row = db.execute(sa.select(Tenant.__table__).where(Tenant.code == code)).first()
    if row is None:
        raise NotFound(
            f"No organisation has the code {code!r}.", zh=f"没有代码为 {code!r} 的组织。", field="tenant", value=code
        )
    return row


@routes.get("/admin/tenants", permission=ADMIN, summary="All organisations")
def list_tenants(ctx: Context) -> list[dict[str, Any]]:
    rows = ctx.db.execute(
        sa.select(Tenant.code, Tenant.name, Tenant.enabled, sa.func.count(User.id).label("users"))
        .select_from(Tenant.__table__.outerjoin(User.__table__, User.tenant_id == Tenant.id))
        .group_by(Tenant.id, Tenant.code, Tenant.name, Tenant.enabled)
        .order_by(Tenant.id)
    )
    return [{"code": r.code, "name": r.name, "enabled": r.enabled, "users": r.users} for r in rows]


@routes.post("/admin/tenants", permission=ADMIN, summary="Create an organisation", body=TenantCreate, status=201)
def create_tenant(ctx: Context, body: TenantCreate) -> dict[str, Any]:
    tenant = service.create_tenant(ctx.session, code=body.code, name=body.name, description=body.description)
    ctx.audit_object = ("tenant", tenant.code)
    return {"code": tenant.code, "name": tenant.name, "enabled": tenant.enabled}


@routes.get("/admin/users", permission=ADMIN, summary="All people")
def list_users(ctx: Context) -> list[dict[str, Any]]:
    roles: dict[int, list[str]] = {}
    for row in ctx.db.execute(sa.select(UserRole.user_id, UserRole.role).order_by(UserRole.role)):
        roles.setdefault(row.user_id, []).append(row.role)
    rows = ctx.db.execute(
        sa.select(User.id, User.name, User.display_name, User.enabled, User.last_sign_in_at, Tenant.code)
        .join(Tenant, Tenant.id == User.tenant_id)
        .order_by(User.id)
    )
    return [
        {
            "name": r.name,
            "display_name": r.display_name,
            "tenant": r.code,
            "roles": roles.get(r.id, []),
            "enabled": r.enabled,
            "last_sign_in_at": clock.to_wire(r.last_sign_in_at),
        }
        for r in rows
    ]


@routes.post(
    "/admin/users",
    permission=ADMIN,
    summary="Create a person; answers a one-time sign-in link",
    body=UserCreate,
    status=201,
    idempotent=False,
)
def create_user(ctx: Context, body: UserCreate) -> Reply:
    session = ctx.session
    tenant = tenant_by_code(session, body.tenant)
    department_id = None
    if body.department is not None:
        department_id = session.execute(
            sa.select(Department.id).where(Department.tenant_id == tenant.id, Department.name == body.department)
        ).scalar_one_or_none()
        if department_id is None:
            department_id = service.create_department(session, tenant.id, body.department).id
    user = service.create_user(
        session,
        tenant.id,
        body.name,
        roles=tuple(body.roles),
        department_id=department_id,
        display_name=body.display_name,
    )
    token, expires = service.new_link(session, user.id)
    ctx.audit_object = ("user", str(user.number))
    return Reply(
        {
            "user": {"id": user.number, "name": user.name, "hub_user": user.hub_name},
            "tenant": tenant.code,
            "token": token,
            "expires_at": clock.to_wire(expires),
        }
    )


@routes.post("/admin/users/{name}/change", permission=ADMIN, summary="Enable or disable a person", body=UserChange)
def change_user(ctx: Context, name: str, body: UserChange) -> dict[str, Any]:
    """As the members' page does it: sessions end within seconds, and running work is stopped in order."""
    user = ctx.session.get_one(User, service.user_by_name(ctx.session, name).id)
    members.set_enabled(ctx.platform, ctx.session, ctx.actor, user, body.enabled)
    ctx.audit_object = ("user", str(user.number))
    return {"name": user.name, "enabled": user.enabled}
