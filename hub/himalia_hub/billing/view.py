"""A tenant's balance for pages that are not money's own: the start page shows it before a start."""

from __future__ import annotations

from collections.abc import Mapping

from himalia_hub.billing import costing, ledger, prices
from himalia_hub.core import clock
from himalia_hub.core.db import Db


class LedgerView:
    """Implements ``core.admission.BalanceView``."""

    def balance(self, db: Db, tenant_id: int) -> Mapping[str, object]:
        balance, held, _ = ledger.read_account(db, tenant_id)
        burn = costing.burn_per_hour(db, tenant_id, prices.book(db))
        left = balance - costing.uncharged(db, tenant_id)
        return {
            "balance_micros": balance,
            "held_micros": held,
            "available_micros": balance - held,
            "burn_per_hour_micros": burn,
            "lasts_until": clock.to_wire(costing.lasts_until(left, burn)),
        }
