"""A real cluster by ``KUBECONFIG``; every test here is skipped without one.

Fixtures
    admin     requests with the administrator's kubeconfig.
    release   a name of its own for this run; its namespaces and cluster-wide objects go at the end.
    rights    the installed accounts, roles and policy: kubeconfigs of hub and platform.
    node      a real node, as the API server has it.
    environment  the newest runtime environment; ``node`` has it as the image ``image_of`` names.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from himalia_hub.backends.kubernetes import rights as rights_of
from himalia_hub.backends.kubernetes.api import Cluster
from himalia_hub.develop.images.builder import build_missing, environments_root
from himalia_hub.develop.images.registry import Environment, EnvironmentRegistry
from tests.contract.kubernetes_harness import why_not
from tests.support.kube_image import make_image

T = TypeVar("T")
IMAGE = "localhost/himalia-{name}:{digest}"
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


def missing_settings(*names: str) -> str:
    """Why a module of tests is skipped; empty when all of these are set."""
    unset = [name for name in names if not os.environ.get(name)]
    return f"set {', '.join(unset)}: see the module's text" if unset else ""


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


@pytest.fixture(scope="module")
def node(loop: Loop, admin: Cluster) -> dict[str, Any]:
    """A real node; those that only pretend carry a label."""
    found = loop.run(admin.get("/api/v1/nodes", labelSelector="!fake-node"))["items"]
    return next(item for item in found if not item["spec"].get("unschedulable"))


@pytest.fixture(scope="module")
def environment(node: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The newest environment, as an image that the node has."""
    root = environments_root(Path(sys.prefix))
    build_missing(root)
    found = EnvironmentRegistry(root).find("science")
    assert found is not None
    reference = image_of(found)
    held = {name for image in node["status"].get("images", ()) for name in image.get("names") or ()}
    if reference not in held:
        archive = tmp_path_factory.mktemp("image") / "image.tar"
        make_image(found, reference, archive)
        command = shlex.split(os.environ["KUBE_TEST_IMPORT"].replace("{}", str(archive)))
        subprocess.run(command, check=True, timeout=900)
        archive.unlink()
    return found


def image_of(environment: Environment) -> str:
    return IMAGE.format(name=environment.name, digest=environment.digest)


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
