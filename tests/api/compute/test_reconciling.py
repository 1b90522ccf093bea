"""What the reconciler does about a backend that forgets, hesitates or refuses, and about restarts.

The backend is one whose every observation the test decides; processes are not the matter here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from himalia_hub.backends.protocol import (
    BackendError,
    Changes,
    ExitReason,
    NodeCapacity,
    ObservedReplica,
    ObservedWorkload,
    ReplicaState,
    Resources,
    WorkloadPlan,
)
from himalia_hub.compute import attention, facts
from himalia_hub.compute import reconciler as module
from himalia_hub.compute.kinds import Policy
from himalia_hub.compute.reconciler import Reconciler
from himalia_hub.core import clock
from himalia_hub.migrations import migrate
from tests.api.compute.conftest import Script
from tests.api.compute.test_admission import Installation, people
from tests.api.compute.test_life import facts_from


class Stage:
    """A backend without processes: the test says what is seen, and reads what was asked."""

    name = "local"

    def __init__(self) -> None:
        self.applied: list[WorkloadPlan] = []
        self.stopped: list[tuple[str, int]] = []
        self.seen: dict[tuple[str, int], tuple[ObservedReplica, ...]] = {}
        self.refusal: BackendError | None = None
        self.obeys = True

    async def nodes(self) -> Sequence[NodeCapacity]:
        return [NodeCapacity("one", Resources(4000, 2**33), Resources(0, 0))]

    async def apply(self, plan: WorkloadPlan) -> None:
        self.applied.append(plan)
        if self.refusal is not None:
            raise self.refusal
        if self.obeys:
            self.seen[(plan.workload, plan.attempt)] = (running(),)

    async def stop(self, workload: str, attempt: int, *, grace_seconds: int) -> None:
        self.stopped.append((workload, attempt))
        self.seen[(workload, attempt)] = (ended(self.seen[(workload, attempt)][0], ExitReason.STOPPED),)

    async def delete(self, workload: str, attempt: int) -> None:
        self.seen.pop((workload, attempt), None)

    async def observe(self) -> Sequence[ObservedWorkload]:
        return [ObservedWorkload(name, attempt, replicas) for (name, attempt), replicas in self.seen.items()]

    async def logs(self, *_: Any, **__: Any) -> AsyncIterator[tuple[int, bytes]]:
        yield 0, b"the last line\n"


class Telling(Stage):
    """The same, but it tells what changed, as a cluster's watches do."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[tuple[str, int], tuple[ObservedReplica, ...]] = {}
        self.asked: list[str] = []

    def take_changes(self) -> Changes:
        keys = self.seen.keys() | self.told.keys()
        changed = frozenset(key[0] for key in keys if self.seen.get(key) != self.told.get(key))
        self.told = dict(self.seen)
        return Changes(changed, clock.now())

    def observe_some(self, workloads: Iterable[str]) -> Sequence[ObservedWorkload]:
        self.asked = list(workloads)
        now = clock.now()
        return [
            ObservedWorkload(name, attempt, tuple(_seen_now(replica, now) for replica in replicas))
            for (name, attempt), replicas in self.seen.items()
            if name in self.asked
        ]

    async def observe(self) -> Sequence[ObservedWorkload]:
        raise AssertionError("a backend that tells is not asked about everything")


def _seen_now(replica: ObservedReplica, now: datetime) -> ObservedReplica:
    return replace(replica, last_alive_at=now) if replica.state is ReplicaState.RUNNING else replica


def running() -> ObservedReplica:
    return ObservedReplica(0, ReplicaState.RUNNING, node="one", started_at=clock.now(), last_alive_at=clock.now())


def ended(replica: ObservedReplica, why: ExitReason, code: int | None = None) -> ObservedReplica:
    return replace(replica, state=ReplicaState.EXITED, ended_at=clock.now(), exit_reason=why, exit_code=code)


