"""Tenants' spaces on a real API server, kept by the platform's own account (NB-6, TEN-1, TEN-3).

Every hand that an administrator of the cluster could lay on a space is laid on it here, and looked for
afterwards; a space that is right is looked at without a single write.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from himalia_hub.backends.kubernetes import causes, spaces
from himalia_hub.backends.kubernetes.api import JSON_PATCH, KINDS, ApiError, Cluster
from himalia_hub.backends.kubernetes.backend import KubernetesBackend
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.protocol import BackendError, ReplicaState, Resources, WorkloadPlan
from tests.cluster.conftest import Loop, Rights
from tests.contract.kubernetes_harness import DEFAULT_IMAGE, REAL_NODES

MIB = 1 << 20
TENANT = "acme"
QUOTA = spaces.SpaceQuota(4000, 4 << 30, accelerators={"nvidia.com/gpu": 2})
_RBAC, _NET = "rbac.authorization.k8s.io/v1", "networking.k8s.io/v1"


@pytest.fixture(scope="module")
def options(rights: Rights) -> KubernetesOptions:
    return KubernetesOptions(release=rights.release, system_namespace=rights.namespace, kubeconfig=str(rights.platform))


@pytest.fixture(scope="module")
def platform(loop: Loop, options: KubernetesOptions) -> Iterator[KubernetesBackend]:
    backend = KubernetesBackend(options)
    loop.run(backend.start())
    loop.run(backend.ensure_space(TENANT, QUOTA))
    yield backend
    loop.run(backend.close())


def _path(options: KubernetesOptions, kind: str, name: str = "") -> str:
    return KINDS[kind].path(f"{options.release}-{TENANT}", name)


async def _versions(admin: Cluster, options: KubernetesOptions) -> dict[str, str]:
    """Every object of the space and its version."""
    found = {}
    kinds = {f"{item['apiVersion']}/{item['kind']}" for item in spaces.space_objects(TENANT, QUOTA, options)}
    for kind in sorted(kinds):
        for item in (await admin.get(_path(options, kind)))["items"]:
            # A quota's status is counted by the cluster; its generation is what anybody wrote.
            version = "kept" if kind == "v1/ResourceQuota" else item["metadata"]["resourceVersion"]
            found[f"{kind}/{item['metadata']['name']}"] = version
    return found


def test_nothing_changes_when_all_is_right(
    loop: Loop, admin: Cluster, platform: KubernetesBackend, options: KubernetesOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = loop.run(_versions(admin, options))
    assert len(before) >= 11
    asked: list[str] = []
    real = platform.cluster.request

    async def noted(method: str, path: str, **more: Any) -> Any:
        asked.append(method)
        return await real(method, path, **more)

    monkeypatch.setattr(platform.cluster, "request", noted)
    assert loop.run(platform.keeper.repair()) == []
    assert set(asked) == {"GET"} and len(asked) <= 8
    assert loop.run(_versions(admin, options)) == before


def _edit(kind: str, name: str, *changes: dict[str, Any]) -> Any:
    label = (
        f"{kind.rpartition('/')[2]}-{name}-{changes[0]['path'].strip('/').replace('/', '-') if changes else 'deleted'}"
    )
    return pytest.param(kind, name, list(changes), id=label)


def _add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


HANDS = [
    _edit("v1/ResourceQuota", "himalia"),
    _edit("v1/LimitRange", "himalia"),
    _edit(f"{_NET}/NetworkPolicy", "default-deny"),
    _edit(f"{_NET}/NetworkPolicy", "platform"),
    _edit("v1/ServiceAccount", "himalia-workload"),
    _edit(f"{_RBAC}/Role", "himalia-hub"),
    _edit(f"{_RBAC}/RoleBinding", "himalia-hub"),
    _edit(f"{_RBAC}/RoleBinding", "himalia-platform"),
    _edit("v1/ResourceQuota", "himalia", _add("/spec/hard/limits.cpu", "999")),
    _edit("v1/ResourceQuota", "himalia", _add("/spec/hard/requests.example.org~1card", "9")),
    _edit("v1/ResourceQuota", "himalia", {"op": "remove", "path": "/spec/hard/limits.memory"}),
    _edit("v1/LimitRange", "himalia", _add("/spec/limits/0/default/cpu", "64")),
    _edit(f"{_NET}/NetworkPolicy", "default-deny", _add("/spec/egress", [{}])),
    _edit(f"{_NET}/NetworkPolicy", "default-deny", _add("/spec/ingress", [{}])),
    _edit(f"{_NET}/NetworkPolicy", "default-deny", _add("/spec/podSelector", {"matchLabels": {"a": "b"}})),
    _edit(f"{_NET}/NetworkPolicy", "outside", _add("/spec/egress/-", {})),
    _edit("v1/ServiceAccount", "himalia-workload", _add("/automountServiceAccountToken", True)),
    _edit("v1/ServiceAccount", "default", {"op": "remove", "path": "/automountServiceAccountToken"}),
    _edit(
        f"{_RBAC}/Role",
        "himalia-hub",
        _add("/rules/-", {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}),
    ),
    _edit(
        f"{_RBAC}/RoleBinding",
        "himalia-hub",
        _add("/subjects/-", {"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}),
    ),
    _edit(f"{_NET}/NetworkPolicy", "names", {"op": "remove", "path": "/metadata/labels"}),
]


@pytest.mark.parametrize(("kind", "name", "changes"), HANDS)
def test_what_a_hand_changed_is_put_right(
    loop: Loop,
    admin: Cluster,
    platform: KubernetesBackend,
    options: KubernetesOptions,
    kind: str,
    name: str,
    changes: list[dict[str, Any]],
) -> None:
    path = _path(options, kind, name)
    before = loop.run(admin.get(path))
    if changes:
        loop.run(admin.request("PATCH", path, body=changes, content_type=JSON_PATCH))
    else:
        loop.run(admin.delete(path))
    repaired = loop.run(platform.keeper.repair())
    assert f"{TENANT}: {kind.rpartition('/')[2]}/{name}" in repaired
    after = loop.run(admin.get(path))
    for field in spaces.CARED_FOR:
        assert after.get(field) == before.get(field), field
    assert before["metadata"]["labels"].items() <= after["metadata"]["labels"].items()
    assert loop.run(platform.keeper.repair()) == [], "once is enough"


def test_a_binding_that_was_led_elsewhere_is_made_anew(
    loop: Loop, admin: Cluster, platform: KubernetesBackend, options: KubernetesOptions
) -> None:
    """Whom a binding refers to cannot be edited; somebody deleted ours and made another of its name."""
    path = _path(options, f"{_RBAC}/RoleBinding", "himalia-hub")
    before = loop.run(admin.get(path))
    loop.run(admin.delete(path))
    meta = {"name": "himalia-hub", "labels": before["metadata"]["labels"]}
    other = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}
    body = {"metadata": meta, "roleRef": other, "subjects": before["subjects"]}
    loop.run(admin.request("POST", path.rpartition("/")[0], body=body))
    assert loop.run(platform.keeper.repair()) == [f"{TENANT}: RoleBinding/himalia-hub"]
    assert loop.run(admin.get(path))["roleRef"] == before["roleRef"]


def test_a_namespace_opened_by_hand_is_restricted_again(
    loop: Loop, admin: Cluster, platform: KubernetesBackend, options: KubernetesOptions
) -> None:
    path = KINDS["v1/Namespace"].path(name=f"{options.release}-{TENANT}")
    label = "pod-security.kubernetes.io/enforce"
    loop.run(admin.patch(path, {"metadata": {"labels": {label: "privileged", "team": "theirs"}}}))
    assert loop.run(platform.keeper.repair()) == [f"{TENANT}: Namespace/{options.release}-{TENANT}"]
    labels = loop.run(admin.get(path))["metadata"]["labels"]
    assert labels[label] == "restricted" and labels["team"] == "theirs", "what is not ours stays"


def test_a_quota_that_the_platform_changed_is_there_at_once(
    loop: Loop, admin: Cluster, platform: KubernetesBackend, options: KubernetesOptions
) -> None:
    """TEN-3: raised and lowered; and while nobody knows the quota, the one that stands is left alone."""
    path = _path(options, "v1/ResourceQuota", "himalia")
    loop.run(platform.ensure_space(TENANT, spaces.SpaceQuota(9000, 4 << 30)))
    hard = loop.run(admin.get(path))["spec"]["hard"]
    assert hard["limits.cpu"] == "9" and "requests.nvidia.com/gpu" not in hard
    other = KubernetesBackend(options)

    async def just_started() -> list[str]:
        await other.start()
        try:
            return await other.keeper.ensure(TENANT)
        finally:
            await other.close()

    assert loop.run(just_started()) == []
    assert loop.run(admin.get(path))["spec"]["hard"] == hard
    loop.run(platform.ensure_space(TENANT, QUOTA))
    assert loop.run(admin.get(path))["spec"]["hard"]["limits.cpu"] == "4"


def test_the_cluster_refuses_beyond_the_quota_in_words_that_become_a_cause(
    loop: Loop, admin: Cluster, platform: KubernetesBackend, options: KubernetesOptions
) -> None:
    loop.run(platform.ensure_space(TENANT, QUOTA))
    body: dict[str, Any] = {"metadata": {"name": "big"}, "spec": _restricted({"cpu": "5", "memory": "1Gi"})}
    with pytest.raises(ApiError) as caught:
        loop.run(admin.request("POST", _path(options, "v1/Pod"), body=body))
    cause = causes.refused(str(caught.value))
    assert cause.code == "quota" and "limits.cpu=5" in cause.text and "机构配额不足" in cause.zh
    body["spec"]["containers"][0].pop("resources")
    made = loop.run(admin.request("POST", _path(options, "v1/Pod") + "?dryRun=All", body=body))
    assert made["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "100m", "memory": "128Mi"}


def _restricted(limits: dict[str, str]) -> dict[str, Any]:
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "c", "image": "none:1", "resources": {"limits": limits}, "securityContext": security}
    return {"containers": [container]}


LOOK = """
import os, socket, urllib.request, ssl
print('uid', os.getuid())
print('token', os.path.exists('/var/run/secrets/kubernetes.io/serviceaccount/token'))
status = dict(line.split(':', 1) for line in open('/proc/self/status') if ':' in line)
print('capabilities', int(status['CapEff'], 16), 'bounding', int(status['CapBnd'], 16))
print('no_new_privs', status['NoNewPrivs'].strip(), 'seccomp', status['Seccomp'].strip())
try:
    open('/etc/made', 'w'); print('etc', 'written')
