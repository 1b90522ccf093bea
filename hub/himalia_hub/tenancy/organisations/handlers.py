"""Routes of organisations: the platform administrator's."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from himalia_hub.account.schemas import Ref
from himalia_hub.api.context import Context
from himalia_hub.api.routes import Reply, RouteTable
from himalia_hub.auth import permissions
from himalia_hub.core import clock, names, objects, paging
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotFound
from himalia_hub.core.standing import Standing
from himalia_hub.tenancy import wording
from himalia_hub.tenancy.members import links
from himalia_hub.tenancy.members import service as members
from himalia_hub.tenancy.organisations import schemas, service
from himalia_hub.tenancy.tables import Department, Tenant, User, UserRole

routes = RouteTable("organisations")
READ, MANAGE = "tenancy.organisation.read", "tenancy.organisation.manage"


def _counts(db: Db, table: Any, ids: list[int], condition: sa.ColumnElement[bool]) -> dict[int, int]:
    found = db.execute(
        sa.select(table.tenant_id, sa.func.count()).where(table.tenant_id.in_(ids), condition).group_by(table.tenant_id)
    )
    return {row[0]: row[1] for row in found}


def _render(db: Db, rows: list[Any]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    members_of = _counts(db, User, ids, User.deleted_at.is_(None))
    departments_of = _counts(db, Department, ids, Department.deleted_at.is_(None))
    administrators: dict[int, list[dict[str, Any]]] = {}
    for row in db.execute(
        sa.select(User.tenant_id, User.number, User.display_name)
        .join(UserRole, UserRole.user_id == User.id)
        .where(User.tenant_id.in_(ids), User.deleted_at.is_(None), UserRole.role == permissions.TENANT_ADMIN)
        .order_by(User.number)
    ):
        administrators.setdefault(row.tenant_id, []).append(Ref(id=row.number, name=row.display_name).model_dump())
    return [
        {
            "id": row.id,
            "code": row.code,
            "name": row.name,
            "description": row.description,
            "enabled": row.enabled,
            "valid_until": clock.to_wire(row.valid_until),
            "state": service.state_of(row.enabled, row.valid_until),
            "members": members_of.get(row.id, 0),
            "departments": departments_of.get(row.id, 0),
            "administrators": administrators.get(row.id, [])[:20],
            "created_at": clock.to_wire(row.created_at),
            "updated_at": clock.to_wire(row.updated_at),
            "version": row.version,
        }
        for row in rows
    ]


def _one(db: Db, organisation: str | int) -> dict[str, Any]:
    row = db.execute(sa.select(Tenant.__table__).where(service.named(organisation))).first()
    if row is None:
        raise NotFound()
    return _render(db, [row])[0]


@routes.get(
    "/organisations",
    permission=READ,
    summary="Organisations",
    query=schemas.OrganisationQuery,
    response=paging.Page[schemas.OrganisationOut],
)
def list_organisations(ctx: Context, query: schemas.OrganisationQuery) -> dict[str, Any]:
    moment = clock.now()
    statement = sa.select(Tenant.__table__).where(Tenant.deleted_at.is_(None))
    if query.enabled is not None:
        statement = statement.where(Tenant.enabled == query.enabled)
    if query.code is not None:
        statement = statement.where(Tenant.code == query.code)
    if query.state is not None:
        wanted = {
            "enabled": service.in_force(moment),
            "disabled": sa.not_(Tenant.enabled),
            "expired": sa.and_(Tenant.enabled, Tenant.valid_until <= moment),
        }[query.state]
        statement = statement.where(wanted)
    page = paging.page(
        ctx.db,
        statement,
        query,
        sorts={
            "updated_at": Tenant.updated_at,
            "created_at": Tenant.created_at,
            "name": Tenant.name,
            "code": Tenant.code,
            "status": sa.cast(Tenant.enabled, sa.Integer),
        },
        key=Tenant.id,
        render=lambda row: row,
        search=(Tenant.name, Tenant.code, Tenant.description),
    )
    return {**page, "items": _render(ctx.db, page["items"])}


@routes.get(
    "/organisations/{organisation}", permission=READ, summary="One organisation", response=schemas.OrganisationOut
)
def get_organisation(ctx: Context, organisation: str) -> dict[str, Any]:
    return _one(ctx.db, organisation)


@routes.post(
    "/organisations",
    permission=MANAGE,
    summary="Create an organisation with its first administrator; the sign-in link is shown once",
    body=schemas.OrganisationCreate,
    response=schemas.NewOrganisation,
    status=201,
    idempotent=False,
)
def create_organisation(ctx: Context, body: schemas.OrganisationCreate) -> Reply:
    session = ctx.session
    row = service.create(
        session,
        code=body.code,
        name=body.name,
        description=body.description,
        enabled=body.enabled,
        valid_until=body.valid_until,
    )
    user = members.first_administrator(
        session, ctx.actor, row.id, body.administrator.name, body.administrator.display_name
    )
    link = links.invite(ctx.platform, session, user) if members.may_be_invited(session, user) else None
    ctx.audit_object = ("organisation", str(row.id))
    return Reply({**_one(session, row.id), "link": link})


@routes.patch(
    "/organisations/{organisation}",
    permission=MANAGE,
    summary="Edit an organisation; its code never changes",
    body=schemas.OrganisationUpdate,
    response=schemas.OrganisationOut,
)
def update_organisation(ctx: Context, organisation: str, body: schemas.OrganisationUpdate) -> dict[str, Any]:
    session = ctx.session
    row = service.find(session, organisation)
    objects.check_version(row, ctx.if_match)
    before = {"name": row.name, "description": row.description, "valid_until": clock.to_wire(row.valid_until)}
    if body.name is not None and body.name != row.name:
        service.rename(session, row, body.name)
    if body.description is not None:
        row.description = names.check_text(body.description, wording.LONGEST_DESCRIPTION)
    if "valid_until" in body.model_fields_set:
        row.valid_until = service.check_valid_until(body.valid_until)
    service.touch(session, row)
    service.apply(session, ctx.platform.get(Standing), row)
    ctx.audit_object = ("organisation", str(row.id))
    ctx.audit_detail = {"before": before}
    return _one(session, row.id)


def _switch(ctx: Context, organisation: str, enabled: bool) -> dict[str, Any]:
    row = service.find(ctx.session, organisation)
    stopped = service.set_enabled(ctx.session, ctx.platform.get(Standing), row, enabled)
    ctx.audit_object = ("organisation", str(row.id))
    ctx.audit_detail = {"stopped_workloads": stopped}
    return _one(ctx.session, row.id)


@routes.post(
    "/organisations/{organisation}/enable",
    permission=MANAGE,
    summary="Enable an organisation",
    response=schemas.OrganisationOut,
)
def enable_organisation(ctx: Context, organisation: str) -> dict[str, Any]:
    return _switch(ctx, organisation, True)


@routes.post(
    "/organisations/{organisation}/disable",
    permission=MANAGE,
    summary="Disable an organisation: sessions end, work is stopped in order, nothing is deleted",
    response=schemas.OrganisationOut,
)
def disable_organisation(ctx: Context, organisation: str) -> dict[str, Any]:
    return _switch(ctx, organisation, False)


@routes.delete("/organisations/{organisation}", permission=MANAGE, summary="Delete an empty organisation")
def delete_organisation(ctx: Context, organisation: str) -> None:
    row = service.find(ctx.session, organisation)
    service.delete(ctx.session, row)
    ctx.audit_object = ("organisation", str(row.id))
