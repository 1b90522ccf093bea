"""Holds, refusal and arrears (TEN-4, OPS-4, OPS-9 refusal, REL-2)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from himalia_hub.backends.protocol import Resources
from himalia_hub.billing import ledger
from himalia_hub.billing.tables import Hold, LedgerAccount
from himalia_hub.core.db import Database
from himalia_hub.core.errors import BalanceTooLow
from tests.api.money.facts import GIB, SMALL, Time, Work, balance, charge, moved_clock, recharge, set_prices
from tests.support.service import World


@pytest.fixture(autouse=True)
def moved() -> Iterator[Time]:
    with moved_clock() as time:
        yield time


@pytest.fixture
def time(moved: Time, world: World) -> Time:
    set_prices(world, cpu="0.10", memory="0.05")
    return moved


def test_what_costs_nothing_starts_without_any_balance(world: World, time: Time) -> None:
    set_prices(world, cpu="0", memory="0")
    Work(world, world.alpha.member, 1).admit()
    assert balance(world)["held_micros"] == 0


def test_without_balance_new_work_is_refused_with_the_numbers(world: World, time: Time) -> None:
    recharge(world, "0.25")
    Work(world, world.alpha.member, 1).admit()
    Work(world, world.alpha.colleague, 2).admit()
    with pytest.raises(BalanceTooLow) as caught:
        Work(world, world.alpha.member, 3).admit()
    error = caught.value
    assert error.status == 402
    assert (error.field, error.value) == ("balance", "0.05")
    assert error.details == {
        "balance_micros": 250_000,
        "held_micros": 200_000,
        "available_micros": 50_000,
        "needed_micros": 100_000,
        "short_micros": 50_000,
    }
    assert "0.1" in error.message
    assert "0.25" in error.message
    assert "15 分钟" in error.zh
    assert error.hint
    # Half the size fits into what is left, exactly.
    Work(world, world.alpha.member, 4, resources=Resources(1000, 2 * GIB)).admit()
    assert balance(world)["available_micros"] == 0


def test_a_refused_start_holds_nothing_and_holding_twice_holds_once(world: World, time: Time) -> None:
    work = Work(world, world.alpha.member, 1)
    with pytest.raises(BalanceTooLow):
        work.admit()
    assert balance(world)["held_micros"] == 0
    recharge(world, "0.10")
    work.admit()
    work.admit()
    assert (balance(world)["held_micros"], balance(world)["available_micros"]) == (100_000, 0)


def test_the_hold_stays_until_the_last_charge(world: World, time: Time) -> None:
    """Between the end and its charge the money must not be free for somebody else."""
    recharge(world, "0.10")
    world.live.run(world.live.platform.controllers.stop())
    work = Work(world, world.alpha.member, 1)
    work.admit()
    opened = time.now
    work.tell("opened", opened, opened)
    work.end(time.move(minutes=15), opened)
    with pytest.raises(BalanceTooLow):
        Work(world, world.alpha.colleague, 2, resources=Resources(10, 0)).admit()
    charge(world)
    found = balance(world)
    assert (found["balance_micros"], found["held_micros"]) == (0, 0)


def test_estimates_say_price_hold_and_what_is_free(world: World, time: Time) -> None:
    recharge(world, "1")
    work = Work(world, world.alpha.member, 1)
    work.admit()
    with world.live.platform.db.engine.connect() as db:
        found = work.budget.estimate(db, world.alpha.tenant_id, SMALL, 2, "training")
    assert (found.price_per_hour_micros, found.hold_micros, found.balance_micros) == (800_000, 200_000, 900_000)


def test_a_price_that_rises_within_the_quarter_is_held_too(world: World, time: Time) -> None:
    recharge(world, "1")
    later = time.now + timedelta(minutes=5)
    from himalia_hub.billing import service

    change = service.PriceChange("cpu", "", 400_000 * 10**6, later)
    world.live.write(lambda session: service.set_prices(session, [change], user_id=0, user_name="tests"))
    Work(world, world.alpha.member, 1, resources=Resources(1000, 0)).admit()
    assert balance(world)["held_micros"] == 75_000  # 5 minutes at 0.10 and 10 at 0.40


def test_arrears_begin_when_a_hold_cannot_be_renewed_and_end_with_a_recharge(world: World, time: Time) -> None:
    """OPS-9: running work goes on, new work is refused with the reason, a recharge heals at once."""
    recharge(world, "0.15")
    work = Work(world, world.alpha.member, 1)
    work.admit()
    opened = time.now
    work.tell("opened", opened, opened)
    work.tell("alive", time.move(minutes=5), opened)
    charge(world)  # 0.0333 charged; 0.1167 left covers the next quarter of an hour
    assert balance(world)["arrears_since"] is None
    work.tell("alive", time.move(minutes=5), opened)
    charge(world)
    found = balance(world)
    assert found["arrears_since"] is not None
    assert found["held_micros"] <= found["balance_micros"]
    with pytest.raises(BalanceTooLow) as caught:
        Work(world, world.alpha.colleague, 2, resources=Resources(10, 0)).admit()
    assert "arrears" in caught.value.message
    assert caught.value.details["arrears_since"] == found["arrears_since"]
    work.tell("alive", time.move(minutes=30), opened)
    charge(world)
    assert balance(world)["balance_micros"] == 150_000 - 266_667 + 1  # two lines of 133,333.33
    assert work.bill()["state"] == "open"
    set_prices(world, cpu="0", memory="0")
    Work(world, world.alpha.colleague, 3).admit()  # free work starts even now
    set_prices(world, cpu="0.10", memory="0.05")
    recharge(world, "0.20")
    assert balance(world)["arrears_since"] is not None  # still less than a quarter of an hour
    recharge(world, "10")
    assert balance(world)["arrears_since"] is None
    Work(world, world.alpha.colleague, 2).admit()
    work.end(time.now, opened)
    charge(world)
    assert work.bill()["state"] == "settled"


def test_a_deduction_below_what_is_held_starts_arrears(world: World, time: Time) -> None:
    recharge(world, "1")
    Work(world, world.alpha.member, 1).admit()
    recharge(world, "-1.50")
    found = balance(world)
    assert (found["balance_micros"], found["arrears_since"] is not None) == (-500_000, True)
    recharge(world, "2")
    assert balance(world)["arrears_since"] is None


def test_parallel_starts_cannot_overdraw(world: World, time: Time) -> None:
    """REL-2, over two processes' worth of connections: of 24 starts exactly those that fit pass."""
    recharge(world, "0.75")
    other = Database(world.live.config.database_url)  # a second process: its own writer, no shared lock
    writers = [world.live.platform.db, other]
    works = [Work(world, (world.alpha.member, world.alpha.colleague)[n % 2], 100 + n) for n in range(24)]

    def start(index: int) -> bool:
        try:
            writers[index % 2].write_now(works[index].hold)
        except BalanceTooLow:
            return False
        return True

    try:
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(start, range(24)))
    finally:
        other.close()
    assert sum(outcomes) == 7
    assert (balance(world)["held_micros"], balance(world)["available_micros"]) == (700_000, 50_000)


