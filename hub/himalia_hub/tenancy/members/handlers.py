"""Routes of members, one by one; bringing in and taking out whole files is ``file_handlers``'."""

from __future__ import annotations

from typing import Any

from himalia_hub.api.context import Context
from himalia_hub.api.routes import Reply, RouteTable
from himalia_hub.core import objects, paging
from himalia_hub.core.standing import AccountLocks, Standing
from himalia_hub.tenancy import scope, sessions, wording
from himalia_hub.tenancy.members import file_handlers, granting, links, reading, schemas, service
from himalia_hub.tenancy.organisations.schemas import SignInLinkOut
from himalia_hub.tenancy.scope import Where
from himalia_hub.tenancy.tables import User

routes = RouteTable("members")
TABLES = [file_handlers.routes, routes]
READ, MANAGE, ACTIVATE = "tenancy.user.read", "tenancy.user.manage", "tenancy.user.activate"


@routes.get(
    "/members",
    permission=READ,
    summary="Members of an organisation, or of all with organisation=*",
    query=schemas.MemberQuery,
    response=paging.Page[schemas.MemberOut],
)
def list_members(ctx: Context, query: schemas.MemberQuery) -> dict[str, Any]:
    return reading.page(ctx.platform, ctx.db, ctx.actor, ctx.permission, query)


@routes.get("/members/{member}", permission=READ, summary="One member", query=Where, response=schemas.MemberOut)
def get_member(ctx: Context, member: int, query: Where) -> dict[str, Any]:
    return reading.one(
        ctx.platform, ctx.db, service.look(ctx.db, ctx.actor, ctx.permission, member, query.organisation)
    )


@routes.get(
    "/members/{member}/belongings",
    permission=READ,
    summary="What a member owns: what a deletion would hand over or erase",
    query=Where,
    response=list[schemas.Belongings],
)
def belongings(ctx: Context, member: int, query: Where) -> list[dict[str, Any]]:
    user_id = service.look(ctx.db, ctx.actor, ctx.permission, member, query.organisation)
    owned = ctx.platform.get(Standing).owned(ctx.db, user_id)
    return [{"kind": kind, "count": count} for kind, count in owned.items()]


@routes.post(
    "/members",
    permission=MANAGE,
    summary="Create a member; the one-time sign-in link is shown once",
    body=schemas.MemberCreate,
    response=schemas.NewMember,
    status=201,
    idempotent=False,
)
def create_member(ctx: Context, body: schemas.MemberCreate) -> Reply:
    session = ctx.session
    tenant = scope.tenant(session, ctx.actor, ctx.permission, body.organisation)
    department = None
    if body.department is not None:
        department = service.find_department(session, tenant.id, body.department).id
    user = service.make(
        session,
        ctx.actor,
        tenant.id,
        name=body.name,
        display_name=body.display_name,
        department_id=department,
        keys=body.roles,
        guest=body.guest,
    )
    link = links.invite(ctx.platform, session, user) if service.may_be_invited(session, user) else None
    ctx.audit_object = ("member", str(user.number))
    ctx.audit_detail = {"organisation": tenant.code}
    return Reply({**reading.one(ctx.platform, session, user.id), "link": link})


@routes.patch(
    "/members/{member}",
    permission=MANAGE,
    summary="Edit a member's roles, department and display name",
    query=Where,
    body=schemas.MemberUpdate,
    response=schemas.MemberOut,
)
def update_member(ctx: Context, member: int, query: Where, body: schemas.MemberUpdate) -> dict[str, Any]:
    session, actor = ctx.session, ctx.actor
    user = service.find(session, actor, ctx.permission, member, query.organisation)
    objects.check_version(user, ctx.if_match)
    granting.not_above(session, actor, user)
    before = reading.one(ctx.platform, session, user.id)
    moved = granted = False
    if body.display_name is not None:
        user.display_name = wording.check_display_name(body.display_name)
    if "department" in body.model_fields_set:
        chosen = None if body.department is None else service.find_department(session, user.tenant_id, body.department)
        moved = service.move(session, user, None if chosen is None else chosen.id)
    if body.roles is not None:
        granted = granting.set_roles(session, actor, user, body.roles)
    service.touch(session, user)
    if moved or granted:
        sessions.renew(session, User.id == user.id)
    ctx.audit_object = ("member", str(user.number))
    ctx.audit_detail = {"before": {key: before[key] for key in ("display_name", "department", "roles")}}
    return reading.one(ctx.platform, session, user.id)


def _switch(ctx: Context, member: int, query: Where, enabled: bool) -> dict[str, Any]:
    user = service.find(ctx.session, ctx.actor, ctx.permission, member, query.organisation)
    granting.not_above(ctx.session, ctx.actor, user)
    stopped = service.set_enabled(ctx.platform, ctx.session, ctx.actor, user, enabled)
    ctx.audit_object = ("member", str(user.number))
    ctx.audit_detail = {"stopped_workloads": stopped}
    return reading.one(ctx.platform, ctx.session, user.id)


@routes.post(
    "/members/{member}/enable", permission=ACTIVATE, summary="Enable a member", query=Where, response=schemas.MemberOut
)
def enable_member(ctx: Context, member: int, query: Where) -> dict[str, Any]:
    return _switch(ctx, member, query, True)


@routes.post(
    "/members/{member}/disable",
    permission=MANAGE,
    summary="Disable a member: live sessions end at once, running work is stopped in order",
    query=Where,
    response=schemas.MemberOut,
)
def disable_member(ctx: Context, member: int, query: Where) -> dict[str, Any]:
    return _switch(ctx, member, query, False)


@routes.post(
    "/members/{member}/unlock",
    permission=ACTIVATE,
    summary="Unlock a member after too many failed sign-ins",
    query=Where,
    response=schemas.MemberOut,
)
def unlock_member(ctx: Context, member: int, query: Where) -> dict[str, Any]:
    user = service.find(ctx.session, ctx.actor, ctx.permission, member, query.organisation)
    granting.not_above(ctx.session, ctx.actor, user)
    ctx.platform.get(AccountLocks).unlock(ctx.session, reading.account(user))  # type: ignore[type-abstract]
    ctx.audit_object = ("member", str(user.number))
    return reading.one(ctx.platform, ctx.session, user.id)


@routes.post(
    "/members/{member}/link",
    permission=ACTIVATE,
    summary="A one-time sign-in link, shown once; earlier ones end",
    query=Where,
    response=SignInLinkOut,
    idempotent=False,
)
def make_link(ctx: Context, member: int, query: Where) -> Reply:
    user = service.find(ctx.session, ctx.actor, ctx.permission, member, query.organisation)
    ctx.audit_object = ("member", str(user.number))
    return Reply(service.link(ctx.platform, ctx.session, ctx.actor, user))


@routes.delete(
    "/members/{member}",
    permission=MANAGE,
    summary="Delete a member; somebody takes the objects over, or they are erased",
    query=schemas.RemovalQuery,
    response=schemas.Removal,
    status=200,
)
def delete_member(ctx: Context, member: int, query: schemas.RemovalQuery) -> dict[str, Any]:
    session, actor = ctx.session, ctx.actor
    user = service.find(session, actor, ctx.permission, member, query.organisation)
    granting.not_above(session, actor, user)
    heir = None
    if query.take_over is not None:
        heir = service.find(session, actor, ctx.permission, query.take_over, query.organisation)
    done = service.delete(ctx.platform, session, actor, user, heir=heir, erase=query.erase)
    ctx.audit_object = ("member", str(user.number))
    ctx.audit_detail = {"name": user.name, **done}
    return done