class Scene:
    """An installation with a stage, and a reconciler stepped by hand."""

    def __init__(self, url: str, folder: Path, stage: Stage) -> None:
        self.installation = Installation(url, folder)
        migrate.upgrade(self.installation.db)
        self.stage = stage
        self.engine = self.installation.engine
        self.engine.backend = self.stage  # type: ignore[assignment]
        self.translator = Script(Policy(section="training"))
        self.engine.register_kind("script", self.translator)
        (self.actor, *_), _ = people(self.installation)
        self.reconciler = Reconciler(self.engine)

    def submit(self, **asked: Any) -> int:
        def work(session: Any) -> int:
            return self.engine.submit(
                session,
                self.actor,
                kind="script",
                object_kind="script",
                object_number=1,
                object_name="x",
                resources=Resources(1000, 2**20),
                spec={"code": "pass"},
                **asked,
            ).id

        return int(self.installation.write(work))

    async def step(self, times: int = 3) -> None:
        for _ in range(times):
            await self.reconciler.step()
            await asyncio.gather(*self.reconciler._tasks)

    def row(self, workload_id: int) -> Any:
        with self.installation.db.engine.connect() as db:
            return db.execute(sa.select(module.Workload.__table__).where(module.Workload.id == workload_id)).one()

    def kill(self) -> None:
        """The process is gone with all it held in memory; another begins on the same database."""
        self.reconciler = Reconciler(self.engine)
        self.engine._launches.clear()
        if isinstance(self.stage, Telling):
            self.stage.told.clear()

    def facts(self, workload_id: int) -> list[str]:
        return [fact.fact for fact in facts_from(self.installation.db, workload_id)]


@pytest.fixture(params=[Stage, Telling])
def scene(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Scene]:
    found = Scene(database_url, tmp_path, request.param())
    yield found
    found.installation.db.close()


@pytest.fixture
def telling(database_url: str, tmp_path: Path) -> Iterator[Scene]:
    found = Scene(database_url, tmp_path, Telling())
    yield found
    found.installation.db.close()


def test_a_kill_between_apply_and_the_next_look_changes_nothing(scene: Scene) -> None:
    async def play() -> None:
        workload_id = scene.submit()
        await scene.step(1)
        assert len(scene.stage.applied) == 1
        scene.kill()
        await scene.step()
        assert len(scene.stage.applied) == 1, "what runs is adopted, not applied again"
        assert (scene.row(workload_id).phase, scene.facts(workload_id)) == ("running", ["opened"])
        key = (f"w{workload_id}", 1)
        scene.stage.seen[key] = (ended(scene.stage.seen[key][0], ExitReason.COMPLETED, 0),)
        scene.kill()
        await scene.step()
        assert (scene.row(workload_id).phase, scene.facts(workload_id)) == ("succeeded", ["opened", "closed"])
        assert scene.row(workload_id).last_lines == ["the last line"]

    asyncio.run(play())


def test_a_kill_before_apply_applies_later_with_another_token(scene: Scene) -> None:
    async def play() -> None:
        workload_id = scene.submit()
        scene.kill()
        await scene.step()
        assert scene.row(workload_id).phase == "running"
        assert len(scene.stage.applied) == 1
        assert scene.stage.applied[0].secrets["HIMALIA_TOKEN"].startswith("hmt_")

    asyncio.run(play())