@pytest.mark.parametrize("seed", range(6))
def test_random_histories_never_overdraw(world: World, time: Time, seed: int) -> None:
    """REL-2 on the database: starts, proofs of life, ends, price changes and recharges in any order.

    While no work outlives what it holds, the balance never falls below the holds.
    """
    rng = random.Random(seed)
    world.live.run(world.live.platform.controllers.stop())
    recharge(world, "2")
    running: dict[int, tuple[Work, datetime]] = {}
    for number in range(1, 61):
        action = rng.choice(("start", "start", "alive", "alive", "end", "charge", "recharge"))
        if action == "start":
            resources = Resources(rng.randrange(100, 4000), rng.randrange(0, 8) * GIB)
            work = Work(world, world.alpha.member, number, resources=resources, replicas=rng.randrange(1, 3))
            try:
                work.admit()
            except BalanceTooLow as error:
                assert (
                    error.details["available_micros"] < error.details["needed_micros"]
                    or "arrears_since" in error.details
                )
                continue
            for replica in range(work.replicas):
                work.tell("opened", time.now, time.now, replica=replica)
            running[number] = (work, time.now)
        elif action == "alive":
            time.move(seconds=rng.randrange(1, 240))
            for work, opened in running.values():
                for replica in range(work.replicas):
                    work.tell("alive", time.now, opened, replica=replica)
            charge(world)
        elif action == "end" and running:
            work, opened = running.pop(rng.choice(sorted(running)))
            for replica in range(1, work.replicas):
                work.tell("closed", time.now, opened, replica=replica)
            work.end(time.now, opened)
        elif action == "charge":
            charge(world)
        elif action == "recharge":
            recharge(world, str(rng.randrange(1, 50) / 100))
        check(world, running)
    for work, opened in running.values():
        for replica in range(1, work.replicas):
            work.tell("closed", time.now, opened, replica=replica)
        work.end(time.now, opened)
    charge(world)
    check(world, {})
    assert balance(world)["held_micros"] == 0


def check(world: World, running: dict[int, Any]) -> None:
    with world.live.platform.db.engine.connect() as db:
        account = db.execute(
            sa.select(LedgerAccount.__table__).where(LedgerAccount.tenant_id == world.alpha.tenant_id)
        ).one()
        holds = db.execute(sa.select(Hold.__table__)).all()
        assert account.held_micros == sum(hold.amount_micros for hold in holds)
        assert set(running) <= {hold.workload_id for hold in holds}
        assert ledger.sum_of_accounts(db) == 0
        if account.arrears_since is None:
            assert account.balance_micros >= account.held_micros >= 0
