"""What a start would make, before anything is saved: the rendered pod for administrators (NB-3)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from himalia_hub.audit.masking import MASK
from himalia_hub.backends.kubernetes.pods import Preference
from himalia_hub.backends.protocol import BackendError, NodeCapacity, Resources
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.tables import Workload
from himalia_hub.config import previews, profiles
from himalia_hub.config.unsaved import unsaved_spawner
from himalia_hub.develop.notebooks.hub import HubClient, HubRefused
from himalia_hub.develop.notebooks.preview import masked
from himalia_hub.develop.notebooks.tables import Notebook
from himalia_hub.tenancy.tables import Token
from tests.support.data import ok
from tests.support.environments import lay_environment
from tests.support.service import World, live_world, make_config
from tests.unit.spawner.kube import Planner, hub_user, no_cluster
from tests.unit.spawner.test_kubernetes import TRAITS

__all__ = ["no_cluster"]
GIB = 1 << 30
ASCEND = "huawei.com/Ascend910"


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    """With one environment and one size."""
    root = lay_environment(tmp_path / "environments", "notebook")
    config = make_config(tmp_path / "state", database_url, environments_root=str(root))
    worlds = live_world(config)
    made = next(worlds)
    made.live.platform.get(Engine).nodes = (NodeCapacity("one", Resources(8000, 16 * GIB), Resources(0, 0)),)
    with made.alpha.administrator.api_client() as client:
        ok(client.post("/specs", json={"name": "small", "cpu_millis": 500, "memory_bytes": GIB}), 201)
    yield made
    for _ in worlds:
        raise AssertionError


class Cluster:
    """Stands where the Kubernetes backend would: a preview asks it for its name and its preference only."""

    name = "kubernetes"

    def preference(self, plan: Any) -> Preference:
        assert plan.image == "himalia/science:0a1b2c3d4e5f"
        return Preference(("node-7",))


class DrawingHub(HubClient):
    """The hub's side of a preview in this process: its own functions over its own spawner."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []

    @property
    def configured(self) -> bool:
        return True

    async def preview(self, user: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(dict(body))
        made = unsaved_spawner(hub_user(Planner(), TRAITS, user), body["user_options"])
        try:
            if body.get("plan") is None:
                return await previews.drafted(made)
            return {"objects": await made.preview(json.loads(json.dumps(body["plan"])), body["prefer"])}
        except (ValueError, BackendError) as error:
            raise HubRefused("plan", str(error), str(error)) from error

    async def profiles(self, user: str) -> list[dict[str, Any]]:
        return await profiles.listed(unsaved_spawner(hub_user(Planner(), TRAITS, user), {}))


@pytest.fixture
def cluster(world: World, no_cluster: None, monkeypatch: pytest.MonkeyPatch) -> DrawingHub:
    platform = world.live.platform
    hub = DrawingHub()
    platform.provide(hub, as_type=HubClient)
    monkeypatch.setattr(platform, "backend", Cluster())
    view = next(value for kind, value in platform._provided.items() if kind.__name__ == "EnvironmentView")
    monkeypatch.setattr(view, "_image", "himalia/{name}:{digest}")
    return hub


def counts(world: World) -> list[int]:
    with world.live.platform.db.read() as db:
        return [db.execute(sa.select(sa.func.count()).select_from(t)).scalar_one() for t in (Workload, Notebook, Token)]


def test_an_administrator_sees_the_pod_before_anything_is_saved(world: World, cluster: DrawingHub) -> None:
    before = counts(world)
    ask = {
        "spec": {"kind": "npu", "accelerators": {ASCEND: 2}},
        "profile": "shm",
        "member": "betamember",
        "organisation": "beta",
    }
    with world.alpha.administrator.api_client() as client:
        shown = ok(client.post("/pod-preview", json=ask))
    assert [item["kind"] for item in shown["objects"]] == ["Secret", "ConfigMap", "PersistentVolumeClaim", "Pod"]
    assert list(yaml.safe_load_all(shown["yaml"])) == shown["objects"]
    pod = shown["objects"][-1]
    main = pod["spec"]["containers"][0]
    assert pod["metadata"]["namespace"] == "himalia-beta" and pod["metadata"]["labels"]["profile"] == "shm"
    assert main["image"] == "himalia/science:0a1b2c3d4e5f"
    assert main["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi", ASCEND: "2"}
    assert {"key": ASCEND, "effect": "NoSchedule", "operator": "Exists"} in pod["spec"]["tolerations"]
    assert "node-7" in str(pod["spec"]["affinity"]) and pod["metadata"]["annotations"]["hooked-for"]
    assert [one["slug"] for one in shown["profiles"]] == ["plain", "shm"]
    secret = shown["objects"][0]["stringData"]
    assert {"HIMALIA_TOKEN", "JUPYTERHUB_API_TOKEN", "FROM_A_TRAIT", "PROFILED"} <= set(secret)
    assert set(secret.values()) == {MASK}
    assert counts(world) == before, "no workload, no notebook, no token"
    assert not any(value != MASK for value in cluster.asked[-1]["plan"]["secrets"].values() if value)


def test_what_can_never_be_a_pod_is_refused_with_its_reason(world: World, cluster: DrawingHub) -> None:
    """BEY-23: three cards of a ring."""
    with world.alpha.administrator.api_client() as client:
        ring = client.post("/pod-preview", json={"spec": {"kind": "npu", "accelerators": {ASCEND: 3}}})
        assert (ring.status_code, ring.json()["code"]) == (409, "plan")
        assert "counts of 1, 2, 4, 8" in ring.json()["detail"]
        wrong = client.post("/pod-preview", json={"profile": "none-such"})
        assert (wrong.status_code, wrong.json()["field"]) == (422, "profile")
        assert "none-such" in wrong.json()["detail"] and wrong.json()["rule"] == "one of: plain, shm"
        shape = client.post("/pod-preview", json={"spec": {"cpu_millis": 0, "memory_bytes": GIB}})
        assert (shape.status_code, shape.json()["field"]) == (422, "cpu_millis")


def test_only_platform_administrators_and_only_members_that_are_there(world: World) -> None:
    for person in (world.alpha.member, world.alpha.tenant_admin, world.alpha.auditor):
        with person.api_client() as client:
            assert client.post("/pod-preview", json={}).status_code == 403
    with world.alpha.administrator.api_client() as client:
        for ask in ({"member": "nobody"}, {"member": "betamember"}, {"member": "x", "organisation": "nowhere"}):
            answer = client.post("/pod-preview", json=ask)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), ask


