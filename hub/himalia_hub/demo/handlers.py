"""``POST admin/demo``: the organisation, its department and people, made once.

Prices and balances go through the ordinary administration routes, the labelled pictures through
the ordinary API with the token answered here: the supervisor's ``demo`` does both.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.auth import permissions, tokens
from himalia_hub.auth.actor import TokenKind
from himalia_hub.compute.schemas import Nothing
from himalia_hub.core import clock, objects
from himalia_hub.tenancy import service
from himalia_hub.tenancy.tables import Tenant, User

routes = RouteTable("internal.demo", internal=True)
CODE, DEPARTMENT = "harbour-lab", "Vision"
PEOPLE = (
    ("demomember", "Lin Yue", permissions.MEMBER),
    ("demoadmin", "Zhao Min", permissions.TENANT_ADMIN),
)
TOKEN_LIFE = timedelta(minutes=30)


@routes.post(
    "/admin/demo",
    permission="internal.admin.call",
    summary="Make the demo organisation; answers new sign-in links and a short-lived token of its member",
    body=Nothing,
    idempotent=False,
)
def make(ctx: Context, body: Nothing) -> dict[str, Any]:
    session = ctx.session
    tenant = session.execute(sa.select(Tenant).where(Tenant.code == CODE)).scalar_one_or_none()
    new = tenant is None
    if tenant is None:
        tenant = service.create_tenant(session, code=CODE, name=CODE, description="Made by himalia up --demo")
        department = service.create_department(session, tenant.id, DEPARTMENT)
        for name, display_name, role in PEOPLE:
            service.create_user(
                session,
                tenant.id,
                name,
                roles=tuple({role, permissions.MEMBER}),
                department_id=department.id,
                display_name=display_name,
            )
    people = [
        (user, role)
        for name, _, role in PEOPLE
        if (user := session.execute(sa.select(User).where(User.name_key == name)).scalar_one_or_none()) is not None
        and user.tenant_id == tenant.id
    ]
    ctx.audit_object = ("tenant", tenant.code)
    return {
        "tenant": tenant.code,
        "new": new,
        "users": [
            {"name": user.name, "role": role, "link_token": service.new_link(session, user.id)[0]}
            for user, role in people
        ],
        "token": _token(session, people[0][0]) if people else None,
    }


def _token(session: Session, member: User) -> str:
    """What the pictures are imported with; reach own, gone in half an hour."""
    _, secret = tokens.issue(
        session,
        user_id=member.id,
        kind=TokenKind.API,
        name="demo pictures",
        number=objects.next_number(session, member.tenant_id, "api_token"),
        expires_at=clock.now() + TOKEN_LIFE,
    )
    return secret
