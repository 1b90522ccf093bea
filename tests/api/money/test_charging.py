"""From usage facts to bills and the balance (OPS-2, OPS-3, OPS-4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import Resources
from himalia_hub.billing import charging, ledger
from himalia_hub.billing.tables import Bill, Hold, LedgerEntry
from himalia_hub.core.usage import UsageFact
from himalia_hub.metering import service as metering
from himalia_hub.metering.tables import MeteringCursor, UsageInterval
from tests.api.money.facts import GIB, NOON, SMALL, Time, Work, balance, charge, moved_clock, recharge, set_prices
from tests.support.service import World


@pytest.fixture(autouse=True)
def moved() -> Iterator[Time]:
    """Noon, before anything else is made, so that grants and prices are of the same time."""
    with moved_clock() as time:
        yield time


@pytest.fixture
def time(moved: Time, world: World) -> Time:
    set_prices(world, cpu="0.10", memory="0.05")
    recharge(world, "100")
    return moved


def everything_agrees(world: World) -> None:
    """OPS-3: bills, postings, balance and the sum of accounts say the same."""
    with world.live.platform.db.engine.connect() as db:
        assert ledger.sum_of_accounts(db) == 0
        charged: dict[int, int] = {}
        running = 0
        for entry in db.execute(sa.select(LedgerEntry.__table__).order_by(LedgerEntry.number)):
            signed = entry.amount_micros if entry.kind in ("refund", "recharge") else -entry.amount_micros
            running += signed
            assert entry.balance_after_micros == running
            if entry.bill_id is not None:
                charged[entry.bill_id] = charged.get(entry.bill_id, 0) - signed
        for bill in db.execute(sa.select(Bill.__table__)):
            assert bill.charged_micros == charged.get(bill.id, 0)
        balance_micros, held, _ = ledger.read_account(db, world.alpha.tenant_id)
        assert balance_micros == running
        assert held == db.execute(sa.select(sa.func.coalesce(sa.func.sum(Hold.amount_micros), 0))).scalar_one()


def test_an_hour_of_work_from_hold_to_settled_bill(world: World, time: Time) -> None:
    work = Work(world, world.alpha.member, 11)
    work.admit()
    # 2 cores at 0.10 and 4 GiB at 0.05 are 0.40 an hour, 0.10 for the 15 minutes held.
    assert (balance(world)["held_micros"], balance(world)["available_micros"]) == (100_000, 99_900_000)
    opened = time.move(seconds=3)
    work.tell("opened", opened, opened)
    for _ in range(60):
        work.tell("alive", time.move(minutes=1), opened)
    charge(world)
    running = work.bill()
    assert (running["state"], running["total_micros"], running["ended_at"]) == ("open", 400_000, None)
    assert running["charged_micros"] == 400_000 - balance(world)["uncharged_micros"]
    assert balance(world)["burn_per_hour_micros"] == running["price_per_hour_micros"] == 400_000
    work.end(time.now, opened)
    charge(world)
    bill = work.bill()
    assert (bill["state"], bill["total_micros"], bill["charged_micros"]) == ("settled", 400_000, 400_000)
    assert bill["duration_seconds"] == 3600
    assert [
        (line["resource"], line["quantity"], line["unit"], line["seconds"], line["unit_price"], line["amount_micros"])
        for line in bill["lines"]
    ] == [
        ("cpu", 2, "core", 3600, "0.1", 200_000),
        ("memory", 4, "GiB", 3600, "0.05", 200_000),
    ]
    assert (bill["serial"], bill["user"]["id"], bill["nodes"]) == (
        "B-alpha-000001",
        world.alpha.member.number,
        ["node-1"],
    )
    assert -sum(posting["amount_micros"] for posting in bill["postings"]) == 400_000
    found = balance(world)
    assert (found["balance_micros"], found["held_micros"], found["uncharged_micros"]) == (99_600_000, 0, 0)
    assert (found["burn_per_hour_micros"], found["lasts_until"]) == (0, None)
    everything_agrees(world)


def test_running_work_is_charged_at_least_every_five_minutes_and_its_hold_renewed(world: World, time: Time) -> None:
    work = Work(world, world.alpha.member, 12)
    work.admit()
    opened = time.now
    work.tell("opened", opened, opened)
    for minute in range(1, 31):
        work.tell("alive", time.move(minutes=1), opened)
        charge(world)
        with world.live.platform.db.engine.connect() as db:
            until = db.execute(sa.select(Bill.charged_until).where(Bill.workload_id == 12)).scalar_one()
        assert time.now - until < timedelta(minutes=5), minute
        assert balance(world)["held_micros"] == 100_000
    assert 200_000 - 4 * 400_000 // 60 <= work.bill()["charged_micros"] <= 200_000
    everything_agrees(world)


def test_open_bills_cost_to_the_present_second_but_not_long_past_the_last_proof_of_life(
    world: World, time: Time
) -> None:
    work = Work(world, world.alpha.member, 13)
    work.admit()
    opened = time.now
    work.tell("opened", opened, opened)
    charge(world)
    time.move(seconds=90)
    assert work.bill()["total_micros"] == 10_000
    assert balance(world)["uncharged_micros"] == 10_000
    lasts = balance(world)["lasts_until"]
    assert lasts is not None
    assert lasts.startswith(
        (time.now + timedelta(seconds=(100_000_000 - 10_000) * 3600 // 400_000)).strftime("%Y-%m-%dT%H:%M")
    )
    time.move(hours=3)
    assert work.bill()["total_micros"] == 13_334  # two lines of 6,666.67 each
    with world.live.platform.db.engine.connect() as db:
        assert work.budget.costs(db, [13, 999]) == {13: 13_334}


def test_a_price_changes_from_its_moment_on_and_gets_a_line_of_its_own(world: World, time: Time) -> None:
    work = Work(world, world.alpha.member, 14)
    work.admit()
    opened = time.now
    work.tell("opened", opened, opened)
    time.move(minutes=30)
    set_prices(world, cpu="0.20")
    work.end(time.move(minutes=30), opened)
    charge(world)
    bill = work.bill()
    cpu = sorted(
        (line["unit_price"], line["seconds"], line["amount_micros"])
        for line in bill["lines"]
        if line["resource"] == "cpu"
    )
    assert cpu == [("0.1", 1800, 100_000), ("0.2", 1800, 200_000)]
    assert bill["total_micros"] == 500_000
    everything_agrees(world)


def test_the_true_end_found_later_corrects_by_new_entries(world: World, time: Time) -> None:
    """OPS-2, OPS-3: a refund is posted; what was written stays as it was."""
    work = Work(world, world.alpha.member, 15)
    work.admit()
    opened = time.now
    work.tell("opened", opened, opened)
    work.end(time.move(hours=1), opened)
    charge(world)
    before = work.bill()
    work.tell("corrected", opened + timedelta(minutes=45), opened)
    charge(world)
    after = work.bill()
    assert (after["state"], after["total_micros"], after["duration_seconds"]) == ("settled", 300_000, 2700)
    assert after["lines"][:2] == before["lines"]
    assert [
        (line["resource"], line["seconds"], line["amount_micros"], line["correction"]) for line in after["lines"][2:]
    ] == [
        ("cpu", -900, -50_000, 1),
        ("memory", -900, -50_000, 1),
    ]
    assert [(posting["type"], posting["amount_micros"]) for posting in after["postings"]] == [
        ("charge", -400_000),
        ("refund", 100_000),
    ]
    work.tell("corrected", opened + timedelta(minutes=50), opened)
    charge(world)
    assert work.bill()["total_micros"] == 333_334  # two lines of 166,666.67 each
    everything_agrees(world)


def test_attempts_and_replicas_add_up_to_one_bill(world: World, time: Time) -> None:
    work = Work(world, world.alpha.member, 16, kind="service_variant", replicas=2)
    work.admit()
    assert balance(world)["held_micros"] == 200_000
    opened = time.now
    for replica in (0, 1):
        work.tell("opened", opened, opened, replica=replica)
    lost = time.move(minutes=15)
    work.tell("closed", lost, opened, replica=0)
    charge(world)
    again = time.move(minutes=5)  # waiting between the attempts costs nothing for replica 0
    work.tell("opened", again, again, attempt=2, replica=0)
    end = time.move(minutes=40)
    work.tell("closed", end, again, attempt=2, replica=0)
    charge(world)
    assert work.bill()["state"] == "open"
    work.end(end, opened, replica=1)
    charge(world)
    bill = work.bill()
    assert (bill["state"], bill["replicas"]) == ("settled", 2)
    assert {line["seconds"] for line in bill["lines"]} == {(15 + 40 + 60) * 60}
    assert bill["total_micros"] == 766_666  # two lines of 383,333.33 each
    assert balance(world)["held_micros"] == 0
    everything_agrees(world)


def test_between_attempts_the_bill_stays_open_and_the_money_held(world: World, time: Time) -> None:
    work = Work(world, world.alpha.member, 17)
    work.admit()
    opened = time.now
    work.tell("opened", opened, opened)
    work.tell("closed", time.move(minutes=3), opened)
    charge(world)
    assert (work.bill()["state"], balance(world)["held_micros"]) == ("open", 100_000)
    world.live.write(lambda session: work.budget.release(session, 17))
    charge(world)
    assert (work.bill()["state"], balance(world)["held_micros"]) == ("settled", 0)
    everything_agrees(world)


def test_work_that_never_ran_costs_nothing_and_leaves_no_bill(world: World, time: Time) -> None:
    work = Work(world, world.alpha.member, 18)
    work.admit()
    world.live.write(lambda session: work.budget.release(session, 18))
    charge(world)
    assert balance(world)["held_micros"] == 0
    with world.alpha.member.client() as client:
        assert client.get("/bills").json()["total"] == 0


def test_free_work_has_a_bill_of_zero_with_its_seconds(world: World, time: Time) -> None:
    set_prices(world, cpu="0", memory="0")
    work = Work(world, world.alpha.member, 19, resources=Resources(1000, GIB, accelerators={"example.com/gpu": 1}))
    work.admit()
    opened = time.now
    work.tell("opened", opened, opened)
    work.end(time.move(seconds=10), opened)
    charge(world)
    bill = work.bill()
    assert (bill["state"], bill["total_micros"], bill["postings"]) == ("settled", 0, [])
    assert [(line["resource"], line["unit"], line["seconds"]) for line in bill["lines"]] == [
        ("cpu", "core", 10),
        ("example.com/gpu", "card", 10),
        ("memory", "GiB", 10),
    ]


class Killed(Exception):
    """The process ended here."""


@pytest.mark.parametrize("place", ["before_post", "after_post", "before_clear", "after_facts", "before_commit"])
def test_a_kill_at_any_place_of_a_charge_neither_loses_nor_doubles_a_second(
    world: World, time: Time, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OPS-2: each unit of work happens whole or not at all, and repeating it changes nothing."""
    world.live.run(stop_controllers(world))
    work = Work(world, world.alpha.member, 20)
    work.admit()
    opened = time.now
    work.tell("opened", opened, opened)
    work.end(time.move(minutes=30), opened)

    def die(*_: Any, **__: Any) -> None:
        raise Killed(place)

    with monkeypatch.context() as patched:
        if place == "before_post":
            patched.setattr(ledger, "post", die)
        elif place == "before_clear":
            patched.setattr(metering, "clear_pending", die)
        elif place == "after_post":
            patched.setattr(charging, "_replace_lines", die)
        elif place == "after_facts":
            patched.setattr(charging, "due", die)
        else:
            patched.setattr(charging.holds, "renew_all", die)
        with pytest.raises(Killed):
            charge(world)
    everything_agrees(world)
    for _ in range(3):
        charge(world)
    assert work.bill()["total_micros"] == 200_000
    assert len(work.bill()["postings"]) == 1
    everything_agrees(world)


