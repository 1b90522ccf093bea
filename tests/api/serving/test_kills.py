"""``kill -9`` of the platform while a run trains, a service answers and models are uploaded (REL-1).

The run ends with every point and byte it reported, the service's callers notice nothing, and what
was acknowledged is there exactly once.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from himalia_hub.auth import tokens
from himalia_hub.auth.actor import TokenKind
from himalia_hub.core.db import Database
from himalia_hub.platform import assembly
from himalia_hub.tenancy import service as tenancy
from tests.api.compute.conftest import MIB, wait_for
from tests.api.notebooks.test_kills import Platform
from tests.api.serving.test_services import Pressure, deploy, post
from tests.support.data import ok
from tests.support.gateway import Gateway
from tests.support.models import archive, make_model
from tests.support.pieces import ENDED, digits, spec_of, until
from tests.support.ports import free_port
from tests.support.s3 import S3Server
from tests.support.service import make_config

CODE = """
import argparse, hashlib, os, time, himalia
parser = argparse.ArgumentParser()
parser.add_argument("--seconds", type=float)
end = time.monotonic() + parser.parse_args().seconds
step = 0
while time.monotonic() < end:
    himalia.log(loss=1 / (1 + step), step=step)
    himalia.progress(step, step + 1)
    step += 1
    time.sleep(0.05)
