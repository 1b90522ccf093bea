"""Profiles of the hub's configuration: offered, chosen, kept and handed to every start (NB-3).

The hub's side is its own: KubeSpawner's code over a ``profile_list`` that is called as each person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from himalia import Client, cli
from himalia.sdk.errors import Conflict
from himalia_hub.config import profiles as hub_profiles
from himalia_hub.develop.notebooks import profiles
from tests.api.compute.conftest import Machine, wait_for
from tests.api.notebooks.conftest import Hub
from tests.api.notebooks.test_notebooks import make, spec_id
from tests.support.data import ok
from tests.unit.spawner.kube import Planner, hub_user, no_cluster

__all__ = ["no_cluster"]

PLAIN = {"display_name": "Plain"}
SHARED = {
    "display_name": "Shared <b>memory</b>",
    "slug": "shm",
    "description": "For loaders &amp; many workers",
    "default": True,
    "kubespawner_override": {"extra_labels": {"profile": "shm"}},
    "profile_options": {
        "size": {
            "display_name": "Its size",
            "choices": {
                "small": {"display_name": "1 GiB", "kubespawner_override": {"extra_labels": {"shm": "1"}}},
                "large": {"display_name": "8 GiB", "kubespawner_override": {"extra_labels": {"shm": "8"}}},
            },
            "unlisted_choice": {
                "enabled": True,
                "display_name": "In GiB",
                "validation_regex": r"^\d{1,2}$",
                "validation_message": "a number of GiB below 100",
                "kubespawner_override": {"extra_labels": {"shm": "{value}"}},
            },
        }
    },
}


class Configured:
    """``c.HimaliaKubeSpawner.profile_list`` as a callable; ``only`` is offered to one person."""

    def __init__(self) -> None:
        self.everybody: list[dict[str, Any]] = [PLAIN, SHARED]
        self.only: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    def __deepcopy__(self, _memo: object) -> Configured:
        return self

    def __call__(self, spawner: Any) -> list[dict[str, Any]]:
        name = spawner.user.name
        self.asked.append(name)
        return [*self.everybody, *([self.only[name]] if name in self.only else [])]

    def answer(self, user: str) -> tuple[int, Any]:
        """What the hub's own handler answers."""
        try:
            found = asyncio.run(hub_profiles.offered(hub_user(Planner(), {"profile_list": self}, user)))
        except hub_profiles.ProfilesBroken as error:
            return 409, hub_profiles.broken(error)
        return 200, {"profiles": found}

    def change(self, change: Callable[[], None]) -> None:
        change()
        hub_profiles.forget()


@pytest.fixture
def configured(hub: Hub, no_cluster: None, monkeypatch: pytest.MonkeyPatch) -> Configured:
    """A platform that takes itself to be on a cluster, with a hub that has profiles."""
    made = Configured()
    hub_profiles.forget()
    hub.profiles = made.answer
    monkeypatch.setattr(profiles, "on_a_cluster", lambda _platform: True)
    return made


def test_each_person_is_offered_what_the_configuration_says_for_them(machine: Machine, configured: Configured) -> None:
    member, colleague = machine.world.alpha.member, machine.world.alpha.colleague
    configured.only[member.hub_name] = {"display_name": "Mine alone"}
    with member.client() as client:
        found = ok(client.get("/notebook-profiles"))
        assert ok(client.get("/notebook-profiles")) == found
    assert [(one["slug"], one["default"]) for one in found] == [("shm", True), ("plain", False), ("mine-alone", False)]
    assert (found[0]["name"], found[0]["description"]) == ("Shared memory", "For loaders & many workers")
    (option,) = found[0]["options"]
    assert [(one["value"], one["name"], one["default"]) for one in option["choices"]] == [
        ("small", "1 GiB", True),
        ("large", "8 GiB", False),
    ]
    assert (option["title"], option["other"]["title"], option["other"]["choice"]) == ("Its size", "In GiB", "Other...")
    assert configured.asked == [member.hub_name], "the hub keeps the answer for a moment"
    with colleague.client() as client:
        assert [one["slug"] for one in ok(client.get("/notebook-profiles"))] == ["shm", "plain"]
        refused = client.post("/notebooks", json={"name": "x", "spec_id": spec_id(client), "profile": "mine-alone"})
        assert (refused.status_code, refused.json()["field"]) == (422, "profile"), "what another person is offered"
    with machine.world.alpha.auditor.client() as client:
        assert client.get("/notebook-profiles").status_code == 403


