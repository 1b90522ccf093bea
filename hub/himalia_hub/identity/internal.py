"""What the hub's pages ask about local sign-in: passwords, links, steps, codes, recovery, step-up.

Password work (argon2, tens of milliseconds) runs in threads, outside of any transaction.
Shapes: ``docs/design/sign-in.md``.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.audit import service as audit
from himalia_hub.core import clock
from himalia_hub.core import security_policy as policies
from himalia_hub.core.errors import Conflict, InvalidInput
from himalia_hub.identity import captcha, factors, lockout, messages, passwords, rules, senders, sign_in
from himalia_hub.tenancy import service as tenancy
from himalia_hub.tenancy.rules import check_user_name, user_name_rule
from himalia_hub.tenancy.tables import User

routes = RouteTable("internal.sign_in", internal=True)
HUB = "internal.hub.call"

Secret = Annotated[str, Field(max_length=1024)]
Address = Annotated[str, Field(max_length=64)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CaptchaAnswer(_Body):
    id: Annotated[str, Field(max_length=64)] = ""
    letters: Annotated[str, Field(max_length=32)] = ""


class PasswordSignIn(_Body):
    name: Annotated[str, Field(max_length=512)]
    password: Secret
    address: Address = ""
    captcha: CaptchaAnswer | None = None


class CaptchaWanted(_Body):
    name: Annotated[str, Field(max_length=512)] = ""
    address: Address = ""
    force: bool = False


class LinkLook(_Body):
    token: Annotated[str, Field(max_length=128)]


class LinkSignIn(_Body):
    token: Annotated[str, Field(max_length=128)]
    address: Address = ""
    name: str | None = None
    password: Secret | None = None
    accept_privacy: bool = False


class Step(_Body):
    token: Annotated[str, Field(max_length=128)]
    address: Address = ""
    method: Annotated[str, Field(max_length=16)] = ""
    code: Annotated[str, Field(max_length=64)] = ""
    old_password: Secret | None = None
    password: Secret | None = None
    accept_privacy: bool = False


class SendCode(_Body):
    token: Annotated[str, Field(max_length=128)]
    method: Annotated[str, Field(max_length=16)]
    address: Address = ""


class Forgotten(_Body):
    name: Annotated[str, Field(max_length=512)]
    address: Address = ""
    captcha: CaptchaAnswer | None = None


class PasswordChange(_Body):
    hub_user: str
    old_password: Secret | None = None
    password: Secret
    address: Address = ""


class StepUpRequest(_Body):
    hub_user: str
    session: Annotated[str, Field(max_length=128)]
    password: Secret = ""
    method: Annotated[str, Field(max_length=16)] = ""
    code: Annotated[str, Field(max_length=64)] = ""
    address: Address = ""


def account_of(name: str) -> str:
    """What limits count by: the name as typed, folded; whether anybody has it makes no difference."""
    return f"local:{name.strip().casefold()}"


def _answer(given: CaptchaAnswer | None) -> captcha.Answer | None:
    return captcha.Answer(given.id, given.letters) if given is not None else None


async def guess(
    ctx: Context,
    account: str,
    address: str,
    given: CaptchaAnswer | None = None,
    *,
    ask_captcha: bool = True,
    always_captcha: bool = False,
) -> int:
    """Take one guess of an account; see :func:`lockout.begin`. A used captcha stays used."""

    def begin(session: Session) -> int | captcha.CaptchaNeeded:
        policy = policies.load(session)
        try:
            return lockout.begin(
                session,
                policy,
                account,
                address,
                answer=_answer(given),
                ask_captcha=ask_captcha,
                always_captcha=always_captcha,
            )
        except captcha.CaptchaNeeded as needed:
            return needed

    taken = await ctx.write(begin)
    if isinstance(taken, captcha.CaptchaNeeded):
        raise taken
    return taken


@routes.post(
    "/sign-in/captcha", permission=HUB, summary="A picture, where one is asked", body=CaptchaWanted, audit=False
)
async def new_captcha(ctx: Context, body: CaptchaWanted) -> dict[str, Any]:
    policy = ctx.read(policies.load)
    account = account_of(body.name)
    if not policy.captcha_after_failure:
        return {"captcha": None}
    if not body.force and not ctx.read(lambda db: lockout.needs_captcha(db, policy, account, body.address)):
        return {"captcha": None}
    number, letters = await ctx.write(lambda session: captcha.new(session, policy))
    return {"captcha": await asyncio.to_thread(captcha.to_wire, number, letters, policy)}


@routes.post(
    "/sign-in/password", permission=HUB, summary="Sign in with name and password", body=PasswordSignIn, audit=False
)
async def sign_in_password(ctx: Context, body: PasswordSignIn) -> dict[str, Any]:
    """The identity, or ``{"pending": …}`` when further steps are owed (TEN-14, TEN-16)."""
    name = body.name.strip()
    attempt = await guess(ctx, account_of(name), body.address, body.captcha)
    row = ctx.read(
        lambda db: db.execute(
            sa.select(User.id, User.password_hash).where(User.source == "local", User.name_key == name.casefold())
        ).first()
    )
    right = await asyncio.to_thread(passwords.matches, row.password_hash if row else None, body.password)

    def finish(session: Session) -> dict[str, Any] | None:
        user = session.get(User, row.id) if right and row is not None else None
        if user is not None and row is not None and user.password_hash != row.password_hash:
            user = None  # changed in between
        enabled = user is not None and tenancy.identity(session, user.id) is not None
        lockout.finish(session, policies.load(session), attempt, user is not None, request_id=ctx.request_id)
        outcome = "failed" if user is None else "done" if enabled else "refused"
        audit.record(
            session,
            "sign_in.password",
            actor_name=name,
            tenant_id=user.tenant_id if user is not None else None,
            object_kind="user",
            object_id=user.number if user is not None else "",
            outcome=outcome,
            address=body.address,
            request_id=ctx.request_id,
        )
        if user is None:
            return None
        if not enabled:
            return {}
        return sign_in.proceed(
            session,
            ctx.platform.sealer,
            user,
            sign_in.Proof("password"),
            address=body.address,
            language=ctx.language,
            request_id=ctx.request_id,
        )

    found = await ctx.write(finish)
    if found is None:
        raise passwords.wrong()
    if not found:
        raise tenancy.AccountDisabled(
            "This account is disabled.",
            zh="此账号已停用。",
            hint="Ask an administrator of your organisation.",
            hint_zh="请联系组织管理员。",
        )
    return found


@routes.post("/sign-in/link/look", permission=HUB, summary="See whose link this is", body=LinkLook, audit=False)
def look_at_link(ctx: Context, body: LinkLook) -> dict[str, Any]:
    link = tenancy.find_link(ctx.session, body.token)
    user = ctx.session.get_one(User, link.user_id)
    policy = policies.load(ctx.session)
    name_rule = user_name_rule(policy.user_name_minimum, policy.user_name_maximum)
    return {
        "user": {"name": user.name, "display_name": user.display_name},
        "password_set": user.password_hash is not None,
        "privacy_accepted": sign_in.accepted_privacy(ctx.session, user.id),
        "expires_at": clock.to_wire(link.expires_at),
        "name_rule": name_rule[1 if ctx.language == "zh" else 0],
        "password_rules": [rule.to_wire(ctx.language) for rule in rules.password_rules(policy)],
    }


@routes.post("/sign-in/link", permission=HUB, summary="Use a one-time link up", body=LinkSignIn, audit=False)
async def sign_in_link(ctx: Context, body: LinkSignIn) -> dict[str, Any]:
    """Signs in, or answers the steps still owed; sets name and password where they are given."""

    def look(session: Session) -> tuple[int, str, list[str]]:
        link = tenancy.find_link(session, body.token)
        user = session.get_one(User, link.user_id)
        return user.id, user.name, passwords.earlier(session, policies.load(session), user.id)

    user_id, present_name, history = await ctx.write(look)
    name = body.name or present_name
    policy = ctx.read(policies.load)
    prepared = None
    if body.password is not None:
        prepared = await asyncio.to_thread(passwords.checked_hash, policy, body.password, name, history=history)

    def finish(session: Session) -> dict[str, Any]:
        link = tenancy.find_link(session, body.token)
        user = session.get_one(User, user_id)
        if name != user.name:
            _rename(session, user, name)
        if prepared is not None:
            passwords.store(session, user, prepared)
            sign_in.note(session, "password.reset", user, body.address, ctx.request_id)
        link.used_at = clock.now()
        session.flush()
        if body.accept_privacy:
            sign_in.accept_privacy(session, user, body.address, ctx.request_id)
        sign_in.note(session, "sign_in.link", user, body.address, ctx.request_id)
        return sign_in.proceed(
            session,
            ctx.platform.sealer,
            user,
            sign_in.Proof("link"),
            address=body.address,
            language=ctx.language,
            request_id=ctx.request_id,
        )

    return await ctx.write(finish)


def _rename(session: Session, user: User, name: str) -> None:
    """The name chosen with the first link; a taken one is "not available", no more (TEN-6)."""
    policy = policies.load(session)
    check_user_name(name, policy.user_name_minimum, policy.user_name_maximum)
    key = name.casefold()
    taken = session.execute(
        sa.select(User.id).where(User.source == "local", User.name_key == key, User.id != user.id)
    ).first()
    if taken:
        raise Conflict(
            f"name: {name!r} is not available.", zh=f"name：{name!r} 不可用。", field="name", rule="unique", value=name
        )
    if user.display_name in (user.name, "Administrator"):
        user.display_name = name
    user.name, user.name_key = name, key


@routes.post("/sign-in/continue", permission=HUB, summary="One further step of a sign-in", body=Step, audit=False)
async def next_step(ctx: Context, body: Step) -> dict[str, Any]:
    """The second factor, a new password or the privacy statement; answers as ``/sign-in/password`` does."""
    sealer = ctx.platform.sealer
    row, user = await ctx.write(lambda session: sign_in.find(session, sealer, body.token))
    policy = ctx.read(policies.load)
    proof = sign_in.Proof(row.via, row.factor_passed, row.must_set_password)
    step = (ctx.read(lambda db: sign_in.owed(db, policy, user, proof)) or [""])[0]
    attempt, right, prepared = 0, True, ""
    if step == sign_in.SECOND_FACTOR:
        attempt = await guess(ctx, f"factor:{user.name_key}", body.address, ask_captcha=False)
    elif step == sign_in.PASSWORD:
        if row.via == "password":
            attempt = await guess(ctx, f"change:{user.name_key}", body.address, ask_captcha=False)
            right = await asyncio.to_thread(passwords.matches, user.password_hash, body.old_password or "")
            # Settled at once: a new password that breaks a rule is no wrong guess at the old one.
            settled, attempt = attempt, 0
            await ctx.write(lambda session: lockout.finish(session, policy, settled, right, request_id=ctx.request_id))
        if right:
            history = ctx.read(lambda db: passwords.earlier(db, policy, user.id))
            old = body.old_password if row.via == "password" else None
            prepared = await asyncio.to_thread(
                passwords.checked_hash, policy, body.password or "", user.name, old=old, history=history
            )

    def work(session: Session) -> dict[str, Any] | None:
        challenge, person = sign_in.find(session, sealer, body.token)
        done = right
        if step == sign_in.SECOND_FACTOR:
            done = factors.verify(session, sealer, person.id, body.method, body.code)
            if not done:
                sign_in.note(
                    session, "sign_in.second_factor", person, body.address, ctx.request_id, outcome="failed",
                    method=body.method,
                )  # fmt: skip
            challenge.factor_passed = done
        elif step == sign_in.PASSWORD and done:
            passwords.store(session, person, prepared)
            challenge.must_set_password = False
            sign_in.note(session, "password.change", person, body.address, ctx.request_id, forced=True)
        elif step == sign_in.PRIVACY and body.accept_privacy:
            sign_in.accept_privacy(session, person, body.address, ctx.request_id)
        if attempt:
            lockout.finish(session, policy, attempt, done, request_id=ctx.request_id)
        if not done:
            return None
        return sign_in.step_done(
            session,
            sealer,
            challenge,
            person,
            token=body.token,
            address=body.address,
            language=ctx.language,
            request_id=ctx.request_id,
        )

    answer = await ctx.write(work)
    if answer is not None:
        return answer
    if step == sign_in.SECOND_FACTOR:
        raise wrong_code()
    raise wrong_present_password()


def wrong_code() -> InvalidInput:
    return InvalidInput(
        "code: wrong, too old or used before.",
        zh="code：验证码错误、已过期或已使用。",
        field="code",
        rule="a present code",
        code="wrong_code",
    )


def wrong_present_password() -> InvalidInput:
    return InvalidInput(
        "old_password: not your present password.",
        zh="old_password：与当前密码不符。",
        field="old_password",
        rule="your present password",
        code="wrong_password",
    )


@routes.post("/sign-in/look", permission=HUB, summary="Which step a sign-in owes", body=LinkLook, audit=False)
def look_at_step(ctx: Context, body: LinkLook) -> dict[str, Any]:
    row, user = sign_in.find(ctx.session, ctx.platform.sealer, body.token)
    policy = policies.load(ctx.session)
    proof = sign_in.Proof(row.via, row.factor_passed, row.must_set_password)
    steps = sign_in.owed(ctx.session, policy, user, proof)
    return sign_in.pending(ctx.session, policy, user, proof, steps or [""], body.token, ctx.language)


@routes.post("/sign-in/send-code", permission=HUB, summary="Send the code of a step", body=SendCode, audit=False)
async def send_step_code(ctx: Context, body: SendCode) -> dict[str, Any]:
    _, user = await ctx.write(lambda session: sign_in.find(session, ctx.platform.sealer, body.token))
    if body.method not in ctx.read(lambda db: factors.methods(db, user.id)):
        raise wrong_code()
    return await send_code(ctx, user, "factor", body.method, body.address)


async def send_code(
    ctx: Context, user: Any, purpose: str, channel: str, address: str, *, to: str | None = None
) -> dict[str, Any]:
    """Make a code, hand it to the channel's sender, say where it went."""
    sealer = ctx.platform.sealer
    target = to or ctx.read(lambda db: factors.contacts(db, user.id)).get(channel)
    if target is None:
        raise wrong_code()
    sender = ctx.read(lambda db: senders.find(db, sealer, channel))

    def make(session: Session) -> str:
        code = factors.new_code(session, sealer, user.id, purpose, channel, target)
        sign_in.note(session, "code.send", user, address, ctx.request_id, purpose=purpose, channel=channel)
        return code

    code = await ctx.write(make)
    await sender.send(messages.code(target, code, ctx.language))
    return {"sent_to": messages.masked(target), "seconds": int(factors.CODE_LIFETIME.total_seconds())}


