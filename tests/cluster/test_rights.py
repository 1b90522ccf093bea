"""The real accounts of hub and platform: each can do what it needs, and nothing named here beside it (NB-6, REL-6).

Refused means refused for a reason that is the rights': 403 from RBAC or from the admission policy, never a
missing object or a wrong body, which is why each try names something that exists or would be valid.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from himalia_hub.backends.kubernetes import objects, spaces
from himalia_hub.backends.kubernetes.api import ApiError, Cluster
from himalia_hub.backends.kubernetes.backend import KubernetesBackend
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.protocol import HomeMount, Resources, WorkloadPlan
from tests.cluster.conftest import Loop, Rights

MIB = 1 << 20
TENANT = "acme"


def plan(**changes: Any) -> WorkloadPlan:
    base: dict[str, Any] = {
        "workload": "w1",
        "attempt": 1,
        "kind": "run",
        "tenant": TENANT,
        "owner": "ada",
        "image": "localhost/none:1",
        "command": ("true",),
        "resources": Resources(100, 16 * MIB),
        "secrets": {"TOKEN": "x"},
    }
    return WorkloadPlan(**(base | changes))


@pytest.fixture(scope="module")
def options(rights: Rights) -> KubernetesOptions:
    return KubernetesOptions(release=rights.release, system_namespace=rights.namespace, kubeconfig=str(rights.platform))


@pytest.fixture(scope="module")
def platform(loop: Loop, options: KubernetesOptions) -> Iterator[KubernetesBackend]:
    """The backend with the platform's own account, its tenant's space made by itself."""
    backend = KubernetesBackend(options)
    loop.run(backend.start())
    loop.run(backend.ensure_space(TENANT, spaces.SpaceQuota(4000, 4 << 30)))
    yield backend
    loop.run(backend.close())


@pytest.fixture(scope="module")
def hub(loop: Loop, rights: Rights, platform: KubernetesBackend) -> Iterator[Cluster]:
    cluster = loop.run(Cluster.connect(str(rights.hub)))
    yield cluster
    loop.run(cluster.close())


def test_the_platform_makes_a_space_repairs_it_and_runs_work(
    loop: Loop, admin: Cluster, platform: KubernetesBackend, options: KubernetesOptions
) -> None:
    namespace = f"{options.release}-{TENANT}"
    policies = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
    names = {item["metadata"]["name"] for item in loop.run(admin.get(policies))["items"]}
    assert names == {"default-deny", "names", "platform", "outside"}
    loop.run(admin.delete(f"{policies}/default-deny"))
    change = {"spec": {"hard": {"limits.cpu": "999"}}}
    loop.run(admin.patch(f"/api/v1/namespaces/{namespace}/resourcequotas/himalia", change))
    loop.run(platform.keeper.repair())
    assert "default-deny" in {item["metadata"]["name"] for item in loop.run(admin.get(policies))["items"]}
    quota = loop.run(admin.get(f"/api/v1/namespaces/{namespace}/resourcequotas/himalia"))
    assert quota["spec"]["hard"]["limits.cpu"] == "4"

    async def seen() -> bool:
        await platform.apply(plan())
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if any(item.workload == "w1" for item in await platform.observe()):
                return True
            await asyncio.sleep(0.05)
        return False

    assert loop.run(seen())
    loop.run(platform.stop("w1", 1, grace_seconds=0))


def test_the_hub_makes_and_ends_a_pod_where_the_platform_let_it(
    loop: Loop, hub: Cluster, options: KubernetesOptions
) -> None:
    made = plan(kind="notebook", workload="w9", mounts=(HomeMount("u1/n1", "/home/jovyan"),))
    for manifest in objects.attempt_objects(made, options):
        path = f"/api/v1/namespaces/{options.release}-{TENANT}/"
        plural = {"Secret": "secrets", "PersistentVolumeClaim": "persistentvolumeclaims", "Pod": "pods"}
        loop.run(hub.request("POST", path + plural[manifest["kind"]], body=manifest))
    everywhere = loop.run(hub.get("/api/v1/pods"))["items"]
    assert "w9-1" in {item["metadata"]["name"] for item in everywhere}
    assert loop.run(hub.delete(f"/api/v1/namespaces/{options.release}-{TENANT}/pods/w9-1", grace_seconds=0))


def test_a_pod_that_is_not_restricted_is_refused(loop: Loop, hub: Cluster, options: KubernetesOptions) -> None:
    """NB-6: what the hub may make, the namespace's level still judges."""
    made = objects.pod(plan(kind="notebook", workload="w8"), options)
    changes: list[dict[str, Any]] = [
        {"hostNetwork": True},
        {"hostPID": True, "shareProcessNamespace": False},
        {"securityContext": {"runAsUser": 0}},
        {"volumes": [*made["spec"]["volumes"], {"name": "h", "hostPath": {"path": "/"}}]},
    ]
    for change in changes:
        body = {**made, "spec": {**made["spec"], **change}}
        with pytest.raises(ApiError, match="violates PodSecurity"):
            loop.run(hub.request("POST", f"/api/v1/namespaces/{options.release}-{TENANT}/pods", body=body))


