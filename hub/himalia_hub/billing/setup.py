"""Joins money to the platform: admission's budget check and the charging controller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from himalia_hub.billing.controller import Charger
from himalia_hub.billing.holds import LedgerBudget
from himalia_hub.billing.view import LedgerView
from himalia_hub.core.admission import BalanceView, BudgetCheck

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform


def setup(platform: Platform) -> None:
    platform.provide(LedgerBudget(), as_type=BudgetCheck)
    platform.provide(LedgerView(), as_type=BalanceView)
    platform.controllers.add(Charger(platform))