# -- a forgotten password (TEN-19) ---------------------------------------------------------------


@routes.post(
    "/sign-in/forgotten", permission=HUB, summary="Send a link to the confirmed e-mail", body=Forgotten, audit=False
)
async def forgotten(ctx: Context, body: Forgotten) -> dict[str, Any]:
    """One and the same answer whoever is named; the message leaves behind the answer's back."""
    name = body.name.strip()
    attempt = await guess(ctx, f"forgotten:{name.casefold()}", body.address, body.captcha, always_captcha=True)

    def make(session: Session) -> tuple[str, str, str] | None:
        # Every request counts as a failure, so that nobody is flooded with messages.
        lockout.finish(session, policies.load(session), attempt, False, request_id=ctx.request_id)
        user = session.execute(
            sa.select(User).where(User.source == "local", User.name_key == name.casefold())
        ).scalar_one_or_none()
        to = factors.contacts(session, user.id).get("email") if user is not None else None
        able = user is not None and to is not None and tenancy.identity(session, user.id) is not None
        audit.record(
            session,
            "password.forgotten",
            actor_name=name,
            tenant_id=user.tenant_id if user is not None else None,
            object_kind="user",
            object_id=user.number if user is not None else "",
            outcome="done" if able else "refused",
            address=body.address,
            request_id=ctx.request_id,
        )
        if user is None or to is None or not able or "email" not in senders.offered(session):
            return None
        token, _ = tenancy.new_link(session, user.id)
        return to, token, user.display_name

    made = await ctx.write(make)
    if made is not None:
        to, token, person = made
        link = f"{ctx.platform.config.public.hub_url}/hub/himalia/link?token={token}"
        sender = ctx.read(lambda db: senders.find(db, ctx.platform.sealer, "email"))
        deliver(ctx, sender, messages.recovery(to, link, person, ctx.language))
    return {"sent": True}


