"""What other parts may ask of money: recharge an account, set prices. Charging is in ``charging``."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.billing import holds, ledger, prices
from himalia_hub.billing.prices import PriceChange, set_prices
from himalia_hub.billing.tables import LedgerEntry
from himalia_hub.core import objects

__all__ = ["PriceChange", "recharge", "set_prices"]


def recharge(
    session: Session,
    tenant_id: int,
    amount_micros: int,
    *,
    note: str = "",
    user_id: int | None = None,
    user_name: str = "",
    key: str = "",
) -> LedgerEntry:
    """Put money into a tenant's account, or deduct it by a negative amount; at most once per ``key``.

    A recharge that covers what runs ends arrears at once.

    Raises:
        InvalidInput: zero or too large an amount, too long a note.
    """
    ledger.check_recharge(amount_micros, note)
    account = ledger.lock_account(session, tenant_id)
    cause = f"recharge:{key or secrets.token_hex(16)}"
    entry = ledger.post(
        session,
        account,
        ledger.RECHARGE,
        amount_micros,
        key=cause,
        note=note,
        user_id=user_id,
        user_name=user_name,
    )
    if entry is None:
        return session.execute(sa.select(LedgerEntry).where(LedgerEntry.idempotency_key == cause)).scalar_one()
    holds.renew_all(session, account, prices.book(session))
    objects.announce(session, "balance", tenant_id=tenant_id, number=entry.number)
    return entry
