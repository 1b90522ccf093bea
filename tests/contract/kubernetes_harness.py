"""The harness of the cluster: the same drive, pods instead of sandboxes.

Environment
    KUBECONFIG               the cluster; without it these tests are skipped.
    KUBE_TEST_IMAGE          an image with /bin/sh and python on its path that a node can pull or has.
    KUBE_TEST_STORAGE_CLASS  a class that provides volumes; tests of homes are skipped without it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from datetime import timedelta
from typing import Any

import pytest

from himalia_hub.backends.kubernetes.backend import KubernetesBackend
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.protocol import BackendError, NodeCapacity, NodeTerm, Placement, WorkloadPlan
from tests.contract.harness import Folders, LocalHarness

DEFAULT_IMAGE = "python:3.12-slim"
REAL_NODES = Placement(terms=(NodeTerm("fake-node", "DoesNotExist"),))
"""Nodes that only pretend run nothing; a cluster without any has no such label."""


def why_not() -> str:
    """Why the cluster's part cannot run here; empty when it can."""
    if not os.environ.get("KUBECONFIG"):
        return "no cluster: set KUBECONFIG (make test-kubernetes KUBECONFIG=...) to run this against one"
    return ""


class KubernetesHarness(LocalHarness):
    """A backend with a release of its own, so that runs never meet; removes its namespaces at the end."""

    name = "kubernetes"
    grain = timedelta(seconds=1)
    patience = 3.0

    def __init__(self, **options: Any) -> None:
        self.image = os.environ.get("KUBE_TEST_IMAGE", DEFAULT_IMAGE)
        self.storage_class = os.environ.get("KUBE_TEST_STORAGE_CLASS", "")
        self.folders = Folders()
        options.setdefault("release", f"contract-{secrets.token_hex(3)}")
        options.setdefault("storage_class", self.storage_class)
        options.setdefault("home_bytes", 64 << 20)
        self.kubernetes = KubernetesOptions(kubeconfig=os.environ["KUBECONFIG"], **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.backend = self._open()  # type: ignore[assignment]

    def _open(self) -> KubernetesBackend:  # type: ignore[override]
        backend = KubernetesBackend(self.kubernetes)
        self.run(backend.start())
        return backend

    def close(self) -> None:
        backend: Any = self.backend
        for tenant in ("acme", "globex"):
            self.run(backend.remove_space(tenant), seconds=150)
        self.run(backend.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def plan(self, *command: str, **changes: Any) -> WorkloadPlan:
        changes.setdefault("placement", REAL_NODES)
        return super().plan(*command, **changes)

    def needs_homes(self) -> None:
        if not self.storage_class:
            pytest.skip("no volumes: set KUBE_TEST_STORAGE_CLASS to a class that provides them")

    def output(self, plan: WorkloadPlan, replica: int = 0, offset: int = 0) -> str:
        try:
            return super().output(plan, replica, offset)
        except BackendError as error:
            if "went with its pod" in str(error):
                return ""
            raise

    def nodes(self) -> list[NodeCapacity]:
        backend: Any = self.backend
        return list(self.run(backend.nodes()))

    def node(self) -> NodeCapacity:
        """The real node that has most to do; on a cluster of several the tests look at one pod's."""
        real = [node for node in self.nodes() if "fake-node" not in node.labels]
        return max(real, key=lambda node: node.occupied.cpu_millis)
