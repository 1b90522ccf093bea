"""Volcano and Gateway API objects against those projects' own definitions, on a real API server (TRN-2).

Their custom resource definitions must be installed (the controllers need not run): the API server then
checks every field, type, pattern and rule of theirs on a dry run, strictly. Without them the tests are
skipped and say so. Nothing here shows that a Volcano scheduler or a gateway then does the right thing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from himalia_hub.backends.kubernetes import objects
from himalia_hub.backends.kubernetes.api import ApiError, Cluster
from himalia_hub.backends.kubernetes.options import Gateway, KubernetesOptions
from himalia_hub.backends.protocol import (
    FileMount,
    FolderMount,
    NodeTerm,
    Placement,
    Resources,
    RouteTarget,
    ScratchMount,
    ServiceRoute,
    WorkloadPlan,
)
from tests.cluster.conftest import Loop

GIB = 1 << 30
GATEWAY = Gateway(
    "networking", "public", "web", {"group": "gateway.example.org", "kind": "KeyCheck", "name": "himalia"}
)
TENANT = "acme"
Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def options(loop: Loop, admin: Cluster, release: str) -> Iterator[KubernetesOptions]:
    body = {"metadata": {"name": f"{release}-{TENANT}", "labels": {"himalia/release": release}}}
    loop.run(admin.request("POST", "/api/v1/namespaces", body=body))
    yield KubernetesOptions(release=release, scheduler="volcano", gateway=GATEWAY)


@pytest.fixture(scope="module")
def installed(loop: Loop, admin: Cluster) -> Callable[[str, str], None]:
    """Skips unless the API server serves this plural of a group and version."""

    def check(group: str, plural: str) -> None:
        found = loop.run(admin.find(f"/apis/{group}")) or {}
        if plural not in {item["name"] for item in found.get("resources", ())}:
            pytest.skip(f"the definition of {plural} ({group}) is not installed on this cluster")

    return check


def plans() -> list[Any]:
    def plan(**changes: Any) -> WorkloadPlan:
        given: dict[str, Any] = {
            "workload": "w7",
            "attempt": 2,
            "kind": "run",
            "tenant": TENANT,
            "owner": "u5",
            "image": "registry/base:1",
            "command": ("python", "train.py"),
            "resources": Resources(1500, 2 * GIB),
        }
        return WorkloadPlan(**{**given, **changes})

    terms = (NodeTerm("disk", "In", ("ssd",)), NodeTerm("zone", "Exists", required=False, weight=7))
    mounts = (FolderMount("0" * 64, "/himalia/input"), ScratchMount("/himalia/work"), FileMount("/a/b", "text", 0o555))
    return [
        pytest.param(plan(), id="plain"),
        pytest.param(plan(replicas=8, placement=Placement(minimum_replicas=4)), id="elastic"),
        pytest.param(plan(replicas=2, placement=Placement(queue="research", priority_class="high")), id="queue"),
        pytest.param(plan(resources=Resources(1, 1, 0, {"huawei.com/Ascend910": 8})), id="npu"),
        pytest.param(plan(placement=Placement({"group": "a"}, terms, ("special",))), id="placed"),
        pytest.param(plan(mounts=mounts, secrets={"HIMALIA_TOKEN": "t"}, deadline_seconds=60), id="mounts"),
    ]


@pytest.mark.parametrize("plan", plans())
def test_volcano_jobs_are_what_volcano_defines(
    loop: Loop, admin: Cluster, options: KubernetesOptions, installed: Callable[[str, str], None], plan: WorkloadPlan
) -> None:
    installed("batch.volcano.sh/v1alpha1", "jobs")
    made = objects.volcano_job(plan, options)
    kept = loop.run(admin.apply(made, dry_run=True))
    assert kept["spec"]["minAvailable"] == (plan.placement.minimum_replicas or plan.replicas)
    assert kept["spec"]["tasks"][0]["replicas"] == plan.replicas


def test_a_misspelt_or_mistyped_field_would_be_refused(
    loop: Loop, admin: Cluster, options: KubernetesOptions, installed: Callable[[str, str], None]
) -> None:
    """The control: the API server does check."""
    installed("batch.volcano.sh/v1alpha1", "jobs")
    right = objects.volcano_job(plans()[0].values[0], options)
    for field, value in (("minAvailabel", 1), ("minAvailable", "1"), ("tasks", {}), ("plugins", {"svc": "x"})):
        wrong = copy.deepcopy(right)
        wrong["spec"][field] = value
        with pytest.raises(ApiError, match=field):
            loop.run(admin.apply(wrong, dry_run=True))


@pytest.mark.parametrize("capability", [None, Resources(64_000, 256 * GIB, 0, {"nvidia.com/gpu": 8})])
def test_volcano_queues_are_what_volcano_defines(
    loop: Loop,
    admin: Cluster,
    options: KubernetesOptions,
    installed: Callable[[str, str], None],
    capability: Resources | None,
) -> None:
    installed("scheduling.volcano.sh/v1beta1", "queues")
    kept = loop.run(admin.apply(objects.volcano_queue("research", 3, capability, options), dry_run=True))
    assert kept["spec"]["weight"] == 3
    assert ("capability" in kept["spec"]) == (capability is not None)


def route() -> ServiceRoute:
    targets = (
        RouteTarget("v1", ("10.0.0.1:8080",), 90, ("10.0.0.1:9000",), "w1", 1),
        RouteTarget("v2", ("10.0.0.2:8080",), 10, ("10.0.0.2:9000",), "w2", 1),
    )
    return ServiceRoute(TENANT, "digits", targets)


@pytest.mark.parametrize(("make", "plural"), [(objects.http_route, "httproutes"), (objects.grpc_route, "grpcroutes")])
def test_routes_are_what_gateway_api_defines(
    loop: Loop,
    admin: Cluster,
    options: KubernetesOptions,
    installed: Callable[[str, str], None],
    make: Callable[..., Manifest],
    plural: str,
) -> None:
    installed("gateway.networking.k8s.io/v1", plural)
    made = make(route(), options)
    kept = loop.run(admin.apply(made, dry_run=True))
    assert [target["weight"] for target in kept["spec"]["rules"][0]["backendRefs"]] == [90, 10]
    wrong = copy.deepcopy(made)
    wrong["spec"]["rules"][0]["backendRefs"][0]["weight"] = 1_000_001
    with pytest.raises(ApiError, match="weight"):
        loop.run(admin.apply(wrong, dry_run=True))
