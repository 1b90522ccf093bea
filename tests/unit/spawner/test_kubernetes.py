"""``HimaliaKubeSpawner``: traits over plans, attempts apart, room that comes free, previews (NB-1, NB-3, BEY-2)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from jupyterhub.spawner import SpawnException

from himalia_hub.backends import wire
from himalia_hub.backends.kubernetes import naming
from himalia_hub.backends.protocol import FileMount, HomeMount, HttpProbe, Port, Resources, WorkloadPlan
from himalia_hub.config import previews
from himalia_hub.config.unsaved import unsaved_spawner
from tests.unit.spawner.kube import Api, Planner, full, hub_user, no_cluster, spawner

__all__ = ["no_cluster"]
T = TypeVar("T")
pytestmark = pytest.mark.usefixtures("no_cluster")
GIB = 1 << 30
PLAN = WorkloadPlan(
    workload="w1",
    attempt=1,
    kind="notebook",
    tenant="acme",
    owner="ada",
    image="registry/science:1",
    command=("jupyterhub-singleuser",),
    resources=Resources(500, GIB),
    secrets={"JUPYTERHUB_API_TOKEN": "of-the-server"},
    mounts=(HomeMount("u1/n1", "/home/jovyan"), FileMount("/himalia/welcome/README.md", "hello")),
    ports=(Port("http", 8888),),
    probe=HttpProbe("http", "/user/ada/n1/api"),
)
GPU = replace(PLAN, resources=Resources(500, GIB, 0, {"nvidia.com/gpu": 1}))


def add_a_note(spawner: Any, pod: Any) -> Any:
    pod.metadata.annotations["hooked-for"] = spawner.user.name
    return pod


TRAITS: dict[str, Any] = {
    "extra_labels": {"cost-centre": "{username}"},
    "extra_annotations": {"note": "from a trait"},
    "environment": {"FROM_A_TRAIT": "yes"},
    "node_selector": {"disk": "ssd"},
    "tolerations": [{"key": "team", "operator": "Exists"}],
    "volumes": [{"name": "shared", "emptyDir": {}}],
    "volume_mounts": [{"name": "shared", "mountPath": "/shared"}],
    "init_containers": [{"name": "prepare", "image": "tool:1"}],
    "extra_containers": [{"name": "side", "image": "side:1"}],
    "extra_container_config": {"stdin": True},
    "extra_pod_config": {"dnsPolicy": "ClusterFirst", "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["{username}"]}]},
    "lifecycle_hooks": {"preStop": {"exec": {"command": ["sync"]}}},
    "priority_class_name": "people",
    "scheduler_name": "other-scheduler",
    "pod_affinity_preferred": [
        {"weight": 5, "podAffinityTerm": {"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "zone"}}
    ],
    "modify_pod_hook": add_a_note,
    "profile_list": [
        {"display_name": "Plain", "slug": "plain", "default": True},
        {
            "display_name": "Big shared memory",
            "slug": "shm",
            "kubespawner_override": {"extra_labels": {"profile": "shm"}, "environment": {"PROFILED": "yes"}},
        },
    ],
}


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def started(made: Any) -> dict[str, Any]:
    """The pod of a whole start, as it was sent."""
    assert await made.start() == "http://10.0.0.7:8888"
    api: Api = made.api
    return api.made[-1]


def test_traits_stay_usable_under_a_plan() -> None:
    """NB-3: what an administrator writes into ``jupyterhub_config.py`` is in the pod, unless the plan decides it."""

    async def work() -> None:
        planner = Planner(PLAN)
        pod = await started(spawner(hub_user(planner, TRAITS), profile="shm"))
        spec, main = pod["spec"], pod["spec"]["containers"][0]
        labels, notes = pod["metadata"]["labels"], pod["metadata"]["annotations"]
        assert labels["profile"] == "shm" and labels["himalia/workload"] == "w1"
        assert notes["hooked-for"] == "ada"
        assert spec["nodeSelector"] == {"disk": "ssd"}
        assert {"key": "team", "operator": "Exists"} in spec["tolerations"]
        assert "/shared" in {item["mountPath"] for item in main["volumeMounts"]}
        assert [item["name"] for item in spec["initContainers"]] == ["prepare"]
        assert [item["name"] for item in spec["containers"]] == ["notebook", "side"]
        assert main["stdin"] is True and main["lifecycle"] == TRAITS["lifecycle_hooks"]
        assert spec["dnsPolicy"] == "ClusterFirst" and spec["hostAliases"][0]["hostnames"] == ["ada"]
        assert (spec["priorityClassName"], spec["schedulerName"]) == ("people", "other-scheduler")
        assert spec["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert main["image"] == PLAN.image and spec["automountServiceAccountToken"] is False
        (_, launch), *_ = planner.calls
        assert launch["environment"]["PROFILED"] == "yes", "variables go to the platform, whose secret brings them"

    run(work())


def test_after_a_failed_gpu_start_a_cpu_start_asks_for_no_gpu() -> None:
    """BEY-2: nothing of an attempt, of its plan or its profile, reaches the next one of the same spawner."""

    async def work() -> None:
        made = spawner(hub_user(Planner(GPU, replace(PLAN, attempt=2)), TRAITS), profile="shm")
        refused = full("requests.nvidia.com/gpu=1", "requests.nvidia.com/gpu=1", "requests.nvidia.com/gpu=1")
        made.room_settles_seconds = 0
        made.api.refusals = [refused]
        with pytest.raises(SpawnException, match="quota is full"):
            await made.start()
        api = made.api
        made.clear_state()
        made.user.spawners.pop("n1")  # as the hub does after a failure: the next start has a spawner of its own
        again = spawner(made.user, "n1", profile="plain")
        again.api = api
        pod = await started(again)
        assert pod["metadata"]["name"] == "w1-2"
        assert "nvidia.com/gpu" not in str(pod["spec"])
        assert "profile" not in pod["metadata"]["labels"]

    run(work())


def test_named_servers_have_pods_of_their_own() -> None:
    """NB-1."""

    async def work() -> None:
        user = hub_user(Planner(PLAN, replace(PLAN, workload="w2")))
        one, two = spawner(user, "n1"), spawner(user, "n2")
        names = [(await started(made))["metadata"]["name"] for made in (one, two)]
        assert names == ["w1-1", "w2-1"]
        assert (one.pod_name, two.pod_name) == ("w1-1", "w2-1")

    run(work())


ENDING = {"metadata": {"name": "w0-1", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Running"}}
TOLD = {"metadata": {"name": "w0-2", "annotations": {naming.STOP: "2026-01-01T00:00:00+00:00"}}, "status": {}}
ENDED = {**ENDING, "status": {"phase": "Succeeded"}}
STAYS = {"metadata": {"name": "w7-1"}, "status": {"phase": "Running"}}


@pytest.mark.parametrize("holder", [ENDING, TOLD], ids=["deleted", "told to stop"])
def test_room_that_an_ending_pod_still_holds_is_waited_for(holder: dict[str, Any]) -> None:
    """BEY-2: the start says whom it waits for, and begins by itself once that pod is gone."""

    async def work() -> None:
        made = spawner(hub_user(Planner(PLAN)))
        api: Api = made.api
        api.listed, api.refusals = [holder, STAYS], [full(), full(), full()]
        said: list[str] = []

        def look() -> None:
            cause = made.cause()
            if cause is not None:
                said.append(cause.text)
                assert cause.code == "quota_ending" and "自动重试" in cause.zh
                api.listed = [STAYS]  # gone, but not yet counted as free

        api.on_refusal = look
        progress = asyncio.ensure_future(_messages(made))
        pod = await started(made)
        assert pod["metadata"]["name"] == "w1-1" and not api.refusals
        name = holder["metadata"]["name"]
        assert said and f"{name} still holds it while ending" in said[0] and "tried again by itself" in said[0]
        assert any(name in message for message in await progress)
        assert made.cause() is None

    run(work())


async def _messages(made: Any) -> list[str]:
    while made._start_future is None:
        await asyncio.sleep(0)
    return [event["message"] async for event in made.progress()]


@pytest.mark.parametrize("listed", [[STAYS], [ENDED]], ids=["others run", "already ended"])
def test_a_quota_that_is_really_full_is_refused(listed: list[dict[str, Any]]) -> None:
    async def work() -> None:
        made = spawner(hub_user(Planner(PLAN), {"room_settles_seconds": 0.02}))
        made.api.listed, made.api.refusals = listed, [full() for _ in range(1000)]
        with pytest.raises(SpawnException, match=r"quota is full: requests\.cpu=4 is asked for") as raised:
            await made.start()
        assert raised.value.status_code == 409 and "机构配额不足" in raised.value.message

    run(work())


def test_waiting_for_room_has_an_end() -> None:
    async def work() -> None:
        made = spawner(hub_user(Planner(PLAN), {"room_patience_seconds": 0.05}))
        made.api.listed, made.api.refusals = [ENDING], [full() for _ in range(1000)]
        with pytest.raises(SpawnException, match="quota is full"):
            await made.start()

    run(work())


def test_a_start_that_waits_for_room_is_aborted_at_once() -> None:
    """BEY-2."""

    async def work() -> None:
        made = spawner(hub_user(Planner(PLAN)))
        made.api.listed, made.api.refusals = [ENDING], [full() for _ in range(100_000)]
        start = made.start()
        while made.cause() is None:
            await asyncio.sleep(0.001)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert (made.cause() is None and not made.api.made[1:]) or all(m["kind"] != "Pod" for m in made.api.made)

    run(work())


@pytest.mark.parametrize("profile", [None, "shm"])
@pytest.mark.parametrize("plan", [PLAN, GPU], ids=["cpu", "gpu"])
def test_a_preview_is_the_very_pod_that_a_start_makes(plan: WorkloadPlan, profile: str | None) -> None:
    """NB-3: object for object, with every trait, the hook and the profile; only the server's name is another."""

    async def work() -> None:
        user = hub_user(Planner(plan, prefer=("node-7",)), TRAITS)
        real = spawner(user, **({} if profile is None else {"profile": profile}))
        await started(real)
        shown = unsaved_spawner(user, {} if profile is None else {"profile": profile})
        drafted = await previews.drafted(shown)
        assert set(drafted["launch"]["environment"].values()) <= {previews.MASK, ""}, "no value leaves the hub"
        assert drafted["launch"]["path"] == "/user/ada/preview/"
        assert [one["slug"] for one in drafted["profiles"]] == ["plain", "shm"]
        told = wire.to_wire(plan)
        told["secrets"] = drafted["launch"]["environment"]
        made = await shown.preview(told, ["node-7"])
        assert [item["kind"] for item in made] == ["Secret", "ConfigMap", "PersistentVolumeClaim", "Pod"]
        assert not shown.api.made, "a preview makes nothing"
        for drawn, sent in zip(made, real.api.made, strict=True):
            assert _without_server(drawn) == _without_server(sent)
        assert "node-7" in str(made[-1]["spec"]["affinity"])

    run(work())