async def stop_controllers_async(world: World) -> None:
    await world.live.platform.controllers.stop()


def stop_controllers(world: World) -> Any:
    return stop_controllers_async(world)


def test_reading_all_facts_again_changes_nothing(world: World, time: Time) -> None:
    work = Work(world, world.alpha.member, 21)
    work.admit()
    opened = time.now
    work.tell("opened", opened, opened)
    work.tell("alive", time.move(minutes=6), opened)
    charge(world)
    work.end(time.move(minutes=6), opened)
    work.tell("corrected", opened + timedelta(minutes=11), opened)
    charge(world)
    before = work.bill()

    def forget(session: Session) -> None:
        session.execute(sa.update(MeteringCursor).values(fact_id=0))
        session.execute(sa.delete(UsageInterval))

    world.live.write(forget)
    charge(world)
    after = work.bill()
    assert {**after, "version": 0} == {**before, "version": 0}
    everything_agrees(world)


def test_a_fact_that_becomes_visible_late_is_not_missed(world: World, time: Time) -> None:
    """On PostgreSQL a smaller id may be committed after a larger one was read."""
    late, other = Work(world, world.alpha.member, 22), Work(world, world.alpha.member, 23)
    opened = time.now
    other.tell("opened", opened, opened)
    with world.live.platform.db.engine.connect() as db:
        newest = db.execute(sa.select(sa.func.max(UsageFact.id))).scalar_one()
    world.live.write(lambda session: session.execute(sa.update(MeteringCursor).values(fact_id=newest + 5)))
    charge(world)

    def insert(session: Session) -> None:
        late.fact(session, "closed", time.now + timedelta(minutes=9), opened)  # id below the cursor
        for _ in range(8):
            other.fact(session, "alive", time.now + timedelta(minutes=9), opened)

    world.live.write(insert)
    charge(world)
    assert late.bill()["total_micros"] == 60_000


