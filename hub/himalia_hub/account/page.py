"""What the hub's account page asks and does (UI-4): about the person who is signed in, and nobody else.

The hub names the person; the platform decides as it does for that person's own API calls. Whatever
changes how one signs in needs a fresh proof: the password, or a code of the second factor.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

import himalia
from himalia_hub.account import api_tokens
from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.auth import permissions, tokens
from himalia_hub.auth.actor import Actor, Reach, TokenKind
from himalia_hub.core import clock, names
from himalia_hub.core import security_policy as policies
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput, NotFound
from himalia_hub.data.content.tables import StorageUsage
from himalia_hub.identity import factors, messages, rules, senders, sign_in
from himalia_hub.identity.internal import prove, send_code, wrong_code
from himalia_hub.identity.tables import Contact, PrivacyAcceptance, SignInMark
from himalia_hub.tenancy import service as tenancy
from himalia_hub.tenancy.roles.texts import sentence
from himalia_hub.tenancy.tables import User

routes = RouteTable("internal.account", internal=True)
HUB = "internal.hub.call"
Secret = Annotated[str, Field(max_length=1024)]
Method = Literal["totp", "email", "sms", "wecom"]


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")
    user: Annotated[str, Field(max_length=32)]


class Change(BaseModel):
    """Who asks, from where, and the fresh proof."""

    model_config = ConfigDict(extra="forbid")
    hub_user: Annotated[str, Field(max_length=32)]
    address: Annotated[str, Field(max_length=64)] = ""
    password: Secret = ""
    proof_method: Annotated[str, Field(max_length=16)] = ""
    proof_code: Annotated[str, Field(max_length=64)] = ""


class FactorBegin(Change):
    method: Method


class FactorConfirm(BaseModel):
    model_config = ConfigDict(extra="forbid")
    hub_user: Annotated[str, Field(max_length=32)]
    address: Annotated[str, Field(max_length=64)] = ""
    method: Method
    code: Annotated[str, Field(max_length=64)]


class FactorRemove(Change):
    method: Method


class ContactBegin(Change):
    channel: Literal["email", "sms", "wecom"] = "email"
    to: Annotated[str, Field(max_length=400)]


class ContactConfirm(BaseModel):
    model_config = ConfigDict(extra="forbid")
    hub_user: Annotated[str, Field(max_length=32)]
    address: Annotated[str, Field(max_length=64)] = ""
    channel: Literal["email", "sms", "wecom"] = "email"
    code: Annotated[str, Field(max_length=64)]


class TokenMake(Change):
    name: Annotated[str, Field(max_length=200), names.visible(64)]
    permissions: list[str] | None = None
    reach: Literal["own", "department", "organisation", "platform"] = "own"
    expires_at: datetime | None = None


class TokenRevoke(BaseModel):
    model_config = ConfigDict(extra="forbid")
    hub_user: Annotated[str, Field(max_length=32)]
    token: int


class LanguageChoice(BaseModel):
    model_config = ConfigDict(extra="forbid")
    hub_user: Annotated[str, Field(max_length=32)]
    language: Literal["en", "zh"]


@routes.get("/account", permission=HUB, summary="What the account page shows", query=Asked)
def account(ctx: Context, query: Asked) -> dict[str, Any]:
    db, language = ctx.db, ctx.language
    user = tenancy.user_by_hub_name(db, query.user)
    identity = tenancy.identity(db, user.id)
    if identity is None:
        raise NotFound()
    actor = tokens.actor_of_user(db, user.id)
    policy = policies.load(db)
    mark = db.execute(sa.select(SignInMark.__table__).where(SignInMark.user_id == user.id)).first()
    return {
        "identity": identity,
        "source": user.source,
        "roles": [_role(role, language) for role in actor.roles],
        "sign_ins": _sign_ins(mark),
        "storage": _storage(db, user),
        "password": {
            "changeable": user.source == "local",
            "set": user.password_hash is not None,
            "changed_at": clock.to_wire(user.password_changed_at),
            "ends_at": sign_in.warning(policy, user),
            "rules": [rule.to_wire(language) for rule in rules.password_rules(policy, changing=True)],
        },
        "second_factor": _factors(db, user),
        "contacts": {name: messages.masked(value) for name, value in factors.contacts(db, user.id).items()},
        "channels": senders.offered(db),
        "tokens": api_tokens.listed(db, user.id) if "account.token.manage" in actor.held else None,
        "reaches": sorted({reach.word for reach in actor.held.values()}, key=lambda word: Reach[word.upper()]),
        "privacy": _privacy(db, user.id),
        "about": {"version": himalia.__version__, "licence": "Apache-2.0"},
    }


def _role(role: str, language: str) -> dict[str, Any]:
    """A role with what it permits, in words; a custom role's own permissions come with the roles' pages."""
    held = permissions.held_by([role])
    permitted = [{"title": sentence(name, language), "name": name, "reach": reach.word} for name, reach in held.items()]
    return {"name": role, "permissions": permitted}


def _sign_ins(mark: Any) -> dict[str, Any]:
    if mark is None:
        return {"this": None, "last": None}
    last = None if mark.last_at is None else {"at": clock.to_wire(mark.last_at), "address": mark.last_address}
    return {"this": {"at": clock.to_wire(mark.this_at), "address": mark.this_address}, "last": last}


def _storage(db: Db, user: Any) -> list[dict[str, Any]]:
    rows = db.execute(
        sa.select(StorageUsage.kind, sa.func.sum(StorageUsage.bytes).label("bytes"))
        .where(StorageUsage.tenant_id == user.tenant_id, StorageUsage.owner_id == user.id)
        .group_by(StorageUsage.kind)
        .order_by(StorageUsage.kind)
    )
    return [{"kind": row.kind, "bytes": int(row.bytes)} for row in rows if row.bytes]


def _factors(db: Db, user: Any) -> dict[str, Any]:
    offered = [factors.TOTP_METHOD, *(c for c in senders.offered(db) if c in factors.CHANNELS)]
    return {
        "methods": factors.methods(db, user.id),
        "offered": offered if user.source == "local" else [],
        "recovery_codes_left": factors.recovery_codes_left(db, user.id),
    }


def _privacy(db: Db, user_id: int) -> dict[str, Any]:
    at = db.execute(
        sa.select(PrivacyAcceptance.at)
        .where(PrivacyAcceptance.user_id == user_id)
        .order_by(PrivacyAcceptance.edition.desc())
        .limit(1)
    ).scalar_one_or_none()
    return {"edition": sign_in.PRIVACY_EDITION, "accepted_at": clock.to_wire(at)}


def _person(ctx: Context, hub_user: str) -> Any:
    user = ctx.read(lambda db: tenancy.user_by_hub_name(db, hub_user))
    if user.source != "local":
        raise InvalidInput(
            "Your identity provider keeps your sign-in; change it there.",
            zh="您的登录由身份提供方管理，请在那里修改。",
            rule="local accounts",
            code="external_account",
        )
    return user


async def _proven(ctx: Context, body: Change) -> Any:
    user = _person(ctx, body.hub_user)
    await prove(
        ctx,
        user,
        password=body.password,
        method=body.proof_method,
        code=body.proof_code,
        address=body.address,
    )
    return user


# -- second factor -------------------------------------------------------------------------------


@routes.post("/account/factors/begin", permission=HUB, summary="Begin a second factor", body=FactorBegin, audit=False)
async def begin_factor(ctx: Context, body: FactorBegin) -> dict[str, Any]:
    """For an app its secret and QR picture; for a contact the code leaves."""
    user = await _proven(ctx, body)
    if body.method != factors.TOTP_METHOD:
        return await send_code(ctx, user, "factor", body.method, body.address)
    secret = await ctx.write(lambda session: factors.begin_totp(session, ctx.platform.sealer, user.id))
    uri = factors.provisioning_uri(secret, user.name, ctx.platform.config.installation.name)
    return {"secret": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)), "qr": factors.qr_picture(uri)}


@routes.post(
    "/account/factors/confirm", permission=HUB, summary="Put a second factor in force", body=FactorConfirm, audit=False
)
async def confirm_factor(ctx: Context, body: FactorConfirm) -> dict[str, Any]:
    """Answers the recovery codes with the first factor; they are shown this once."""
    user = _person(ctx, body.hub_user)

    def work(session: Session) -> list[str] | None:
        codes = factors.confirm(session, ctx.platform.sealer, user.id, body.method, body.code)
        if codes is not None:
            sign_in.note(session, "second_factor.set", user, body.address, ctx.request_id, method=body.method)
        return codes

    codes = await ctx.write(work)
    if codes is None:
        raise wrong_code()
    return {"recovery_codes": codes}


@routes.post(
    "/account/factors/remove", permission=HUB, summary="Remove a second factor", body=FactorRemove, audit=False
)
async def remove_factor(ctx: Context, body: FactorRemove) -> dict[str, Any]:
    user = await _proven(ctx, body)

    def work(session: Session) -> bool:
        removed = factors.remove(session, user.id, body.method)
        if removed:
            sign_in.note(session, "second_factor.remove", user, body.address, ctx.request_id, method=body.method)
        return removed

    if not await ctx.write(work):
        raise NotFound()
    return {"methods": ctx.read(lambda db: factors.methods(db, user.id))}


@routes.post(
    "/account/recovery-codes", permission=HUB, summary="New recovery codes; the old ones end", body=Change, audit=False
)
async def renew_codes(ctx: Context, body: Change) -> dict[str, Any]:
    user = await _proven(ctx, body)

    def work(session: Session) -> list[str]:
        if not factors.methods(session, user.id):
            raise NotFound()
        sign_in.note(session, "second_factor.recovery_codes", user, body.address, ctx.request_id)
        return factors.new_recovery_codes(session, user.id)

    return {"recovery_codes": await ctx.write(work)}


# -- contacts --------------------------------------------------------------------------------------


@routes.post("/account/contact", permission=HUB, summary="Send a code to a new address", body=ContactBegin, audit=False)
async def begin_contact(ctx: Context, body: ContactBegin) -> dict[str, Any]:
    to = rules.check_contact(body.channel, body.to)
    user = await _proven(ctx, body)
    return await send_code(ctx, user, "contact", body.channel, body.address, to=to)


@routes.post(
    "/account/contact/confirm", permission=HUB, summary="Confirm an address by its code", body=ContactConfirm,
    audit=False,
)  # fmt: skip
async def confirm_contact(ctx: Context, body: ContactConfirm) -> dict[str, Any]:
    user = _person(ctx, body.hub_user)

    def work(session: Session) -> str | None:
        used = factors.use_code(session, ctx.platform.sealer, user.id, "contact", body.code, channel=body.channel)
        if used is None:
            return None
        row = session.get(Contact, (user.id, body.channel))
        if row is None:
            row = Contact(user_id=user.id, channel=body.channel, address=used.address, confirmed_at=clock.now())
            session.add(row)
        row.address, row.confirmed_at = used.address, clock.now()
        session.flush()
        sign_in.note(session, "contact.confirm", user, body.address, ctx.request_id, channel=body.channel)
        return used.address

    address = await ctx.write(work)
    if address is None:
        raise wrong_code()
    return {"contact": messages.masked(address)}


# -- API tokens and language -------------------------------------------------------------------------


def _owner(db: Db, hub_user: str) -> Actor:
    """The person as the hub's page acts for them; what they may not do there is not there."""
    actor = tokens.actor_of_user(db, tenancy.user_by_hub_name(db, hub_user).id, TokenKind.NOTEBOOK)
    if actor.reach("account.token.manage") is None:
        raise NotFound()
    return actor