POD = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
_BIND = {
    "metadata": {"name": "x"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "ROLE"},
    "subjects": [{"kind": "ServiceAccount", "name": "ACCOUNT", "namespace": "SYSTEM"}],
}
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


def _binding(role: str) -> dict[str, Any]:
    return {**_BIND, "roleRef": {**_BIND["roleRef"], "name": role}}  # type: ignore[dict-item]


def _named(**more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, **more}


ROLE = _named(rules=[{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}])
REFUSED: list[tuple[str, str, str, Any]] = [
    # The hub, cluster-wide: pods and events to look at, and nothing else.
    ("hub", "GET", "/api/v1/nodes", None),
    ("hub", "GET", "/api/v1/namespaces", None),
    ("hub", "GET", "/api/v1/secrets", None),
    ("hub", "GET", "/api/v1/configmaps", None),
    ("hub", "GET", "/api/v1/persistentvolumes", None),
    ("hub", "GET", f"{_RBAC}/clusterroles", None),
    ("hub", "POST", "/api/v1/namespaces", _named()),
    ("hub", "DELETE", "/api/v1/namespaces/SPACE", None),
    ("hub", "POST", "/api/v1/namespaces/default/pods", POD),
    ("hub", "POST", "/api/v1/namespaces/kube-system/pods", POD),
    ("hub", "GET", "/api/v1/namespaces/kube-system/secrets", None),
    # The hub in a tenant's namespace: pods and the secrets it writes, unread.
    ("hub", "GET", "/api/v1/namespaces/SPACE/secrets", None),
    ("hub", "GET", "/api/v1/namespaces/SPACE/secrets/w1-1", None),
    ("hub", "GET", "/api/v1/namespaces/SPACE/persistentvolumeclaims", None),
    ("hub", "DELETE", "/api/v1/namespaces/SPACE/persistentvolumeclaims/home-u1-n1", None),
    ("hub", "GET", "/api/v1/namespaces/SPACE/pods/w1/log", None),
    ("hub", "POST", "/api/v1/namespaces/SPACE/pods/w1/exec?command=id", None),
    ("hub", "PATCH", "/api/v1/namespaces/SPACE/resourcequotas/himalia", {"spec": {"hard": {"pods": "9"}}}),
    ("hub", "DELETE", "/apis/networking.k8s.io/v1/namespaces/SPACE/networkpolicies/default-deny", None),
    ("hub", "POST", "/apis/batch/v1/namespaces/SPACE/jobs", None),
    ("hub", "POST", "/apis/apps/v1/namespaces/SPACE/deployments", None),
    ("hub", "POST", f"{_RBAC}/namespaces/SPACE/roles", ROLE),
    ("hub", "POST", f"{_RBAC}/namespaces/SPACE/rolebindings", _binding("SPACE-ROLE")),
    ("hub", "POST", "/api/v1/namespaces/SPACE/serviceaccounts/himalia-workload/token", {"spec": {}}),
    ("hub", "POST", "/api/v1/namespaces/SPACE/services", None),
    # The platform, cluster-wide: nodes to look at, namespaces of its own.
    ("platform", "GET", "/api/v1/pods", None),
    ("platform", "GET", "/api/v1/secrets", None),
    ("platform", "GET", "/api/v1/nodes/ANY/proxy/stats/summary", None),
    ("platform", "PATCH", "/api/v1/nodes/ANY", {"metadata": {"labels": {"x": "y"}}}),
    ("platform", "DELETE", "/api/v1/nodes/ANY", None),
    ("platform", "GET", "/api/v1/namespaces/kube-system/secrets", None),
    ("platform", "POST", "/api/v1/namespaces/default/pods", POD),
    ("platform", "POST", "/api/v1/namespaces", {"metadata": {"name": "stranger"}}),
    (
        "platform",
        "POST",
        "/api/v1/namespaces",
        {"metadata": {"name": "stranger", "labels": {"himalia/release": "RELEASE"}}},
    ),
    ("platform", "DELETE", "/api/v1/namespaces/default", None),
    ("platform", "PATCH", "/api/v1/namespaces/kube-public", {"metadata": {"labels": {"himalia/release": "RELEASE"}}}),
    ("platform", "PATCH", "/api/v1/namespaces/SPACE", {"metadata": {"labels": {"himalia/release": "other"}}}),
    ("platform", "POST", f"{_RBAC}/namespaces/kube-system/rolebindings", _binding("SPACE-ROLE")),
    ("platform", "POST", f"{_RBAC}/namespaces/default/rolebindings", _binding("SPACE-ROLE")),
    ("platform", "POST", f"{_RBAC}/namespaces/SPACE/rolebindings", _binding("cluster-admin")),
    ("platform", "POST", f"{_RBAC}/namespaces/SPACE/rolebindings", _binding("admin")),
    ("platform", "POST", f"{_RBAC}/namespaces/SPACE/roles", ROLE),
    ("platform", "POST", f"{_RBAC}/clusterrolebindings", _binding("cluster-admin")),
    ("platform", "POST", f"{_RBAC}/clusterroles", ROLE),
    ("platform", "PATCH", f"{_RBAC}/clusterroles/SPACE-ROLE", {"rules": []}),
    # The platform in a tenant's namespace: it writes secrets and reads none.
    ("platform", "GET", "/api/v1/namespaces/SPACE/secrets", None),
    ("platform", "GET", "/api/v1/namespaces/SPACE/secrets/w1-1", None),
    ("platform", "POST", "/api/v1/namespaces/SPACE/serviceaccounts/himalia-workload/token", {"spec": {}}),
    ("platform", "GET", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", None),
    ("platform", "DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/POLICY", None),
]


def test_there_are_forty_refusals_and_more() -> None:
    assert len(REFUSED) >= 40 and len({str(item) for item in REFUSED}) == len(REFUSED)


@pytest.mark.parametrize(
    ("who", "method", "path", "body"), REFUSED, ids=[f"{item[0]}-{item[1]}-{n}" for n, item in enumerate(REFUSED)]
)
def test_refused(
    loop: Loop,
    platform: KubernetesBackend,
    hub: Cluster,
    admin: Cluster,
    options: KubernetesOptions,
    who: str,
    method: str,
    path: str,
    body: Any,
) -> None:
    node = next(iter(loop.run(admin.get("/api/v1/nodes"))["items"]))["metadata"]["name"]
    places = {
        "SPACE-ROLE": f"{options.release}-space",
        "POLICY": f"{options.release}-stays-inside",
        "SPACE": f"{options.release}-{TENANT}",
        "RELEASE": options.release,
        "SYSTEM": options.system_namespace,
        "ACCOUNT": f"{options.release}-{who}",
        "ANY": node,
    }
    path, body = _filled(path, places), _filled(body, places)
    query = None
    if "?" in path:
        path, _, text = path.partition("?")
        query = dict([text.split("=")])
    cluster = hub if who == "hub" else platform.cluster
    content = "application/merge-patch+json" if method == "PATCH" else "application/json"
    with pytest.raises(ApiError) as caught:
        loop.run(cluster.request(method, path, query=query, body=body, content_type=content))
    assert caught.value.status == 403, f"{caught.value.status}: {caught.value}"


def _filled(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, str):
        for word, place in places.items():
            value = value.replace(word, place)
        return value
    if isinstance(value, dict):
        return {key: _filled(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, places) for item in value]
    return value


def test_a_workloads_account_has_no_rights(
    loop: Loop, admin: Cluster, platform: KubernetesBackend, options: KubernetesOptions
) -> None:
    """NB-6: asked of the API server for every verb on everything."""
    account = f"system:serviceaccount:{options.release}-{TENANT}:himalia-workload"
    for verb in ("get", "list", "create", "delete", "*"):
        attributes = {"verb": verb, "group": "*", "resource": "*", "namespace": f"{options.release}-{TENANT}"}
        body = {"spec": {"user": account, "resourceAttributes": attributes}}
        answer = loop.run(admin.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=body))
        assert answer["status"]["allowed"] is False, verb
