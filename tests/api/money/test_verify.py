"""``himalia admin verify-bills``: agrees with what was charged, and names what differs (BEY-8)."""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from himalia_hub.backends.local import journal, records
from himalia_hub.backends.protocol import Resources
from himalia_hub.billing import commands
from himalia_hub.billing.tables import Bill, BillLine, Hold, LedgerAccount
from himalia_hub.billing.verify import Report, verify
from himalia_hub.commands import admin
from tests.api.money.facts import GIB, SMALL, Time, Work, charge, moved_clock, recharge, set_prices
from tests.support.service import ADMIN_CREDENTIAL, World


@pytest.fixture(autouse=True)
def moved() -> Iterator[Time]:
    with moved_clock() as time:
        yield time


@pytest.fixture
def time(moved: Time, world: World) -> Time:
    set_prices(world, cpu="0.10", memory="0.05")
    recharge(world, "1000")
    return moved


class Moments:
    """The shim's clock in these tests."""

    def __init__(self) -> None:
        self.wall = 0.0

    def now(self) -> float:
        return self.wall


class Shim:
    """Writes a replica's journal by the local backend's own code."""

    def __init__(
        self, root: Path, work: int, resources: Resources = SMALL, *, attempt: int = 1, replica: int = 0
    ) -> None:
        self.root = root
        self.directory = root / "attempts" / f"w{work}" / str(attempt) / f"r{replica}"
        self.directory.mkdir(parents=True)
        self.clock = Moments()
        self.journal = journal.Journal(str(self.directory), self.clock)  # type: ignore[arg-type]
        self.resources = resources
        self.facts = {"workload": f"w{work}", "attempt": attempt, "replica": replica}

    def start(self, at: datetime) -> None:
        self.clock.wall = at.timestamp()
        self.journal.append("accepted", **self.facts, tenant="alpha", owner="u1", kind="run", boot_id="b")
        self.journal.append(
            "start",
            started_at=at.timestamp(),
            cpu_millis=self.resources.cpu_millis,
            memory_bytes=self.resources.memory_bytes,
        )

    def beat(self, at: datetime) -> None:
        (self.directory / journal.HEARTBEAT).write_bytes(journal.Heartbeat(at.timestamp(), 1.0).pack())

    def exit(self, at: datetime) -> None:
        self.clock.wall = at.timestamp()
        self.journal.append("exit", reason="exit_code", ended_at=at.timestamp())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "backend"


def run(world: World, root: Path) -> Report:
    return verify(world.live.config.database_url, root)


def one_bill(world: World, root: Path, time: Time, number: int = 1) -> tuple[Work, Shim]:
    """An hour and a bit, settled, with its journal."""
    work, shim = Work(world, world.alpha.member, number), Shim(root, number)
    work.admit()
    opened = time.move(seconds=1, microseconds=123_457)
    shim.start(opened)
    work.tell("opened", opened, opened)
    work.tell("alive", time.move(minutes=40), opened)
    charge(world)
    shim.exit(time.move(minutes=21, microseconds=7))
    work.end(time.now, opened)
    charge(world)
    return work, shim


def test_charged_bills_equal_the_journals(world: World, root: Path, time: Time) -> None:
    one_bill(world, root, time)
    report = run(world, root)
    assert (report.differences, report.bills, report.intervals, report.without_journal) == ([], 1, 1, 0)
    assert report.total_micros == 406_666  # 61 minutes at 0.40 an hour


