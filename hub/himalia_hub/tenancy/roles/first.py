"""The first administrators: one, or three where duties are separated (TEN-11, TEN-14)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.auth import permissions
from himalia_hub.core import clock
from himalia_hub.tenancy import service as tenancy
from himalia_hub.tenancy.roles import service, texts
from himalia_hub.tenancy.tables import Tenant, User, UserRole

routes = RouteTable("internal.first", internal=True)
THREE = (
    (permissions.SYSTEM_ADMIN, "systemadmin"),
    (permissions.SECURITY_ADMIN, "securityadmin"),
    (permissions.AUDITOR, "auditor1"),
)
"""Role and account of each; the accounts may be renamed at the first sign-in.

Each is a member too: the panels are beside a notebook, and a member holds none of the three powers.
"""


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


def administrators(session: Session) -> list[User]:
    """The first administrators, made at the first call; in the order of their powers."""
    if not service.separated(session):
        return [tenancy.bootstrap(session)]
    found = [_first_of(session, role) for role, _ in THREE]
    if any(found):
        # The three were made together; who has been replaced since is not made again.
        return [user for user in found if user is not None]
    home = session.execute(sa.select(Tenant).where(Tenant.code == "home")).scalar_one_or_none()
    tenant = home or tenancy.create_tenant(session, code="home", name="home")
    return [
        tenancy.create_user(
            session, tenant.id, name, roles=(role, permissions.MEMBER), display_name=texts.title(role, "en")
        )
        for role, name in THREE
    ]


def _first_of(session: Session, role: str) -> User | None:
    statement = sa.select(User).join(UserRole, UserRole.user_id == User.id).where(UserRole.role == role)
    return session.execute(statement.order_by(User.id).limit(1)).scalars().first()


@routes.post(
    "/admin/first-links",
    permission="internal.admin.call",
    summary="One-time links of the first administrators; of three only those who never signed in",
    body=Nothing,
    idempotent=False,
)
def first_links(ctx: Context, body: Nothing) -> dict[str, Any]:
    session = ctx.session
    people = administrators(session)
    if service.separated(session):
        people = [user for user in people if user.last_sign_in_at is None]
    links = []
    for user in people:
        token, expires = tenancy.new_link(session, user.id)
        role = next((role for role, _ in THREE if _first_of(session, role) is user), permissions.ADMINISTRATOR)
        links.append(
            {
                "user": user.name,
                "title": texts.title(role, "en").lower(),
                "token": token,
                "expires_at": clock.to_wire(expires),
            }
        )
    ctx.audit_object = ("user", ",".join(str(user.number) for user in people))
    return {"links": links}
