"""``kill -9`` of the platform, the hub and the supervisor of a whole installation (REL-1, OPS-2).

While the kills go on, a person uploads pictures and starts runs through the public address, and a
notebook stays open. What was acknowledged must be there afterwards, once; runs end by themselves
with their true reason; the notebook's server is the same process; bills equal the journals.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from himalia_hub.selfcheck.browser import Unexpected
from himalia_hub.selfcheck.walk import Walk
from tests.e2e.test_installation import part, until
from tests.support.data import MEDIA_TYPE, all_items, frames, make_dataset, ok
from tests.support.installation import Installation
from tests.support.made_pictures import picture
from tests.support.pieces import ENDED

pytestmark = pytest.mark.e2e

SCRIPT = """
import himalia, time
for step in range(4):
    himalia.log(value=step * 0.5, step=step)
    time.sleep(0.25)
"""


class Person(threading.Thread):
    """Repeats one piece of work, each request until it is answered, with the same key each time."""

    def __init__(self, client: httpx.Client, work: Callable[[Person, int], None]) -> None:
        super().__init__(daemon=True)
        self.client, self.work = client, work
        self.done = threading.Event()
        self.problem: BaseException | None = None
        self.start()

    def run(self) -> None:
        number = 0
        try:
            while not self.done.is_set():
                number += 1
                self.work(self, number)
                self.done.wait(0.05)
        except BaseException as error:
            self.problem = error

    def ask(self, method: str, path: str, status: int, **options: Any) -> Any:
        """The answer with this status; what a restart answers in between is asked again."""
        deadline = time.monotonic() + 120
        key = secrets.token_hex(8)
        headers = {"Idempotency-Key": key, **options.pop("headers", {})} if method != "GET" else {}
        while True:
            try:
                answer = self.client.request(method, path, headers=headers, **options)
            except httpx.HTTPError as error:
                seen: object = error
            else:
                if answer.status_code == status:
                    return answer.json()
                seen = answer.text
                away = answer.status_code in (502, 503, 504) or (
                    # Traefik knows no services until its files are written again
                    answer.status_code == 404 and "urn:himalia" not in answer.text
                )
                assert away, f"{method} {path}: {answer.status_code} {answer.text}"
            assert time.monotonic() < deadline, f"{method} {path} is not answered: {seen}"
            time.sleep(0.1)

    def end(self) -> None:
        self.done.set()
        self.join(180)
        assert not self.is_alive(), "a request is still not answered"
        if self.problem is not None:
            raise self.problem


def kill(installation: Installation, which: str) -> None:
    assert installation.process is not None
    if which == "supervisor":
        installation.kill()
        installation.start()
    else:
        os.kill(until(lambda: _pid(installation, which)), signal.SIGKILL)


def _pid(installation: Installation, which: str) -> int | None:
    """The part's process; None between its end and its next start."""
    try:
        return part(installation, which)
    except (AssertionError, FileNotFoundError, ProcessLookupError):
        return None


def run_kills(tmp_path: Path, kills: int, seed: int) -> None:
    """``kills`` of each of the three, in a random order at random moments."""
    print(f"seed {seed}, {kills} kills each")
    chance = random.Random(seed)
    tmp_path.chmod(0o755)
    installation = Installation(tmp_path / "state").start()
    walk = Walk(installation.admin, installation.hub_url, say=print)
    assert installation.himalia("admin", "prices", "set", "cpu=0.36", "memory=0.09").returncode == 0
    uploaded: list[str] = []
    runs: list[int] = []
    try:
        walk.sign_in()
        walk.start_notebook()
        token = walk.api("POST", "api-tokens", {"name": "kills"})["token"]
        started = walk.notebook.request("GET", "api/status").json()["started"]
        base = f"http://127.0.0.1:{installation.port}/services/himalia/api/v1"
        with httpx.Client(
            base_url=base, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30
        ) as client:
            spec = min(ok(client.get("/specs")), key=lambda one: one["resources"]["cpu_millis"])["id"]
            dataset = make_dataset(client)["id"]

            def upload(person: Person, number: int) -> None:
                begun = person.ask("POST", f"/datasets/{dataset}/imports", 201, json={"source": "browser"})
                names = [f"{number}-{index}.png" for index in range(3)]
                body = frames({name: picture(10 * number + index) for index, name in enumerate(names)})
                person.ask(
                    "POST",
                    f"/imports/{begun['id']}/files",
                    200,
                    content=body,
                    headers={"Content-Type": MEDIA_TYPE},
                )
                person.ask("POST", f"/imports/{begun['id']}/finish", 200, json={})
                uploaded.extend(names)

            def train(person: Person, number: int) -> None:
                asked = {"name": f"kills-{number}", "code": SCRIPT, "spec_id": spec}
                run = person.ask("POST", "/scripts", 201, json=asked)["id"]
                runs.append(run)
                until(lambda: person.ask("GET", f"/runs/{run}", 200)["phase"] in ENDED, 120)

            people = [Person(client, upload), Person(client, train)]
            order = ["himalia_hub.platform", "jupyterhub", "supervisor"] * kills
            chance.shuffle(order)
            for which in order:
                time.sleep(chance.uniform(0.2, 3.0))
                before = len(uploaded)
                kill(installation, which)
                until(lambda before=before: len(uploaded) > before or any(one.problem for one in people), 120)
                for one in people:
                    if one.problem is not None:
                        raise one.problem
            for one in people:
                one.end()

            until(lambda: _answers(walk))
            assert walk.notebook.request("GET", "api/status").json()["started"] == started, "another server"
            items = [item["name"] for item in all_items(client, f"/datasets/{dataset}/items")]
            assert sorted(items) == sorted(set(uploaded)), "an acknowledged picture is lost or there twice"
            listed = [run["id"] for run in all_items(client, "/runs")]
            assert sorted(listed) == sorted(runs), "an acknowledged run is lost or there twice"
            for number in runs:
                run = ok(client.get(f"/runs/{number}"))
                assert (run["phase"], run["reason"]) == ("succeeded", None), run
        print(f"{len(uploaded)} pictures, {len(runs)} runs, {3 * kills} kills")
    finally:
        assert installation.process is not None
        if installation.process.poll() is None:
            until(lambda: _answers(walk))
            print(walk.clean_up())
    verified = installation.himalia("admin", "verify-bills")
    assert installation.stop() == 0
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _answers(walk: Walk) -> bool:
    """Whether hub, platform and notebook are all there again."""
    try:
        walk.facts["browser"].hub("GET", "himalia/api/start")
        return walk.notebook.request("GET", "api/status").status_code == 200
    except (httpx.HTTPError, Unexpected):
        return False


@pytest.mark.timeout(600)
def test_a_few_kills(tmp_path: Path) -> None:
    """The short form: one of each."""
    run_kills(tmp_path, kills=1, seed=int(os.environ.get("HIMALIA_SEED") or random.randrange(1 << 20)))


@pytest.mark.kill
@pytest.mark.timeout(5400)
def test_many_kills(tmp_path: Path) -> None:
    run_kills(tmp_path, kills=50, seed=int(os.environ.get("HIMALIA_SEED") or random.randrange(1 << 20)))