def test_a_choice_is_kept_and_handed_to_each_start(machine: Machine, hub: Hub, configured: Configured) -> None:
    """Also to a start that waited, and to the next one; an edit changes it."""
    first = make(machine, "first", "CPU medium", profile="shm", profile_options={"size": "large"})
    assert first["profile"] == {"slug": "shm", "name": "Shared memory", "options": {"size": "large"}}
    second = make(machine, "second", "CPU small", profile="shm", profile_options={"size": "12"})
    plain = make(machine, "third", start=False)
    assert (second["phase"], plain["profile"]) == ("queued", None)
    wait_for(lambda: hub.options.get("n1") == {"profile": "shm", "size": "large"})
    with machine.world.alpha.member.client() as client:
        ok(client.post(f"/notebooks/{first['id']}/stop"), 202)
        wait_for(lambda: hub.options.get("n2") == {"profile": "shm", "size--unlisted-choice": "12"})
        ok(client.post(f"/notebooks/{second['id']}/stop"), 202)
        path = f"/notebooks/{first['id']}"
        wait_for(lambda: ok(client.get(path))["phase"] == "stopped")
        hub.options.clear()
        ok(client.post(f"{path}/start"), 202)
        wait_for(lambda: hub.options.get("n1") == {"profile": "shm", "size": "large"})
        ok(client.post(f"{path}/stop"), 202)
        wait_for(lambda: ok(client.get(path))["phase"] == "stopped")
        for change, kept, told in (
            ({"profile_options": {"size": "small"}}, "shm", {"profile": "shm", "size": "small"}),
            ({"profile": "plain"}, "plain", {"profile": "plain"}),
            ({"profile": None}, None, {}),
        ):
            tag = {"If-Match": f'"{ok(client.get(path))["version"]}"'}
            changed = ok(client.patch(path, json=change, headers=tag))
            assert (changed["profile"] or {}).get("slug") == kept
            hub.options.clear()
            ok(client.post(f"{path}/start"), 202)
            wait_for(lambda told=told: hub.options.get("n1") == told)  # type: ignore[misc]
            ok(client.post(f"{path}/stop"), 202)
            wait_for(lambda: ok(client.get(path))["phase"] == "stopped")


def test_what_is_not_offered_is_refused_with_what_is(machine: Machine, configured: Configured) -> None:
    with machine.world.alpha.member.client() as client:
        good = {"name": "fine", "spec_id": spec_id(client), "start": False}
        for change, field, rule in (
            ({"profile": "none-such"}, "profile", "one of: shm, plain"),
            ({"profile_options": {"size": "small"}}, "profile_options", "with a profile"),
            ({"profile": "plain", "profile_options": {"size": "small"}}, "profile_options.size", "one of: none"),
            (
                {"profile": "shm", "profile_options": {"size": "tiny"}},
                "profile_options.size",
                "one of: small, large; or a number of GiB below 100",
            ),
            ({"profile": "shm", "profile_options": {"size": ""}}, "profile_options.size", None),
        ):
            answer = client.post("/notebooks", json={**good, **change}, headers={"Accept-Language": "zh-CN"})
            told = answer.json()
            assert (answer.status_code, told["field"]) == (422, field), told
            assert rule in (None, told["rule"])
            assert any("一" <= letter <= "鿿" for letter in told["detail"])
        assert ok(client.get("/notebooks"))["total"] == 0
        configured.change(configured.everybody.clear)
        told = client.post("/notebooks", json={**good, "profile": "plain"}).json()
        assert told["rule"] == "none: the hub's configuration has no profiles"