data = os.urandom(12_000_000)
open("/himalia/output/data.bin", "wb").write(data)
open("/himalia/output/facts.txt", "w").write(f"{step} {hashlib.sha256(data).hexdigest()}")
"""


class Uploader(threading.Thread):
    """Uploads versions one after another, each repeated with its key until it is acknowledged."""

    def __init__(self, client: httpx.Client, model: int) -> None:
        super().__init__(daemon=True)
        self.client, self.model = client, model
        self.acknowledged: list[tuple[str, str]] = []
        self.done = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.done.is_set():
            number += 1
            content = os.urandom(300_000)
            body = archive({"weights.bin": content})
            headers = {"Content-Type": "application/zip", "Idempotency-Key": f"upload-{number}"}
            while True:
                try:
                    answer = self.client.post(f"/models/{self.model}/versions", content=body, headers=headers)
                except httpx.HTTPError:
                    time.sleep(0.05)
                    continue
                if answer.status_code == 201:
                    self.acknowledged.append((answer.json()["version"], hashlib.sha256(content).hexdigest()))
                    break
                assert answer.status_code == 503, answer.text
                time.sleep(0.05)
            self.done.wait(0.1)


def steady(read: Any) -> Any:
    """Read through a platform that may be away just now."""

    def attempt() -> Any:
        try:
            return read()
        except httpx.HTTPError:
            return None

    return wait_for(attempt)


def run_kills(
    tmp_path: Path, gateway: Gateway, s3: S3Server, science: Path, trained: dict[str, bytes], kills: int, seed: int
) -> None:
    print(f"seed {seed}, {kills} kills")
    chance = random.Random(seed)
    config = make_config(
        tmp_path / "state",
        f"sqlite:///{tmp_path}/himalia.sqlite3",
        s3=s3.bucket().model_dump(mode="json"),
        environments_root=str(science),
        listen={"port": free_port()},
        public={"api_url": gateway.url},
        traefik=gateway.section,
        keycheck={"file": str(gateway.keys)},
        backend={"kind": "local", "root": str(tmp_path / "work"), "cpu_millis": 8000, "memory_bytes": 8192 * MIB},
    )
    platform = Platform(config, tmp_path)
    platform.start()
    assembly.import_tables()
    db = Database(config.database_url)
    token = db.write_now(_member)
    client = httpx.Client(
        base_url=f"{platform.url}/services/himalia/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=20
    )
    stops: list[str] = []
    pressure = uploader = None
    try:
        wait_for(lambda: ok(client.get("/specs")) and spec_of(client))
        version = make_model(client, trained)
        service = deploy(client, version)
        stops.append(f"/inference-services/{service['id']}")
        running = until(lambda: ok(client.get(stops[0])), lambda one: one["phase"] in ("running", "failed"))
        assert running["phase"] == "running", running["message"]
        picture = next(iter(digits(1, start=1200, classes=4).values()))
        wait_for(lambda: post(running["address"], token, picture).status_code == 200)
        script = {"name": "long", "code": CODE, "spec_id": spec_of(client), "parameters": {"seconds": 5.0 * kills}}
        run = ok(client.post("/scripts", json=script), 201)
        stops.append(f"/runs/{run['id']}")
        other = ok(client.post("/models", json={"name": "uploads"}), 201)
        pressure = Pressure(running["address"], token, picture, pause=0.03)
        uploader = Uploader(client, other["id"])
        uploader.start()
        for _ in range(kills):
            time.sleep(chance.uniform(0.2, 2.5))
            platform.kill()
            time.sleep(chance.uniform(0, 0.5))
            platform.start()
        uploader.done.set()
        uploader.join(60)
        ended = until(lambda: steady(lambda: ok(client.get(stops[1]))), lambda one: one["phase"] in ENDED, 120)
        pressure.end()
        _check_run(client, ended)
        assert pressure.calls > 20 * kills and not pressure.failures, pressure.failures[:3]
        _check_uploads(client, other["id"], uploader)
        after = ok(client.get(stops[0]))
        assert (after["phase"], after["variants"][0]["workload"]["attempt"]) == ("running", 1)
        print({"calls": pressure.calls, "uploads": len(uploader.acknowledged)})
    finally:
        if uploader is not None:
            uploader.done.set()
        if pressure is not None:
            pressure.end()
        _stop_all(platform, client, stops)
        platform.kill()
        db.close()


def _member(session: Any) -> str:
    tenant = tenancy.create_tenant(session, code="delta", name="Delta")
    user = tenancy.create_user(session, tenant.id, "persistent")
    _, secret = tokens.issue(session, user_id=user.id, kind=TokenKind.NOTEBOOK)
    return secret


def _check_run(client: httpx.Client, run: dict[str, Any]) -> None:
    """Every point and every byte, once."""
    assert run["phase"] == "succeeded", (run["reason"], run["message"], run["last_lines"])
    path = f"/runs/{run['id']}"
    steps, digest = client.get(f"{path}/outputs/facts.txt").text.split()
    [series] = ok(client.get(f"{path}/metrics", params={"max_points": 20_000}))["series"]
    assert [point[0] for point in series["points"]] == list(range(int(steps)))
    assert hashlib.sha256(client.get(f"{path}/outputs/data.bin").content).hexdigest() == digest
    assert run["files_complete"] is True


def _check_uploads(client: httpx.Client, model: int, uploader: Uploader) -> None:
    """Each acknowledged version is there; none was made twice."""
    found = ok(client.get(f"/models/{model}/versions"))["items"]
    digests = {one["version"]: one["files"][0]["sha256"] for one in found}
    assert len(digests) == len(set(digests.values())), "an upload had two effects"
    assert set(uploader.acknowledged) <= set(digests.items())
    assert uploader.acknowledged


def _stop_all(platform: Platform, client: httpx.Client, stops: list[str]) -> None:
    """No shim outlives the test."""
    if not platform.healthy():
        platform.kill()
        platform.start()
    for path in stops:
        client.post(f"{path}/stop")
        until(lambda path=path: ok(client.get(path)), lambda one: one["phase"] in (*ENDED, "stopped"), 60)


@pytest.mark.timeout(400)
def test_a_few_kills(
    tmp_path: Path, gateway: Gateway, s3_server: S3Server, science: Path, trained: dict[str, bytes]
) -> None:
    run_kills(tmp_path, gateway, s3_server, science, trained, 2, random.SystemRandom().randrange(10**6))


@pytest.mark.kill
@pytest.mark.timeout(1800)
def test_many_kills(
    tmp_path: Path, gateway: Gateway, s3_server: S3Server, science: Path, trained: dict[str, bytes]
) -> None:
    seed = int(os.environ.get("HIMALIA_SEED", random.SystemRandom().randrange(10**6)))
    kills = int(os.environ.get("HIMALIA_KILLS", "50"))
    run_kills(tmp_path, gateway, s3_server, science, trained, kills, seed)
