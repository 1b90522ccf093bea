"""From a right first proof to a signed-in person: the steps still owed, one after the other.

A password or a one-time link is the first proof. What is owed beside it, in this order: the second
factor, a new password (first sign-in, expired, reset), the privacy statement. Until nothing is owed
there is only a challenge: a secret of 256 bits that the sign-in page holds for ten minutes.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.audit import service as audit
from himalia_hub.auth.tokens import digest_of
from himalia_hub.core import clock
from himalia_hub.core import security_policy as policies
from himalia_hub.core.db import Db
from himalia_hub.core.errors import HimaliaError
from himalia_hub.core.sealing import Sealer
from himalia_hub.core.security_policy import SecurityPolicy
from himalia_hub.identity import factors, messages, rules, senders
from himalia_hub.identity.tables import PrivacyAcceptance, SignInChallenge, SignInMark
from himalia_hub.tenancy import service as tenancy
from himalia_hub.tenancy.tables import User

PRIVACY_EDITION = 1
"""Counts up with each change of the privacy statement's meaning; then everybody is asked again."""
LIFETIME = timedelta(minutes=10)
SECOND_FACTOR, PASSWORD, PRIVACY = "second_factor", "password", "privacy"


class ChallengeOver(HimaliaError):
    """The sign-in took too long, was finished, or the password changed meanwhile: begin again."""

    code = "challenge_over"
    status = 410


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proven so far."""

    via: str
    factor: bool = False
    must_set_password: bool = False


def owed(db: Db, policy: SecurityPolicy, user: Any, proof: Proof) -> list[str]:
    """The steps still missing, in order."""
    steps = []
    if not proof.factor and factors.methods(db, user.id):
        steps.append(SECOND_FACTOR)
    end = rules.expires_at(policy, user.password_changed_at) if user.password_hash else None
    if proof.must_set_password or user.must_change_password or (end is not None and end <= clock.now()):
        steps.append(PASSWORD)
    if not accepted_privacy(db, user.id):
        steps.append(PRIVACY)
    return steps


def accepted_privacy(db: Db, user_id: int) -> bool:
    found = db.execute(
        sa.select(PrivacyAcceptance.at).where(
            PrivacyAcceptance.user_id == user_id, PrivacyAcceptance.edition == PRIVACY_EDITION
        )
    ).first()
    return found is not None


def accept_privacy(session: Session, user: User, address: str, request_id: str) -> None:
    """Record the acceptance, once per edition (TEN-14)."""
    if accepted_privacy(session, user.id):
        return
    session.add(PrivacyAcceptance(user_id=user.id, edition=PRIVACY_EDITION, at=clock.now(), address=address[:64]))
    session.flush()
    note(session, "privacy.accept", user, address, request_id, edition=PRIVACY_EDITION)


def proceed(
    session: Session, sealer: Sealer, user: User, proof: Proof, *, address: str, language: str, request_id: str
) -> dict[str, Any]:
    """The identity where nothing is owed, else ``{"pending": …}`` with a new challenge."""
    policy = policies.load(session)
    found = tenancy.identity(session, user.id)
    if found is None:
        raise tenancy.AccountDisabled(
            "This account is disabled.",
            zh="此账号已停用。",
            hint="Ask an administrator of your organisation.",
            hint_zh="请联系组织管理员。",
        )
    steps = owed(session, policy, user, proof)
    if not steps:
        mark(session, user, address)
        return {**found, "password_warning": warning(policy, user)}
    token = secrets.token_urlsafe(32)
    moment = clock.now()
    session.execute(sa.delete(SignInChallenge).where(SignInChallenge.expires_at < moment - timedelta(hours=1)))
    session.add(
        SignInChallenge(
            digest=digest_of(token),
            user_id=user.id,
            via=proof.via,
            factor_passed=proof.factor,
            must_set_password=proof.must_set_password,
            password_digest=_password_digest(sealer, user),
            created_at=moment,
            expires_at=moment + LIFETIME,
        )
    )
    session.flush()
    return pending(session, policy, user, proof, steps, token, language)


def pending(
    db: Db, policy: SecurityPolicy, user: Any, proof: Proof, steps: list[str], token: str, language: str
) -> dict[str, Any]:
    """What the page needs to ask for the next step."""
    reachable = factors.contacts(db, user.id)
    offered = senders.offered(db)
    methods = [
        {"method": method, "address": messages.masked(reachable.get(method, ""))}
        for method in factors.methods(db, user.id)
        if method == factors.TOTP_METHOD or (method in offered and method in reachable)
    ]
    return {
        "pending": {
            "token": token,
            "step": steps[0],
            "steps": steps,
            "via": proof.via,
            "methods": methods,
            "user": {"name": user.name, "display_name": user.display_name},
            "old_password_needed": proof.via == "password",
            "password_rules": [rule.to_wire(language) for rule in rules.password_rules(policy, changing=True)],
        }
    }


def find(session: Session, sealer: Sealer, token: str) -> tuple[SignInChallenge, User]:
    """The living challenge behind a token, taken for update.

    Raises:
        ChallengeOver: unknown, used, too old, or the password is another by now.
    """
    row = session.get(SignInChallenge, digest_of(token), with_for_update=True)
    if row is not None and row.used_at is None and row.expires_at > clock.now():
        user = session.get_one(User, row.user_id)
        if row.password_digest == _password_digest(sealer, user):
            return row, user
    raise ChallengeOver(
        "This sign-in took too long or was finished elsewhere. Begin again.",
        zh="此次登录已超时或已在别处完成，请重新登录。",
    )


def step_done(
    session: Session,
    sealer: Sealer,
    row: SignInChallenge,
    user: User,
    *,
    token: str,
    address: str,
    language: str,
    request_id: str,
) -> dict[str, Any]:
    """After a step: the identity, or the next step of the same challenge."""
    policy = policies.load(session)
    proof = Proof(row.via, row.factor_passed, row.must_set_password)
    row.password_digest = _password_digest(sealer, user)
    steps = owed(session, policy, user, proof)
    if steps:
        session.flush()
        return pending(session, policy, user, proof, steps, token, language)
    row.used_at = clock.now()
    session.flush()
    note(session, f"sign_in.{row.via}", user, address, request_id, second_factor=row.factor_passed)
    return proceed(session, sealer, user, proof, address=address, language=language, request_id=request_id)


def mark(session: Session, user: User, address: str) -> None:
    """Remember this sign-in, and the one before as the last."""
    moment = clock.now()
    row = session.get(SignInMark, user.id)
    if row is None:
        session.add(SignInMark(user_id=user.id, this_at=moment, this_address=address[:64]))
    else:
        row.last_at, row.last_address = row.this_at, row.this_address
        row.this_at, row.this_address = moment, address[:64]
    user.last_sign_in_at = moment
    session.flush()


def warning(policy: SecurityPolicy, user: Any) -> str | None:
    """When the password ends, once that is near (TEN-13); else None."""
    if user.password_hash is None or not rules.warns(policy, user.password_changed_at, clock.now()):
        return None
    return clock.to_wire(rules.expires_at(policy, user.password_changed_at))


def note(session: Session, action: str, user: Any, address: str, request_id: str, /, **detail: Any) -> None:
    """An audit entry about a person's own sign-in or account."""
    outcome = str(detail.pop("outcome", "done"))
    audit.record(
        session,
        action,
        actor_name=user.name,
        tenant_id=user.tenant_id,
        object_kind="user",
        object_id=user.number,
        outcome=outcome,
        address=address,
        request_id=request_id,
        detail=detail,
    )


def _password_digest(sealer: Sealer, user: Any) -> str:
    """Ties a challenge to the password it began with, without keeping the hash twice."""
    return sealer.digest(user.password_hash or "", f"challenge:{user.id}")
