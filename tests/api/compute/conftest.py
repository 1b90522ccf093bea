"""A platform whose backend runs real sandboxed processes on this machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import HttpProbe, Port, Resources, WorkloadPlan
from himalia_hub.compute import plans
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.kinds import Policy
from himalia_hub.compute.tables import Workload
from tests.support.ports import free_port
from tests.support.service import Person, World, live_world, make_config

MIB = 2**20


class Script:
    """A kind for the tests: a Python script, with a probed port when ``spec`` names one."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.changes: list[tuple[str, str | None]] = []

    def plan(self, session: Session, workload: Workload, attempt: int) -> WorkloadPlan:
        port = workload.spec.get("port")
        return plans.base(
            session,
            workload,
            attempt,
            image=workload.spec.get("image", sys.prefix),
            command=("python", "-c", workload.spec["code"]),
            environment={"ATTEMPT": str(attempt)},
            ports=(Port("http", port),) if port else (),
            probe=HttpProbe("http", "/") if port else None,
            working_directory="/tmp",
        )

    def on_change(self, session: Session, workload: Workload) -> None:
        self.changes.append((workload.phase, workload.reason))


class Machine:
    """The running platform with helpers that submit and wait."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.engine = world.live.platform.get(Engine)
        self.scripts = {
            "script": Script(Policy(section="training", grace_seconds=2)),
            "server": Script(Policy(section="inference", restart="always", max_failures=3, probed=True)),
        }
        for kind, translator in self.scripts.items():
            self.engine.register_kind(kind, translator)
        wait_for(lambda: self.engine.nodes)

    def submit(self, person: Person, code: str, *, kind: str = "script", **more: Any) -> int:
        """Submit a script; answers the workload's row id."""
        spec = {"code": code, **more.pop("spec", {})}
        values = {"resources": Resources(250, 256 * MIB), "object_number": 1, "object_name": "a script", **more}

        def work(session: Session) -> int:
            actor = person.actor()
            return self.engine.submit(session, actor, kind=kind, object_kind="script", spec=spec, **values).id

        return int(self.world.live.write(work))

    def row(self, workload_id: int) -> Any:
        with self.world.live.platform.db.engine.connect() as db:
            return db.execute(Workload.__table__.select().where(Workload.id == workload_id)).one()

    def until(self, workload_id: int, *phases: str, seconds: float = 60) -> Any:
        """Wait until the workload is in one of these phases; answers its row."""

        def reached() -> Any | None:
            row = self.row(workload_id)
            return row if row.phase in phases else None

        return wait_for(reached, seconds=seconds, what=lambda: str(self.row(workload_id)))


def wait_for(condition: Callable[[], Any], *, seconds: float = 60, what: Callable[[], str] | None = None) -> Any:
    """The condition's first true value; fails with what is there instead."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what() if what else condition}")


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[Machine]:
    yield from make_machine(tmp_path, database_url, listen={"port": free_port()})


def make_machine(tmp_path: Path, database_url: str, **more: Any) -> Iterator[Machine]:
    """A platform with a local backend of 2 CPUs and 4 GiB; ends what still runs afterwards."""
    backend = {"kind": "local", "root": str(tmp_path / "work"), "cpu_millis": 2000, "memory_bytes": 4096 * MIB}
    worlds = live_world(make_config(tmp_path / "state", database_url, backend=backend, **more))
    found = Machine(next(worlds))
    try:
        yield found
    finally:
        end_everything(found)
        for _ in worlds:
            pass


def end_everything(machine: Machine) -> None:
    """Stop what still runs, so that no shim outlives the test."""

    def work(session: Session) -> list[int]:
        rows = session.query(Workload).filter(Workload.ended_at.is_(None)).all()
        for row in rows:
            machine.engine.request_stop(session, row, grace_seconds=1)
        return [row.id for row in rows]

    for workload_id in machine.world.live.write(work):
        wait_for(lambda workload_id=workload_id: machine.row(workload_id).ended_at, what=lambda: "still running")
