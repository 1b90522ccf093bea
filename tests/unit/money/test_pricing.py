"""Price books, lines and purses without a database (OPS-1, OPS-2, REL-2)."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from himalia_hub.billing import rules
from himalia_hub.core import money

START = datetime(2026, 11, 21, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOMENTS = st.integers(0, 7200 * 10**6).map(lambda us: START + timedelta(microseconds=us))


def picos(text: str) -> int:
    return money.parse_rate(text)


def test_prices_take_effect_from_their_moment_and_sections_win() -> None:
    book = rules.PriceBook(
        [
            (1, "cpu", "", picos("0.10"), START),
            (2, "cpu", "", picos("0.20"), START + HOUR),
            (3, "cpu", "training", picos("0.05"), START + HOUR / 2),
        ]
    )
    assert book.at("cpu", "notebook", START - timedelta(microseconds=1)) == 0
    assert book.at("cpu", "notebook", START) == picos("0.10")
    assert book.at("cpu", "notebook", START + HOUR) == picos("0.20")
    assert list(book.segments("cpu", "training", START, START + 2 * HOUR)) == [
        (picos("0.10"), 1800 * 10**6),
        (picos("0.05"), 1800 * 10**6),
        (picos("0.05"), 3600 * 10**6),
    ]


def test_the_newer_of_two_entries_for_one_moment_wins() -> None:
    book = rules.PriceBook([(2, "cpu", "", 7, START), (1, "cpu", "", 5, START)])
    assert book.at("cpu", "", START) == 7


def test_lines_of_an_hour_cost_what_the_price_says() -> None:
    book = rules.PriceBook([(1, "cpu", "", picos("0.10"), START), (2, "memory", "", picos("0.05"), START)])
    amounts = rules.quantities(2000, 4 * 2**30, {"nvidia.com/gpu": 1})
    found = rules.lines([rules.Occupation("training", amounts, START, START + HOUR)], book)
    assert {(line.resource, line.amount_micros) for line in found} == {
        ("cpu", 200_000),
        ("memory", 200_000),
        ("nvidia.com/gpu", 0),
    }
    assert rules.total(found) == 400_000
    assert rules.rate(amounts, 1, "training", book, START) == 400_000
    assert rules.hold_for(amounts, 1, "training", book, START) == 100_000


ENTRIES = st.lists(st.tuples(st.sampled_from(["", "training"]), st.integers(0, 10**12), MOMENTS), max_size=8).map(
    lambda found: [(i, "cpu", section, rate, moment) for i, (section, rate, moment) in enumerate(found)]
)


@given(entries=ENTRIES, edges=st.lists(MOMENTS, min_size=2, max_size=12, unique=True), millis=st.integers(1, 64_000))
def test_cutting_an_interval_anywhere_changes_no_line(
    entries: list[tuple[int, str, str, int, datetime]], edges: list[datetime], millis: int
) -> None:
    """OPS-2: no second is lost or doubled where intervals, attempts or prices meet."""
    book, edges = rules.PriceBook(entries), sorted(edges)
    amounts = (("cpu", millis),)
    whole = rules.lines([rules.Occupation("training", amounts, edges[0], edges[-1])], book)
    cut = rules.lines(
        [rules.Occupation("training", amounts, left, right) for left, right in itertools.pairwise(edges)],
        book,
    )
    assert {line.picos_per_hour: line.microseconds for line in whole} == {
        line.picos_per_hour: line.microseconds for line in cut
    }
    assert rules.total(whole) == rules.total(cut)
    assert sum(line.microseconds for line in whole) == (edges[-1] - edges[0]) // timedelta(microseconds=1)
    exact = sum(
        (
            money.exact_cost(millis * length, 1000, rate)
            for rate, length in book.segments("cpu", "training", edges[0], edges[-1])
        ),
        Fraction(0),
    )
    assert abs(rules.total(whole) - exact) <= Fraction(len(whole), 2)


class ParallelWork(RuleBasedStateMachine):
    """REL-2: starts, charges within holds, renewals, ends and recharges in any order never overdraw."""

    work = Bundle("work")

    def __init__(self) -> None:
        super().__init__()
        self.purse = rules.Purse()
        self.numbers = 0
        self.recharged = self.charged = 0

    @rule(amount=st.integers(0, 10_000))
    def recharge(self, amount: int) -> None:
        self.purse.balance += amount
        self.recharged += amount

    @rule(target=work, amount=st.integers(0, 5_000))
    def start(self, amount: int) -> tuple[int, int]:
        self.numbers += 1
        allowed = self.purse.may_hold(amount)
        assert allowed == (amount == 0 or self.purse.balance - self.purse.held >= amount)
        if allowed:
            self.purse.set_hold(self.numbers, amount)
        return (self.numbers, amount)

    @rule(what=work, share=st.integers(0, 100))
    def charge_within_the_hold(self, what: tuple[int, int], share: int) -> None:
        number, _ = what
        amount = self.purse.holds.get(number, 0) * share // 100
        before = self.purse.available
        self.purse.charge(number, amount)
        self.charged += amount
        assert self.purse.available == before

    @rule(what=work)
    def renew(self, what: tuple[int, int]) -> None:
        number, full = what
        if number in self.purse.holds:
            assert self.purse.renew(number, full) == (self.purse.holds[number] >= full)

    @rule(what=consumes(work))
    def end(self, what: tuple[int, int]) -> None:
        if what[0] in self.purse.holds:
            self.purse.release(what[0])

    @invariant()
    def nothing_is_overdrawn(self) -> None:
        assert self.purse.held == sum(self.purse.holds.values())
        assert min(self.purse.holds.values(), default=0) >= 0
        assert self.purse.available >= 0
        assert self.purse.balance == self.recharged - self.charged >= 0


TestParallelWork = ParallelWork.TestCase
TestParallelWork.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
