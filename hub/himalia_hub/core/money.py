"""Exact money: integers, one rounding, never binary floating point (GEN-8, OPS-1).

Glossary
    amount      integer micros, millionths of the currency unit; what ledgers and bills hold
    rate        integer picos per hour, millionths of a micro, for one unit of a resource
    usage       integer: quantity in the resource's smallest unit times microseconds
    exact cost  a :class:`~fractions.Fraction` of micros; rounded once, half even, by :func:`line_amount`

A line is charged by posting the rounded cost of all its usage so far minus what was posted, so
that any sequence of charges sums to the rounded total. Only documents round further, to the
currency's smallest unit, by :func:`for_document`.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from fractions import Fraction

MICROS = 1_000_000
"""Micros in one currency unit."""
PICOS = 1_000_000
"""Picos in one micro."""
HOUR_MICROSECONDS = 3_600_000_000
MAX_AMOUNT_MICROS = 10**15
"""The largest single amount: a thousand million currency units."""
MAX_RATE_PICOS = 10**6 * MICROS * PICOS
"""The highest price: a million currency units per unit and hour."""


def half_even(value: Fraction) -> int:
    """The nearest integer; a tie goes to the even one."""
    return divide_half_even(value.numerator, value.denominator)


def divide_half_even(numerator: int, denominator: int) -> int:
    """``numerator / denominator`` rounded half even, for a positive denominator."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return quotient + 1 if twice > denominator or (twice == denominator and quotient & 1) else quotient


def exact_cost(usage: int, unit: int, rate_picos: int) -> Fraction:
    """Micros that some usage costs, exactly.

    Args:
        usage: Quantity in the smallest unit (milli-cores, bytes, cards) times microseconds.
        unit: How many of the smallest unit make the unit that the rate is for.
        rate_picos: Picos per hour and unit.
    """
    return Fraction(usage * rate_picos, unit * HOUR_MICROSECONDS * PICOS)


def line_amount(usage: int, unit: int, rate_picos: int) -> int:
    """Micros of a line of a bill: its exact cost, rounded once, half even."""
    return divide_half_even(usage * rate_picos, unit * HOUR_MICROSECONDS * PICOS)


def hold_amount(cost: Fraction) -> int:
    """Micros to hold for a cost that is to come: rounded up, so that the charge never exceeds it."""
    return -((-cost.numerator) // cost.denominator)


def parse_decimal(text: str) -> Decimal:
    """A plain decimal number (``12``, ``-0.35``); raises ``ValueError`` for anything else."""
    stripped = text.strip()
    body = stripped[1:] if stripped[:1] in "+-" else stripped
    if not body or len(body) > 40 or not body.isascii() or body.strip("0123456789.") or body.count(".") > 1:
        raise ValueError(f"{text!r} is not a decimal number")
    try:
        return Decimal(stripped)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a decimal number") from None


def _scaled(number: Decimal, scale: int, digits: int) -> int:
    with localcontext() as context:
        context.prec = 80
        scaled = number * scale
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{number} has more than {digits} digits after the point")
        return int(scaled)


def parse_amount(text: str) -> int:
    """Micros of an amount in currency units; at most 6 digits after the point."""
    return _scaled(parse_decimal(text), MICROS, 6)


def parse_rate(text: str) -> int:
    """Picos per hour of a price in currency units per hour; at most 12 digits after the point."""
    return _scaled(parse_decimal(text), MICROS * PICOS, 12)


def _plain(value: int, digits: int) -> str:
    sign, value = ("-", -value) if value < 0 else ("", value)
    whole, rest = divmod(value, 10**digits)
    fraction = f"{rest:0{digits}d}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def amount_text(micros: int) -> str:
    """An amount in currency units, exact, without needless zeros."""
    return _plain(micros, 6)


def rate_text(picos: int) -> str:
    """A price in currency units per hour, exact, without needless zeros."""
    return _plain(picos, 12)


def rate_micros(picos: int) -> int:
    """A price per hour in micros, rounded half even, for showing; charging uses the picos."""
    return divide_half_even(picos, PICOS)


def for_document(micros: int, digits: int) -> Decimal:
    """The amount in currency units as documents write it: ``digits`` after the point, half even."""
    return (Decimal(micros) / MICROS).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)