except OSError: print('etc', 'closed')
"""


def test_a_pod_has_no_token_no_capability_and_no_root(loop: Loop, platform: KubernetesBackend) -> None:
    """NB-6 from inside a container of a real kubelet."""
    loop.run(platform.ensure_space(TENANT, QUOTA))
    plan = WorkloadPlan(
        workload="wlook",
        attempt=1,
        kind="run",
        tenant=TENANT,
        owner="ada",
        image=os.environ.get("KUBE_TEST_IMAGE", DEFAULT_IMAGE),
        command=("python3", "-c", LOOK),
        resources=Resources(500, 128 * MIB),
        placement=REAL_NODES,
    )
    said = loop.run(_output(platform, plan))
    found = dict(line.split(" ", 1) for line in said.splitlines())
    assert found["uid"] == "1000" and found["token"] == "False"
    assert found["capabilities"] == "0 bounding 0"
    assert found["no_new_privs"] == "1 seccomp 2" and found["etc"] == "closed"


async def _output(backend: KubernetesBackend, plan: WorkloadPlan) -> str:
    await backend.apply(plan)
    end = time.monotonic() + 80
    while time.monotonic() < end:
        found = [item for item in await backend.observe() if item.workload == plan.workload]
        if found and found[0].replicas[0].state is ReplicaState.EXITED:
            assert found[0].replicas[0].exit_code == 0, found[0].replicas[0].message
            return b"".join([chunk async for _offset, chunk in backend.logs(plan.workload, plan.attempt)]).decode()
        await asyncio.sleep(0.2)
    raise AssertionError(f"it did not end: {found}")


def test_a_space_is_removed_on_command_and_made_again(
    loop: Loop, admin: Cluster, platform: KubernetesBackend, options: KubernetesOptions
) -> None:
    """TEN-1: also when a hand deleted the namespace; asking twice is no error."""
    path = KINDS["v1/Namespace"].path(name=f"{options.release}-gone")
    loop.run(platform.ensure_space("gone", QUOTA))
    loop.run(platform.remove_space("gone"), 150)
    assert loop.run(admin.find(path)) is None
    loop.run(platform.remove_space("gone"))
    loop.run(platform.ensure_space("gone", QUOTA))
    loop.run(admin.delete(path))

    async def again() -> None:
        end = time.monotonic() + 120
        while True:
            platform.keeper.forget("gone")
            try:
                if f"Namespace/{options.release}-gone" in await platform.keeper.ensure("gone", QUOTA):
                    return
            except BackendError as error:
                assert error.retryable, error
            assert time.monotonic() < end, "the space did not come back"
            await asyncio.sleep(0.2)

    loop.run(again(), 150)
    assert platform.cluster is not None and loop.run(platform.keeper.repair()) == []
    loop.run(platform.remove_space("gone"), 150)


def test_a_namespace_of_somebody_else_is_left_alone(
    loop: Loop, admin: Cluster, platform: KubernetesBackend, options: KubernetesOptions
) -> None:
    name = f"{options.release}-other"
    path = KINDS["v1/Namespace"].path(name=name)
    loop.run(admin.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}}))
    try:
        with pytest.raises(BackendError, match="not this installation's"):
            loop.run(platform.ensure_space("other", QUOTA))
        with pytest.raises(BackendError, match="not this installation's"):
            loop.run(platform.remove_space("other"))
        assert loop.run(admin.find(path)) is not None
    finally:
        loop.run(admin.delete(path))
