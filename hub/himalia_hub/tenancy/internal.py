"""What the hub and the machine's administrator ask about people (not for people themselves).

Shapes: ``docs/design/supervisor.md``, Internal API. Password work (argon2, tens of milliseconds)
runs in threads, outside of any transaction.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

import himalia
from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.audit import service as audit
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import Conflict, InvalidInput
from himalia_hub.tenancy import rules, service
from himalia_hub.tenancy.tables import StepUp, Tenant, User

routes = RouteTable("internal.identity", internal=True)
HUB = "internal.hub.call"
ADMIN = "internal.admin.call"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PasswordSignIn(_Body):
    name: Annotated[str, Field(max_length=512)]
    password: Annotated[str, Field(max_length=1024)]
    address: Annotated[str, Field(max_length=64)] = ""


class LinkLook(_Body):
    token: Annotated[str, Field(max_length=128)]


class LinkSignIn(_Body):
    token: Annotated[str, Field(max_length=128)]
    address: Annotated[str, Field(max_length=64)] = ""
    name: str | None = None
    password: Annotated[str | None, Field(max_length=1024)] = None


class Refresh(_Body):
    hub_user: str
    session_epoch: int


class SessionEnded(_Body):
    hub_user: str
    session: Annotated[str, Field(max_length=128)]


class PasswordChange(_Body):
    hub_user: str
    old_password: Annotated[str | None, Field(max_length=1024)] = None
    password: Annotated[str, Field(max_length=1024)]


class StepUpRequest(_Body):
    hub_user: str
    session: Annotated[str, Field(max_length=128)]
    password: Annotated[str, Field(max_length=1024)]
    address: Annotated[str, Field(max_length=64)] = ""


class LinkRequest(_Body):
    user: str | None = None


def _known(db: Db, user_id: int) -> dict[str, Any]:
    found = service.identity(db, user_id)
    if found is None:
        raise service.AccountDisabled(
            "This account is disabled.",
            zh="此账号已停用。",
            hint="Ask an administrator of your organisation.",
            hint_zh="请联系组织管理员。",
        )
    return found


@routes.post(
    "/sign-in/password", permission=HUB, summary="Sign in with name and password", body=PasswordSignIn, audit=False
)
async def sign_in_password(ctx: Context, body: PasswordSignIn) -> dict[str, Any]:
    account = f"local:{body.name.casefold()}"

    def look(db: Db) -> Any:
        service.check_locked(db, account, body.address)
        return db.execute(
            sa.select(User.id, User.password_hash).where(User.source == "local", User.name_key == body.name.casefold())
        ).first()

    row = ctx.read(look)
    right = await asyncio.to_thread(service.password_matches, row.password_hash if row else None, body.password)

    def finish(session: Session) -> dict[str, Any] | None:
        found = service.identity(session, row.id) if right and row is not None else None
        outcome = "done" if found is not None else "failed"
        service.note_attempt(session, account, body.address, outcome)
        if found is not None and row is not None:
            session.execute(sa.update(User).where(User.id == row.id).values(last_sign_in_at=clock.now()))
        audit.record(
            session,
            "sign_in.password",
            actor_name=body.name,
            object_kind="user",
            outcome=outcome,
            address=body.address,
            request_id=ctx.request_id,
        )
        return found

    found = await ctx.write(finish)
    if not right or row is None:
        raise service.wrong_password()
    return found if found is not None else ctx.read(lambda db: _known(db, row.id))


@routes.post("/sign-in/link/look", permission=HUB, summary="See whose link this is", body=LinkLook, audit=False)
def look_at_link(ctx: Context, body: LinkLook) -> dict[str, Any]:
    link = service.find_link(ctx.session, body.token)
    user = ctx.session.get_one(User, link.user_id)
    column = 1 if ctx.language == "zh" else 0
    return {
        "user": {"name": user.name, "display_name": user.display_name},
        "password_set": user.password_hash is not None,
        "expires_at": clock.to_wire(link.expires_at),
        "name_rule": rules.USER_NAME_RULE[column],
        "password_rules": [pair[column] for pair in rules.PASSWORD_RULES],
    }


@routes.post("/sign-in/link", permission=HUB, summary="Use a one-time link up", body=LinkSignIn, audit=False)
def sign_in_link(ctx: Context, body: LinkSignIn) -> dict[str, Any]:
    session = ctx.session
    link = service.find_link(session, body.token)
    user = session.get_one(User, link.user_id)
    if body.name is not None and body.name != user.name:
        rules.check_user_name(body.name)
        key = body.name.casefold()
        taken = session.execute(
            sa.select(User.id).where(User.source == "local", User.name_key == key, User.id != user.id)
        ).first()
        if taken:
            raise Conflict(
                f"name: {body.name!r} is not available.",
                zh=f"name：{body.name!r} 不可用。",
                field="name",
                rule="unique",
                value=body.name,
            )
        if user.display_name in (user.name, "Administrator"):
            user.display_name = body.name
        user.name, user.name_key = body.name, key
    if body.password is not None:
        service.set_password(session, user, body.password)
    link.used_at = clock.now()
    user.last_sign_in_at = clock.now()
    session.flush()
    audit.record(
        session,
        "sign_in.link",
        actor_name=user.name,
        tenant_id=user.tenant_id,
        object_kind="user",
        object_id=user.number,
        address=body.address,
        request_id=ctx.request_id,
    )
    return _known(session, user.id)


@routes.post("/sign-in/refresh", permission=HUB, summary="Is this session still in force", body=Refresh, audit=False)
def refresh(ctx: Context, body: Refresh) -> dict[str, Any]:
    row = ctx.session.execute(sa.select(User.id, User.epoch).where(User.hub_name == body.hub_user)).first()
    found = service.identity(ctx.session, row.id) if row is not None else None
    valid = row is not None and found is not None and row.epoch == body.session_epoch
    return {"valid": valid, "identity": found if valid else None}


@routes.post(
    "/sign-in/ended", permission=HUB, summary="A browser session ended", body=SessionEnded, audit=False, status=204
)
def ended(ctx: Context, body: SessionEnded) -> None:
    user = service.user_by_hub_name(ctx.session, body.hub_user)
    ctx.session.execute(sa.delete(StepUp).where(StepUp.user_id == user.id, StepUp.session == body.session))


@routes.post(
    "/password", permission=HUB, summary="Set or change a password", body=PasswordChange, audit=False, status=204
)
async def change_password(ctx: Context, body: PasswordChange) -> None:
    user = ctx.read(lambda db: service.user_by_hub_name(db, body.hub_user))
    if user.password_hash is not None:
        old = body.old_password or ""
        if not await asyncio.to_thread(service.password_matches, user.password_hash, old):
            raise InvalidInput(
                "old_password: not your present password.",
                zh="old_password：与当前密码不符。",
                field="old_password",
                rule="your present password",
                code="wrong_password",
            )
        if sum(a != b for a, b in zip(old.ljust(64), body.password.ljust(64), strict=False)) < 2:
            raise InvalidInput(
                "password: must differ from the old one in at least 2 positions.",
                zh="password：至少有 2 个位置与旧密码不同。",
                field="password",
                rule="differs in at least 2 positions",
            )

    def work(session: Session) -> None:
        row = session.get_one(User, user.id)
        service.set_password(session, row, body.password)
        audit.record(
            session,
            "password.change",
            actor_name=row.name,
            tenant_id=row.tenant_id,
            object_kind="user",
            object_id=row.number,
            request_id=ctx.request_id,
        )

    await ctx.write(work)


@routes.post("/step-up", permission=HUB, summary="Prove presence for wider reach", body=StepUpRequest, audit=False)
async def step_up(ctx: Context, body: StepUpRequest) -> dict[str, Any]:
    """TEN-17: a grant bound to user and browser session."""
    user = ctx.read(lambda db: service.user_by_hub_name(db, body.hub_user))
    account = f"step-up:{user.name_key}"
    ctx.read(lambda db: service.check_locked(db, account, body.address))
    if user.password_hash is None:
        raise Conflict("You have no password yet; set one first.", zh="您尚未设置密码；请先设置。", code="no_password")
    right = await asyncio.to_thread(service.password_matches, user.password_hash, body.password)

    def work(session: Session) -> dict[str, Any] | None:
        service.note_attempt(session, account, body.address, "done" if right else "failed")
        audit.record(
            session,
            "sign_in.step_up",
            actor_name=user.name,
            tenant_id=user.tenant_id,
            object_kind="user",
            object_id=user.number,
            outcome="done" if right else "failed",
            address=body.address,
            request_id=ctx.request_id,
        )
        if not right:
            return None
        _known(session, user.id)
        grant, until = service.grant_step_up(session, user.id, body.session)
        return {"grant": grant, "until": clock.to_wire(until)}

    answer = await ctx.write(work)
    if answer is None:
        raise service.wrong_password()
    return answer


@routes.post("/admin/links", permission=ADMIN, summary="A one-time sign-in link", body=LinkRequest, idempotent=False)
def make_link(ctx: Context, body: LinkRequest) -> dict[str, Any]:
    session = ctx.session
    if body.user is None:
        user_id = service.bootstrap(session).id
    else:
        user_id = service.user_by_name(session, body.user).id
    token, expires = service.new_link(session, user_id)
    user = session.get_one(User, user_id)
    ctx.audit_object = ("user", str(user.number))
    return {"token": token, "user": {"name": user.name}, "expires_at": clock.to_wire(expires)}


@routes.get("/admin/status", permission=ADMIN, summary="What this installation holds")
def status(ctx: Context) -> dict[str, Any]:
    def count(table: sa.FromClause) -> int:
        return int(ctx.db.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())

    workloads: dict[str, int] = {}
    counter = ctx.platform.workload_counts
    if counter is not None:
        workloads = counter(ctx.db)
    return {
        "version": himalia.__version__,
        "isolation": ctx.platform.config.isolation,
        "tenants": count(Tenant.__table__),
        "users": count(User.__table__),
        "workloads": workloads,
    }
