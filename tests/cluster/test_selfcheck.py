"""Hub and platform on this machine, everything that people run as pods on a real node: the whole line.

`himalia up --cluster` and `himalia selfcheck --backend kubernetes` as a person would type them, with an
image that the test makes of this machine's own runtime environment (NB-1, NB-2, TRN-2, BEY-2). Hub and
platform have the rights of their own service accounts and no others.

Environment
    KUBE_TEST_HUB_ADDRESS    an address of this machine that pods reach.
    KUBE_TEST_STORAGE_CLASS  a class that provides volumes for homes.
    KUBE_TEST_IMPORT         a command that brings an image archive to the nodes; ``{}`` is the archive,
                             as in ``kind load image-archive {}``.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from himalia_hub.backends.kubernetes.api import Cluster
from himalia_hub.develop.images.registry import Environment
from tests.cluster.conftest import IMAGE, Loop, Rights, missing_settings
from tests.support.installation import Installation

MISSING = missing_settings("KUBE_TEST_HUB_ADDRESS", "KUBE_TEST_STORAGE_CLASS", "KUBE_TEST_IMPORT")
ROUTES = "/apis/gateway.networking.k8s.io/v1/httproutes"
GATEWAY = {
    "namespace": "networking",
    "name": "public",
    "key_filter": {"group": "gateway.example.org", "kind": "KeyCheck", "name": "himalia"},
    "accept_seconds": 0.5,
}
KINDS = {"notebook", "run", "service_variant"}
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.timeout(1800),  # an image of a gigabyte is made and unpacked first
]


@dataclass
class Sightings:
    """What pods were seen while the line was walked: kind to the nodes they ran on."""

    kubeconfig: str
    release: str
    seen: dict[str, set[str]] = field(default_factory=dict)
    fetched: set[str] = field(default_factory=set)
    """Kinds whose folders a container of their own fetched."""
    routed: set[str] = field(default_factory=set)
    """Pods' owners that routes of the cluster's gateway led to."""
    over: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        loop = Loop()
        cluster = loop.run(Cluster.connect(self.kubeconfig))
        routes = loop.run(cluster.find(ROUTES)) is not None
        while not self.over.wait(0.5):
            if routes:
                self._look_at_routes(loop.run(cluster.get(ROUTES, labelSelector=f"himalia/release={self.release}")))
            found = loop.run(cluster.get("/api/v1/pods", labelSelector=f"himalia/release={self.release}"))
            for pod in found["items"]:
                kind, status = pod["metadata"]["labels"].get("himalia/kind"), pod.get("status", {})
                if kind is None or not status.get("startTime"):
                    continue
                main = (status.get("containerStatuses") or [{}])[0]
                if set(main.get("state", {})) & {"running", "terminated"}:
                    self.seen.setdefault(kind, set()).add(pod["spec"]["nodeName"])
                if any(
                    (one.get("state", {}).get("terminated") or {}).get("exitCode") == 0
                    for one in status.get("initContainerStatuses") or ()
                ):
                    self.fetched.add(kind)
        loop.run(cluster.close())
        loop.close()

    def _look_at_routes(self, found: dict[str, Any]) -> None:
        for route in found["items"]:
            self.routed |= {target["name"] for target in route["spec"]["rules"][0].get("backendRefs", ())}


@pytest.fixture
def installation(
    loop: Loop, admin: Cluster, rights: Rights, node: dict[str, Any], environment: Environment, tmp_path: Path
) -> Iterator[Installation]:
    """Hub and platform each with the limited account that is meant for it, nobody as administrator."""
    assert environment.digest
    choice: dict[str, Any] = {
        "host": os.environ["KUBE_TEST_HUB_ADDRESS"],
        "release": rights.release,
        "system_namespace": rights.namespace,
        "kubeconfig": str(rights.platform),
        "hub_kubeconfig": str(rights.hub),
        "lease": "platform",
        "storage_class": os.environ["KUBE_TEST_STORAGE_CLASS"],
        "home_bytes": 1 << 30,
        "environment_image": IMAGE,
        "node_labels": {"kubernetes.io/hostname": node["metadata"]["labels"]["kubernetes.io/hostname"]},
    }
    if loop.run(admin.find(ROUTES)) is not None:
        choice["gateway"] = GATEWAY
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps(choice))
    made = Installation(tmp_path / "state", arguments=("--cluster", str(file))).start()
    yield made
    made.stop()


def test_the_whole_line_runs_as_pods(
    loop: Loop, admin: Cluster, installation: Installation, release: str, node: dict[str, Any]
) -> None:
    sightings = Sightings(os.environ["KUBECONFIG"], release)
    watching = threading.Thread(target=sightings.look)
    watching.start()
    try:
        done = installation.himalia("selfcheck", "--backend", "kubernetes", timeout=900)
    finally:
        sightings.over.set()
        watching.join()
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert sightings.seen == {kind: {node["metadata"]["name"]} for kind in KINDS}
    assert sightings.fetched == {"run", "service_variant"}, "datasets and models are fetched by the pods themselves"
    if loop.run(admin.find(ROUTES)) is not None:
        # No gateway runs here to accept it: the service answers at the installation's own address all the same.
        assert sightings.routed and all(re.fullmatch(r"w\d+-1", name) for name in sightings.routed)
    refused = installation.himalia("selfcheck", "--backend", "local")
    assert refused.returncode == 2 and "runs on kubernetes" in refused.stdout
