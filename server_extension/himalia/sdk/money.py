"""Balance, bills, ledger and prices as objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from himalia.sdk.base import ObjectRef, Ref, Resource

MICRO = Decimal(1_000_000)


def amount(micros: int | None) -> Decimal:
    """Millionths of the currency unit as an exact decimal number of units."""
    return Decimal(micros or 0) / MICRO


@dataclass
class Currency:
    code: str = ""
    symbol: str = ""
    digits: int = 2

    def show(self, micros: int | None) -> str:
        """``¥12.40``; amounts below the smallest unit keep the digits that say something."""
        value, sign = abs(amount(micros)), "-" if (micros or 0) < 0 else ""
        step = Decimal(1).scaleb(-self.digits)
        if value and value < step:
            return f"{sign}{self.symbol}{value.normalize():f}"
        return f"{sign}{self.symbol}{value.quantize(step):,}"


@dataclass
class Balance:
    balance_micros: int = 0
    held_micros: int = 0
    available_micros: int = 0
    burn_per_hour_micros: int = 0
    lasts_until: datetime | None = None
    currency: Currency = field(default_factory=Currency)

    def __str__(self) -> str:
        show = self.currency.show
        text = f"{show(self.balance_micros)}, of it {show(self.held_micros)} held"
        if self.burn_per_hour_micros:
            text += f", {show(self.burn_per_hour_micros)} an hour at present"
        return text


@dataclass
class BillLine:
    """``quantity`` of ``resource`` for ``seconds`` at a price per hour."""

    resource: str = ""
    quantity: float = 0
    unit: str = ""
    seconds: float = 0
    unit_price_micros: int = 0
    amount_micros: int = 0


@dataclass
class Bill(Resource):
    """What one piece of work used and cost; an open bill still grows."""

    serial: str = ""
    kind: str = ""
    object: ObjectRef = field(default_factory=ObjectRef)
    user: Ref | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: float = 0
    lines: list[BillLine] = field(default_factory=list)
    total_micros: int = 0
    state: str = ""

    _path: ClassVar[str] = "/bills"

    @property
    def total(self) -> Decimal:
        return amount(self.total_micros)


@dataclass
class Posting(Resource):
    """A line of the ledger; negative amounts are charges."""

    serial: str = ""
    at: datetime | None = None
    type: str = ""
    amount_micros: int = 0
    balance_after_micros: int = 0
    note: str = ""
    bill: Any = None

    _path: ClassVar[str] = "/ledger"
