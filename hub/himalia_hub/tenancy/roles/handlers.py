"""``/permissions``, ``/roles`` and the roles of members and groups."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.api.context import Context
from himalia_hub.api.routes import Reply, RouteTable
from himalia_hub.auth import holding, permissions
from himalia_hub.auth.actor import Actor, Reach
from himalia_hub.core import clock, names, objects
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotFound, NotPermitted
from himalia_hub.tenancy import scope
from himalia_hub.tenancy.roles import checks, first, schemas, service, texts
from himalia_hub.tenancy.tables import CustomRole, Department, Group, GroupMember, GroupRole, User, UserRole

routes = RouteTable("roles")
TABLES = [routes, first.routes]
READ, MANAGE, GRANT = "tenancy.role.read", "tenancy.role.manage", "tenancy.role.grant"


def _words(reaches: checks.Reaches) -> dict[str, str]:
    return {name: reach.word for name, reach in reaches.items()}


def _organisation_only(actor: Actor) -> bool:
    return actor.reach(MANAGE) is not Reach.PLATFORM


def _may_give(actor: Actor, name: str) -> list[str]:
    """The reaches with which the actor may put a permission into a role."""
    span = checks.limits(name)
    if span is None or actor.reach(MANAGE) is None:
        return []
    low, high = span
    if _organisation_only(actor):
        high = min(high, Reach.ORGANISATION)
    if checks.GRANT_ANY not in actor.grants:
        high = min(high, actor.grants.get(name, Reach.OWN if low > Reach.OWN else low))
        if name not in actor.grants:
            return []
    return [reach.word for reach in Reach if low <= reach <= high]


@routes.get(
    "/permissions",
    permission="account.self.read",
    summary="The table of permissions: what exists, who holds it, what it opens",
    response=schemas.PermissionTable,
)
def list_permissions(ctx: Context) -> dict[str, Any]:
    actor, language = ctx.actor, ctx.language
    separated = service.separated(ctx.db)
    offered = checks.offered(separated=separated)
    opens = _routes_by_permission()
    items = []
    for permission in permissions.PERMISSIONS:
        if checks.limits(permission.name) is None:
            continue
        area, kind, action = permission.name.split(".")
        items.append(
            {
                "name": permission.name,
                "area": area,
                "kind": kind,
                "action": action,
                "sentence": texts.sentence(permission.name, language),
                "power": permission.duty.value if permission.duty else None,
                "reaches": _may_give(actor, permission.name),
                "roles": {role: reach.word for role, reach in permission.roles.items() if role in offered},
                "routes": opens.get(permission.name, []),
            }
        )
    ready = checks.policies(actor.grants, organisation=_organisation_only(actor)) if actor.reach(MANAGE) else []
    return {
        "items": items,
        "policies": [
            {"key": key, "title": texts.POLICIES[key][language == "zh"], "permissions": _words(reaches)}
            for key, reaches in ready
        ],
        "separated_duties": separated,
    }


def _routes_by_permission() -> dict[str, list[str]]:
    from himalia_hub.platform.assembly import route_tables

    found: dict[str, list[str]] = {}
    for table in route_tables():
        for route in table:
            if not route.internal and route.permission is not None:
                found.setdefault(route.permission, []).append(f"{route.method} {route.path}")
    return found


def _to_wire(
    actor: Actor, facts: service.Facts, holders: dict[str, int], language: str, *, manage: bool
) -> dict[str, Any]:
    row = facts.row
    covered = checks.GRANT_ANY in actor.grants or not checks.beyond(facts.reaches, actor.grants)
    own = row is not None and (row.tenant_id is not None or actor.reach(MANAGE) is Reach.PLATFORM)
    return {
        "id": row.number if row is not None else None,
        "key": facts.key,
        "name": facts.name,
        "title": facts.name if row is not None else texts.title(facts.key, language),
        "description": row.description if row is not None else "",
        "built_in": row is None,
        "scope": "organisation" if row is not None and row.tenant_id is not None else "platform",
        "permissions": _words(facts.reaches),
        "needs_department": facts.key == permissions.DEPARTMENT_ADMIN,
        "holders": holders.get(facts.key, 0),
        "grantable": actor.reach(GRANT) is not None and covered,
        "editable": manage and own and covered and facts.name not in actor.roles,
        "version": row.version if row is not None else 1,
        "created_at": clock.to_wire(row.created_at) if row is not None else None,
        "updated_at": clock.to_wire(row.updated_at) if row is not None else None,
    }


def _one(ctx: Context, db: Db, key: str, tenant_id: int) -> dict[str, Any]:
    facts = service.available(db, tenant_id).get(key)
    if facts is None:
        raise NotFound()
    counted = service.holders(db, [key], tenant_id)
    return _to_wire(ctx.actor, facts, counted, ctx.language, manage=ctx.actor.reach(MANAGE) is not None)


@routes.get(
    "/roles",
    permission=READ,
    summary="Roles with what they permit and how many hold them",
    query=schemas.RoleQuery,
    response=schemas.Roles,
)
def list_roles(ctx: Context, query: schemas.RoleQuery) -> dict[str, Any]:
    tenant_id = scope.tenant(ctx.db, ctx.actor, ctx.permission, query.organisation).id
    roles = service.available(ctx.db, tenant_id)
    counted = service.holders(ctx.db, list(roles), tenant_id)
    manage = ctx.actor.reach(MANAGE) is not None
    items = [_to_wire(ctx.actor, facts, counted, ctx.language, manage=manage) for facts in roles.values()]
    wanted = query.q.casefold()
    if wanted:
        items = [row for row in items if wanted in row["name"].casefold() or wanted in row["title"].casefold()]
    return {"items": items, "total": len(items), "separated_duties": service.separated(ctx.db)}


@routes.post(
    "/roles",
    permission=MANAGE,
    summary="Create a custom role",
    query=scope.Where,
    body=schemas.RoleCreate,
    response=schemas.Role,
    status=201,
    object_kind="role",
)
def create_role(ctx: Context, query: scope.Where, body: schemas.RoleCreate) -> Reply:
    session = ctx.session
    for_all = body.scope == "platform"
    if for_all and ctx.actor.reach(MANAGE) is not Reach.PLATFORM:
        raise NotPermitted(
            "scope: only platform administrators make roles for all organisations.",
            zh="scope：只有平台管理员可以创建面向所有组织的角色。",
            field="scope",
            rule="organisation",
            value=body.scope,
            code="platform_role",
        )
    tenant_id = scope.tenant(session, ctx.actor, ctx.permission, query.organisation).id
    row = service.create(
        session,
        ctx.actor,
        None if for_all else tenant_id,
        name=body.name,
        description=names.check_text(body.description, checks.LONGEST_DESCRIPTION),
        reaches=checks.read_set(body.permissions, organisation=not for_all),
    )
    ctx.audit_object = ("role", str(row.number))
    _announce(session, row, "created", tenant_id)
    return Reply(_one(ctx, session, holding.custom_key(row.number), tenant_id))


@routes.get("/roles/{role}", permission=READ, summary="One role", query=scope.Where, response=schemas.Role)
def get_role(ctx: Context, role: str, query: scope.Where) -> dict[str, Any]:
    """``role`` is a custom role's number or a built-in role's name."""
    tenant_id = scope.tenant(ctx.db, ctx.actor, ctx.permission, query.organisation).id
    digits = role.isascii() and role.isdigit() and len(role) <= 15
    return _one(ctx, ctx.db, holding.custom_key(int(role)) if digits else role, tenant_id)


@routes.patch(
    "/roles/{role}",
    permission=MANAGE,
    summary="Edit a custom role; its holders have the new permissions from their next request on",
    query=scope.Where,
    body=schemas.RoleEdit,
    response=schemas.Role,
    object_kind="role",
)
def edit_role(ctx: Context, role: int, query: scope.Where, body: schemas.RoleEdit) -> dict[str, Any]:
    session = ctx.session
    tenant_id = scope.tenant(session, ctx.actor, ctx.permission, query.organisation).id
    row = service.find_custom(session, ctx.actor, ctx.permission, role, tenant_id)
    objects.check_version(row, ctx.if_match)
    ctx.audit_detail["before"] = {"name": row.name, "permissions": _words(holding.set_of(row))}
    reaches = None
    if body.permissions is not None:
        reaches = checks.read_set(body.permissions, organisation=row.tenant_id is not None)
    description = body.description
    if description is not None:
        description = names.check_text(description, checks.LONGEST_DESCRIPTION)
    service.edit(session, ctx.actor, row, name=body.name, description=description, reaches=reaches)
    _announce(session, row, "updated", tenant_id)
    return _one(ctx, session, holding.custom_key(row.number), tenant_id)


@routes.delete(
    "/roles/{role}",
    permission=MANAGE,
    summary="Delete a custom role that nobody holds",
    query=scope.Where,
    object_kind="role",
)
def delete_role(ctx: Context, role: int, query: scope.Where) -> None:
    session = ctx.session
    tenant_id = scope.tenant(session, ctx.actor, ctx.permission, query.organisation).id
    row = service.find_custom(session, ctx.actor, ctx.permission, role, tenant_id)
    ctx.audit_detail["before"] = {"name": row.name, "permissions": _words(holding.set_of(row))}
    _announce(session, row, "deleted", tenant_id)
    service.delete(session, ctx.actor, row)


def _announce(session: Session, row: CustomRole, op: str, tenant_id: int) -> None:
    objects.announce(
        session, "role", op=op, tenant_id=row.tenant_id or tenant_id, number=row.number, version=row.version
    )


# -- grants -----------------------------------------------------------------------------------


def _member(db: Db, ctx: Context, number: int, organisation: str | None) -> Any:
    """A member within reach of the route's permission, as a row; own row for reach own."""
    tenant_id = scope.tenant(db, ctx.actor, ctx.permission, organisation).id
    row = db.execute(
        sa.select(User.__table__).where(
            User.tenant_id == tenant_id, User.number == number, scope.reachable_users(ctx.actor, ctx.permission)
        )
    ).first()
    if row is None:
        raise NotFound()
    return row


