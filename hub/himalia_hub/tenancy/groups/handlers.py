"""Routes of groups."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from himalia_hub.api.context import Context
from himalia_hub.api.routes import Reply, RouteTable
from himalia_hub.core import clock, names, objects, paging
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotFound, NotPermitted
from himalia_hub.tenancy import scope, wording
from himalia_hub.tenancy.departments import service as departments
from himalia_hub.tenancy.departments.schemas import MembersChange
from himalia_hub.tenancy.groups import schemas, service
from himalia_hub.tenancy.members import granting
from himalia_hub.tenancy.roles import service as roles
from himalia_hub.tenancy.scope import Where
from himalia_hub.tenancy.tables import Group, GroupMember, GroupRole, Tenant

routes = RouteTable("groups")
READ, MANAGE = "tenancy.group.read", "tenancy.group.manage"
_COLUMNS = (Group.__table__, Tenant.code.label("tenant_code"), Tenant.name.label("tenant_name"))
_JOIN = Group.__table__.join(Tenant, Tenant.id == Group.tenant_id)


def _render(db: Db, rows: list[Any]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    roles_of: dict[int, list[str]] = {}
    for group_id, role in db.execute(
        sa.select(GroupRole.group_id, GroupRole.role).where(GroupRole.group_id.in_(ids)).order_by(GroupRole.role)
    ):
        roles_of.setdefault(group_id, []).append(role)
    counted = db.execute(
        sa.select(GroupMember.group_id, sa.func.count())
        .where(GroupMember.group_id.in_(ids))
        .group_by(GroupMember.group_id)
    )
    members = {row[0]: row[1] for row in counted}
    return [
        {
            "id": row.number,
            "name": row.name,
            "description": row.description,
            "external_name": row.external_name,
            "organisation": {"code": row.tenant_code, "name": row.tenant_name},
            "roles": roles_of.get(row.id, []),
            "members": members.get(row.id, 0),
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


def _set_roles(ctx: Context, row: Group, wanted: list[str]) -> None:
    """Roles in a group's form are a grant: the decision is the roles' own."""
    present = ctx.session.execute(sa.select(GroupRole.role).where(GroupRole.group_id == row.id)).scalars()
    if set(present) == set(wanted):
        return
    if not granting.may_grant(ctx.actor):
        raise NotPermitted(
            f"Your roles do not include {roles.GRANT}.",
            zh=f"您的角色不包含权限 {roles.GRANT}。",
            field="roles",
            permission=roles.GRANT,
        )
    roles.set_group_roles(ctx.session, ctx.actor, row, wanted)


@routes.get(
    "/groups",
    permission=READ,
    summary="Groups of an organisation, or of all with organisation=*",
    query=schemas.GroupQuery,
    response=paging.Page[schemas.GroupOut],
)
def list_groups(ctx: Context, query: schemas.GroupQuery) -> dict[str, Any]:
    found = scope.tenants(ctx.db, ctx.actor, ctx.permission, query.organisation)
    statement = sa.select(*_COLUMNS).select_from(_JOIN).where(scope.of_tenants(Group.tenant_id, found))
    if query.role is not None:
        statement = statement.where(Group.id.in_(sa.select(GroupRole.group_id).where(GroupRole.role == query.role)))
    if query.external_name is not None:
        statement = statement.where(Group.external_name == query.external_name)
    page = paging.page(
        ctx.db,
        statement,
        query,
        sorts={"updated_at": Group.updated_at, "created_at": Group.created_at, "name": Group.name},
        key=Group.id,
        render=lambda row: row,
        search=(Group.name, Group.description, Group.external_name, sa.cast(Group.number, sa.String)),
    )
    return {**page, "items": _render(ctx.db, page["items"])}


@routes.get("/groups/{group}", permission=READ, summary="One group", query=Where, response=schemas.GroupOut)
def get_group(ctx: Context, group: int, query: Where) -> dict[str, Any]:
    tenant = scope.tenant(ctx.db, ctx.actor, ctx.permission, query.organisation)
    return _one(ctx.db, sa.and_(Group.tenant_id == tenant.id, Group.number == group))


@routes.post(
    "/groups",
    permission=MANAGE,
    summary="Create a group",
    body=schemas.GroupCreate,
    response=schemas.GroupOut,
    status=201,
)
def create_group(ctx: Context, body: schemas.GroupCreate) -> Reply:
    session, actor = ctx.session, ctx.actor
    tenant = scope.tenant(session, actor, ctx.permission, body.organisation)
    row = service.create(
        session, tenant.id, name=body.name, description=body.description, external_name=body.external_name
    )
    _set_roles(ctx, row, body.roles)
    users = departments.pick(session, actor, ctx.permission, tenant.id, body.members, "members")
    service.add(session, actor, row, users)
    ctx.audit_object = ("group", str(row.number))
    ctx.audit_detail = {"organisation": tenant.code}
    return Reply(_one(session, Group.id == row.id))


@routes.patch(
    "/groups/{group}",
    permission=MANAGE,
    summary="Edit a group and the roles it carries",
    query=Where,
    body=schemas.GroupUpdate,
    response=schemas.GroupOut,
)
def update_group(ctx: Context, group: int, query: Where, body: schemas.GroupUpdate) -> dict[str, Any]:
    session = ctx.session
    row = service.find(session, ctx.actor, ctx.permission, group, query.organisation)
    objects.check_version(row, ctx.if_match)
    before = _one(session, Group.id == row.id)
    if body.name is not None and body.name != row.name:
        service.rename(session, row, body.name)
    if body.description is not None:
        row.description = names.check_text(body.description, wording.LONGEST_DESCRIPTION)
    if body.external_name is not None:
        service.name_outside(session, ctx.actor, row, body.external_name)
    if body.roles is not None:
        _set_roles(ctx, row, body.roles)
    service.touch(session, row)
    ctx.audit_object = ("group", str(row.number))
    ctx.audit_detail = {"before": {key: before[key] for key in ("name", "description", "external_name", "roles")}}
    return _one(session, Group.id == row.id)


@routes.post(
    "/groups/{group}/members",
    permission=MANAGE,
    summary="Bring members into a group, or take them out",
    query=Where,
    body=MembersChange,
    response=schemas.GroupOut,
)
def change_members(ctx: Context, group: int, query: Where, body: MembersChange) -> dict[str, Any]:
    session, actor = ctx.session, ctx.actor
    row = service.find(session, actor, ctx.permission, group, query.organisation)
    added = departments.pick(session, actor, ctx.permission, row.tenant_id, body.add, "add")
    removed = departments.pick(session, actor, ctx.permission, row.tenant_id, body.remove, "remove")
    service.remove(session, actor, row, removed)
    service.add(session, actor, row, added)
    service.touch(session, row)
    ctx.audit_object = ("group", str(row.number))
    return _one(session, Group.id == row.id)


@routes.delete("/groups/{group}", permission=MANAGE, summary="Delete a group; its members stay", query=Where)
def delete_group(ctx: Context, group: int, query: Where) -> None:
    row = service.find(ctx.session, ctx.actor, ctx.permission, group, query.organisation)
    service.delete(ctx.session, ctx.actor, row)
    ctx.audit_object = ("group", str(group))