def test_a_profile_that_is_gone_refuses_the_start_and_another_one_starts(
    machine: Machine, hub: Hub, configured: Configured
) -> None:
    made = make(machine, "kept", profile="plain", start=False)
    path = f"/notebooks/{made['id']}"
    configured.change(lambda: configured.everybody.remove(PLAIN))
    with machine.world.alpha.member.client() as client:
        refused = client.post(f"{path}/start")
        told = refused.json()
        assert (refused.status_code, told["code"], told["field"], told["value"]) == (
            409,
            "profile_gone",
            "profile",
            "plain",
        )
        assert "Plain is not offered any longer" in told["detail"] and told["details"]["known"] == ["shm"]
        chinese = client.post(f"{path}/start", headers={"Accept-Language": "zh-CN"}).json()
        assert "已不再提供" in chinese["detail"] and "配置方案" in chinese["hint"]
        assert ok(client.get(path))["phase"] == "stopped"
        ok(client.patch(path, json={"profile": "shm"}, headers={"If-Match": f'"{made["version"]}"'}))
        ok(client.post(f"{path}/start"), 202)
    wait_for(lambda: hub.options.get(made["server_name"]) == {"profile": "shm"})


def test_without_profiles_a_kept_one_does_not_hinder(machine: Machine, hub: Hub, configured: Configured) -> None:
    made = make(machine, "kept", profile="plain", start=False)
    configured.change(configured.everybody.clear)
    with machine.world.alpha.member.client() as client:
        assert ok(client.get("/notebook-profiles")) == []
        ok(client.post(f"/notebooks/{made['id']}/start"), 202)
    wait_for(lambda: hub.options.get(made["server_name"]) == {})


def test_a_profile_that_goes_while_a_start_waits_ends_it_with_the_reason(
    machine: Machine, hub: Hub, configured: Configured
) -> None:
    """NB-2: not after two minutes of silence; and what it would have held is free."""
    first = make(machine, "first", "CPU medium")
    second = make(machine, "second", "CPU small", profile="plain")
    assert second["phase"] == "queued"
    configured.change(lambda: configured.everybody.remove(PLAIN))
    with machine.world.alpha.member.client() as client:
        ok(client.post(f"/notebooks/{first['id']}/stop"), 202)
        path = f"/notebooks/{second['id']}"
        failed = wait_for(lambda: (found := ok(client.get(path)))["phase"] == "failed" and found)
        assert failed["reason"] == "start_failed" and "Plain is not offered any longer" in failed["message"]
        assert "已不再提供" in ok(client.get(path, headers={"Accept-Language": "zh-CN"}))["message"]
        assert second["server_name"] not in hub.options, "the hub was not asked"


def test_a_list_that_cannot_be_read_is_said(machine: Machine, hub: Hub, configured: Configured) -> None:
    """Never a bare 500; what names no profile is made as ever."""
    configured.everybody = [{"slug": "nameless"}]
    with machine.world.alpha.member.client() as client:
        answer = client.get("/notebook-profiles")
        assert (answer.status_code, answer.json()["code"]) == (409, "profiles_broken")
        assert "KeyError" in answer.json()["detail"]
        good = {"name": "fine", "spec_id": spec_id(client), "start": False}
        assert client.post("/notebooks", json={**good, "profile": "plain"}).status_code == 409
        hub.profiles = lambda _user: (503, None)
        answer = client.post("/notebooks", json={**good, "profile": "plain"}, headers={"Accept-Language": "zh-CN"})
        assert (answer.status_code, answer.json()["code"]) == (503, "backend_unavailable")
        assert "中心服务暂无响应" in answer.json()["detail"]
        ok(client.post("/notebooks", json=good), 201)


def test_one_machine_offers_none(machine: Machine, hub: Hub) -> None:
    with machine.world.alpha.member.client() as client:
        assert ok(client.get("/notebook-profiles")) == []
        answer = client.post("/notebooks", json={"name": "x", "spec_id": spec_id(client), "profile": "shm"})
        assert (answer.status_code, answer.json()["field"]) == (422, "profile")
    assert not [path for _, path in hub.calls if "profiles" in path]