@routes.post("/account/tokens", permission=HUB, summary="Create an API token", body=TokenMake, status=201, audit=False)
async def make_token(ctx: Context, body: TokenMake) -> dict[str, Any]:
    """A reach beyond one's own needs the proof (TEN-17, TEN-18)."""
    actor = ctx.read(lambda db: _owner(db, body.hub_user))
    wide = body.reach != "own"
    if wide:
        await _proven(ctx, body)

    def work(session: Session) -> dict[str, Any]:
        made = api_tokens.create(
            session,
            actor,
            name=body.name,
            scopes=body.permissions,
            reach=body.reach,
            expires_at=body.expires_at,
            proven=wide,
        )
        user = session.get_one(User, actor.user_id)
        sign_in.note(
            session, "api_token.create", user, body.address, ctx.request_id, number=made["id"], reach=body.reach
        )
        return made

    return await ctx.write(work)


@routes.post("/account/tokens/revoke", permission=HUB, summary="Revoke an API token", body=TokenRevoke, audit=False)
def drop_token(ctx: Context, body: TokenRevoke) -> dict[str, Any]:
    actor = _owner(ctx.session, body.hub_user)
    api_tokens.revoke(ctx.session, actor, body.token)
    user = ctx.session.get_one(User, actor.user_id)
    sign_in.note(ctx.session, "api_token.revoke", user, "", ctx.request_id, number=body.token)
    return {"tokens": api_tokens.listed(ctx.session, actor.user_id)}


@routes.post("/account/language", permission=HUB, summary="Remember the language", body=LanguageChoice, audit=False)
def choose_language(ctx: Context, body: LanguageChoice) -> dict[str, Any]:
    user = ctx.session.get_one(User, tenancy.user_by_hub_name(ctx.session, body.hub_user).id)
    user.language = body.language
    ctx.session.flush()
    return {"language": body.language}