def test_who_sees_which_bill(world: World, time: Time) -> None:
    """Reach own, department, organisation; another organisation's bill is not found."""
    mine, theirs = Work(world, world.alpha.member, 24), Work(world, world.alpha.outsider, 25)
    for work in (mine, theirs):
        work.tell("opened", NOON, NOON)
        work.end(NOON + timedelta(minutes=1), NOON)
    charge(world)
    number = mine.bill()["id"]

    def seen(person: Any) -> list[int]:
        with person.client(step_up=True) as client:
            return sorted(item["object"]["id"] for item in client.get("/bills").raise_for_status().json()["items"])

    assert seen(world.alpha.member) == [24]
    assert seen(world.alpha.department_admin) == [24]
    assert seen(world.alpha.tenant_admin) == [24, 25]
    assert seen(world.alpha.colleague) == []
    assert seen(world.beta.tenant_admin) == []
    with world.beta.tenant_admin.client(step_up=True) as client:
        assert client.get(f"/bills/{number}").status_code == 404
    with world.alpha.colleague.client() as client:
        assert client.get(f"/bills/{number}").status_code == 404
    with world.alpha.tenant_admin.client(step_up=True) as client:
        assert client.get(f"/bills/{number}").status_code == 200
        entries = client.get("/ledger?type=charge").json()["items"]
        assert {entry["bill"]["object"]["id"] for entry in entries} == {24, 25}
        users = client.get("/bills/summary?by=user").json()
        assert {item["key"] for item in users["items"]} == {
            str(world.alpha.member.number),
            str(world.alpha.outsider.number),
        }


