"""Offers the locks of sign-in to tenancy, which shows and releases them but knows no sign-in."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.standing import AccountLocks
from himalia_hub.identity import lockout
from himalia_hub.identity.tables import SignInLock

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform


class Locks:
    """:class:`~himalia_hub.core.standing.AccountLocks` over the table of locks."""

    def unlock(self, session: Session, account: str) -> int:
        return lockout.unlock(session, account)

    def locked(self, db: Db, accounts: Collection[str]) -> dict[str, datetime]:
        found = db.execute(
            sa.select(SignInLock.account, sa.func.max(SignInLock.until))
            .where(SignInLock.account.in_(accounts), SignInLock.released_at.is_(None), SignInLock.until > clock.now())
            .group_by(SignInLock.account)
        )
        return {row[0]: row[1] for row in found}


def setup(platform: Platform) -> None:
    platform.provide(Locks(), as_type=AccountLocks)
