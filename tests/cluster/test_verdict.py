"""What the backend says a pod will meet, against what the real scheduler then does (BEY-1, NB-7, BEY-23).

Nodes with made-up capacity are made here for the time of the test (they are kept from other pods by a
label of their own), each situation is judged first and then given to the scheduler; the two must agree.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import pytest

from himalia_hub.backends.kubernetes import accelerators, fit, objects, pods
from himalia_hub.backends.kubernetes.api import APPLY, Cluster
from himalia_hub.backends.kubernetes.backend import KubernetesBackend
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.protocol import BackendError, NodeTerm, Placement, Resources, WorkloadPlan
from tests.cluster.conftest import Loop

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
GIB = 1 << 30
TENANT = "acme"
NODES: dict[str, tuple[dict[str, str], dict[str, str], list[dict[str, str]]]] = {
    "a100": ({"cpu": "64", "memory": "512Gi", "nvidia.com/gpu": "8"}, {"card": "a100", "zone": "1"}, []),
    "mig": ({"cpu": "32", "memory": "256Gi", "nvidia.com/mig-1g.5gb": "7"}, {"card": "mig", "zone": "1"}, []),
    "npu": (
        {"cpu": "96", "memory": "768Gi", "huawei.com/Ascend910": "8"},
        {"card": "npu", "zone": "2"},
        [{"key": "huawei.com/Ascend910", "value": "present", "effect": "NoSchedule"}],
    ),
    "vnpu": ({"cpu": "16", "memory": "64Gi", "huawei.com/Ascend310P-2c": "4"}, {"card": "vnpu"}, []),
    "cpu": ({"cpu": "16", "memory": "64Gi"}, {"card": "none", "zone": "2", "cores": "16"}, []),
    "kept": ({"cpu": "128", "memory": "1Ti"}, {"card": "kept"}, [{"key": "kept", "value": "", "effect": "NoExecute"}]),
}
GPU, MIG, NPU, VNPU = "nvidia.com/gpu", "nvidia.com/mig-1g.5gb", "huawei.com/Ascend910", "huawei.com/Ascend310P-2c"
_numbers = itertools.count(1)


def situations() -> list[Any]:
    """Resources and placement; the answers are nobody's opinion here: the scheduler gives them."""
    found: list[tuple[str, Resources, Placement]] = []

    def add(name: str, cpu: float, memory: float, cards: dict[str, int] | None = None, **where: Any) -> None:
        found.append((name, Resources(int(cpu * 1000), int(memory * GIB), 0, cards or {}), Placement(**where)))

    for cpu in (0.1, 1, 15, 16, 17, 32, 33, 63, 64, 65, 96, 97, 128):
        add(f"cpu-{cpu}", cpu, 1)
    for memory in (1, 63, 64, 65, 256, 257, 511, 512, 513, 768, 769):
        add(f"memory-{memory}", 1, memory)
    for count in (1, 2, 4, 7, 8, 9, 16):
        add(f"gpu-{count}", 1, 1, {GPU: count})
    for count in (1, 6, 7, 8):
        add(f"mig-{count}", 1, 1, {MIG: count})
    for count in (1, 2, 4, 8):
        add(f"npu-{count}", 1, 1, {NPU: count})
    add("vnpu-1", 1, 1, {VNPU: 1})
    add("unheard-of", 1, 1, {"example.org/none": 1})
    add("gpu-and-mig", 1, 1, {GPU: 1, MIG: 1})
    add("gpu-much-cpu", 65, 1, {GPU: 1})
    add("mig-much-memory", 1, 300, {MIG: 1})
    for card in ("a100", "npu", "none", "kept", "absent"):
        add(f"group-{card}", 1, 1, node_labels={"card": card})
    add("group-npu-tolerated", 1, 1, node_labels={"card": "npu"}, tolerated=("huawei.com/Ascend910",))
    add("group-too-small", 17, 1, node_labels={"card": "none"})
    operators: tuple[tuple[Operator, str, tuple[str, ...]], ...] = (
        ("In", "zone", ("1",)),
        ("In", "zone", ("9",)),
        ("NotIn", "card", ("a100", "mig", "vnpu", "none")),
        ("NotIn", "zone", ("1",)),
        ("Exists", "cores", ()),
        ("DoesNotExist", "zone", ()),
        ("Gt", "cores", ("15",)),
        ("Gt", "cores", ("16",)),
        ("Lt", "cores", ("17",)),
        ("Lt", "zone", ("1",)),
    )
    for operator, key, values in operators:
        add(f"term-{operator}-{key}-{'-'.join(values)}", 1, 1, terms=(NodeTerm(key, operator, values),))
    add("preferred-only", 1, 1, terms=(NodeTerm("zone", "In", ("9",), required=False),))
    add("two-terms", 1, 1, terms=(NodeTerm("zone", "In", ("2",)), NodeTerm("cores", "Exists")))
    add("contradiction", 1, 1, terms=(NodeTerm("zone", "In", ("1",)), NodeTerm("zone", "In", ("2",))))
    return [pytest.param(resources, placement, id=name) for name, resources, placement in found]