_deliveries: set[asyncio.Task[None]] = set()


def deliver(ctx: Context, sender: senders.Sender, message: senders.Message) -> None:
    """Send in the background: how long it takes must not tell whether there was anything to send."""

    async def work() -> None:
        try:
            await sender.send(message)
        except Exception as error:  # logged and audited; the person can only ask again
            outcome = f"{type(error).__name__}: {error}"
            await ctx.write(
                lambda session: audit.record(
                    session,
                    "message.send",
                    actor_name="platform",
                    object_kind="message",
                    outcome="failed",
                    request_id=ctx.request_id,
                    detail={"why": outcome[:200]},
                )
            )

    task = asyncio.get_running_loop().create_task(work())
    _deliveries.add(task)
    task.add_done_callback(_deliveries.discard)


# -- of people who are signed in -------------------------------------------------------------------


@routes.post(
    "/password", permission=HUB, summary="Set or change a password", body=PasswordChange, audit=False, status=204
)
async def change_password(ctx: Context, body: PasswordChange) -> None:
    """TEN-13; all other sessions end."""
    user = ctx.read(lambda db: tenancy.user_by_hub_name(db, body.hub_user))
    policy = ctx.read(policies.load)
    old = None
    if user.password_hash is not None:
        old = body.old_password or ""
        await prove(ctx, user, password=old, address=body.address)
    history = ctx.read(lambda db: passwords.earlier(db, policy, user.id))
    prepared = await asyncio.to_thread(
        passwords.checked_hash, policy, body.password, user.name, old=old, history=history
    )

    def work(session: Session) -> None:
        row = session.get_one(User, user.id)
        passwords.store(session, row, prepared)
        sign_in.note(session, "password.change", row, body.address, ctx.request_id)

    await ctx.write(work)