@pytest.mark.parametrize("seed", range(4))
def test_random_histories_with_prices_that_change_equal_the_journals(
    world: World, root: Path, time: Time, seed: int
) -> None:
    """Attempts, replicas, lost shims, corrections, price changes, forgotten attempts, running work: to the micro."""
    rng = random.Random(seed)
    running: list[tuple[Work, Shim, datetime, int, int]] = []
    total = 0
    for number in range(1, 13):
        resources = Resources(
            rng.randrange(1, 8000), rng.randrange(2**20, 8 * GIB), accelerators={"x/gpu": 2} if number % 4 == 0 else {}
        )
        work = Work(world, world.alpha.member, number, resources=resources, replicas=rng.randrange(1, 3))
        work.admit()
        for replica in range(work.replicas):
            opened = time.move(microseconds=rng.randrange(1, 10**7))
            shim = Shim(root, number, resources, replica=replica)
            shim.start(opened)
            work.tell("opened", opened, opened, replica=replica)
            running.append((work, shim, opened, replica, 1))
        time.move(seconds=rng.randrange(1, 900), microseconds=rng.randrange(10**6))
        for work, shim, opened, replica, attempt in running:
            shim.beat(time.now)
            work.tell("alive", time.now, opened, replica=replica, attempt=attempt)
        charge(world)
        assert run(world, root).differences == []
        if rng.random() < 0.5:
            set_prices(world, **{rng.choice(["cpu", "memory", "x/gpu"]): str(rng.randrange(0, 10**9) / 10**9)})
        if rng.random() < 0.7:
            work, shim, opened, replica, attempt = running.pop(rng.randrange(len(running)))
            end = time.move(microseconds=rng.randrange(1, 10**8))
            shim.exit(end)
            last = not any(other[0] is work for other in running)
            if rng.random() < 0.4:  # its runner was lost from sight, the true end is found later
                work.tell("closed", opened, opened, replica=replica, attempt=attempt)
                work.tell("corrected", end, opened, replica=replica, attempt=attempt)
            else:
                work.tell("closed", end, opened, replica=replica, attempt=attempt)
            if last:
                world.live.write(lambda session, w=work: w.budget.release(session, w.number))
            if rng.random() < 0.5:
                records.archive(root, shim.directory)
                shutil.rmtree(shim.directory)
        charge(world)
        report = run(world, root)
        assert (report.differences, report.without_journal) == ([], 0)
        total = report.total_micros
    assert total > 0


def test_running_work_is_checked_up_to_its_last_charge(world: World, root: Path, time: Time) -> None:
    work, shim = Work(world, world.alpha.member, 1), Shim(root, 1)
    work.admit()
    opened = time.now
    shim.start(opened)
    work.tell("opened", opened, opened)
    work.tell("alive", time.move(minutes=6), opened)
    charge(world)
    shim.beat(time.now - timedelta(seconds=30))
    assert any("last proof of life" in line for line in run(world, root).differences)
    shim.beat(time.now)
    report = run(world, root)
    assert (report.differences, report.total_micros) == ([], 40_000)


def test_without_journals_the_facts_are_recomputed(world: World, root: Path, time: Time) -> None:
    one_bill(world, root, time)
    report = verify(world.live.config.database_url, None)
    assert (report.differences, report.without_journal, report.total_micros) == ([], 1, 406_666)


def _change(table: Any, **values: Any) -> Callable[[Any], None]:
    return lambda session: session.execute(sa.update(table).values(**values)) and None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_change(Bill, charged_micros=Bill.charged_micros + 1), "says 406667 micros, its postings 406666"),
        (_change(BillLine, amount_micros=BillLine.amount_micros - 1), "cpu at"),
        (_change(BillLine, microseconds=BillLine.microseconds + 1_000_000), "memory at"),
        (
            _change(LedgerAccount, balance_micros=LedgerAccount.balance_micros + 5),
            "all accounts together have 15 micros",
        ),
        (_change(LedgerAccount, held_micros=3), "3 micros held, holds 0"),
    ],
    ids=["bill", "line amount", "line seconds", "balance", "held"],
)
def test_what_somebody_changed_in_the_database_is_named(
    world: World, root: Path, time: Time, change: Callable[[Any], None], words: str
) -> None:
    one_bill(world, root, time)
    world.live.write(change)
    differences = run(world, root).differences
    assert any(words in line for line in differences), differences


