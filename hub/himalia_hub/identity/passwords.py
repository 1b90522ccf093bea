"""Local passwords: argon2id, checked against the policy and the person's earlier ones (TEN-13).

Verifying takes tens of milliseconds of work; callers do it in threads, outside of transactions.
"""

from __future__ import annotations

import secrets

import argon2
import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotAuthenticated
from himalia_hub.core.security_policy import SecurityPolicy
from himalia_hub.identity import rules
from himalia_hub.identity.tables import PasswordRecord
from himalia_hub.tenancy.tables import StepUp, User

_hasher = argon2.PasswordHasher()
_UNKNOWN_USER_HASH = _hasher.hash(secrets.token_urlsafe(16))


def matches(stored: str | None, password: str) -> bool:
    """Constant work whether or not the account exists or has a password (TEN-15)."""
    try:
        return _hasher.verify(stored or _UNKNOWN_USER_HASH, password) and stored is not None
    except (argon2.exceptions.VerifyMismatchError, argon2.exceptions.InvalidHashError):
        return False


def hashed(password: str) -> str:
    return _hasher.hash(password)


def earlier(db: Db, policy: SecurityPolicy, user_id: int) -> list[str]:
    """The hashes that a new password must not match: the last N, the present one included."""
    if not policy.password_history:
        return []
    return list(
        db.execute(
            sa.select(PasswordRecord.password_hash)
            .where(PasswordRecord.user_id == user_id)
            .order_by(PasswordRecord.id.desc())
            .limit(policy.password_history)
        ).scalars()
    )


def check(
    policy: SecurityPolicy, password: str, user_name: str, *, old: str | None = None, history: list[str] | None = None
) -> None:
    """TEN-13, every rule; slow when there is a history, so not for transactions.

    Raises:
        InvalidInput: names every broken rule.
    """
    broken = rules.broken(policy, password, user_name, old=old)
    if not broken and any(matches(known, password) for known in history or []):
        broken = [rule for rule in rules.password_rules(policy, changing=True) if rule.code == "history"]
    if broken:
        raise rules.refuse(broken)


def checked_hash(
    policy: SecurityPolicy, password: str, user_name: str, *, old: str | None = None, history: list[str] | None = None
) -> str:
    """Check a new password; answers its hash for :func:`store`. Slow, see :func:`check`."""
    check(policy, password, user_name, old=old, history=history)
    return hashed(password)


def store(session: Session, user: User, password_hash: str, *, must_change: bool = False) -> None:
    """Put a prepared password in force; every session and proof of presence of the person ends."""
    moment = clock.now()
    session.execute(sa.delete(StepUp).where(StepUp.user_id == user.id))
    session.add(PasswordRecord(user_id=user.id, password_hash=password_hash, at=moment))
    user.password_hash = password_hash
    user.password_changed_at = moment
    user.must_change_password = must_change
    user.epoch += 1
    user.session_epoch += 1
    user.updated_at = moment
    session.flush()


def wrong() -> NotAuthenticated:
    """One and the same answer for an unknown user and a wrong password."""
    return NotAuthenticated("Name or password is wrong.", zh="用户名或密码错误。", code="wrong_password")
