"""Real processes, the real engine: what is charged equals what the shims wrote down, whatever is killed."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from himalia_hub.backends.local import journal
from himalia_hub.billing.tables import Bill, Hold
from himalia_hub.billing.verify import Report, verify
from himalia_hub.compute.tables import Workload
from himalia_hub.core.errors import BalanceTooLow
from tests.api.compute.conftest import MIB, Machine, end_everything, wait_for
from tests.api.money.facts import balance, recharge, set_prices
from tests.support.ports import free_port
from tests.support.service import LiveService, World, make_config, make_tenancy


class Installation:
    """A platform with the local backend that can be stopped and started on the same state."""

    def __init__(self, tmp_path: Path, database_url: str) -> None:
        self.root = tmp_path / "work"
        backend = {"kind": "local", "root": str(self.root), "cpu_millis": 4000, "memory_bytes": 4096 * MIB}
        self.config = make_config(tmp_path / "state", database_url, backend=backend, listen={"port": free_port()})
        live = LiveService(self.config)
        self.world = World(live, make_tenancy(live, "alpha"), make_tenancy(live, "beta"))
        self.machine = Machine(self.world)

    def restart(self) -> None:
        """Another platform process on the same state; work goes on in between."""
        self.world.live.close()
        self.world.live = LiveService(self.config)
        for tenancy in (self.world.alpha, self.world.beta):
            for person in tenancy.people.values():
                person.live = self.world.live
        self.machine = Machine(self.world)

    def shim(self, workload_id: int) -> int:
        """The process id beside the first replica of the first attempt, once there is one."""
        directory = self.root / "attempts" / f"w{workload_id}" / "1" / "r0"
        return int(wait_for(lambda: directory.exists() and journal.lock_holder(str(directory))))

    def rows(self, table: Any) -> list[Any]:
        with self.world.live.platform.db.engine.connect() as db:
            return list(db.execute(sa.select(table.__table__).order_by(sa.text("1"))))

    def settle(self) -> Report:
        """Wait until all work ended and its last charge is posted, then verify."""
        wait_for(lambda: all(row.ended_at for row in self.rows(Workload)), what=lambda: str(self.rows(Workload)))
        wait_for(lambda: not self.rows(Hold), what=lambda: str(self.rows(Hold)))
        report = verify(self.config.database_url, self.root)
        assert report.differences == []
        return report

    def close(self) -> None:
        end_everything(self.machine)
        self.world.live.close()


@pytest.fixture
def installation(tmp_path: Path, database_url: str) -> Iterator[Installation]:
    made = Installation(tmp_path, database_url)
    set_prices(made.world, cpu="720", memory="36")
    recharge(made.world, "100000")
    yield made
    made.close()


def test_every_kind_of_end_is_billed_by_its_journal(installation: Installation) -> None:
    """OPS-2, OPS-4, BEY-8: done, failed, stopped, and a shim that was killed."""
    machine, member = installation.machine, installation.world.alpha.member
    done = machine.submit(member, "import time; time.sleep(1)")
    failed = machine.submit(member, "raise SystemExit(3)")
    stopped = machine.submit(member, "import time; time.sleep(600)")
    lost = machine.submit(member, "import time; time.sleep(600)")
    for workload_id in (stopped, lost):
        machine.until(workload_id, "running")
    os.kill(installation.shim(lost), signal.SIGKILL)
    number = machine.row(stopped).number
    with member.client() as client:
        client.post(f"/workloads/{number}/stop").raise_for_status()
    assert machine.until(done, "succeeded", "failed").phase == "succeeded"
    assert machine.until(failed, "succeeded", "failed").reason == "exit_code"
    assert machine.until(lost, "failed").reason == "runner_lost"
    report = installation.settle()
    assert (report.bills, report.intervals, report.without_journal) == (4, 4, 0)
    bills = {bill.workload_id: bill for bill in installation.rows(Bill)}
    # 0.25 cores at 720 and 0.25 GiB at 36 an hour are 0.0525 a second.
    assert 52_500 <= bills[done].charged_micros < 52_500 * 10
    assert {bill.state for bill in bills.values()} == {"settled"}
    total = sum(bill.charged_micros for bill in bills.values())
    assert balance(installation.world)["balance_micros"] == 100_000_000_000 - total
    assert report.total_micros == total


@pytest.mark.parametrize("seed", [1, 2])
def test_platform_restarts_and_killed_shims_lose_and_double_no_second(installation: Installation, seed: int) -> None:
    """REL-1, short form: at random moments the platform goes and comes, shims die; bills equal the journals."""
    rng = random.Random(seed)
    for _ in range(4):
        member = installation.world.alpha.member
        for _ in range(rng.randrange(1, 3)):
            seconds = rng.choice(["0.05", "0.5", "600"])
            workload_id = installation.machine.submit(member, f"import time; time.sleep({seconds})")
            if seconds == "600" and rng.random() < 0.5:
                os.kill(installation.shim(workload_id), signal.SIGKILL)
        installation.restart()
    end_everything(installation.machine)
    report = installation.settle()
    assert report.without_journal == 0
    assert report.bills >= 1


def test_a_workload_on_the_wire_shows_what_it_costs(installation: Installation) -> None:
    machine, member = installation.machine, installation.world.alpha.member
    workload_id = machine.submit(member, "import time; time.sleep(600)")
    number = machine.until(workload_id, "running").number
    with member.client() as client:
        shown = wait_for(lambda: (found := client.get(f"/workloads/{number}").json())["cost_micros"] and found)
        assert shown["price_per_hour_micros"] == 189_000_000
        bill = wait_for(lambda: client.get("/bills").json()["items"])[0]
        assert (bill["state"], bill["price_per_hour_micros"]) == ("open", 189_000_000)
        assert bill["total_micros"] >= shown["cost_micros"]
        assert client.get("/balance").json()["burn_per_hour_micros"] == 189_000_000


def test_without_balance_the_engine_refuses_and_nothing_is_left(installation: Installation) -> None:
    """TEN-4: refused in the same transaction; no workload, no hold."""
    recharge(installation.world, "-99990")
    before = len(installation.rows(Workload))
    with pytest.raises(BalanceTooLow) as caught:
        installation.machine.submit(installation.world.alpha.member, "print(1)")
    assert caught.value.details["needed_micros"] == 47_250_000
    assert (len(installation.rows(Workload)), installation.rows(Hold)) == (before, [])
