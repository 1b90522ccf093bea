"""REL-2: no parallel history of starts, ends and quota changes ever exceeds a level, whoever wins each race.

Histories are drawn at random and run by real threads, each thread with an engine and a connection
pool of its own, as separate processes would have. ``make test`` runs a few; all 10,000 of REL-2:

    HIMALIA_HISTORIES=10000 pytest -m kill tests/api/compute/test_parallel.py

How a level is watched: every admission holds the tenant's row until it commits, so the sum that
each transaction sees just before its commit is the sum there is. A limit that was lowered below the
use stops nothing (TEN-7), so what is asked is that no admission *adds* above the limit in force.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor
from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.compute import quotas
from himalia_hub.compute import resources as res
from himalia_hub.compute.explain import Explanation
from himalia_hub.compute.limits import Subject, change
from himalia_hub.compute.phases import Phase
from himalia_hub.compute.schemas import QuotaSet
from himalia_hub.compute.tables import QuotaLimit, QuotaReservation, QuotaState, Workload
from himalia_hub.core.errors import Conflict, HimaliaError, InvalidInput, QuotaExceeded
from himalia_hub.migrations import migrate
from tests.api.compute.test_admission import Installation, people

CPU, MEMORY, GPU = res.CPU, res.MEMORY, "nvidia.com/gpu"
NODES = (NodeCapacity("big", Resources(10**6, 2**40, 2**40, {GPU: 64}), Resources(0, 0)),)
THREADS, STEPS = 4, 5
SHORT = 40
LOCK = quotas.lock
"""Kept, so that the control can take it from admissions alone."""
LONG = int(os.environ.get("HIMALIA_HISTORIES", "10000"))


@dataclass
class Race:
    """What happened in one history, written by all its threads."""

    excesses: list[str] = field(default_factory=list)
    refused_wrongly: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    made: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str) -> None:
        with self.lock:
            self.outcomes[what] += 1


class Arena:
    """Several engines on one database, and the people whose work races."""

    def __init__(self, url: str, folder: Path) -> None:
        self.engines = [Installation(url, folder / str(n), NODES) for n in range(THREADS)]
        migrate.upgrade(self.engines[0].db)
        self.actors, self.subjects = people(self.engines[0])
        self.submit(self.engines[0], Race(), self.actors[0], Resources(1, 2**20), 1)  # numbering has begun

    def close(self) -> None:
        for engine in self.engines:
            engine.db.close()

    def clean(self) -> None:
        def work(session: Session) -> None:
            for table in (QuotaReservation, QuotaLimit, QuotaState):
                session.execute(sa.delete(table))
            session.execute(sa.update(Workload).where(Workload.ended_at.is_(None)).values(ended_at=sa.func.now()))

        self.engines[0].write(work)

    def subject(self, level: str) -> Subject:
        tenant = self.subjects["tenant"]
        above: tuple[tuple[str, int], ...] = ((quotas.TENANT, tenant),)
        if level == quotas.USER:
            above = ((quotas.DEPARTMENT, self.subjects["department"]), *above)
        if level == quotas.TENANT:
            above = ()
        return Subject(level, self.subjects[level], "x", level, tenant, "gamma", above, True)

    # -- one step of a thread --------------------------------------------------------------------

    def submit(self, engine: Installation, race: Race, actor: Actor, asked: Resources, replicas: int) -> None:
        def work(session: Session) -> int:
            made = engine.engine.submit(
                session,
                actor,
                kind="script",
                object_kind="script",
                object_number=1,
                object_name="x",
                resources=asked,
                replicas=replicas,
            )
            self.watch(session, race, actor, res.amounts(asked, replicas))
            return made.id

        try:
            number = engine.write(work)
        except QuotaExceeded as error:
            facts = error.details
            if facts["used"] + facts["asked"] <= facts["limit"]:
                race.refused_wrongly.append(str(facts))
            race.note(f"refused at {facts['level']}")
            return
        except HimaliaError as error:
            race.note(error.code)
            return
        with race.lock:
            race.made.append(number)
        race.note("admitted")

    @staticmethod
    def watch(session: Session, race: Race, actor: Actor, added: dict[str, int]) -> None:
        """Within the admission's transaction: no level of the payer is above its limit by what was added."""
        session.flush()
        subjects = ((quotas.USER, actor.user_id), (quotas.DEPARTMENT, actor.department_id), ("tenant", actor.tenant_id))
        for level, subject_id in subjects:
            if subject_id is None:
                continue
            limits, used = quotas.limits_of(session, level, subject_id), quotas.used_of(session, level, subject_id)
            for name, nominal in limits.items():
                if added.get(name) and used.get(name, 0) > nominal:
                    race.excesses.append(f"{level} {name}: {used[name]} of {nominal}")

    def end(self, engine: Installation, race: Race, pick: int) -> None:
        with race.lock:
            chosen = race.made.pop(pick % len(race.made)) if race.made else None
        if chosen is None:
            return

        def work(session: Session) -> None:
            row = session.get_one(Workload, chosen)
            if row.ended_at is None:
                engine.engine.enter(session, row, Phase.SUCCEEDED, Explanation(None, exit_code=0))

        engine.write(work)
        race.note("ended")

    def limit(self, engine: Installation, race: Race, level: str, resource: str, nominal: int, lower: bool) -> None:
        subject = self.subject(level)
        wanted = QuotaSet(level=level, subject="x", limits={resource: nominal}, lower_below=lower)  # type: ignore[arg-type]

        def work(session: Session) -> None:
            LOCK(session, subject.tenant_id)
            change(session, subject, wanted, engine.engine.default_limits(), by="x")

        try:
            engine.write(work)
            race.note("limit set")
        except (Conflict, InvalidInput):
            race.note("limit refused")

    def run_thread(self, number: int, race: Race, start: threading.Barrier, seed: int) -> None:
        chance = random.Random(seed)
        engine = self.engines[number]
        start.wait(60)
        for _ in range(STEPS):
            step = chance.random()
            if step < 0.6:
                cards = {GPU: chance.randint(1, 2)} if chance.random() < 0.3 else {}
                asked = Resources(chance.choice((100, 500, 1000, 2500)), 2**20 * chance.randint(1, 64), 0, cards)
                self.submit(engine, race, chance.choice(self.actors), asked, chance.randint(1, 3))
            elif step < 0.8:
                self.end(engine, race, chance.randrange(100))
            else:
                level, resource = chance.choice(quotas.LEVELS), chance.choice((CPU, CPU, MEMORY, GPU))
                most = {CPU: 8000, MEMORY: 2**28, GPU: 5}[resource]
                self.limit(engine, race, level, resource, chance.randint(0, most), chance.random() < 0.5)

    def history(self, seed: int) -> Race:
        """Run one random parallel history and check what it left."""
        self.clean()
        chance = random.Random(seed)
        for level, limit in ((quotas.TENANT, 9000), (quotas.DEPARTMENT, 6000), (quotas.USER, 4000)):
            if chance.random() < 0.7:
                engine, race = self.engines[0], Race()
                self.limit(engine, race, level, CPU, chance.randint(limit // 2, limit), True)
        race, start = Race(), threading.Barrier(THREADS)
        with ThreadPoolExecutor(THREADS) as pool:
            done = [
                pool.submit(self.run_thread, number, race, start, chance.randrange(2**60)) for number in range(THREADS)
            ]
            for one in done:
                one.result(120)
        self.check(race)
        return race

    def check(self, race: Race) -> None:
        """What is reserved is what live work asked for; limits below never exceed those above."""
        with self.engines[0].db.engine.connect() as db:
            live = db.execute(sa.select(Workload.__table__).where(Workload.ended_at.is_(None))).all()
            held = db.execute(sa.select(QuotaReservation.__table__)).all()
            limits = {(row.level, row.resource): row.nominal for row in db.execute(sa.select(QuotaLimit.__table__))}
        expected: dict[tuple[int, str], int] = {}
        for row in live:
            one = Resources(row.cpu_millis, row.memory_bytes, 0, row.accelerators)
            expected.update({(row.id, name): n for name, n in res.amounts(one, row.replicas).items() if n})
        assert {(row.workload_id, row.resource): row.amount for row in held} == expected
        for resource in (CPU, MEMORY, GPU):
            nested = [limits[level, resource] for level in quotas.LEVELS if (level, resource) in limits]
            assert nested == sorted(nested), f"a {resource} limit exceeds the level above: {nested}"
        assert race.excesses == [] and race.refused_wrongly == []


@pytest.fixture
def arena(database_url: str, tmp_path: Path) -> Iterator[Arena]:
    found = Arena(database_url, tmp_path)
    yield found
    found.close()


def run(arena: Arena, histories: int, seed: int, record: Any) -> None:
    outcomes: Counter[str] = Counter()
    for number in range(histories):
        try:
            outcomes += arena.history(seed + number).outcomes
        except AssertionError as error:
            raise AssertionError(f"history with seed {seed + number}: {error}") from error
    record("histories", histories)
    record("outcomes", dict(outcomes))
    print(f"{histories} parallel histories on {THREADS} threads from seed {seed}: {dict(outcomes)}")
    assert outcomes["admitted"] > histories and outcomes["ended"] and outcomes["limit set"], "the races were real"
    assert any(key.startswith("refused at") for key in outcomes), "limits were met"


def test_no_parallel_history_exceeds_a_level(arena: Arena, record_property: Any) -> None:
    """REL-2, the short form: the same few every time, so that a failure can be looked at."""
    run(arena, SHORT, 20_261_121, record_property)


@pytest.mark.kill
@pytest.mark.timeout(0)
def test_ten_thousand_parallel_histories(arena: Arena, record_property: Any) -> None:
    """REL-2, whole: new ones every time; a failure names its seed."""
    run(arena, LONG, random.SystemRandom().randrange(2**40), record_property)


@pytest.mark.parametrize("broken", ["lock", "check"])
def test_the_watch_fires_where_admission_is_broken(arena: Arena, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """The control: without the tenant's lock, or without the check, an excess is found."""
    if broken == "check":
        monkeypatch.setattr(quotas, "shortfall", lambda found, asked: None)
    elif arena.engines[0].db.is_sqlite:
        pytest.skip("SQLite has one writer: there is no lock to leave out")
    else:
        monkeypatch.setattr(quotas, "lock", lambda session, tenant_id: None)
    with pytest.raises(AssertionError):
        for seed in range(200):
            arena.history(seed)
