"""Notebooks from the start page to the end, with the spawner's calls made by the test (NB-1, NB-2, NB-8)."""

from __future__ import annotations

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
        assert (page["default_environment"], page["suggested_name"]) == ("science", "Notebook 1")
        spec = page["profiles"][0]["spec"]["id"]
        made = internal.post(
            "/notebooks", json={"hub_user": user, "name": "Notebook 1", "spec_id": spec, "environment": "science"}
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
