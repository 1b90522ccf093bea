"""What local sign-in keeps: locks, captchas, challenges, factors, codes, contacts, acceptances, senders.

Everything short-lived carries its end and is single use; secrets are sealed or kept as digests.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId


class SignInLock(Base):
    """An account locked for an address, or (account empty) a whole address (TEN-15)."""

    __tablename__ = "sign_in_locks"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account: Mapped[str] = mapped_column(sa.String(600))
    address: Mapped[str] = mapped_column(sa.String(64))
    at: Mapped[datetime]
    until: Mapped[datetime]
    released_at: Mapped[datetime | None]
    __table_args__ = (
        sa.Index("ix_sign_in_locks_address", "address", "until"),
        sa.Index("ix_sign_in_locks_account", "account", "until"),
    )


class Captcha(Base):
    """A picture's answer. Plain: it is no secret worth hashing, lives for seconds, and is used once."""

    __tablename__ = "captchas"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    answer: Mapped[str] = mapped_column(sa.String(16))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class PasswordRecord(Base):
    """An earlier password's hash, for "not among the last N" (TEN-13)."""

    __tablename__ = "password_records"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    password_hash: Mapped[str] = mapped_column(sa.String(255))
    at: Mapped[datetime]
    __table_args__ = (sa.Index("ix_password_records_user", "user_id", "id"),)


class SignInChallenge(Base):
    """A sign-in whose first proof was right and that still owes further steps."""

    __tablename__ = "sign_in_challenges"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    via: Mapped[str] = mapped_column(sa.String(16))
    factor_passed: Mapped[bool] = mapped_column(default=False)
    must_set_password: Mapped[bool] = mapped_column(default=False)
    password_digest: Mapped[str] = mapped_column(sa.String(64), default="")
    """Keyed digest of the stored hash that was right: a change of password in between ends the challenge."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SecondFactor(Base):
    """A way to prove presence beside the password; in force once ``confirmed_at`` is set (TEN-16)."""

    __tablename__ = "second_factors"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    method: Mapped[str] = mapped_column(sa.String(16))
    sealed_secret: Mapped[str] = mapped_column(sa.String(512), default="")
    last_step: Mapped[int] = mapped_column(default=0)
    """The newest time step a code was taken for: no code works twice."""
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    __table_args__ = (sa.UniqueConstraint("user_id", "method"),)


class RecoveryCode(Base):
    """One of the ten codes for a lost second factor: hashed (80 bits of its own), single use."""

    __tablename__ = "recovery_codes"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class OneTimeCode(Base):
    """Six digits sent to a contact; kept as a keyed digest, few tries, one purpose."""

    __tablename__ = "one_time_codes"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    purpose: Mapped[str] = mapped_column(sa.String(16))
    channel: Mapped[str] = mapped_column(sa.String(16))
    address: Mapped[str] = mapped_column(sa.String(320))
    digest: Mapped[str] = mapped_column(sa.String(64))
    failures: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    __table_args__ = (sa.Index("ix_one_time_codes_user", "user_id", "purpose", "id"),)


class Contact(Base):
    """Where a person can be reached, confirmed by a code: one per channel."""

    __tablename__ = "contacts"
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    address: Mapped[str] = mapped_column(sa.String(320))
    confirmed_at: Mapped[datetime]


class PrivacyAcceptance(Base):
    """Who accepted which edition of the privacy statement, when and from where (TEN-14)."""

    __tablename__ = "privacy_acceptances"
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    edition: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    address: Mapped[str] = mapped_column(sa.String(64), default="")


class MessageSender(Base):
    """How messages leave on one channel (e-mail, sms, wecom); its secret is sealed."""

    __tablename__ = "message_senders"
    channel: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    settings: Mapped[dict[str, Any]]
    sealed_secret: Mapped[str] = mapped_column(sa.Text, default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime]


class SignInMark(Base):
    """A person's present and last sign-in, for the account page."""

    __tablename__ = "sign_in_marks"
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    this_at: Mapped[datetime]
    this_address: Mapped[str] = mapped_column(sa.String(64), default="")
    last_at: Mapped[datetime | None]
    last_address: Mapped[str] = mapped_column(sa.String(64), default="")
