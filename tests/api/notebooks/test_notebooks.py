"""Notebooks from the start page to the end, with the spawner's calls made by the test (NB-1, NB-2, NB-8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.api.compute.conftest import Machine, wait_for
from tests.api.notebooks.conftest import ANSWERING, Hub


def spec_id(client: Any, name: str = "CPU mini") -> int:
    return next(int(spec["id"]) for spec in client.get("/specs").json() if spec["name"] == name)


def launch(machine: Machine, user: str, server: str, code: str = ANSWERING) -> int:
    """What the spawner does in ``start``."""
    prefix = f"/user/{user}/{server}/"
    with machine.world.live.internal() as hub:
        answer = hub.post(
            f"/notebooks/{user}/{server}/launch",
            json={
                "environment": {"JUPYTERHUB_API_TOKEN": "of-the-server", "JUPYTERHUB_SERVICE_PREFIX": prefix},
                "command": ["python", "-c", code],
                "port": 8888,
                "path": prefix,
            },
        )
    assert answer.status_code == 202, answer.text
    return int(answer.json()["attempt"])


def state(machine: Machine, user: str, server: str, attempt: int) -> dict[str, Any]:
    with machine.world.live.internal() as hub:
        answer = hub.get(f"/notebooks/{user}/{server}/state?attempt={attempt}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_notebook_starts_through_the_hub_and_stops(machine: Machine, hub: Hub) -> None:
    member = machine.world.alpha.member
    user = member.hub_name
    with machine.world.live.internal() as internal:
        page = internal.get(f"/start-page?user={user}").json()
        assert [p["verdict"]["verdict"] for p in page["profiles"]] == ["starts_now"] * len(page["profiles"])
        assert (page["default_environment"], page["suggested_name"]) == ("science", "notebook-1")
        spec = page["profiles"][0]["spec"]["id"]
        made = internal.post(
            "/notebooks", json={"hub_user": user, "name": "notebook-1", "spec_id": spec, "environment": "science"}
        )
        assert made.status_code == 201, made.text
        server = made.json()["server_name"]
        assert internal.get(f"/notebooks/{user}/{server}/state").status_code == 404
    asked = ("POST", f"/hub/api/users/{user}/servers/{server}")
    # The hub does not know its user yet, so the platform makes one and asks again.
    wait_for(lambda: hub.calls[:3] == [asked, ("POST", f"/hub/api/users/{user}"), asked])
    attempt = launch(machine, user, server)
    ready = wait_for(lambda: (found := state(machine, user, server, attempt))["ready"] and found)
    assert ready["phase"] == "running" and ready["address"].startswith("127.0.0.1:")
    with member.client() as client:
        shown = client.get("/notebooks").json()["items"][0]
        assert shown["phase"] == "running"
        assert shown["url"] == f"http://{user}.himalia.localhost:8000/user/{user}/{server}/lab"
        log = client.get(f"/workloads/{shown['workload']['id']}/log").text
        assert "README.md" in log, "a new home holds the page that explains it"
        assert client.delete(f"/notebooks/{shown['id']}").status_code == 409
        assert client.post(f"/notebooks/{shown['id']}/stop").status_code == 202
    ended = wait_for(lambda: (found := state(machine, user, server, attempt))["phase"] == "stopped" and found)
    assert ended["reason"] == "stopped_by_user"
    wait_for(lambda: ("DELETE", f"/hub/api/users/{user}/servers/{server}") in hub.calls)
    with member.client() as client:
        assert client.delete(f"/notebooks/{shown['id']}").status_code == 204
        assert client.get(f"/notebooks/{shown['id']}").status_code == 404
    home = machine.world.live.platform.config.backend.root / "homes"
    wait_for(lambda: not list(home.rglob("README.md")))


def make(machine: Machine, name: str, size: str = "CPU mini", person: Any = None, **more: Any) -> dict[str, Any]:
    with (person or machine.world.alpha.member).client() as client:
        answer = client.post("/notebooks", json={"name": name, "spec_id": spec_id(client, size), **more})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


def test_a_queued_notebook_waits_in_the_platform(machine: Machine, hub: Hub) -> None:
    """NB-2: the hub is asked once there is room; cancelling takes it out of the queue."""
    user = machine.world.alpha.member.hub_name
    first = make(machine, "first", "CPU medium")
    second = make(machine, "second", "CPU small")
    third = make(machine, "third", "CPU small")
    assert [n["phase"] for n in (first, second, third)] == ["starting", "queued", "queued"]
    assert [n["workload"]["queue_position"] for n in (second, third)] == [1, 2]
    wait_for(lambda: ("POST", f"/hub/api/users/{user}/servers/n1") in hub.calls)
    with machine.world.live.internal() as internal:
        early = internal.post(
            f"/notebooks/{user}/n2/launch", json={"environment": {}, "command": ["true"], "path": "/user/x/"}
        )
        assert (early.status_code, early.json()["code"]) == (409, "invalid_transition")
        shown = internal.get(f"/start-page?user={user}").json()["notebooks"]
        assert {n["server_name"]: n["queue_position"] for n in shown} == {"n1": None, "n2": 1, "n3": 2}
        cancelled = internal.post(f"/notebooks/{user}/n2/stop", json={})
        assert (cancelled.status_code, cancelled.json()["phase"]) == (202, "stopped")
        assert internal.post(f"/notebooks/{user}/n1/stop", json={}).json()["phase"] == "stopping"
    wait_for(lambda: ("POST", f"/hub/api/users/{user}/servers/n3") in hub.calls)
    assert ("POST", f"/hub/api/users/{user}/servers/n2") not in hub.calls


def test_a_reservation_that_nobody_confirms_is_released(machine: Machine) -> None:
    translator = machine.engine.translator("notebook")
    translator.policy = replace(translator.policy, confirm_seconds=0.3)
    made = make(machine, "unconfirmed")
    with machine.world.alpha.member.client() as client:
        path = f"/notebooks/{made['id']}"
        failed = wait_for(lambda: (found := client.get(path).json())["phase"] == "failed" and found)
        assert failed["reason"] == "start_failed" and "reservation was released" in failed["message"]
        assert client.get("/quota").json()["levels"][0]["resources"][0]["used"] == 0
        chinese = client.get(path, headers={"Accept-Language": "zh-CN"}).json()
        assert "已释放预留资源" in chinese["message"]


def test_a_server_that_crashes_says_why_and_starts_again(machine: Machine, hub: Hub) -> None:
    """NB-2, BEY-2: cause and last lines; nothing of the failed attempt leaks into the next."""
    user = machine.world.alpha.member.hub_name
    made = make(machine, "crashing")
    server = made["server_name"]
    attempt = launch(machine, user, server, "print('no kernel here'); raise SystemExit(9)")
    failed = wait_for(lambda: (found := state(machine, user, server, attempt))["phase"] == "failed" and found)
    assert (failed["reason"], failed["exit_code"]) == ("exit_code", 9)
    wait_for(lambda: state(machine, user, server, attempt)["last_lines"] == ["no kernel here"])
    with machine.world.alpha.member.client() as client:
        again = client.post(f"/notebooks/{made['id']}/start")
        assert (again.status_code, again.json()["phase"]) == (202, "starting")
        assert client.post(f"/notebooks/{made['id']}/start").status_code == 409
    newer = launch(machine, user, server)
    assert newer != attempt
    wait_for(lambda: state(machine, user, server, newer)["ready"])
    old = state(machine, user, server, attempt)
    assert (old["phase"], old["ready"]) == ("failed", False), "the hub's memory of the old server is not the new one"


def test_editing_needs_a_stopped_notebook_and_the_present_version(machine: Machine) -> None:
    with machine.world.alpha.member.client() as client:
        made = make(machine, "edited", start=False)
        path = f"/notebooks/{made['id']}"
        assert made["phase"] == "stopped" and made["workload"] is None
        assert client.patch(path, json={"name": "x"}).status_code == 428
        changed = client.patch(path, json={"name": "renamed"}, headers={"If-Match": f'"{made["version"]}"'})
        assert (changed.status_code, changed.json()["name"]) == (200, "renamed")
        stale = client.patch(path, json={"name": "again"}, headers={"If-Match": f'"{made["version"]}"'})
        assert stale.status_code == 412
        assert client.post(f"{path}/start").status_code == 202
        running = client.patch(
            path, json={"name": "y"}, headers={"If-Match": f'"{client.get(path).json()["version"]}"'}
        )
        assert (running.status_code, running.json()["code"]) == (409, "invalid_transition")


def test_bad_input_is_named(machine: Machine) -> None:
    with machine.world.alpha.member.client() as client:
        good = {"name": "fine", "spec_id": spec_id(client)}
        for change, field, status in (
            ({"name": " "}, "name", 422),
            ({"name": "-bad-"}, "name", 422),
            ({"name": "with space"}, "name", 422),
            ({"name": "x" * 31}, "name", 422),
            ({"spec_id": 999}, "spec_id", 422),
            ({"environment": "matlab"}, "environment", 422),
            ({"bindings": [{"dataset": 999, "version": "V0001"}]}, None, 404),
            ({"description": "x" * 256}, "description", 422),
            ({"size": 3}, "size", 422),
        ):
            answer = client.post("/notebooks", json={**good, **change})
            assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
        assert client.get("/notebooks").json()["total"] == 0, "a refusal leaves nothing"
        make(machine, "fine", start=False)
        taken = client.post("/notebooks", json={**good, "start": False})
        assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    with machine.world.live.internal() as internal:
        assert internal.get("/start-page?user=nobody").status_code == 404


def test_one_persons_notebook_is_nobody_elses(machine: Machine) -> None:
    """TEN-10: read before as its owner; foreign is not found; administrators may stop, not start."""
    alpha, beta = machine.world.alpha, machine.world.beta
    made = make(machine, "mine")
    path = f"/notebooks/{made['id']}"
    with alpha.member.client() as client:
        assert client.get(path).status_code == 200
    for person in (alpha.colleague, beta.member, beta.tenant_admin):
        with person.client() as client:
            assert client.get(path).status_code == 404
            assert client.post(f"{path}/stop").status_code == 404
    with alpha.tenant_admin.client(step_up=True) as client:
        assert client.post(f"{path}/stop").status_code == 202
        wait_for(lambda: client.get(path).json()["phase"] == "stopped")
        assert client.post(f"{path}/start").status_code == 404
    with machine.world.live.internal() as internal:
        user = alpha.colleague.hub_name
        assert internal.post(f"/notebooks/{user}/{made['server_name']}/start", json={}).status_code == 404
