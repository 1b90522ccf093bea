"""TEN-2, TEN-6, TEN-15, TEN-17, TEN-18, TEN-20: what one process decides holds in the other at once, and after a kill.

The second platform is a process of its own on the same database, as replicas are on Kubernetes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.identity.people import PASSWORD, give_password, read_captcha
from tests.support.data import ok
from tests.support.ports import free_port
from tests.support.service import HUB_CREDENTIAL, Person, World

WRONG = "quite wrong 1"


class Replica:
    """``python -m himalia_hub.platform`` on the world's database and state."""

    def __init__(self, world: World, folder: Path) -> None:
        self.port = free_port()
        settings = world.live.config.model_copy(deep=True)
        settings.listen.port = self.port
        file = folder / f"platform-{self.port}.json"
        file.write_text(settings.model_dump_json())
        self._log = (folder / f"platform-{self.port}.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "himalia_hub.platform", "--config", str(file)],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        begun = time.monotonic()
        while True:
            try:
                ok(httpx.get(f"{self.api}/health"))
                return
            except httpx.TransportError:
                assert self.process.poll() is None, Path(self._log.name).read_text()
                assert time.monotonic() - begun < 180, Path(self._log.name).read_text()
                time.sleep(0.2)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/himalia/api/v1"

    def get(self, person: Person, path: str, *, step_up: bool = False) -> httpx.Response:
        headers = {"Authorization": f"Bearer {person.notebook_token}"}
        if step_up:
            headers["Himalia-Step-Up"] = person.step_up_grant
        return httpx.get(f"{self.api}{path}", headers=headers, timeout=30)

    def internal(self, path: str, body: dict[str, Any]) -> httpx.Response:
        url = f"http://127.0.0.1:{self.port}/services/himalia/internal/v1{path}"
        return httpx.post(url, json=body, headers={"Authorization": f"Bearer {HUB_CREDENTIAL}"}, timeout=30)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self._log.close()


@contextmanager
def replica(world: World, folder: Path) -> Iterator[Replica]:
    made = Replica(world, folder)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.kill()


def try_at(live: Any, replica: Replica | None, name: str, password: str) -> str:
    """A try on the sign-in page of one of the two, with the captcha where one is asked; answers its code."""
    asked = live.internal().post("/sign-in/captcha", json={"name": name, "address": "192.0.2.1"}).json()["captcha"]
    body: dict[str, Any] = {"name": name, "password": password, "address": "192.0.2.1"}
    if asked is not None:
        body["captcha"] = {"id": asked["id"], "letters": read_captcha(live, asked["id"])}
    path = "/sign-in/password"
    answer = replica.internal(path, body) if replica is not None else live.internal().post(path, json=body)
    return str(answer.json().get("code", "signed_in"))


@pytest.mark.slow
def test_two_processes_on_one_database_agree_at_once(world: World, tmp_path: Path) -> None:
    live, alpha = world.live, world.alpha
    for person in (alpha.member, alpha.colleague):
        give_password(live, person)
    admin = alpha.administrator.client(step_up=True)
    with replica(world, tmp_path) as other:
        # TEN-15: guesses at both count together, and the lock of one is the other's.
        tries = [
            try_at(live, where, alpha.member.name, WRONG) for where in (None, other, None)
        ]  # a third guess locks, wherever it is made
        assert tries == ["wrong_password"] * 3
        assert try_at(live, other, alpha.member.name, PASSWORD) == "locked"
        assert try_at(live, None, alpha.member.name, PASSWORD) == "locked"
        # TEN-20: a policy is in force in both.
        policy = ok(admin.get("/security-policy"))
        version = policy.pop("version")
        changed = {**policy, "password_minimum": 12}
        ok(admin.put("/security-policy", json=changed, headers={"If-Match": f'"{version}"'}))
        body = {"hub_user": alpha.colleague.hub_name, "old_password": PASSWORD, "password": "Tea 4 two!"}
        assert "12-32" in other.internal("/password", body).json()["rule"]
        # Roles that one takes away, the other (which has them cached) no longer grants.
        head = alpha.department_admin
        assert other.get(head, "/departments", step_up=True).status_code == 200
        row = ok(admin.get(f"/members/{head.number}"))
        ok(
            admin.patch(
                f"/members/{head.number}", json={"roles": ["member"]}, headers={"If-Match": f'"{row["version"]}"'}
            )
        )
        assert other.get(head, "/departments", step_up=True).status_code == 403
        # TEN-18: a token revoked at one is unknown to the other.
        with alpha.colleague.client() as own:
            made = ok(own.post("/api-tokens", json={"name": "ci"}), 201)
            bearer = {"Authorization": f"Bearer {made['token']}"}
            assert httpx.get(f"{other.api}/me", headers=bearer).status_code == 200
            assert own.delete(f"/api-tokens/{made['id']}").status_code == 204
            assert httpx.get(f"{other.api}/me", headers=bearer).status_code == 401
        # TEN-17: a proof of presence ends everywhere.
        chief = alpha.tenant_admin
        assert other.get(chief, "/members", step_up=True).status_code == 200
        with chief.client(step_up=True) as own:
            assert own.post("/me/sessions/end").is_success
        assert other.get(chief, "/members", step_up=True).status_code in (401, 403)
        # TEN-2, TEN-6: who is disabled at one is out at the other on the next request.
        assert other.get(alpha.colleague, "/me").status_code == 200
        ok(admin.post(f"/members/{alpha.colleague.number}/disable"))
        assert other.get(alpha.colleague, "/me").status_code == 401
        ok(admin.post(f"/organisations/{world.beta.tenant_id}/disable"))
        assert other.get(world.beta.member, "/me").status_code == 401
        other.kill()
    with replica(world, tmp_path) as fresh:
        assert try_at(live, fresh, alpha.member.name, PASSWORD) == "locked"
        assert fresh.get(alpha.colleague, "/me").status_code == 401
    admin.close()
