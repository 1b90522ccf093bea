"""``/message-senders``: how codes and links leave the installation, set up and tried out (TEN-16)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.auth.actor import Actor, Reach
from himalia_hub.core import clock, names
from himalia_hub.core.errors import NotFound, StaleVersion
from himalia_hub.identity import senders
from himalia_hub.identity.tables import MessageSender
from himalia_hub.tenancy.roles import checks

routes = RouteTable("senders")
MANAGE = "tenancy.sender.manage"


class SenderState(BaseModel):
    """A sender as it is shown: the secret never is."""

    channel: str
    kind: str
    settings: dict[str, Any]
    secret_set: bool
    enabled: bool
    version: int
    updated_at: str


class SenderList(BaseModel):
    items: list[SenderState]
    channels: dict[str, list[str]]
    """Which kinds can send on which channel."""


class SenderReplace(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["smtp", "webhook"]
    settings: dict[str, Any]
    secret: Annotated[str | None, Field(max_length=1024)] = None
    """Left out, the present one stays."""
    enabled: bool = True


class SenderTest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    to: Annotated[str, Field(min_length=3, max_length=320), names.form(r"\S+", "no spaces", "不含空格")]


class SenderTested(BaseModel):
    sent: bool


def _to_wire(row: Any) -> dict[str, Any]:
    return {
        "channel": row.channel,
        "kind": row.kind,
        "settings": row.settings,
        "secret_set": bool(row.sealed_secret),
        "enabled": row.enabled,
        "version": row.version,
        "updated_at": clock.to_wire(row.updated_at),
    }


def _known(channel: str) -> str:
    if channel not in senders.CHANNEL_KINDS:
        raise NotFound()
    return channel


def check_may_decide(actor: Actor) -> None:
    """TEN-9: where messages go is where links that sign in and codes go, administrators' too.

    So setting a sender up or changing it is taking over any account, and needs the permission to
    grant any role beside its own, as setting up a sign-in source does.
    """
    checks.check_covered({checks.GRANT_ANY: Reach.PLATFORM}, actor.grants, "A message sender")


@routes.get("/message-senders", permission=MANAGE, summary="How messages leave, by channel", response=SenderList)
def list_senders(ctx: Context) -> dict[str, Any]:
    rows = ctx.db.execute(sa.select(MessageSender.__table__).order_by(MessageSender.channel))
    return {
        "items": [_to_wire(row) for row in rows],
        "channels": {channel: list(kinds) for channel, kinds in senders.CHANNEL_KINDS.items()},
    }


@routes.put(
    "/message-senders/{channel}",
    permission=MANAGE,
    summary="Set up how messages leave on a channel",
    body=SenderReplace,
    response=SenderState,
    object_kind="message_sender",
)
def replace_sender(ctx: Context, channel: str, body: SenderReplace) -> dict[str, Any]:
    """``If-Match`` is needed once the channel has a sender. The secret is sealed and never shown again."""
    check_may_decide(ctx.actor)
    settings = senders.checked_settings(_known(channel), body.kind, body.settings)
    row = ctx.session.get(MessageSender, channel, with_for_update=True)
    if row is None:
        row = MessageSender(channel=channel, kind=body.kind, settings=settings, version=1, updated_at=clock.now())
        ctx.session.add(row)
    else:
        if ctx.if_match != row.version:
            raise StaleVersion(
                f"Somebody changed this since you read it: it is at version {row.version}, you sent {ctx.if_match}.",
                zh=f"您读取之后已有人修改：当前版本为 {row.version}，您发送的是 {ctx.if_match}。",
                field="If-Match",
                rule="must equal the present version",
                value=ctx.if_match,
                current_version=row.version,
            )
        if row.kind != body.kind and body.secret is None:
            row.sealed_secret = ""
        row.kind, row.settings, row.version, row.updated_at = body.kind, settings, row.version + 1, clock.now()
    row.enabled = body.enabled
    if body.secret is not None:
        row.sealed_secret = ctx.platform.sealer.seal(body.secret, senders.SEAL) if body.secret else ""
    ctx.session.flush()
    return _to_wire(row)


@routes.delete(
    "/message-senders/{channel}",
    permission=MANAGE,
    summary="Stop sending on a channel",
    object_kind="message_sender",
)
def delete_sender(ctx: Context, channel: str) -> None:
    row = ctx.session.get(MessageSender, channel)
    if row is None:
        raise NotFound()
    ctx.session.delete(row)
    ctx.session.flush()


@routes.post(
    "/message-senders/{channel}/test",
    permission=MANAGE,
    summary="Send a test message",
    body=SenderTest,
    response=SenderTested,
    object_kind="message_sender",
    idempotent=False,
)
async def send_test(ctx: Context, channel: str, body: SenderTest) -> dict[str, Any]:
    sender = ctx.read(lambda db: senders.find(db, ctx.platform.sealer, _known(channel)))
    zh = ctx.language == "zh"
    subject = "Himalia：测试消息" if zh else "Himalia: a test message"
    text = "收到此消息说明发送设置有效。" if zh else "This message shows that the sender works."
    await sender.send(senders.Message(to=body.to, subject=subject, text=text))
    return {"sent": True}
