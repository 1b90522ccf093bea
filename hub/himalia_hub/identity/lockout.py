"""How many guesses anybody gets (TEN-15): in the database, so that restarts and processes share it.

An attempt is written down *before* the password is looked at: of a hundred guesses sent at once
only as many are looked at as the policy allows. Accounts are names as typed, so that a name nobody
has is locked like any other and the answer tells nothing.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.audit import service as audit
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import HimaliaError
from himalia_hub.core.security_policy import SecurityPolicy
from himalia_hub.identity import captcha
from himalia_hub.identity.tables import SignInLock
from himalia_hub.tenancy.tables import SignInAttempt

PENDING, FAILED, LOCKED = "pending", "failed", "locked"


class Locked(HimaliaError):
    """Too many failures; ``details['until']`` says when the next try is taken."""

    code = "locked"
    status = 429


def place_of(address: str) -> str:
    """The address that limits count by: an IPv6 customer holds a /64, not one address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)


def begin(
    session: Session,
    policy: SecurityPolicy,
    account: str,
    address: str,
    *,
    answer: captcha.Answer | None = None,
    ask_captcha: bool = True,
    always_captcha: bool = False,
) -> int:
    """Take one of the guesses; answers the attempt's number for :func:`finish`.

    Raises:
        Locked: the account for this address, or the address, is locked or has used its guesses up.
        CaptchaNeeded: a failure came before and no (right) captcha was sent.
    """
    place = place_of(address)
    account = account[:600]
    _serialise(session, f"{account}\0{place}")
    check(session, account, place)
    moment = clock.now()
    asked = always_captcha or (ask_captcha and needs_captcha(session, policy, account, address))
    if asked and policy.captcha_after_failure:
        captcha.use(session, answer)
    window = moment - timedelta(seconds=policy.lock_window_seconds)
    taken = session.execute(
        sa.select(SignInAttempt.at)
        .where(
            SignInAttempt.account == account,
            SignInAttempt.address == place,
            SignInAttempt.outcome.in_((PENDING, FAILED)),
            SignInAttempt.at > window,
        )
        .order_by(SignInAttempt.at)
    ).scalars()
    times = list(taken)
    if len(times) >= policy.lock_failures:
        raise _locked(times[0] + timedelta(seconds=policy.lock_window_seconds))
    return int(
        session.execute(
            sa.insert(SignInAttempt)
            .values(account=account, address=place, at=moment, outcome=PENDING)
            .returning(SignInAttempt.id)
        ).scalar_one()
    )


def finish(session: Session, policy: SecurityPolicy, attempt: int, right: bool, *, request_id: str = "") -> None:
    """Settle an attempt: a right one forgets the account's failures here, a wrong one may lock."""
    row = session.get(SignInAttempt, attempt)
    if row is None:
        return  # a success meanwhile forgot it
    account, place = row.account, row.address
    if right:
        session.execute(
            sa.delete(SignInAttempt).where(SignInAttempt.account == account, SignInAttempt.address == place)
        )
        return
    row.outcome = FAILED
    session.flush()
    moment = clock.now()
    mine = sa.and_(
        SignInAttempt.account == account,
        SignInAttempt.address == place,
        SignInAttempt.outcome == FAILED,
        SignInAttempt.at > moment - timedelta(seconds=policy.lock_window_seconds),
    )
    if session.execute(sa.select(sa.func.count()).where(mine)).scalar_one() < policy.lock_failures:
        return
    session.execute(sa.update(SignInAttempt).where(mine).values(outcome=LOCKED))
    _lock(session, account, place, moment, policy.lock_seconds, request_id)
    if place:
        recent = session.execute(
            sa.select(sa.func.count(sa.distinct(SignInLock.account))).where(
                SignInLock.address == place,
                SignInLock.account != "",
                SignInLock.at > moment - timedelta(seconds=policy.lock_window_seconds),
            )
        ).scalar_one()
        if recent >= policy.address_lock_accounts:
            _lock(session, "", place, moment, policy.address_lock_seconds, request_id)
    _forget_old(session, policy, moment)


def check(db: Db, account: str, place: str) -> None:
    """Refuse while the account for this address, or the address, is locked."""
    which = SignInLock.account == account
    if place:
        which = sa.or_(which, SignInLock.account == "")
    until = db.execute(
        sa.select(sa.func.max(SignInLock.until)).where(
            which, SignInLock.address == place, SignInLock.released_at.is_(None), SignInLock.until > clock.now()
        )
    ).scalar_one_or_none()
    if until is not None:
        raise _locked(until)


def needs_captcha(db: Db, policy: SecurityPolicy, account: str, address: str) -> bool:
    """Whether a failure from this address (or, without one, of this account) is recent."""
    place = place_of(address)
    where = SignInAttempt.address == place if place else SignInAttempt.account == account
    since = clock.now() - timedelta(seconds=policy.lock_seconds)
    found = db.execute(
        sa.select(SignInAttempt.id)
        .where(where, SignInAttempt.outcome.in_((FAILED, LOCKED)), SignInAttempt.at > since)
        .limit(1)
    ).first()
    return found is not None


def unlock(session: Session, account: str) -> int:
    """Release an account from every address (an administrator's "unlock"); answers how many locks ended."""
    moment = clock.now()
    session.execute(sa.delete(SignInAttempt).where(SignInAttempt.account == account))
    released = session.execute(
        sa.update(SignInLock)
        .where(SignInLock.account == account, SignInLock.released_at.is_(None), SignInLock.until > moment)
        .values(released_at=moment)
        .returning(SignInLock.id)
    ).all()
    return len(released)


def locked_until(db: Db, account: str) -> datetime | None:
    """The end of the longest lock on an account, from any address; None when it is free."""
    return db.execute(
        sa.select(sa.func.max(SignInLock.until)).where(
            SignInLock.account == account, SignInLock.released_at.is_(None), SignInLock.until > clock.now()
        )
    ).scalar_one_or_none()


def _serialise(session: Session, what: str) -> None:
    """Attempts on one account from one address follow one another; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(what.replace("\0", "|"), 0))))


def _lock(session: Session, account: str, place: str, moment: datetime, seconds: int, request_id: str) -> None:
    until = moment + timedelta(seconds=seconds)
    session.add(SignInLock(account=account, address=place, at=moment, until=until))
    session.flush()
    audit.record(
        session,
        "sign_in.locked",
        actor_name=account.partition(":")[2],
        object_kind="sign_in_lock",
        object_id=account[:128] or place,
        outcome="refused",
        address=place,
        request_id=request_id,
        detail={"scope": "account" if account else "address", "until": clock.to_wire(until)},
    )


def _forget_old(session: Session, policy: SecurityPolicy, moment: datetime) -> None:
    keep = max(policy.lock_seconds, policy.address_lock_seconds, policy.lock_window_seconds)
    session.execute(sa.delete(SignInAttempt).where(SignInAttempt.at < moment - timedelta(seconds=2 * keep)))


def _locked(until: datetime) -> Locked:
    return Locked(
        f"Too many wrong tries; try again after {until:%H:%M:%S} UTC.",
        zh=f"错误次数过多；请在 {until:%H:%M:%S}（UTC）后重试。",
        until=clock.to_wire(until),
    )