def _roles_of(db: Db, user: Any) -> dict[str, Any]:
    known = service.available(db, user.tenant_id)
    rows = db.execute(
        sa.select(UserRole.role, Department.number)
        .select_from(UserRole)
        .outerjoin(Department, Department.id == UserRole.department_id)
        .where(UserRole.user_id == user.id)
        .order_by(UserRole.role)
    ).all()
    found: list[dict[str, Any]] = [
        {"role": key, "name": known[key].name if key in known else key, "department": number, "through": None}
        for key, number in rows
    ]
    grouped = db.execute(
        sa.select(GroupRole.role, Group.name)
        .join(Group, Group.id == GroupRole.group_id)
        .join(GroupMember, GroupMember.group_id == Group.id)
        .where(GroupMember.user_id == user.id)
        .order_by(Group.name, GroupRole.role)
    )
    found += [
        {"role": key, "name": known[key].name if key in known else key, "department": None, "through": group}
        for key, group in grouped
    ]
    return {"roles": found, "permissions": _words(holding.load(db, user.id).reaches)}


@routes.get(
    "/members/{member}/roles",
    permission=READ,
    summary="A member's roles, own and through groups",
    query=scope.Where,
    response=schemas.UserRoles,
)
def roles_of_member(ctx: Context, member: int, query: scope.Where) -> dict[str, Any]:
    return _roles_of(ctx.db, _member(ctx.db, ctx, member, query.organisation))


