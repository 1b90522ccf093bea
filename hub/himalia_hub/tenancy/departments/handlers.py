"""Routes of departments."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from himalia_hub.account.schemas import Ref
from himalia_hub.api.context import Context
from himalia_hub.api.routes import Reply, RouteTable
from himalia_hub.core import clock, names, objects, paging
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotFound
from himalia_hub.core.standing import Standing
from himalia_hub.tenancy import scope, wording
from himalia_hub.tenancy.departments import schemas, service
from himalia_hub.tenancy.scope import Where
from himalia_hub.tenancy.tables import Department, Tenant, User, UserRole

routes = RouteTable("departments")
READ, MANAGE = "tenancy.department.read", "tenancy.department.manage"
_COLUMNS = (Department.__table__, Tenant.code.label("tenant_code"), Tenant.name.label("tenant_name"))
_JOIN = Department.__table__.join(Tenant, Tenant.id == Department.tenant_id)


def _render(db: Db, rows: list[Any]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    members: dict[int, int] = {}
    administrators: dict[int, list[dict[str, Any]]] = {}
    inside = sa.and_(User.department_id.in_(ids), User.deleted_at.is_(None))
    for department_id, count in db.execute(
        sa.select(sa.func.coalesce(User.department_id, 0), sa.func.count()).where(inside).group_by(User.department_id)
    ):
        members[department_id] = count
    for row in db.execute(
        sa.select(Department.id.label("department_id"), User.number, User.display_name)
        .select_from(User)
        .join(UserRole, UserRole.user_id == User.id)
        .join(Department, service.administers(Department.id))
        .where(Department.id.in_(ids), User.deleted_at.is_(None))
        .order_by(User.number)
    ):
        administrators.setdefault(row.department_id, []).append(Ref(id=row.number, name=row.display_name).model_dump())
    return [
        {
            "id": row.number,
            "name": row.name,
            "description": row.description,
            "organisation": {"code": row.tenant_code, "name": row.tenant_name},
            "enabled": row.enabled,
            "members": members.get(row.id, 0),
            "administrators": administrators.get(row.id, []),
            "created_at": clock.to_wire(row.created_at),
            "updated_at": clock.to_wire(row.updated_at),
            "version": row.version,
        }
        for row in rows
    ]


def _one(db: Db, condition: sa.ColumnElement[bool]) -> dict[str, Any]:
    row = db.execute(sa.select(*_COLUMNS).select_from(_JOIN).where(condition)).first()
    if row is None:
        raise NotFound()
    return _render(db, [row])[0]


@routes.get(
    "/departments",
    permission=READ,
    summary="Departments of an organisation, or of all with organisation=*",
    query=schemas.DepartmentQuery,
    response=paging.Page[schemas.DepartmentOut],
)
def list_departments(ctx: Context, query: schemas.DepartmentQuery) -> dict[str, Any]:
    found = scope.tenants(ctx.db, ctx.actor, ctx.permission, query.organisation)
    statement = (
        sa.select(*_COLUMNS)
        .select_from(_JOIN)
        .where(scope.of_tenants(Department.tenant_id, found), scope.reachable_departments(ctx.actor, ctx.permission))
    )
    if query.enabled is not None:
        statement = statement.where(Department.enabled == query.enabled)
    page = paging.page(
        ctx.db,
        statement,
        query,
        sorts={
            "updated_at": Department.updated_at,
            "created_at": Department.created_at,
            "name": Department.name,
            "status": sa.cast(Department.enabled, sa.Integer),
        },
        key=Department.id,
        render=lambda row: row,
        search=(Department.name, Department.description, sa.cast(Department.number, sa.String)),
    )
    return {**page, "items": _render(ctx.db, page["items"])}


@routes.get(
    "/departments/{department}",
    permission=READ,
    summary="One department",
    query=Where,
    response=schemas.DepartmentOut,
)
def get_department(ctx: Context, department: int, query: Where) -> dict[str, Any]:
    tenant = scope.tenant(ctx.db, ctx.actor, ctx.permission, query.organisation)
    return _one(
        ctx.db,
        sa.and_(
            Department.tenant_id == tenant.id,
            Department.number == department,
            scope.reachable_departments(ctx.actor, ctx.permission),
        ),
    )


@routes.post(
    "/departments",
    permission=MANAGE,
    summary="Create a department",
    body=schemas.DepartmentCreate,
    response=schemas.DepartmentOut,
    status=201,
)
def create_department(ctx: Context, body: schemas.DepartmentCreate) -> Reply:
    session, actor = ctx.session, ctx.actor
    tenant = scope.tenant(session, actor, ctx.permission, body.organisation)
    row = service.create(session, tenant.id, name=body.name, description=body.description, enabled=body.enabled)
    users = service.pick(session, actor, ctx.permission, tenant.id, body.members, "members")
    service.add(ctx.platform, session, actor, ctx.permission, row, users)
    if body.administrators:
        service.set_administrators(ctx.platform, session, actor, ctx.permission, row, body.administrators)
    ctx.audit_object = ("department", str(row.number))
    ctx.audit_detail = {"organisation": tenant.code}
    return Reply(_one(session, Department.id == row.id))


@routes.patch(
    "/departments/{department}",
    permission=MANAGE,
    summary="Edit a department",
    query=Where,
    body=schemas.DepartmentUpdate,
    response=schemas.DepartmentOut,
)
def update_department(ctx: Context, department: int, query: Where, body: schemas.DepartmentUpdate) -> dict[str, Any]:
    session = ctx.session
    row = service.find(session, ctx.actor, ctx.permission, department, query.organisation)
    objects.check_version(row, ctx.if_match)
    before = _one(session, Department.id == row.id)
    if body.name is not None and body.name != row.name:
        service.rename(session, row, body.name)
    if body.description is not None:
        row.description = names.check_text(body.description, wording.LONGEST_DESCRIPTION)
    if body.administrators is not None:
        service.set_administrators(ctx.platform, session, ctx.actor, ctx.permission, row, body.administrators)
    service.touch(session, row)
    ctx.audit_object = ("department", str(row.number))
    ctx.audit_detail = {"before": {key: before[key] for key in ("name", "description", "administrators")}}
    return _one(session, Department.id == row.id)


def _switch(ctx: Context, department: int, query: Where, enabled: bool) -> dict[str, Any]:
    row = service.find(ctx.session, ctx.actor, ctx.permission, department, query.organisation)
    stopped = service.set_enabled(ctx.session, ctx.platform.get(Standing), ctx.actor, row, enabled)
    ctx.audit_object = ("department", str(row.number))
    ctx.audit_detail = {"stopped_workloads": stopped}
    return _one(ctx.session, Department.id == row.id)


@routes.post(
    "/departments/{department}/enable",
    permission=MANAGE,
    summary="Enable a department",
    query=Where,
    response=schemas.DepartmentOut,
)
def enable_department(ctx: Context, department: int, query: Where) -> dict[str, Any]:
    return _switch(ctx, department, query, True)


@routes.post(
    "/departments/{department}/disable",
    permission=MANAGE,
    summary="Disable a department: sessions end, work is stopped in order, nothing is deleted",
    query=Where,
    response=schemas.DepartmentOut,
)
def disable_department(ctx: Context, department: int, query: Where) -> dict[str, Any]:
    return _switch(ctx, department, query, False)


@routes.post(
    "/departments/{department}/members",
    permission=MANAGE,
    summary="Bring members into a department, or take them out",
    query=Where,
    body=schemas.MembersChange,
    response=schemas.DepartmentOut,
)
def change_members(ctx: Context, department: int, query: Where, body: schemas.MembersChange) -> dict[str, Any]:
    session, actor = ctx.session, ctx.actor
    row = service.find(session, actor, ctx.permission, department, query.organisation)
    added = service.pick(session, actor, ctx.permission, row.tenant_id, body.add, "add")
    removed = service.pick(session, actor, ctx.permission, row.tenant_id, body.remove, "remove")
    service.remove(session, actor, ctx.permission, row, removed)
    service.add(ctx.platform, session, actor, ctx.permission, row, added)
    service.touch(session, row)
    ctx.audit_object = ("department", str(row.number))
    return _one(session, Department.id == row.id)


@routes.delete("/departments/{department}", permission=MANAGE, summary="Delete an empty department", query=Where)
def delete_department(ctx: Context, department: int, query: Where) -> None:
    row = service.find(ctx.session, ctx.actor, ctx.permission, department, query.organisation)
    service.delete(ctx.session, row)
    ctx.audit_object = ("department", str(department))
