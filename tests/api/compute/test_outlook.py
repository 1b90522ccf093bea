"""Place in the queue and probable start, from a real queue and its history (BEY-3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from himalia_hub.backends.protocol import Resources
from himalia_hub.compute.phases import Phase
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock
from tests.api.compute.conftest import MIB, Machine
from tests.support.service import Person

HALF = Resources(1500, 256 * MIB)
FOREVER = "import time; time.sleep(600)"


def remember(machine: Machine, workload_id: int, minutes: list[float]) -> None:
    """As if so many like this one had ended, after so many minutes each."""
    like = machine.row(workload_id)._asdict()
    moment = clock.now()

    def work(session: Any) -> None:
        for number, lasted in enumerate(minutes):
            ended = moment - timedelta(minutes=number)
            began = ended - timedelta(minutes=lasted)
            over = {"phase": Phase.SUCCEEDED, "created_at": began, "admitted_at": began, "started_at": began}
            values = {**like, **over, "number": like["number"] + 1000 + number, "ended_at": ended}
            values["deadline_seconds"] = None
            del values["id"]
            session.execute(sa.insert(Workload).values(values))

    machine.world.live.write(work)
    machine.engine.outlook.forget()


def workload(person: Person, number: int) -> dict[str, Any]:
    with person.client() as client:
        return dict(client.get(f"/workloads/{number}").raise_for_status().json())


def verdict(person: Person, size: str) -> dict[str, Any]:
    with person.client() as client:
        sizes = {spec["name"]: spec["id"] for spec in client.get("/specs").json()}
        asked = {"spec_id": sizes[size], "scenario": "training"}
        return dict(client.post("/verdict", json=asked).raise_for_status().json())


def minutes_until(moment: str) -> float:
    return (datetime.fromisoformat(moment) - clock.now()).total_seconds() / 60


def test_history_says_when_it_probably_starts(machine: Machine) -> None:
    member = machine.world.alpha.member
    first = machine.submit(member, FOREVER, resources=HALF)
    second = machine.submit(member, FOREVER, resources=HALF)
    third = machine.submit(member, FOREVER, resources=HALF)
    machine.until(first, "running")
    numbers = [machine.row(i).number for i in (first, second, third)]

    shown = workload(member, numbers[1])
    assert (shown["queue_position"], shown["expected_start_at"], shown["expected_start_latest_at"]) == (1, None, None)
    told = verdict(member, "CPU medium")
    assert (told["verdict"], told["expected_start_at"]) == ("waits", None), "nothing is invented without history"
    assert told["sentence"].endswith("in place 3 of the queue.")

    remember(machine, first, [10 + number % 10 for number in range(60)])
    running, next_one, last = (workload(member, number) for number in numbers)
    assert (running["expected_start_at"], running["queue_position"]) == (None, None)
    half, most = (minutes_until(next_one[name]) for name in ("expected_start_at", "expected_start_latest_at"))
    assert 12 <= half <= 17
    assert half < most <= 25
    assert [row["queue_position"] for row in (next_one, last)] == [1, 2]
    assert minutes_until(last["expected_start_at"]) > most, "it waits for two to end"
    told = verdict(member, "CPU medium")
    assert minutes_until(told["expected_start_at"]) > minutes_until(last["expected_start_at"])
    assert told["expected_start_at"] < told["expected_start_latest_at"]
    assert " in place 3 of the queue: likely in " in told["sentence"]
    assert told["sentence"].endswith(" in nine of ten cases.")
    assert "排在第 3 位：预计 " in told["sentence_zh"]


def test_without_history_deadlines_bound_the_start(machine: Machine) -> None:
    member = machine.world.alpha.member
    first = machine.submit(member, FOREVER, resources=HALF, deadline_seconds=1800)
    second = machine.submit(member, FOREVER, resources=HALF)
    machine.until(first, "running")
    shown = workload(member, machine.row(second).number)
    assert shown["expected_start_at"] is None
    assert 28 <= minutes_until(shown["expected_start_latest_at"]) <= 30
    remember(machine, first, [300] * 40)
    shown = workload(member, machine.row(second).number)
    assert minutes_until(shown["expected_start_at"]) <= 30, "however long such work lasts, this one ends then"
