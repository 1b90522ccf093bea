"""Pricing and holding as pure functions: no session, no clock.

Glossary
    price book   which price is in force for a resource of a section at each moment
    occupation   one replica's resources over one half-open interval
    line         one resource at one price within a bill
    purse        a tenant's balance and what is held of it
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from himalia_hub.core import money

HOLD_TIME = timedelta(minutes=15)
SECTIONS = ("annotation", "notebook", "training", "inference", "storage", "data_processing", "visualisation")
UNITS: Mapping[str, tuple[int, str]] = {
    "cpu": (1000, "core"),
    "memory": (2**30, "GiB"),
    "storage": (2**30, "GiB"),
}
"""Resource to how many of its smallest unit make the priced unit, and that unit's name."""
ACCELERATOR_UNIT = (1, "card")
_ACCELERATOR = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?/[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_MICROSECOND = timedelta(microseconds=1)


def unit_of(resource: str) -> tuple[int, str]:
    """How many of the smallest unit make one priced unit, and its name."""
    return UNITS.get(resource, ACCELERATOR_UNIT)


def known_resource(resource: str) -> bool:
    """``cpu``, ``memory``, ``storage``, or an accelerator named like ``nvidia.com/gpu``."""
    return resource in UNITS or _ACCELERATOR.fullmatch(resource) is not None


def quantities(cpu_millis: int, memory_bytes: int, accelerators: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """Resources with their quantity in the smallest unit; what is not occupied is left out."""
    named = [("cpu", cpu_millis), ("memory", memory_bytes), *sorted(accelerators.items())]
    return tuple((name, int(quantity)) for name, quantity in named if quantity)


class PriceBook:
    """Prices by effective date. A section's own price wins over the general one from its first moment on.

    Args:
        entries: ``(id, resource, section, picos_per_hour, valid_from)``; of equal moments the higher id wins.
    """

    def __init__(self, entries: Iterable[tuple[int, str, str, int, datetime]]) -> None:
        self._moments: dict[tuple[str, str], list[datetime]] = {}
        self._picos: dict[tuple[str, str], list[int]] = {}
        for _, resource, section, picos, valid_from in sorted(entries, key=lambda entry: (entry[4], entry[0])):
            key = (resource, section)
            self._moments.setdefault(key, []).append(valid_from)
            self._picos.setdefault(key, []).append(picos)

    def resources(self) -> list[str]:
        return sorted({resource for resource, _ in self._moments})

    def _lookup(self, key: tuple[str, str], moment: datetime) -> int | None:
        index = bisect_right(self._moments.get(key, ()), moment)
        return self._picos[key][index - 1] if index else None

    def at(self, resource: str, section: str, moment: datetime) -> int:
        """Picos per hour; 0 where nothing was set."""
        own = self._lookup((resource, section), moment)
        return own if own is not None else self._lookup((resource, ""), moment) or 0

    def segments(self, resource: str, section: str, start: datetime, end: datetime) -> Iterator[tuple[int, int]]:
        """``(picos_per_hour, microseconds)`` that together make up ``[start, end)``."""
        if end <= start:
            return
        changes = {
            moment
            for key in ((resource, section), (resource, ""))
            for moment in self._moments.get(key, ())
            if start < moment < end
        }
        edges = [start, *sorted(changes), end]
        for left, right in pairwise(edges):
            yield self.at(resource, section, left), (right - left) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Occupation:
    """One replica over ``[start, end)``."""

    section: str
    quantities: tuple[tuple[str, int], ...]
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One resource at one price; ``microseconds`` sums over replicas."""

    resource: str
    picos_per_hour: int
    quantity: int
    microseconds: int

    @property
    def amount_micros(self) -> int:
        return money.line_amount(self.quantity * self.microseconds, unit_of(self.resource)[0], self.picos_per_hour)


def lines(occupations: Iterable[Occupation], book: PriceBook) -> list[Line]:
    """The lines of one piece of work, by resource and price in order of first use.

    All replicas of a piece of work have the same resources, so a line has one quantity.
    """
    found: dict[tuple[str, int, int], int] = {}
    for occupation in occupations:
        for resource, quantity in occupation.quantities:
            for picos, length in book.segments(resource, occupation.section, occupation.start, occupation.end):
                key = (resource, picos, quantity)
                found[key] = found.get(key, 0) + length
    return [Line(resource, picos, quantity, length) for (resource, picos, quantity), length in found.items()]


def total(found: Iterable[Line]) -> int:
    """Micros of a bill: the sum of its rounded lines."""
    return sum(line.amount_micros for line in found)


def rate(
    amounts: Iterable[tuple[str, int]], replicas: int, section: str, book: PriceBook, moment: datetime
) -> Fraction:
    """Exact micros per hour of work with these resources per replica."""
    return sum(
        (
            Fraction(quantity * replicas * book.at(resource, section, moment), unit_of(resource)[0] * money.PICOS)
            for resource, quantity in amounts
        ),
        Fraction(0),
    )


def hold_for(
    amounts: tuple[tuple[str, int], ...], replicas: int, section: str, book: PriceBook, moment: datetime
) -> int:
    """Micros that the next 15 minutes cost by the prices known now, rounded up."""
    cost = Fraction(0)
    for resource, quantity in amounts:
        for picos, length in book.segments(resource, section, moment, moment + HOLD_TIME):
            cost += money.exact_cost(quantity * replicas * length, unit_of(resource)[0], picos)
    return money.hold_amount(cost)


@dataclass(slots=True)
class Purse:
    """A tenant's balance and what is held of it, with the moves that admission and charging make.

    As long as work is charged no more than it holds, the balance never falls below what is held:
    parallel starts cannot overdraw (REL-2).
    """

    balance: int = 0
    held: int = 0
    holds: dict[int, int] = field(default_factory=dict)

    @property
    def available(self) -> int:
        return self.balance - self.held

    def may_hold(self, amount: int) -> bool:
        """What costs nothing always starts; anything else needs the money now (TEN-4)."""
        return amount == 0 or self.available >= amount

    def set_hold(self, work: int, amount: int) -> None:
        self.held += amount - self.holds.get(work, 0)
        self.holds[work] = amount

    def charge(self, work: int, amount: int) -> None:
        """Take a charge out of the balance and out of the hold that was kept for it.

        A negative amount gives back; the hold stays as it is.
        """
        self.balance -= amount
        if work in self.holds:
            self.set_hold(work, self.holds[work] - min(max(amount, 0), self.holds[work]))

    def renew(self, work: int, full: int) -> bool:
        """Bring a hold to its full amount, or leave it when the money is not there."""
        if work in self.holds and (full <= self.holds[work] or self.available >= full - self.holds[work]):
            self.set_hold(work, full)
        return self.holds.get(work, 0) >= full

    def release(self, work: int) -> None:
        self.set_hold(work, 0)
        del self.holds[work]
