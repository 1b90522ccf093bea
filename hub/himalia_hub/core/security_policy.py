"""The installation's security policy (TEN-20): limits of names, passwords, sign-in and sessions.

One row of settings, read wherever a limit counts, so that a change is in force at once and in
every process. Who may change it, and the audit of it, are the routes' business
(``identity.policy_handlers``).
"""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from himalia_hub.core.db import Db
from himalia_hub.core.errors import BrokenRule
from himalia_hub.core.tables import Setting

KEY = "security_policy"


def _whole(default: int, low: int, high: int, sentence: str) -> Any:
    return Field(default=default, ge=low, le=high, description=sentence)


class SecurityPolicy(BaseModel):
    """Every limit with its default and the range an administrator may choose from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_name_minimum: int = _whole(6, 1, 64, "Fewest characters of a local user name")
    user_name_maximum: int = _whole(32, 1, 64, "Most characters of a local user name")

    password_minimum: int = _whole(8, 6, 128, "Fewest characters of a password")
    password_maximum: int = _whole(32, 8, 128, "Most characters of a password")
    password_needs_special: bool = Field(default=True, description="At least one space or special character")
    password_kinds: int = _whole(2, 0, 3, "How many of lower case, upper case and digits must occur")
    password_not_user_name: bool = Field(default=True, description="Not the user name, forwards or backwards")
    password_differs_in: int = _whole(2, 0, 8, "Positions in which a new password differs from the old one")
    password_history: int = _whole(3, 0, 24, "Earlier passwords that may not come back")
    password_expires_days: int = _whole(0, 0, 3650, "Days until a password must be changed; 0: never")
    password_warning_days: int = _whole(7, 0, 90, "Days before the end from which the person is warned")
    weak_words: list[Annotated[str, Field(min_length=3, max_length=64)]] = Field(
        default=[], max_length=10_000, description="Words that make a password weak, beside the built-in list"
    )

    lock_failures: int = _whole(3, 1, 100, "Failures within the window that lock an account for an address")
    lock_window_seconds: int = _whole(30, 1, 3600, "The window in which failures and locked accounts count")
    lock_seconds: int = _whole(300, 1, 86_400, "How long an account stays locked for an address")
    address_lock_accounts: int = _whole(3, 1, 1000, "Accounts locked from one address that lock the address")
    address_lock_seconds: int = _whole(900, 1, 86_400, "How long an address stays locked")
    captcha_after_failure: bool = Field(default=True, description="Ask for a captcha after a failure")
    captcha_seconds: int = _whole(30, 10, 600, "How long a captcha is valid")

    session_idle_minutes: int = _whole(720, 5, 43_200, "Minutes without activity that end a session")
    step_up_minutes: int = _whole(10, 1, 60, "Minutes without input that end a proof of presence")

    @model_validator(mode="after")
    def _ranges(self) -> SecurityPolicy:
        for low, high in (
            ("user_name_minimum", "user_name_maximum"),
            ("password_minimum", "password_maximum"),
        ):
            if getattr(self, low) > getattr(self, high):
                most = getattr(self, high)
                raise BrokenRule(f"at most {high} ({most})", f"不大于 {high}（{most}）", low, getattr(self, low))
        return self


def load(db: Db) -> SecurityPolicy:
    """The policy in force; the defaults until somebody changes it."""
    return load_versioned(db)[0]


def load_versioned(db: Db) -> tuple[SecurityPolicy, int]:
    """The policy and its version, which counts up with each change."""
    value = db.execute(sa.select(Setting.value).where(Setting.key == KEY)).scalar_one_or_none()
    if value is None:
        return SecurityPolicy(), 1
    known = {name: given for name, given in value["policy"].items() if name in SecurityPolicy.model_fields}
    return SecurityPolicy(**known), int(value["version"])


def lock(session: Session) -> None:
    """Take the policy's row, made if it is missing, so that two changes follow one another."""
    if session.get(Setting, KEY, with_for_update=True) is None:
        session.add(Setting(key=KEY, value={"version": 1, "policy": SecurityPolicy().model_dump()}))
        session.flush()


def save(session: Session, policy: SecurityPolicy, version: int) -> None:
    """Put a policy in force under its new version."""
    row = session.get_one(Setting, KEY)
    row.value = {"version": version, "policy": policy.model_dump()}
    session.flush()