def test_spending_by_day_kind_and_user_equals_the_bills(world: World, time: Time) -> None:
    run, notebook = Work(world, world.alpha.member, 26), Work(world, world.alpha.member, 27, kind="notebook")
    run.tell("opened", NOON, NOON)
    run.end(time.move(minutes=30), NOON)
    charge(world)
    opened = time.move(hours=20)
    notebook.tell("opened", opened, opened)
    notebook.tell("alive", time.move(minutes=3), opened)
    charge(world)
    with world.alpha.member.client() as client:
        bills = client.get("/bills").json()["items"]
        total = sum(bill["total_micros"] for bill in bills)
        days = client.get("/bills/summary?by=day").raise_for_status().json()
        kinds = client.get("/bills/summary?by=kind").raise_for_status().json()
        east = client.get("/bills/summary?by=day&offset_minutes=840").raise_for_status().json()
        old = client.get("/bills/summary", params={"to": "2026-11-22T00:00:00Z"}).raise_for_status().json()
    assert days["total_micros"] == kinds["total_micros"] == east["total_micros"] == total == 220_000
    assert [(item["key"], item["amount_micros"]) for item in days["items"]] == [
        ("2026-11-21", 200_000),
        ("2026-11-22", 20_000),
    ]
    assert [(item["key"], item["amount_micros"]) for item in kinds["items"]] == [("run", 200_000), ("notebook", 20_000)]
    assert [item["key"] for item in east["items"]] == ["2026-11-22"]
    assert old["total_micros"] == 200_000


def test_filters_of_bills(world: World, time: Time) -> None:
    for number, kind in ((28, "run"), (29, "notebook")):
        work = Work(world, world.alpha.member, number, kind=kind)
        opened = time.move(hours=1)
        work.tell("opened", opened, opened)
        if kind == "run":
            work.end(time.move(minutes=1), opened)
    charge(world)

    def found(**query: Any) -> list[int]:
        with world.alpha.member.client() as client:
            return [
                item["object"]["id"] for item in client.get("/bills", params=query).raise_for_status().json()["items"]
            ]

    assert found() == [29, 28]
    assert found(sort="started_at") == [28, 29]
    assert found(kind="run") == found(state="settled") == found(section="training") == [28]
    assert found(resource="cpu") == found(resource="memory") == [29, 28]
    assert found(state="open") == found(**{"from": "2026-11-21T14:00:00Z"}) == found(q="notebook") == [29]
    assert found(user=world.alpha.colleague.number) == found(resource="nvidia.com/gpu") == []
    with world.alpha.member.client() as client:
        assert client.get("/bills", params={"from": "2026-11-21T14:00:00"}).status_code == 422


def test_small_is_what_the_tests_say() -> None:
    assert (SMALL.cpu_millis, SMALL.memory_bytes) == (2000, 4 * GIB)
