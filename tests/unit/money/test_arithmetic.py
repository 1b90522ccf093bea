"""Exact money: rounding, parsing, and that charges sum to the rounded total (OPS-1, GEN-8)."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from himalia_hub.core import money


@given(st.integers(-(10**24), 10**24), st.integers(1, 10**12))
def test_half_even_agrees_with_decimal(numerator: int, denominator: int) -> None:
    with localcontext() as context:
        context.prec = 80
        expected = (Decimal(numerator) / Decimal(denominator)).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    assert money.divide_half_even(numerator, denominator) == int(expected)


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [(1, 2, 0), (3, 2, 2), (5, 2, 2), (-1, 2, 0), (-3, 2, -2), (7, 3, 2), (8, 3, 3), (0, 5, 0)],
)
def test_ties_go_to_the_even_neighbour(numerator: int, denominator: int, rounded: int) -> None:
    assert money.divide_half_even(numerator, denominator) == rounded


@given(
    quantity=st.integers(1, 10**12),
    rate=st.integers(0, 10**15),
    steps=st.lists(st.integers(1, 10**10), min_size=1, max_size=40),
)
def test_any_sequence_of_charges_sums_to_the_rounded_total(quantity: int, rate: int, steps: list[int]) -> None:
    """OPS-1: posting cumulative minus posted never drifts, however often work is charged."""
    posted = elapsed = 0
    for step in steps:
        elapsed += step
        posted += money.line_amount(quantity * elapsed, 2**30, rate) - posted
    assert posted == money.line_amount(quantity * sum(steps), 2**30, rate)
    assert abs(posted - money.exact_cost(quantity * sum(steps), 2**30, rate)) <= money.Fraction(1, 2)


@given(st.integers(-(10**15), 10**15))
def test_amounts_survive_text(micros: int) -> None:
    assert money.parse_amount(money.amount_text(micros)) == micros


@given(st.integers(0, money.MAX_RATE_PICOS))
def test_rates_survive_text(picos: int) -> None:
    assert money.parse_rate(money.rate_text(picos)) == picos


@pytest.mark.parametrize(
    "text", ["", "-", ".", "1e5", "0x10", "１", "1,5", "1.2.3", "nan", "inf", "--1", "1_0", "9" * 41]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="decimal"):
        money.parse_amount(text)


def test_digits_that_would_be_lost_are_refused() -> None:
    with pytest.raises(ValueError, match="6 digits"):
        money.parse_amount("0.0000001")
    with pytest.raises(ValueError, match="12 digits"):
        money.parse_rate("0.0000000000001")


@pytest.mark.parametrize(
    ("micros", "digits", "text"),
    [
        (125_000, 2, "0.12"),
        (135_000, 2, "0.14"),
        (-125_000, 2, "-0.12"),
        (1_499_999, 0, "1"),
        (10**15, 2, "1000000000.00"),
    ],
)
def test_documents_round_half_even_to_the_smallest_unit(micros: int, digits: int, text: str) -> None:
    assert str(money.for_document(micros, digits)) == text


@given(st.integers(1, 10**18), st.integers(1, 10**9))
def test_a_hold_is_never_less_than_the_charge(numerator: int, denominator: int) -> None:
    cost = money.Fraction(numerator, denominator)
    assert money.hold_amount(cost) >= cost > money.hold_amount(cost) - 1
    assert money.hold_amount(cost) >= money.half_even(cost)
