"""A member's second factor as administrators see it, and the way back for who lost it (TEN-16, TEN-19).

Whoever lost the factor and the recovery codes cannot sign in, and no link goes around a factor. An
administrator who may issue that member a sign-in link may also take the factor away; sessions end,
the member is told at every confirmed address, and signs in with the password alone, once, to set up
a new one. One's own factor is removed on the account page, with a fresh proof.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.audit import service as audit
from himalia_hub.core.errors import Conflict
from himalia_hub.identity import factors, messages, senders
from himalia_hub.identity.internal import deliver
from himalia_hub.tenancy import sessions
from himalia_hub.tenancy.members import service as members
from himalia_hub.tenancy.roles import service as roles
from himalia_hub.tenancy.scope import Where
from himalia_hub.tenancy.tables import User

routes = RouteTable("members")
READ, ACTIVATE = "tenancy.user.read", "tenancy.user.activate"


class FactorsOut(BaseModel):
    """The methods in force, the strongest first, and how many recovery codes are left."""

    methods: list[str]
    recovery_codes_left: int


class FactorsReset(BaseModel):
    """The methods that are no longer in force, and on which channels the member is told."""

    methods: list[str]
    told: list[str]


@routes.get(
    "/members/{member}/second-factor",
    permission=READ,
    summary="Which second factors a member has set up",
    query=Where,
    response=FactorsOut,
)
def look_at_second_factor(ctx: Context, member: int, query: Where) -> dict[str, Any]:
    user_id = members.look(ctx.db, ctx.actor, ctx.permission, member, query.organisation)
    return {
        "methods": factors.methods(ctx.db, user_id),
        "recovery_codes_left": factors.recovery_codes_left(ctx.db, user_id),
    }


@routes.delete(
    "/members/{member}/second-factor",
    permission=ACTIVATE,
    summary="Take a member's second factor away, who lost it: sessions end, the member is told",
    query=Where,
    response=FactorsReset,
    status=200,
    audit=False,  # written below, in the transaction of the reset itself
)
async def reset_second_factor(ctx: Context, member: int, query: Where) -> dict[str, Any]:
    sealer = ctx.platform.sealer

    def work(session: Session) -> tuple[list[str], dict[str, str], str]:
        user = members.find(session, ctx.actor, ctx.permission, member, query.organisation)
        _check_may_reset(session, ctx, user)
        ended = factors.methods(session, user.id)
        factors.remove(session, user.id)
        if ended:
            sessions.end(session, User.id == user.id)
        audit.record(
            session,
            ctx.route.operation_id,
            actor=ctx.actor,
            tenant_id=user.tenant_id,
            object_kind="member",
            object_id=user.number,
            request_id=ctx.request_id,
            detail={"methods": ended},
        )
        offered = senders.offered(session)
        reached = {name: to for name, to in factors.contacts(session, user.id).items() if name in offered}
        return ended, reached if ended else {}, user.language or "en"

    ended, reached, language = await ctx.write(work)
    for channel, to in reached.items():
        sender = ctx.read(lambda db: senders.find(db, sealer, channel))  # noqa: B023
        deliver(ctx, sender, messages.factor_reset(to, language))
    return {"methods": ended, "told": sorted(reached)}


def _check_may_reset(session: Session, ctx: Context, user: User) -> None:
    """As for a sign-in link: nobody with more power, no holder of another separated power."""
    if user.id == ctx.actor.user_id:
        raise Conflict(
            "You cannot reset your own second factor; remove it on your account page.",
            zh="不能重置自己的第二因素；请在账号页面移除。",
            rule="somebody else does it",
            code="not_oneself",
        )
    roles.check_not_above(session, ctx.actor, user.id, sign_in=True)
