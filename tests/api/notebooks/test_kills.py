"""``kill -9`` of the platform at random moments of notebooks' lives (REL-1, OPS-2).

The platform is a process of its own; the test plays people and spawner over HTTP. Whatever was
answered before a kill must hold after it, and the facts must equal the shims' journals.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from himalia_hub.backends.local.backend import LocalBackend
from himalia_hub.backends.protocol import ObservedReplica, ReplicaState
from himalia_hub.compute.tables import QuotaReservation, UsageFact, Workload, id_of
from himalia_hub.core.db import Database
from himalia_hub.platform import assembly
from himalia_hub.platform.config import PlatformConfig
from himalia_hub.tenancy import service as tenancy
from tests.api.compute.conftest import MIB, wait_for
from tests.api.notebooks.conftest import ANSWERING
from tests.support.ports import free_port
from tests.support.service import HUB_CREDENTIAL, make_config

ENDED = ("stopped", "failed")


class Platform:
    """The platform's process."""

    def __init__(self, config: PlatformConfig, folder: Path) -> None:
        self.file = folder / "platform.json"
        self.file.write_text(config.model_dump_json())
        self.log = (folder / "platform.log").open("ab")
        self.url = f"http://127.0.0.1:{config.listen.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "himalia_hub.platform", "--config", str(self.file)]
        self.process = subprocess.Popen(command, stderr=self.log)
        wait_for(self.healthy, seconds=170, what=lambda: Path(self.log.name).read_text()[-3000:])

    def healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/services/himalia/api/v1/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.url}/services/himalia/internal/v1",
            headers={"Authorization": f"Bearer {HUB_CREDENTIAL}"},
            timeout=5,
        )


