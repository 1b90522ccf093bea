"""``POST /me/activity``: a notebook server says that its person is at work; and "end my sessions"."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.presence import service
from himalia_hub.tenancy import sessions
from himalia_hub.tenancy.tables import User

routes = RouteTable("account.presence")


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


@routes.post(
    "/me/activity",
    permission="account.self.read",
    summary="There was input, a running cell or a transfer: the session is not idle",
    body=Nothing,
    status=204,
    audit=False,
    idempotent=False,
)
def note_activity(ctx: Context, body: Nothing) -> None:
    service.note(ctx.session, ctx.actor.user_id)


@routes.post(
    "/me/sessions/end",
    permission="account.self.read",
    summary="Sign out everywhere: every browser, every proof of presence",
    body=Nothing,
    status=204,
    object_kind="user",
)
def end_my_sessions(ctx: Context, body: Nothing) -> None:
    """TEN-6: notebooks go on; browsers have to sign in again."""
    sessions.end(ctx.session, User.id == ctx.actor.user_id)
    ctx.audit_object = ("user", str(ctx.actor.user_number))