def test_the_table_is_large_enough() -> None:
    assert len(situations()) >= 60


@pytest.fixture(scope="module")
def pool(loop: Loop, admin: Cluster, release: str) -> Iterator[str]:
    """The made-up nodes of this run; other pods are kept off by a label that only these pods ask for."""
    for name, (capacity, labels, taints) in NODES.items():
        full = {"pods": "110", "ephemeral-storage": "500Gi", **capacity}
        node = f"{release}-{name}"
        meta = {
            "name": node,
            "labels": {**labels, "pool": release, "kubernetes.io/hostname": node, "fake-node": "made"},
        }
        mine = {"key": "pool", "value": release, "effect": "NoSchedule"}
        body = {"metadata": meta, "spec": {"taints": [mine, *taints]}}
        loop.run(admin.request("POST", "/api/v1/nodes", body=body))
        ready = {"type": "Ready", "status": "True", "reason": "Test", "lastHeartbeatTime": _now()}
        status = {"capacity": full, "allocatable": full, "conditions": [{**ready, "lastTransitionTime": _now()}]}
        change = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}, "status": status}
        query = {"fieldManager": "test", "force": "true"}
        loop.run(admin.request("PATCH", f"/api/v1/nodes/{node}/status", query=query, body=change, content_type=APPLY))
        lease = {"metadata": {"name": node}, "spec": {"holderIdentity": node, "leaseDurationSeconds": 3600}}
        lease["spec"]["renewTime"] = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() + 600))  # type: ignore[index]
        loop.run(admin.request("POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", body=lease))
        for key in ("node.kubernetes.io/not-ready",):
            _untaint(loop, admin, node, key)
    yield release
    for name in NODES:
        loop.run(admin.delete(f"/api/v1/nodes/{release}-{name}"))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _untaint(loop: Loop, admin: Cluster, node: str, key: str) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = loop.run(admin.get(f"/api/v1/nodes/{node}"))
        if key not in {taint["key"] for taint in found["spec"].get("taints", ())}:
            return
        time.sleep(0.2)
    raise AssertionError(f"{node} is still not ready for the scheduler")


@pytest.fixture(scope="module")
def backend(loop: Loop, pool: str) -> Iterator[KubernetesBackend]:
    made = KubernetesBackend(KubernetesOptions(release=pool, kubeconfig=os.environ["KUBECONFIG"]))
    loop.run(made.start())
    loop.run(made.ensure_space(TENANT))
    yield made
    loop.run(made.close())


@pytest.mark.parametrize(("resources", "placement"), situations())
def test_the_verdict_is_what_the_scheduler_does(
    loop: Loop, admin: Cluster, backend: KubernetesBackend, pool: str, resources: Resources, placement: Placement
) -> None:
    number = next(_numbers)
    wanted = Placement(
        {**placement.node_labels, "pool": pool}, placement.terms, (*placement.tolerated, "pool"), "", "", None
    )
    plan = WorkloadPlan(f"v{number}", 1, "notebook", TENANT, "ada", "none:1", ("true",), resources, placement=wanted)
    try:
        manifest = objects.pod(plan, backend.options)
    except BackendError:
        pytest.fail("the table asks for counts that the topology allows")
    nodes = loop.run(_nodes(admin))
    said = fit.fit(pods.pod_spec(plan, backend.options), nodes)
    path = f"/api/v1/namespaces/{pool}-{TENANT}/pods"
    loop.run(admin.request("POST", path, body=manifest))
    node, message = loop.run(_scheduled(admin, f"{path}/v{number}-1"))
    loop.run(admin.delete(f"{path}/v{number}-1", grace_seconds=0))
    if said.verdict == "starts_now":
        assert node in said.nodes, f"said {said}, the scheduler: {node or message}"
    else:
        assert node == "", f"said {said}, and the scheduler found {node}"
        if said.shortage is not None:
            assert f"Insufficient {said.shortage.resource}" in message