class Person(threading.Thread):
    """Makes notebooks, launches, stops them, one after another; remembers what was answered."""

    def __init__(self, url_client: httpx.Client, user: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.client, self.user, self.random = url_client, user, random.Random(seed)
        self.made: list[str] = []
        self.stopped: set[str] = set()
        self.refusal = ""
        self.done = threading.Event()

    def post(self, address: str, **body: Any) -> httpx.Response | None:
        try:
            return self.client.post(address, json=body)
        except httpx.HTTPError:
            time.sleep(0.05)
            return None

    def run(self) -> None:
        number = 0
        while not self.done.is_set():
            number += 1
            self.life(f"notebook-{number}")

    def life(self, name: str) -> None:
        spec = {"hub_user": self.user, "name": name, "spec_id": 1, "environment": "science"}
        answer = self.post("/notebooks", **spec)
        if answer is None or answer.status_code != 201:
            self.refusal = answer.text if answer is not None else "no answer"
            self.done.wait(0.05)
            return
        server = answer.json()["server_name"]
        self.made.append(server)
        prefix = f"/user/{self.user}/{server}/"
        launched = self.post(
            f"/notebooks/{self.user}/{server}/launch",
            environment={"JUPYTERHUB_SERVICE_PREFIX": prefix},
            command=["python", "-c", ANSWERING],
            path=prefix,
        )
        assert launched is None or launched.status_code in (202, 409), launched.text
        self.done.wait(self.random.uniform(0, 1.0))
        answer = self.post(f"/notebooks/{self.user}/{server}/stop")
        if answer is not None and answer.status_code == 202:
            self.stopped.add(server)


def run_kills(tmp_path: Path, environments_root: Path, kills: int, seed: int) -> None:
    print(f"seed {seed}, {kills} kills")
    chance = random.Random(seed)
    backend = {"kind": "local", "root": str(tmp_path / "work"), "cpu_millis": 64_000, "memory_bytes": 65_536 * MIB}
    config = make_config(
        tmp_path / "state",
        f"sqlite:///{tmp_path}/himalia.sqlite3",
        listen={"port": free_port()},
        environments_root=str(environments_root),
        backend=backend,
    )
    platform = Platform(config, tmp_path)
    platform.start()
    assembly.import_tables()
    db = Database(config.database_url)
    user = db.write_now(lambda session: _user(session))
    wait_for(lambda: _count(db, "resource_specs"))
    person = Person(platform.client(), user, seed)
    person.start()
    try:
        for _ in range(kills):
            if chance.random() < 0.8:  # in the midst of work; else while the platform itself still starts
                before = len(person.made)
                wait_for(lambda before=before: len(person.made) > before, what=lambda: person.refusal)
            time.sleep(chance.uniform(0, 1.2))
            platform.kill()
            platform.start()
        person.done.set()
        person.join(30)
        settle(platform, user, person)
        check(db, Path(backend["root"]), person)
    finally:
        platform.kill()
        db.close()


def _user(session: Any) -> str:
    tenant = tenancy.create_tenant(session, code="delta", name="Delta")
    return str(tenancy.create_user(session, tenant.id, "persistent").hub_name)


def _count(db: Database, table: str) -> int:
    with db.engine.connect() as connection:
        return int(connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())


def notebooks(platform: Platform, user: str) -> dict[str, dict[str, Any]]:
    with platform.client() as client:
        page = client.get(f"/start-page?user={user}").json()
    return {notebook["server_name"]: notebook for notebook in page["notebooks"]}


def settle(platform: Platform, user: str, person: Person) -> None:
    """Nothing acknowledged is lost; then stop what still runs, so that every interval has an end."""
    shown = notebooks(platform, user)
    assert set(person.made) <= set(shown)
    with platform.client() as client:
        for server, notebook in shown.items():
            if notebook["phase"] not in (*ENDED, "stopping"):
                assert server not in person.stopped, "an acknowledged stop was lost"
                client.post(f"/notebooks/{user}/{server}/stop", json={})
    wait_for(lambda: all(n["phase"] in ENDED for n in notebooks(platform, user).values()), seconds=90)
    for server, notebook in notebooks(platform, user).items():
        assert notebook["reason"] in ("stopped_by_user", "start_failed"), (server, notebook["message"])


def check(db: Database, root: Path, person: Person) -> None:
    """Facts equal the journals; nothing is held by what ended; nothing runs that should not."""
    observed = asyncio.run(_observe(root))
    journals: dict[tuple[int, int, int], ObservedReplica] = {}
    for attempt in observed:
        workload_id = id_of(attempt.workload)
        assert workload_id is not None
        for replica in attempt.replicas:
            assert replica.state in (ReplicaState.EXITED, ReplicaState.LOST), "nothing outlives its end"
            if replica.started_at is not None:
                journals[(workload_id, attempt.attempt, replica.index)] = replica
    with db.engine.connect() as connection:
        facts = connection.execute(sa.select(UsageFact.__table__).order_by(UsageFact.id)).all()
        live = connection.execute(sa.select(Workload.id).where(Workload.ended_at.is_(None))).all()
        held = connection.execute(sa.select(QuotaReservation.workload_id)).all()
    assert not live and not held
    edges: dict[tuple[int, int, int], dict[str, Any]] = {}
    for fact in facts:
        if fact.fact in ("opened", "closed"):
            known = edges.setdefault((fact.workload_id, fact.attempt, fact.replica), {})
            assert fact.fact not in known, "told twice"
            known[fact.fact] = fact.at
    assert set(edges) == set(journals)
    for key, replica in journals.items():
        assert edges[key]["opened"] == replica.started_at
        assert edges[key]["closed"] == (replica.ended_at or replica.last_alive_at)
    assert journals, "the test started something"
    print(json.dumps({"notebooks": len(person.made), "intervals": len(journals)}))


async def _observe(root: Path) -> Any:
    backend = LocalBackend(root)
    await backend.start()
    try:
        return await backend.observe()
    finally:
        await backend.close()


def test_a_few_kills(tmp_path: Path, environments_root: Path) -> None:
    run_kills(tmp_path, environments_root, kills=3, seed=random.SystemRandom().randrange(10**6))


@pytest.mark.kill
@pytest.mark.timeout(1800)
def test_many_kills(tmp_path: Path, environments_root: Path) -> None:
    seed = int(os.environ.get("HIMALIA_SEED", random.SystemRandom().randrange(10**6)))
    run_kills(tmp_path, environments_root, kills=int(os.environ.get("HIMALIA_KILLS", "50")), seed=seed)