async def prove(
    ctx: Context, user: Any, *, password: str = "", method: str = "", code: str = "", address: str = ""
) -> None:
    """A fresh proof of presence: the password, or a code of the second factor; guesses are limited.

    Raises:
        InvalidInput: it was wrong.
        Locked: too many were.
    """
    sealer = ctx.platform.sealer
    attempt = await guess(ctx, f"step-up:{user.name_key}", address, ask_captcha=False)
    right = False
    if not method:
        right = await asyncio.to_thread(passwords.matches, user.password_hash, password)

    def work(session: Session) -> bool:
        done = factors.verify(session, sealer, user.id, method, code) if method else right
        lockout.finish(session, policies.load(session), attempt, done, request_id=ctx.request_id)
        if not done:
            sign_in.note(
                session, "sign_in.proof", user, address, ctx.request_id, outcome="failed", method=method or "password"
            )
        return done

    if not await ctx.write(work):
        raise wrong_code() if method else wrong_present_password()


@routes.post("/step-up", permission=HUB, summary="Prove presence for wider reach", body=StepUpRequest, audit=False)
async def step_up(ctx: Context, body: StepUpRequest) -> dict[str, Any]:
    """TEN-17: a grant bound to user and browser session, by password or second factor."""
    user = ctx.read(lambda db: tenancy.user_by_hub_name(db, body.hub_user))
    if user.password_hash is None and not body.method:
        raise Conflict("You have no password yet; set one first.", zh="您尚未设置密码；请先设置。", code="no_password")
    try:
        await prove(ctx, user, password=body.password, method=body.method, code=body.code, address=body.address)
    except InvalidInput as error:
        raise (error if body.method else passwords.wrong()) from error

    def work(session: Session) -> dict[str, Any] | None:
        if tenancy.identity(session, user.id) is None:
            return None
        sign_in.note(session, "sign_in.step_up", user, body.address, ctx.request_id, method=body.method or "password")
        grant, until = tenancy.grant_step_up(session, user.id, body.session)
        return {"grant": grant, "until": clock.to_wire(until)}

    answer = await ctx.write(work)
    if answer is None:
        raise tenancy.AccountDisabled("This account is disabled.", zh="此账号已停用。")
    return answer
