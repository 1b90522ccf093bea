"""How messages reach people: SMTP, or a webhook that a gateway for SMS, WeCom or chat offers (TEN-16).

A sender is a kind, its settings and a sealed secret; kinds are a table, so that another way to
send is a class here. Sending is network work: callers do it outside of transactions.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import smtplib
import socket
import ssl
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Annotated, Any, ClassVar, Generic, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.core import names
from himalia_hub.core.db import Db
from himalia_hub.core.errors import BackendUnavailable, Conflict, InvalidInput
from himalia_hub.core.sealing import Sealer
from himalia_hub.identity.tables import MessageSender

TIMEOUT_SECONDS = 15.0
SEAL = "message_sender"
Chosen = TypeVar("Chosen", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Message:
    """What one person is told; ``code`` is apart because gateways for SMS fill it into a template of theirs."""

    to: str
    subject: str
    text: str
    code: str = ""


class Sender(Protocol):
    """One way to send."""

    async def send(self, message: Message) -> None:
        """Hand the message over.

        Raises:
            BackendUnavailable: the server refused or did not answer; the sentence says what it said.
        """


class SmtpSettings(BaseModel):
    """A mail server. The password is the sender's secret."""

    model_config = ConfigDict(extra="forbid")
    host: Annotated[str, Field(min_length=1, max_length=255)]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: Annotated[str, Field(max_length=320)] = ""
    sender_address: Annotated[
        str, Field(max_length=320), names.form(r"[^@\s<>]{1,64}@[^@\s<>]{1,255}", "name@host", "名称@主机")
    ]
    sender_name: Annotated[str, Field(max_length=64), names.form(r"[^\r\n]*", "one line", "单行文本")] = "Himalia"


class WebhookSettings(BaseModel):
    """An address that takes JSON ``{to, subject, text, code}``, signed with the secret."""

    model_config = ConfigDict(extra="forbid")
    url: Annotated[
        str,
        Field(max_length=1024),
        names.form(r"https?://[^\s]+", "an address with http:// or https://", "以 http:// 或 https:// 开头的地址"),
    ]
    template: Annotated[str, Field(max_length=500)] = "Himalia: your code is {code}. It is valid for 5 minutes."
    allow_private_address: bool = False


class Given(BaseModel, Generic[Chosen]):
    """Settings inside the field that they are sent in, so that a refusal names ``settings.host``."""

    settings: Chosen


class Smtp:
    """Sends by SMTP, with TLS checked against the machine's authorities."""

    Settings: ClassVar[type[BaseModel]] = SmtpSettings

    def __init__(self, settings: SmtpSettings, secret: str) -> None:
        self._settings, self._secret = settings, secret

    async def send(self, message: Message) -> None:
        try:
            await asyncio.to_thread(self._send, message)
        except (OSError, smtplib.SMTPException) as error:
            where = f"{self._settings.host}:{self._settings.port}"
            raise _failed(where, str(error)) from error

    def _send(self, message: Message) -> None:
        chosen = self._settings
        mail = EmailMessage()
        mail["Subject"] = message.subject
        mail["From"] = f"{chosen.sender_name} <{chosen.sender_address}>"
        mail["To"] = message.to
        mail["Date"] = formatdate()
        mail["Message-ID"] = make_msgid(domain=chosen.sender_address.partition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        context = ssl.create_default_context()
        if chosen.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(chosen.host, chosen.port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            server = smtplib.SMTP(chosen.host, chosen.port, timeout=TIMEOUT_SECONDS)
        with server:
            if chosen.security == "starttls":
                server.starttls(context=context)
            if chosen.user:
                server.login(chosen.user, self._secret)
            server.send_message(mail)


class Webhook:
    """Posts to a gateway; ``Himalia-Signature`` is HMAC-SHA256 over time and body."""

    Settings: ClassVar[type[BaseModel]] = WebhookSettings

    def __init__(self, settings: WebhookSettings, secret: str) -> None:
        self._settings, self._secret = settings, secret

    async def send(self, message: Message) -> None:
        url = self._settings.url
        if not self._settings.allow_private_address:
            await asyncio.to_thread(refuse_private, url)
        text = self._settings.template.replace("{code}", message.code) if message.code else message.text
        body = {"to": message.to, "subject": message.subject, "text": text, "code": message.code}
        data = json.dumps(body, ensure_ascii=False).encode()
        stamp = str(int(time.time()))
        signature = hmac.new(self._secret.encode(), stamp.encode() + b"." + data, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "Himalia-Time": stamp, "Himalia-Signature": signature}
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
                answer = await client.post(url, content=data, headers=headers)
        except httpx.HTTPError as error:
            raise _failed(url, type(error).__name__) from error
        if not answer.is_success:
            raise _failed(url, f"HTTP {answer.status_code}")


KINDS: dict[str, Any] = {"smtp": Smtp, "webhook": Webhook}
CHANNEL_KINDS: dict[str, tuple[str, ...]] = {
    "email": ("smtp", "webhook"),
    "sms": ("webhook",),
    "wecom": ("webhook",),
}


def checked_settings(channel: str, kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings as they are kept; refuses a kind that does not fit the channel and unknown fields."""
    if kind not in CHANNEL_KINDS[channel]:
        fitting = ", ".join(CHANNEL_KINDS[channel])
        raise InvalidInput(
            f"kind: {kind!r} cannot send on {channel}; use {fitting}.",
            zh=f"kind：{kind!r} 不能用于 {channel}；可用：{fitting}。",
            field="kind",
            rule=fitting,
            value=kind,
        )
    given = Given[KINDS[kind].Settings].model_validate({"settings": settings})  # type: ignore[misc]
    kept: dict[str, Any] = given.settings.model_dump()
    return kept


def offered(db: Db) -> list[str]:
    """Channels with an enabled sender; without one a method is not offered."""
    return list(
        db.execute(
            sa.select(MessageSender.channel).where(MessageSender.enabled).order_by(MessageSender.channel)
        ).scalars()
    )


def find(db: Db, sealer: Sealer, channel: str) -> Sender:
    """The enabled sender of a channel; refuses where there is none."""
    row = db.execute(sa.select(MessageSender.__table__).where(MessageSender.channel == channel)).first()
    if row is None or not row.enabled:
        raise Conflict(
            f"Nothing sends {channel} messages on this installation.",
            zh=f"本安装未设置 {channel} 消息的发送方式。",
            hint="A platform administrator sets up a sender under Security.",
            hint_zh="请平台管理员在“安全”中设置发送方式。",
            code="no_sender",
        )
    secret = sealer.open(row.sealed_secret, SEAL) if row.sealed_secret else ""
    kind = KINDS[row.kind]
    sender: Sender = kind(kind.Settings.model_validate(row.settings), secret)
    return sender


def refuse_private(url: str) -> None:
    """SEC-3: the platform fetches nothing from private or link-local addresses unless told to."""
    host = urlsplit(url).hostname or ""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise _failed(url, "the name does not resolve") from error
    for address in found:
        if not ipaddress.ip_address(str(address).partition("%")[0]).is_global:
            raise InvalidInput(
                f"url: {host} is the private address {address}.",
                zh=f"url：{host} 为内网地址 {address}。",
                field="url",
                rule="a public address, or allow_private_address",
                value=url,
            )


def _failed(where: str, why: str) -> BackendUnavailable:
    return BackendUnavailable(
        f"The message could not be handed to {where}: {why[:200]}.",
        zh=f"无法将消息交给 {where}：{why[:200]}。",
        hint="Check the sender's settings, then send a test.",
        hint_zh="请检查发送设置并发送测试消息。",
        code="sending_failed",
    )
