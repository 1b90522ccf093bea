"""The second factor (TEN-16): authenticator apps (RFC 6238), codes sent to a contact, recovery codes.

A factor counts once a code of it was verified. Codes work once: a time step is never taken twice,
a sent code dies with its use, with five wrong tries and with its time, a recovery code is struck off.
"""

from __future__ import annotations

import base64
import io
import secrets
from datetime import datetime, timedelta
from typing import Any, cast

import segno
import sqlalchemy as sa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from himalia_hub.auth.tokens import digest_of
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import HimaliaError, InvalidInput
from himalia_hub.core.sealing import Sealer
from himalia_hub.identity.tables import Contact, OneTimeCode, RecoveryCode, SecondFactor

TOTP_METHOD, RECOVERY = "totp", "recovery"
CHANNELS = ("email", "sms", "wecom")
STEP_SECONDS, DIGITS = 30, 6
CODE_LIFETIME, CODE_TRIES = timedelta(minutes=5), 5
RESEND_AFTER, CODES_PER_HOUR = timedelta(seconds=60), 6
RECOVERY_CODES = 10
_SEAL = "second_factor.totp"


class TooSoon(HimaliaError):
    """A code was sent a moment ago; ``details['until']`` says when the next one may be."""

    code = "too_soon"
    status = 429


# -- authenticator apps ------------------------------------------------------------------------


def totp_at(key: bytes, moment: float, *, digits: int = DIGITS) -> str:
    """The code of RFC 6238 (SHA-1, 30 s) for a moment in seconds since 1970."""
    return TOTP(key, digits, SHA1(), STEP_SECONDS, enforce_key_length=False).generate(int(moment)).decode()  # noqa: S303


def begin_totp(session: Session, sealer: Sealer, user_id: int) -> str:
    """A new, unconfirmed secret in base32; an unconfirmed earlier one is forgotten, a confirmed one stays in force."""
    session.execute(
        sa.delete(SecondFactor).where(
            SecondFactor.user_id == user_id,
            SecondFactor.method == TOTP_METHOD,
            SecondFactor.confirmed_at.is_(None),
        )
    )
    if session.execute(_factor(user_id, TOTP_METHOD)).first() is not None:
        raise InvalidInput(
            "method: an authenticator app is set up already; remove it first.",
            zh="method：已设置验证器应用，请先移除。",
            field="method",
            rule="one authenticator app",
            code="factor_exists",
        )
    secret = base64.b32encode(secrets.token_bytes(20)).decode()
    session.add(
        SecondFactor(
            user_id=user_id, method=TOTP_METHOD, sealed_secret=sealer.seal(secret, _SEAL), created_at=clock.now()
        )
    )
    session.flush()
    return secret


def provisioning_uri(secret: str, account: str, issuer: str) -> str:
    """What the app reads from the QR picture."""
    totp = TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303
    return totp.get_provisioning_uri(account, issuer)


def qr_picture(text: str) -> str:
    """A QR code as a data address of an SVG, black on white in either theme."""
    buffer = io.BytesIO()
    segno.make(text, error="m").save(buffer, kind="svg", scale=4, border=3, light="#fff", xmldecl=False)
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def _right_totp(session: Session, sealer: Sealer, row: SecondFactor, code: str) -> bool:
    """Right within one step of the clock, and newer than every code taken before."""
    key = base64.b32decode(sealer.open(row.sealed_secret, _SEAL))
    step = int(clock.now().timestamp()) // STEP_SECONDS
    for candidate in (step - 1, step, step + 1):
        if secrets.compare_digest(totp_at(key, candidate * STEP_SECONDS), code):
            return _changed(
                session,
                sa.update(SecondFactor)
                .where(SecondFactor.id == row.id, SecondFactor.last_step < candidate)
                .values(last_step=candidate),
            )
    return False


# -- factors -----------------------------------------------------------------------------------


def _factor(user_id: int, method: str) -> sa.Select[Any]:
    return sa.select(SecondFactor).where(SecondFactor.user_id == user_id, SecondFactor.method == method)


def methods(db: Db, user_id: int) -> list[str]:
    """The confirmed methods of a person, the strongest first; empty: no second factor."""
    found = set(
        db.execute(
            sa.select(SecondFactor.method).where(
                SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_not(None)
            )
        ).scalars()
    )
    return [method for method in (TOTP_METHOD, *CHANNELS) if method in found]


def confirm(session: Session, sealer: Sealer, user_id: int, method: str, code: str) -> list[str] | None:
    """Put a factor in force by its first right code.

    Answers the recovery codes where this is the person's first factor, else an empty list; None
    when the code was wrong.
    """
    code = code.strip().replace(" ", "")
    first = not methods(session, user_id)
    row = session.execute(_factor(user_id, method)).scalar_one_or_none()
    if method == TOTP_METHOD:
        if row is None or not _right_totp(session, sealer, row, code):
            return None
    else:
        if not use_code(session, sealer, user_id, "factor", code, channel=method):
            return None
        if row is None:
            row = SecondFactor(user_id=user_id, method=method, created_at=clock.now())
            session.add(row)
    row.confirmed_at = clock.now()
    session.flush()
    return new_recovery_codes(session, user_id) if first else []