def _without_server(manifest: dict[str, Any]) -> dict[str, Any]:
    """Without what says which named server it is, and without the secret's values."""
    if manifest["kind"] == "Secret":
        return {**manifest, "stringData": sorted(manifest["stringData"])}
    meta = {
        key: {name: value for name, value in found.items() if "servername" not in name}
        for key, found in manifest["metadata"].items()
        if isinstance(found, dict)
    }
    return {**manifest, "metadata": {**manifest["metadata"], **meta}}


def test_a_preview_leaves_no_server_behind() -> None:
    async def work() -> None:
        user = hub_user(Planner(), TRAITS)
        before = list(user.orm_user.orm_spawners)
        shown = unsaved_spawner(user, {})
        await shown.preview(wire.to_wire(PLAN))
        user.db.commit()
        assert list(user.orm_user.orm_spawners) == before

    run(work())


def test_a_profile_changes_what_the_plan_leaves_open_alone() -> None:
    """NB-3: nobody starts, by a profile, what the quota does not know."""
    override = {
        "image": "elsewhere:1",
        "cpu_limit": 64,
        "mem_limit": "512G",
        "extra_resource_limits": {"nvidia.com/gpu": "8"},
        "privileged": True,
        "node_selector": {"zone": "b"},
        "volumes": [{"name": "scratch", "emptyDir": {}}],
        "volume_mounts": [{"name": "scratch", "mountPath": "/scratch"}],
        "environment": {"PROFILED": "yes"},
    }
    traits = {"profile_list": [{"display_name": "All", "slug": "all", "kubespawner_override": override}]}

    async def work() -> None:
        planner = Planner(PLAN)
        pod = await started(spawner(hub_user(planner, traits), profile="all"))
        plain = await started(spawner(hub_user(Planner(PLAN))))
        main, without = pod["spec"]["containers"][0], plain["spec"]["containers"][0]
        for key in ("image", "resources", "securityContext"):
            assert main[key] == without[key], key
        assert pod["spec"]["nodeSelector"]["zone"] == "b"
        assert {"name": "scratch", "mountPath": "/scratch"} in main["volumeMounts"]
        assert planner.calls[0][1]["environment"]["PROFILED"] == "yes"

    run(work())