def test_a_blink_of_the_backend_is_no_end(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """An observation that misses a running attempt ends nothing; one that stays away does."""

    async def play() -> None:
        workload_id = scene.submit()
        await scene.step()
        kept = dict(scene.stage.seen)
        scene.stage.seen.clear()
        await scene.step()
        assert scene.row(workload_id).phase == "running"
        scene.stage.seen.update(kept)
        await scene.step()
        assert scene.facts(workload_id) == ["opened"]
        scene.stage.seen.clear()
        monkeypatch.setattr(module, "GONE_SECONDS", 0.0)
        await scene.step()
        row = scene.row(workload_id)
        assert (row.phase, row.reason) == ("failed", "runner_lost")
        assert scene.facts(workload_id) == ["opened", "closed"]

    asyncio.run(play())


def test_a_refusal_for_good_fails_and_one_for_now_is_tried_again(scene: Scene) -> None:
    async def play() -> None:
        scene.stage.refusal = BackendError("no such image", retryable=False)
        first = scene.submit()
        await scene.step()
        row = scene.row(first)
        assert (row.phase, row.reason) == ("failed", "start_failed") and "no such image" in row.message
        scene.stage.refusal = BackendError("the disk is full for now", retryable=True)
        second = scene.submit()
        await scene.step()
        assert scene.row(second).phase == "starting"
        tried = len(scene.stage.applied)
        scene.stage.refusal = None
        scene.reconciler._acting.trouble[(second, 1)].again_at = 0.0
        await scene.step()
        assert len(scene.stage.applied) == tried + 1
        assert scene.row(second).phase == "running"

    asyncio.run(play())


def test_strays_are_stopped_wherever_they_are_seen(scene: Scene) -> None:
    """Attempts of ended and of unknown workloads, and earlier attempts of live ones."""

    async def play() -> None:
        workload_id = scene.submit()
        await scene.step()
        scene.stage.seen[("w999", 1)] = (running(),)
        await scene.step()
        assert ("w999", 1) in scene.stage.stopped
        assert (f"w{workload_id}", 1) not in scene.stage.stopped

    asyncio.run(play())


def test_a_nouns_failure_holds_up_its_own_work_only(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Script):
        def on_change(self, session: Any, workload: Any) -> None:
            if workload.phase == "running":
                raise RuntimeError("a defect of the noun")
            super().on_change(session, workload)

    async def play() -> None:
        good = scene.submit()
        scene.engine.register_kind("broken", Broken(Policy(section="training")))
        bad = scene.submit()
        scene.installation.write(
            lambda session: session.execute(
                sa.update(module.Workload).where(module.Workload.id == bad).values(kind="broken")
            )
        )
        await scene.step()
        assert (scene.row(good).phase, scene.row(bad).phase) == ("running", "starting")
        assert scene.facts(bad) == [], "its facts wait for its phase: they are one commit"
        scene.engine.register_kind("broken", scene.translator)
        await scene.step()
        assert (scene.row(bad).phase, scene.facts(bad)) == ("running", ["opened"])

    asyncio.run(play())


async def _settled(scene: Scene) -> Telling:
    """Steps until nothing is looked at any more."""
    stage = scene.stage
    assert isinstance(stage, Telling)
    await scene.step(5)
    await scene.step(1)
    assert stage.asked == [], "work that goes on is left alone (PERF-17)"
    return stage


def test_work_that_goes_on_is_left_alone_until_something_is_told(telling: Scene) -> None:
    async def play() -> None:
        first, second = telling.submit(), telling.submit()
        stage = await _settled(telling)
        key = (f"w{second}", 1)
        stage.seen[key] = (ended(stage.seen[key][0], ExitReason.COMPLETED, 0),)
        await telling.step(1)
        assert stage.asked == [f"w{second}"]
        assert (telling.row(first).phase, telling.row(second).phase) == ("running", "succeeded")

    asyncio.run(play())


def test_a_stop_asked_here_or_by_another_process_is_seen(telling: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        here, elsewhere = telling.submit(), telling.submit()
        await _settled(telling)

        def ask(workload_id: int) -> None:
            telling.installation.write(
                lambda session: telling.engine.request_stop(session, session.get_one(module.Workload, workload_id))
            )

        ask(here)
        await telling.step()
        assert telling.row(here).phase == "stopped"
        await _settled(telling)
        ask(elsewhere)
        telling.engine.take_edited()  # another process would have known, not this one
        await telling.step()
        assert telling.row(elsewhere).phase == "stopping"
        monkeypatch.setattr(attention, "SWEEP_SECONDS", 0.0)
        await telling.step()
        assert telling.row(elsewhere).phase == "stopped"

    asyncio.run(play())


def test_proof_of_life_is_written_of_work_that_is_left_alone(telling: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """And costs its owner no new version: nothing of the workload changed."""

    async def play() -> None:
        workload_id = telling.submit()
        for place in (attention, facts):
            monkeypatch.setattr(place, "ALIVE_EVERY", timedelta(milliseconds=100))
        await _settled(telling)
        before = telling.row(workload_id).version
        while telling.facts(workload_id).count("alive") < 2:
            await telling.step(1)
            await asyncio.sleep(0.01)
        assert telling.row(workload_id).version == before

    asyncio.run(play())


def test_what_vanishes_had_lived_until_the_last_word(telling: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looked at it, but the watch told of no change: so long it is charged, and no longer."""

    async def play() -> None:
        workload_id = telling.submit()
        stage = await _settled(telling)
        await asyncio.sleep(0.05)
        last_word = clock.now()
        await telling.step(1)
        stage.seen.clear()
        monkeypatch.setattr(module, "GONE_SECONDS", 0.0)
        await telling.step()
        assert telling.row(workload_id).reason == "runner_lost"
        closed = facts_from(telling.installation.db, workload_id)[-1]
        assert closed.fact == "closed" and last_word <= closed.at < clock.now()

    asyncio.run(play())