@routes.put(
    "/members/{member}/roles",
    permission=GRANT,
    summary="Set a member's own roles; in force from the next request on",
    query=scope.Where,
    body=schemas.Grants,
    response=schemas.UserRoles,
    object_kind="user",
)
def set_roles_of_member(ctx: Context, member: int, query: scope.Where, body: schemas.Grants) -> dict[str, Any]:
    session = ctx.session
    row = _member(session, ctx, member, query.organisation)
    ctx.audit_detail["before"] = [grant["role"] for grant in _roles_of(session, row)["roles"]]
    user = session.get_one(User, row.id)
    wanted = [service.Wanted(grant.role, grant.department) for grant in body.roles]
    service.set_user_roles(session, ctx.actor, user, wanted)
    objects.announce(session, "user", tenant_id=user.tenant_id, number=user.number, version=user.version)
    return _roles_of(session, user)


def _group(db: Db, ctx: Context, number: int, organisation: str | None) -> Any:
    tenant_id = scope.tenant(db, ctx.actor, ctx.permission, organisation).id
    if (ctx.actor.reach(ctx.permission) or 0) < Reach.ORGANISATION:
        raise NotFound()
    row = db.execute(sa.select(Group.__table__).where(Group.tenant_id == tenant_id, Group.number == number)).first()
    if row is None:
        raise NotFound()
    return row


def _roles_of_group(db: Db, group_id: int) -> dict[str, Any]:
    keys = db.execute(sa.select(GroupRole.role).where(GroupRole.group_id == group_id).order_by(GroupRole.role))
    return {"roles": list(keys.scalars())}


@routes.get(
    "/groups/{group}/roles",
    permission=READ,
    summary="The roles that a group gives to those in it",
    query=scope.Where,
    response=schemas.GroupRoles,
)
def roles_of_group(ctx: Context, group: int, query: scope.Where) -> dict[str, Any]:
    return _roles_of_group(ctx.db, _group(ctx.db, ctx, group, query.organisation).id)


@routes.put(
    "/groups/{group}/roles",
    permission=GRANT,
    summary="Set a group's roles; in force for all in it from the next request on",
    query=scope.Where,
    body=schemas.GroupGrants,
    response=schemas.GroupRoles,
    object_kind="group",
)
def set_roles_of_group(ctx: Context, group: int, query: scope.Where, body: schemas.GroupGrants) -> dict[str, Any]:
    session = ctx.session
    row = _group(session, ctx, group, query.organisation)
    ctx.audit_detail["before"] = _roles_of_group(session, row.id)["roles"]
    service.set_group_roles(session, ctx.actor, session.get_one(Group, row.id), body.roles)
    return _roles_of_group(session, row.id)