def test_a_repeated_request_is_answered_as_before(machine: Machine, configured: Configured) -> None:
    """GEN-8: with its key, also when the profile has gone since."""
    with machine.world.alpha.member.client() as client:
        body = {"name": "once", "spec_id": spec_id(client), "profile": "plain", "start": False}
        made = client.post("/notebooks", json=body, headers={"Idempotency-Key": "one"})
        configured.change(lambda: configured.everybody.remove(PLAIN))
        again = client.post("/notebooks", json=body, headers={"Idempotency-Key": "one"})
        assert (again.status_code, again.json()) == (201, made.json())


def test_the_start_page_makes_and_starts_with_a_profile(machine: Machine, hub: Hub, configured: Configured) -> None:
    user = machine.world.alpha.member.hub_name
    with machine.world.live.internal() as internal:
        page = ok(internal.get(f"/start-page?user={user}"))
        assert page["last"] is None
        spec = page["profiles"][-1]["spec"]["id"]
        body = {"hub_user": user, "name": "one", "spec_id": spec, "environment": "science"}
        wrong = internal.post("/notebooks", json={**body, "profile": "none-such"})
        assert (wrong.status_code, wrong.json()["field"]) == (422, "profile")
        chosen = {"profile": "shm", "profile_options": {"size": "large"}}
        made = ok(internal.post("/notebooks", json={**body, **chosen}), 201)
        server = made["server_name"]
        wait_for(lambda: hub.options.get(server) == {"profile": "shm", "size": "large"})
        ok(internal.post(f"/notebooks/{user}/{server}/stop", json={}), 202)

        def shown() -> Any:
            return ok(internal.get(f"/start-page?user={user}"))

        ended = wait_for(lambda: (found := shown())["notebooks"][0]["phase"] == "stopped" and found)
        kept = {"slug": "shm", "name": "Shared memory", "options": {"size": "large"}}
        assert ended["notebooks"][0]["profile"] == kept
        assert ended["last"] == {"spec_id": spec, "environment": "science", "profile": kept}
        configured.change(lambda: configured.everybody.remove(SHARED))
        path = f"/notebooks/{user}/{server}/start"
        gone = internal.post(path, json={})
        assert (gone.status_code, gone.json()["code"]) == (409, "profile_gone")
        ok(internal.post(path, json={"profile": "plain"}), 202)
        wait_for(lambda: hub.options.get(server) == {"profile": "plain"})


def test_the_command_line_offers_and_uses_them(
    machine: Machine,
    hub: Hub,
    configured: Configured,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """BEY-24, SDK-3: what the panels can, through the SDK."""
    member = machine.world.alpha.member
    monkeypatch.setenv("HIMALIA_API_URL", f"{machine.world.live.base_url}/services/himalia/api/v1")
    monkeypatch.setenv("HIMALIA_TOKEN", member.notebook_token)

    def himalia(*arguments: str) -> str:
        code = cli.main(["notebooks", *arguments])
        told = capsys.readouterr()
        return told.out if code == 0 else told.err

    shown = himalia("profiles")
    assert "shm (default)  Shared memory: For loaders & many workers" in shown
    assert "    size  Its size: small (default), large, a number of GiB below 100" in shown
    made = himalia("create", "mine", "--spec", "CPU mini", "--profile", "shm", "--option", "size=12", "--no-start")
    assert "mine" in made
    assert "no profile 'none-such'" in himalia("start", "mine", "--profile", "none-such")
    himalia("start", "mine")
    wait_for(lambda: hub.options.get("n1") == {"profile": "shm", "size--unlisted-choice": "12"})
    himalia("stop", "mine")
    with Client() as client:
        (notebook,) = client.notebooks.list()
        wait_for(lambda: notebook.refresh().phase == "stopped")
        assert [one.slug for one in client.notebooks.profiles()] == ["shm", "plain"]
        configured.change(lambda: configured.everybody.remove(SHARED))
        with pytest.raises(Conflict) as refused:
            notebook.start()
        assert refused.value.code == "profile_gone"
        started = notebook.start(profile="plain")
        assert started.profile is not None and started.profile.slug == "plain"
    wait_for(lambda: hub.options.get("n1") == {"profile": "plain"})