def test_one_machine_shows_its_sandbox(world: World) -> None:
    with world.alpha.administrator.api_client() as client:
        shown = ok(client.post("/pod-preview", json={"spec": {"cpu_millis": 750, "memory_bytes": GIB}}))
    assert (shown["backend"], shown["profiles"]) == ("local", [])
    (sandbox,) = shown["objects"]
    assert sandbox["kind"] == "Sandbox" and sandbox["resources"]["cpu_millis"] == 750
    assert sandbox["command"][-1] == "jupyterhub-singleuser" and sandbox["secrets"] == {"HIMALIA_TOKEN": MASK}


def test_a_hub_that_does_not_answer_is_said(world: World, tmp_path: Path) -> None:
    """Never a bare 500."""
    access = world.live.platform.config.hub.model_copy(update={"api_url": "http://127.0.0.1:1/hub/api"})
    world.live.platform.provide(HubClient(access))
    with world.alpha.administrator.api_client() as client:
        answer = client.post("/pod-preview", json={}, headers={"Accept-Language": "zh-CN"})
    assert (answer.status_code, answer.json()["code"]) == (503, "backend_unavailable")
    assert "Pod 预览" in answer.json()["detail"]


def test_secrets_are_masked_by_kind_by_name_and_by_look() -> None:
    found = masked(
        {
            "kind": "Pod",
            "spec": {
                "containers": [
                    {
                        "env": [
                            {"name": "DB_PASSWORD", "value": "hunter2"},
                            {"name": "LEVEL", "value": "3"},
                            {"name": "API_TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                        ],
                        "args": ["--url=postgres://me:hunter2@db/x"],
                    }
                ]
            },
        }
    )
    assert "hunter2" not in str(found)
    env = found["spec"]["containers"][0]["env"]
    assert env[1]["value"] == "3" and env[2]["valueFrom"]["secretKeyRef"]["name"] == "s"
    assert masked({"kind": "Secret", "data": {"a": "b"}})["data"] == {"a": MASK}