# --- what is taken, and what accelerators bring with them ------------------------------------------


def _wanted(pool: str, number: str, resources: Resources, **where: Any) -> WorkloadPlan:
    labels = {"pool": pool, **where.pop("node_labels", {})}
    placed = Placement(labels, tolerated=("pool", *where.pop("tolerated", ())))
    return WorkloadPlan(number, 1, "notebook", TENANT, "ada", "none:1", ("true",), resources, placement=placed, **where)


def _place(loop: Loop, admin: Cluster, pool: str, manifest: dict[str, Any]) -> tuple[str, str]:
    path = f"/api/v1/namespaces/{pool}-{TENANT}/pods"
    loop.run(admin.request("POST", path, body=manifest))
    return loop.run(_scheduled(admin, f"{path}/{manifest['metadata']['name']}"))


@pytest.mark.parametrize(
    ("taken", "asked", "verdict"),
    [
        pytest.param({GPU: 5}, {GPU: 3}, "starts_now", id="the-rest"),
        pytest.param({GPU: 5}, {GPU: 4}, "waits", id="one-missing"),
        pytest.param({GPU: 8}, {GPU: 8}, "waits", id="all-taken"),
        pytest.param({MIG: 7}, {MIG: 1}, "waits", id="mig-taken"),
        pytest.param({MIG: 7}, {MIG: 8}, "never_fits", id="never-however-free"),
        pytest.param({VNPU: 1}, {VNPU: 1}, "starts_now", id="another-vnpu"),
        pytest.param({NPU: 4}, {NPU: 4}, "starts_now", id="the-other-half-of-the-ring"),
        pytest.param({NPU: 4}, {NPU: 8}, "waits", id="the-whole-ring"),
    ],
)
def test_the_verdict_beside_what_runs(
    loop: Loop,
    admin: Cluster,
    backend: KubernetesBackend,
    pool: str,
    taken: dict[str, int],
    asked: dict[str, int],
    verdict: str,
) -> None:
    """BEY-1: how much is missing is what the scheduler misses."""
    number = next(_numbers)
    first = objects.pod(_wanted(pool, f"t{number}", Resources(100, GIB, 0, taken)), backend.options)
    path = f"/api/v1/namespaces/{pool}-{TENANT}/pods"
    assert _place(loop, admin, pool, first)[0]
    plan = _wanted(pool, f"t{number}n", Resources(100, GIB, 0, asked))
    said = fit.fit(pods.pod_spec(plan, backend.options), loop.run(_nodes(admin)))
    node, message = _place(loop, admin, pool, objects.pod(plan, backend.options))
    for name in (f"t{number}-1", f"t{number}n-1"):
        loop.run(admin.delete(f"{path}/{name}", grace_seconds=0))
    assert said.verdict == verdict
    if verdict == "starts_now":
        assert node in said.nodes, message
        return
    ((resource, count),) = asked.items()
    assert node == "" and f"Insufficient {resource}" in message
    assert said.shortage is not None and (said.shortage.resource, said.shortage.asked) == (resource, count)
    most = 8 if resource != MIG else 7
    free = most if verdict == "never_fits" else most - taken[resource]
    assert said.shortage.missing == count - free