def test_a_journal_that_tells_another_end_is_named_to_the_micro(world: World, root: Path, time: Time) -> None:
    _, shim = one_bill(world, root, time)
    path = shim.directory / journal.JOURNAL
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[-1]["ended_at"] -= 36
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    differences = run(world, root).differences
    assert any("charged 406666 micros, recomputed 402666, difference 4000" in line for line in differences), differences
    assert any("facts say it ended at" in line for line in differences)


def test_work_in_the_journals_that_nobody_billed_is_named(world: World, root: Path, time: Time) -> None:
    one_bill(world, root, time)
    forgotten = Shim(root, 77, attempt=2)
    forgotten.start(datetime.fromtimestamp(1_700_000_000).astimezone())
    forgotten.exit(datetime.fromtimestamp(1_700_000_100).astimezone())
    assert any("w77, attempt 2, replica 0" in line and "on no bill" in line for line in run(world, root).differences)


def test_a_hold_that_lost_its_account_is_named(world: World, root: Path, time: Time) -> None:
    Work(world, world.alpha.member, 1).admit()
    world.live.write(lambda session: session.execute(sa.delete(Hold)))
    assert any("micros held, holds 0" in line for line in run(world, root).differences)


# -- the command line ------------------------------------------------------------------------------


def installation(world: World, root: Path, tmp_path: Path) -> Path:
    """A state directory as the supervisor writes it, for the running service."""
    state = tmp_path / "installation"
    state.mkdir()
    (state / "admin").write_text(ADMIN_CREDENTIAL)
    settings = {
        "database_url": world.live.config.database_url,
        "admin": {"credential_file": str(state / "admin")},
        "listen": {"host": "127.0.0.1", "port": world.live.service.port},
        "public": {"hub_url": "http://himalia.localhost"},
        "backend": {"kind": "local", "root": str(root)},
    }
    (state / "platform.json").write_text(json.dumps(settings))
    return state


def himalia_admin(state: Path, *words: str) -> int:
    parser = argparse.ArgumentParser()
    admin.register(parser.add_subparsers())
    arguments = parser.parse_args(["admin", "--state-dir", str(state), *words])
    return int(arguments.run(arguments))


def test_the_administrators_commands(
    world: World, root: Path, time: Time, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = installation(world, root, tmp_path)
    assert himalia_admin(state, "prices", "set", "cpu=0.25", "nvidia.com/gpu=7.5", "--section", "training") == 0
    assert himalia_admin(state, "prices") == 0
    assert "cpu (training)" in capsys.readouterr().out
    assert himalia_admin(state, "prices", "set", "cpu=-1") == 1
    assert "negative" in capsys.readouterr().err
    assert himalia_admin(state, "recharge", "--tenant", "beta", "--amount", "12.50", "--note", "cash") == 0
    assert "balance 12.5" in capsys.readouterr().out
    assert himalia_admin(state, "recharge", "--tenant", "nobody", "--amount", "1") == 1
    assert himalia_admin(state, "balances") == 0
    assert "12.5 CNY" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        himalia_admin(state, "recharge", "--tenant", "beta", "--amount", "1e3")


def test_verify_bills_exits_by_what_it_finds(
    world: World, root: Path, time: Time, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = installation(world, root, tmp_path)
    one_bill(world, root, time)
    assert himalia_admin(state, "verify-bills") == 0
    assert "1 bills over 1 intervals (0 without a journal here)" in capsys.readouterr().out
    world.live.write(_change(Bill, charged_micros=0))
    assert himalia_admin(state, "verify-bills", "--json") == 1
    assert json.loads(capsys.readouterr().out)["differences"]
    assert himalia_admin(tmp_path / "nowhere", "verify-bills") == 1


def test_verifying_shares_nothing_with_charging() -> None:
    """The module imports the standard library and a driver, nothing of ours."""
    import ast

    from himalia_hub.billing import verify as module

    tree = ast.parse(Path(module.__file__).read_text())
    names = {
        alias.name if isinstance(node, ast.Import) else node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not [name for name in names if name.startswith(("himalia", "sqlalchemy"))]
    assert commands.register_admin