def verify(session: Session, sealer: Sealer, user_id: int, method: str, code: str) -> bool:
    """Whether a code proves presence; uses it up."""
    code = code.strip().replace(" ", "")
    if method == RECOVERY:
        return _use_recovery(session, user_id, code)
    row = session.execute(_factor(user_id, method)).scalar_one_or_none()
    if row is None or row.confirmed_at is None:
        return False
    if method == TOTP_METHOD:
        return _right_totp(session, sealer, row, code)
    return use_code(session, sealer, user_id, "factor", code, channel=method) is not None


def remove(session: Session, user_id: int, method: str | None = None) -> bool:
    """Take a factor (or all of them) out of force; with the last one the recovery codes go."""
    statement = sa.delete(SecondFactor).where(SecondFactor.user_id == user_id)
    if method is not None:
        statement = statement.where(SecondFactor.method == method)
    removed = _changed(session, statement)
    if not methods(session, user_id):
        session.execute(sa.delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    return removed


# -- recovery codes ----------------------------------------------------------------------------


def new_recovery_codes(session: Session, user_id: int) -> list[str]:
    """Ten new codes, shown this once; earlier ones end."""
    session.execute(sa.delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = []
    for _ in range(RECOVERY_CODES):
        plain = base64.b32encode(secrets.token_bytes(10)).decode().lower()
        codes.append("-".join(plain[i : i + 4] for i in range(0, 16, 4)))
        session.add(RecoveryCode(digest=_recovery_digest(user_id, plain), user_id=user_id, created_at=clock.now()))
    session.flush()
    return codes


def recovery_codes_left(db: Db, user_id: int) -> int:
    return int(
        db.execute(
            sa.select(sa.func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
        ).scalar_one()
    )


def _recovery_digest(user_id: int, plain: str) -> str:
    return digest_of(f"recovery:{user_id}:{plain}")


def _use_recovery(session: Session, user_id: int, code: str) -> bool:
    plain = code.replace("-", "").lower()
    return _changed(
        session,
        sa.update(RecoveryCode)
        .where(
            RecoveryCode.digest == _recovery_digest(user_id, plain),
            RecoveryCode.user_id == user_id,
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=clock.now()),
    )


# -- codes sent to a contact -------------------------------------------------------------------


def contacts(db: Db, user_id: int) -> dict[str, str]:
    """Confirmed addresses by channel."""
    rows = db.execute(sa.select(Contact.channel, Contact.address).where(Contact.user_id == user_id))
    return {row.channel: row.address for row in rows}


def new_code(session: Session, sealer: Sealer, user_id: int, purpose: str, channel: str, address: str) -> str:
    """Six digits to send; an earlier code for the same purpose ends.

    Raises:
        TooSoon: one was sent within a minute, or six within the hour.
    """
    moment = clock.now()
    mine = sa.and_(OneTimeCode.user_id == user_id, OneTimeCode.purpose == purpose)
    sent: list[datetime] = list(
        session.execute(
            sa.select(OneTimeCode.created_at)
            .where(mine, OneTimeCode.created_at > moment - timedelta(hours=1))
            .order_by(OneTimeCode.created_at)
        ).scalars()
    )
    until = None
    if sent and moment - sent[-1] < RESEND_AFTER:
        until = sent[-1] + RESEND_AFTER
    elif len(sent) >= CODES_PER_HOUR:
        until = sent[-CODES_PER_HOUR] + timedelta(hours=1)
    if until is not None:
        raise TooSoon(
            f"A code was just sent. The next one may be sent after {until:%H:%M:%S} UTC.",
            zh=f"刚刚已发送验证码；{until:%H:%M:%S}（UTC）之后可再次发送。",
            until=clock.to_wire(until),
        )
    session.execute(sa.update(OneTimeCode).where(mine, OneTimeCode.used_at.is_(None)).values(used_at=moment))
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
    session.add(
        OneTimeCode(
            user_id=user_id,
            purpose=purpose,
            channel=channel,
            address=address,
            digest=sealer.digest(code, f"code:{user_id}:{purpose}:{channel}:{address}"),
            created_at=moment,
            expires_at=moment + CODE_LIFETIME,
        )
    )
    session.flush()
    return code


def use_code(
    session: Session, sealer: Sealer, user_id: int, purpose: str, code: str, *, channel: str
) -> OneTimeCode | None:
    """The sent code's row once it was right; a wrong try counts, the fifth ends the code."""
    row = session.execute(
        sa.select(OneTimeCode)
        .where(
            OneTimeCode.user_id == user_id,
            OneTimeCode.purpose == purpose,
            OneTimeCode.channel == channel,
            OneTimeCode.used_at.is_(None),
            OneTimeCode.expires_at > clock.now(),
        )
        .order_by(OneTimeCode.id.desc())
        .limit(1)
        .with_for_update()
    ).scalar_one_or_none()
    if row is None:
        return None
    wanted = sealer.digest(code.strip(), f"code:{user_id}:{purpose}:{channel}:{row.address}")
    if not secrets.compare_digest(wanted, row.digest):
        row.failures += 1
        if row.failures >= CODE_TRIES:
            row.used_at = clock.now()
        session.flush()
        return None
    row.used_at = clock.now()
    session.flush()
    return row


def _changed(session: Session, statement: Any) -> bool:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount > 0
