"""A real cluster by ``KUBECONFIG``; every test here is skipped without one.

Fixtures
    admin     requests with the administrator's kubeconfig.
    release   a name of its own for this run; its namespaces and cluster-wide objects go at the end.
    rights    the installed accounts, roles and policy: kubeconfigs of hub and platform.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from himalia_hub.backends.kubernetes import rights as rights_of
from himalia_hub.backends.kubernetes.api import Cluster
from tests.contract.kubernetes_harness import why_not

T = TypeVar("T")
PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{ns}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = why_not()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            if missing:
                item.add_marker(pytest.mark.skip(reason=missing))


class Loop:
    """One event loop for a module: connections stay open between calls."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 90) -> T:
        return self._loop.run_until_complete(asyncio.wait_for(work, seconds))

    def close(self) -> None:
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def admin(loop: Loop) -> Iterator[Cluster]:
    cluster = loop.run(Cluster.connect(os.environ["KUBECONFIG"]))
    yield cluster
    loop.run(cluster.close())


@pytest.fixture(scope="module")
def release(loop: Loop, admin: Cluster) -> Iterator[str]:
    name = f"test-{secrets.token_hex(3)}"
    yield name
    found = loop.run(admin.get("/api/v1/namespaces", labelSelector=f"himalia/release={name}"))
    for item in found["items"]:
        loop.run(admin.delete(f"/api/v1/namespaces/{item['metadata']['name']}"))


@dataclass(frozen=True)
class Rights:
    release: str
    namespace: str
    hub: Path
    platform: Path


@pytest.fixture(scope="module")
def rights(loop: Loop, admin: Cluster, release: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rights]:
    namespace = f"{release}-system"
    body = {"metadata": {"name": namespace, "labels": {"himalia/release": release}}}
    loop.run(admin.request("POST", "/api/v1/namespaces", body=body))
    made = rights_of.manifests(release, namespace)
    for manifest in made:
        loop.run(admin.request("POST", PATHS[manifest["kind"]].format(ns=namespace), body=manifest))
    folder = tmp_path_factory.mktemp("rights")
    places = {part: _kubeconfig(loop, admin, folder, namespace, f"{release}-{part}") for part in ("hub", "platform")}
    yield Rights(release, namespace, places["hub"], places["platform"])
    for manifest in reversed(made):
        loop.run(admin.delete(PATHS[manifest["kind"]].format(ns=namespace) + f"/{manifest['metadata']['name']}"))


def _kubeconfig(loop: Loop, admin: Cluster, folder: Path, namespace: str, account: str) -> Path:
    """A kubeconfig of a real account, with a token that the API server issued for it."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    answer = loop.run(admin.request("POST", path, body={"spec": {"expirationSeconds": 3600}}))
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    config["users"] = [{"name": account, "user": {"token": answer["status"]["token"]}}]
    for context in config["contexts"]:
        context["context"]["user"] = account
    place = folder / account
    place.write_text(yaml.safe_dump(config))
    return place
