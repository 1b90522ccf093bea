"""What admission asks of nouns that come later: is there money, and what has it cost so far.

The engine finds an implementation by ``platform.get(BudgetCheck)``; without one everything is free.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import Resources
from himalia_hub.core.db import Db


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays for a workload."""

    tenant_id: int
    department_id: int | None
    user_id: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Micros of the currency: price of an hour, what a start would hold, what is free to hold."""

    price_per_hour_micros: int
    hold_micros: int
    balance_micros: int


class BudgetCheck(Protocol):
    """Money's side of admission. All methods but ``estimate`` run in the engine's transaction."""

    def hold(
        self, session: Session, payer: Payer, workload_id: int, resources: Resources, replicas: int, section: str
    ) -> None:
        """Hold the next 15 minutes; raises ``BalanceTooLow``. Holding twice holds once.

        ``resources`` are those of one replica. What costs nothing always passes (TEN-4).
        """

    def renew(self, session: Session, workload_id: int) -> bool:
        """Extend the hold of running work; False starts arrears."""

    def release(self, session: Session, workload_id: int) -> None:
        """The workload ended; its last charge releases the hold. Unknown workloads are fine."""

    def estimate(self, db: Db, tenant_id: int, resources: Resources, replicas: int, section: str) -> Estimate:
        """What it would cost, by the prices in force now."""

    def costs(self, db: Db, workload_ids: Collection[int]) -> Mapping[int, int]:
        """Micros each workload cost so far, including the seconds not yet charged."""


class NullBudget:
    """No prices: everything costs nothing and passes."""

    def hold(
        self, session: Session, payer: Payer, workload_id: int, resources: Resources, replicas: int, section: str
    ) -> None:
        return None

    def renew(self, session: Session, workload_id: int) -> bool:
        return True

    def release(self, session: Session, workload_id: int) -> None:
        return None

    def estimate(self, db: Db, tenant_id: int, resources: Resources, replicas: int, section: str) -> Estimate:
        return Estimate(0, 0, 0)

    def costs(self, db: Db, workload_ids: Collection[int]) -> Mapping[int, int]:
        return {}


class KnownResources(Protocol):
    """What the installation has, for money's pages; provided by the engine."""

    def accelerators(self) -> Sequence[str]:
        """The resource names of all accelerators that some node has."""


class BalanceView(Protocol):
    """A tenant's balance for pages that are not money's own; provided by billing where it exists."""

    def balance(self, db: Db, tenant_id: int) -> Mapping[str, object]:
        """``balance_micros, held_micros, available_micros, burn_per_hour_micros, lasts_until``."""
