"""``HimaliaLocalSpawner`` against a platform that answers as scripted (NB-2, BEY-2)."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from jupyterhub.objects import Hub, Server
from jupyterhub.spawner import SpawnException

from himalia_hub.config.platform_client import Problem, Refused, Unreachable
from himalia_spawner.local import HimaliaLocalSpawner, progress_events

ADDRESS = "127.0.0.1:41234"


class ScriptedPlatform:
    """Answers ``state`` from a list, the last entry for ever; exceptions in it are raised."""

    def __init__(self, *states: Any, launch: Any = None) -> None:
        self.states = list(states)
        self.launch = launch if launch is not None else {"attempt": 70001}
        self.calls: list[tuple[str, Any]] = []

    async def post(self, path: str, body: Any = None, **_options: Any) -> Any:
        self.calls.append((path, body))
        if path.endswith("/launch"):
            return _give(self.launch)
        return None

    async def get(self, path: str, **query: Any) -> Any:
        self.calls.append((path, query))
        return _give(self.states.pop(0) if len(self.states) > 1 else self.states[0])


def _give(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


def state(phase: str, **more: Any) -> dict[str, Any]:
    return {"phase": phase, "ready": False, "address": None, "reason": None, "message": "", "steps": [], **more}


def refusal(status: int, detail: str, code: str = "quota_exceeded") -> Refused:
    return Refused(Problem(status, code, detail, hint="Choose a smaller profile."))


class Person:
    """What a spawner asks of the hub's user object."""

    name = "u0123456789ab"
    escaped_name = name
    url = f"http://{name}.himalia.localhost:8000/user/{name}/"
    settings: dict[str, Any] = {}


def spawner(platform: ScriptedPlatform) -> HimaliaLocalSpawner:
    made = HimaliaLocalSpawner(
        user=Person(), hub=Hub(public_host="http://himalia.localhost:8000", base_url="/hub/"), platform=platform
    )
    made.__dict__["name"] = "n1"
    made.observe_seconds = 0.001
    made.api_token = "server-token"
    server = Server(base_url=f"/user/{Person.name}/n1/")
    type(made).server = property(lambda _self: server)
    return cast(HimaliaLocalSpawner, made)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts of a spawner that come from the hub's database."""
    monkeypatch.setattr(HimaliaLocalSpawner, "name", "n1", raising=False)
    monkeypatch.setattr(HimaliaLocalSpawner, "_log_name", "u0123456789ab:n1", raising=False)
    monkeypatch.setattr(HimaliaLocalSpawner, "public_url", "", raising=False)
    monkeypatch.setattr(HimaliaLocalSpawner, "public_hub_url", "", raising=False)
    monkeypatch.setattr(HimaliaLocalSpawner, "oauth_client_id", "jupyterhub-user-n1", raising=False)


def test_start_answers_the_address_once_the_platform_calls_it_ready() -> None:
    platform = ScriptedPlatform(
        state("starting"), Unreachable("restarting"), state("running"), state("running", ready=True, address=ADDRESS)
    )
    made = spawner(platform)
    assert asyncio.run(made.start()) == f"http://{ADDRESS}"
    assert made.get_state()["attempt"] == 70001
    assert platform.calls[0][0] == "notebooks/u0123456789ab/n1/launch"


def test_the_server_is_told_relay_addresses_and_nothing_of_the_hubs_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JUPYTERHUB_CRYPT_KEY", "secret")
    monkeypatch.setenv("PATH", "/hub/bin")
    platform = ScriptedPlatform(state("running", ready=True, address=ADDRESS))
    asyncio.run(spawner(platform).start())
    _, body = platform.calls[0]
    environment = body["environment"]
    assert environment["JUPYTERHUB_API_URL"] == "http://127.0.0.1:7002/hub/api"
    assert environment["JUPYTERHUB_ACTIVITY_URL"].startswith("http://127.0.0.1:7002/hub/api/")
    assert environment["JUPYTERHUB_HOST"] == "http://himalia.localhost:8000"
    assert environment["JUPYTERHUB_SERVICE_URL"] == "http://127.0.0.1:8888/user/u0123456789ab/n1/"
    assert environment["JUPYTERHUB_API_TOKEN"] == "server-token"
    assert not {"PATH", "JUPYTERHUB_CRYPT_KEY"} & set(environment)
    assert body["command"] == ["jupyterhub-singleuser"]
    assert (body["port"], body["path"]) == (8888, "/user/u0123456789ab/n1/")


def test_a_refused_start_shows_the_platforms_sentence() -> None:
    platform = ScriptedPlatform(state("failed"), launch=refusal(409, "Your CPU quota is 2, this takes 4."))
    with pytest.raises(SpawnException, match="Your CPU quota is 2") as raised:
        asyncio.run(spawner(platform).start())
    assert "Choose a smaller profile." in raised.value.message
    assert raised.value.status_code < 500


def test_a_failed_start_shows_the_cause_and_the_last_lines() -> None:
    failed = state(
        "failed", reason="out_of_memory", message="The server used more than 1 GiB.", last_lines=["", "MemoryError"]
    )
    with pytest.raises(SpawnException) as raised:
        asyncio.run(spawner(ScriptedPlatform(state("starting"), failed)).start())
    assert raised.value.message == "The server used more than 1 GiB.\nMemoryError"
    assert raised.value.reason == "out_of_memory"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (state("running"), None),
        (state("queued"), None),
        (state("stopping"), None),
        (state("failed", exit_code=137), 137),
        (state("failed"), 1),
        (state("stopped"), 0),
        (refusal(404, "Not found.", "not_found"), 0),
        (refusal(403, "No.", "not_permitted"), None),
        (Unreachable("restarting"), None),
    ],
    ids=["running", "queued", "stopping", "killed", "no code", "stopped", "unknown", "refused", "silent"],
)
def test_poll_calls_a_server_ended_only_on_proof(answer: Any, expected: int | None) -> None:
    assert asyncio.run(spawner(ScriptedPlatform(answer)).poll()) == expected


def test_stop_waits_for_the_end() -> None:
    platform = ScriptedPlatform(state("stopping"), state("stopping"), state("stopped"))
    asyncio.run(spawner(platform).stop())
    paths = [path.rpartition("/")[2] for path, _ in platform.calls]
    assert paths == ["terminate", "state", "state", "state"]
    assert platform.calls[0][1] == {"grace_seconds": 10}


def test_the_attempt_is_remembered_and_asked_for() -> None:
    platform = ScriptedPlatform(state("running"))
    made = spawner(platform)
    made.load_state({"attempt": 70001})
    asyncio.run(made.poll())
    assert platform.calls == [("notebooks/u0123456789ab/n1/state", {"attempt": 70001})]
    made.clear_state()
    assert made.get_state() == {}


def test_progress_tells_each_change_of_a_step_once() -> None:
    told: dict[str, str] = {}
    first = [
        {"name": "admitted", "state": "done", "detail": ""},
        {"name": "image", "state": "active", "detail": "base"},
    ]
    assert progress_events(first, told) == [
        {"progress": 20, "message": "admitted done"},
        {"progress": 20, "message": "image active: base"},
    ]
    assert progress_events(first, told) == []
    first[1]["state"] = "done"
    assert progress_events(first, told) == [{"progress": 40, "message": "image done: base"}]