def test_a_declared_card_is_scheduled_with_its_runtime_class(
    loop: Loop, admin: Cluster, backend: KubernetesBackend, pool: str
) -> None:
    """NB-7: resource, node label, runtime class and variables are data; the real scheduler follows them."""
    name = f"{pool}-runtime"
    path = "/apis/node.k8s.io/v1/runtimeclasses"
    body = {"metadata": {"name": name}, "handler": "ascend"}
    loop.run(admin.request("POST", path, body=body))
    declared = {
        VNPU: {
            "form": "vnpu",
            "counts": [1],
            "runtime_class": name,
            "node_labels": {"card": "vnpu"},
            "environment": {"ASCEND_VNPU_SPECS": "vir02"},
        }
    }
    options = KubernetesOptions.from_mapping({"release": pool, "accelerators": declared})
    try:
        made = objects.pod(_wanted(pool, "wruntime", Resources(100, GIB, 0, {VNPU: 1})), options)
        assert made["spec"]["runtimeClassName"] == name
        assert {"name": "ASCEND_VNPU_SPECS", "value": "vir02"} in made["spec"]["containers"][0]["env"]
        node, message = _place(loop, admin, pool, made)
        assert node == f"{pool}-vnpu", message
        loop.run(admin.delete(f"/api/v1/namespaces/{pool}-{TENANT}/pods/wruntime-1", grace_seconds=0))
    finally:
        loop.run(admin.delete(f"{path}/{name}"))


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_each_way_to_meet_a_neutral_wish_is_scheduled(
    loop: Loop, admin: Cluster, backend: KubernetesBackend, pool: str, count: int
) -> None:
    """BEY-23: whatever a neutral profile is resolved to, the scheduler has a node for."""
    nodes = [node for node in loop.run(backend.nodes()) if node.labels.get("pool") == pool]
    # The pool's cards carry no label, so the class says what a whole one has.
    whole = replace(backend.options.accelerators[GPU], memory_bytes=80 * GIB)
    catalogue = accelerators.Catalogue({**backend.options.accelerators, GPU: whole})
    found = accelerators.resolve(accelerators.Neutral(5 * GIB, count), catalogue, nodes)
    # One static vNPU a pod, and seven MIG devices on the only node that has any.
    assert {choice.resource for choice in found} == {GPU, NPU} | ({MIG} if count < 8 else set()) | (
        {VNPU} if count == 1 else set()
    )
    for choice in found:
        name = f"wn{next(_numbers)}"
        made = objects.pod(_wanted(pool, name, Resources(100, GIB, 0, {choice.resource: count})), backend.options)
        node, message = _place(loop, admin, pool, made)
        loop.run(admin.delete(f"/api/v1/namespaces/{pool}-{TENANT}/pods/{name}-1", grace_seconds=0))
        assert node, f"{choice}: {message}"


@pytest.mark.parametrize("holder", ["cpu", "a100", "mig"])
def test_a_node_that_has_the_image_is_preferred(
    loop: Loop, admin: Cluster, backend: KubernetesBackend, pool: str, holder: str
) -> None:
    """BEY-25: of several nodes that fit, the scheduler takes the one that need not pull."""
    plan = replace(_wanted(pool, f"wimage{holder}", Resources(100, GIB)), image=f"big-{holder}:1")
    prefer = pods.Preference(
        pods.nodes_with_image(plan.image, {f"{pool}-{holder}": [plan.image], f"{pool}-x": []}), 100
    )
    node, message = _place(loop, admin, pool, objects.pod(plan, backend.options, prefer=prefer))
    loop.run(admin.delete(f"/api/v1/namespaces/{pool}-{TENANT}/pods/wimage{holder}-1", grace_seconds=0))
    assert node == f"{pool}-{holder}", message


async def _nodes(admin: Cluster) -> list[fit.Node]:
    nodes, everything = await admin.get("/api/v1/nodes"), await admin.get("/api/v1/pods")
    on: dict[str, list[Any]] = {}
    for pod in everything["items"]:
        on.setdefault(pod["spec"].get("nodeName", ""), []).append(pod)
    return [fit.node_of(node, on.get(node["metadata"]["name"], [])) for node in nodes["items"]]


async def _scheduled(admin: Cluster, path: str) -> tuple[str, str]:
    """The node the scheduler chose, or its words why none."""
    import asyncio

    end = time.monotonic() + 40
    while time.monotonic() < end:
        pod = await admin.get(path)
        for item in pod.get("status", {}).get("conditions", ()):
            if item["type"] == "PodScheduled":
                return pod["spec"].get("nodeName", ""), item.get("message", "")
        await asyncio.sleep(0.05)
    raise AssertionError("the scheduler has not looked at the pod")
