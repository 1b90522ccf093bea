"""What an operator can set about the cluster; every default works on a plain one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from himalia_hub.backends.cards import CARD_GIB
from himalia_hub.backends.kubernetes.accelerators import DEFAULT_CLASSES, AcceleratorClass
from himalia_hub.backends.protocol import BackendError

_RELEASE = re.compile(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Gateway:
    """The Gateway API gateway that carries inference traffic.

    Args:
        key_filter: ``group``, ``kind`` and ``name`` of the gateway's own filter that asks the platform's
            key check, to be found in each tenant's namespace. A route without it would be open to
            anybody, so there is none without it; by the API's rules a filter that is missing refuses
            every call.
        accept_seconds: How long the gateway's controller has to accept a route.
    """

    namespace: str
    name: str
    section: str = ""
    key_filter: Mapping[str, str] = field(default_factory=dict)
    accept_seconds: float = 10.0

    def __post_init__(self) -> None:
        if set(self.key_filter) != {"group", "kind", "name"} or not all(self.key_filter.values()):
            raise BackendError(
                "backend.gateway.key_filter must give group, kind and name of the filter that checks keys: without it"
                " anybody could call every service",
                retryable=False,
            )


@dataclass(frozen=True, slots=True)
class KubernetesOptions:
    """Options of the Kubernetes backend.

    Args:
        release: Prefix of every namespace and name of the installation's label.
        system_namespace: Where hub and platform run; its pods may reach tenants' pods.
        kubeconfig: A file for use outside a cluster; empty means the pod's own account, then
            ``KUBECONFIG``.
        uid, gid: Who workloads run as; never root.
        storage_class: Of homes; empty is the cluster's default class.
        home_bytes: Size of a home's claim.
        home_access_modes: ``ReadWriteMany`` lets a home move between nodes without waiting.
        scheduler: ``plain`` makes indexed Jobs, ``volcano`` Volcano Jobs.
        deployment_kinds: Kinds of work that are kept alive as Deployments.
        hub_kinds: Kinds whose pods the hub's spawner makes; ``apply`` leaves them to it.
        node_labels: Only nodes with these labels are this installation's; none means all nodes.
        environment_image: Image of a runtime environment; ``{name}`` and ``{digest}`` are replaced.
        image_pull_policy, image_pull_secrets: As in a pod.
        image_patience_seconds: How long an image may fail to be pulled before the start failed.
        accelerators: What each extended resource needs of a pod.
        card_memory_gib: GiB of whole cards by product label, for nodes that do not report their memory.
        host_path_exceptions: Host folders an administrator allowed although pods then leave the
            restricted level; each use is logged.
        platform_peers: Labels of the pods of hub, platform and gateway in ``system_namespace``.
        platform_cidrs: Their addresses where they run outside the cluster.
        gateway: Where HTTPRoutes attach; none means that no route is made.
        lease: Name of a Lease in ``system_namespace`` without which this process changes nothing; empty
            means no lease, for installations of which there can be only one process.
        lease_seconds: How long it holds without being renewed.
        requests_per_second: Most requests that this process sends to the API server.
        qos_cpu_share: Share of the CPU limit that is requested (1 = guaranteed).
    """

    release: str = "himalia"
    system_namespace: str = "himalia"
    kubeconfig: str = ""
    uid: int = 1000
    gid: int = 1000
    storage_class: str = ""
    home_bytes: int = 10 << 30
    home_access_modes: tuple[str, ...] = ("ReadWriteOnce",)
    scheduler: Literal["plain", "volcano"] = "plain"
    deployment_kinds: tuple[str, ...] = ("service_variant",)
    hub_kinds: tuple[str, ...] = ("notebook",)
    node_labels: Mapping[str, str] = field(default_factory=dict)
    environment_image: str = "himalia/{name}:{digest}"
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    image_patience_seconds: float = 300.0
    accelerators: Mapping[str, AcceleratorClass] = field(default_factory=lambda: dict(DEFAULT_CLASSES))
    card_memory_gib: Mapping[str, int] = field(default_factory=lambda: dict(CARD_GIB))
    host_path_exceptions: tuple[str, ...] = ()
    platform_peers: Mapping[str, str] = field(default_factory=lambda: {"app.kubernetes.io/name": "himalia"})
    platform_cidrs: tuple[str, ...] = ()
    gateway: Gateway | None = None
    lease: str = ""
    lease_seconds: float = 15.0
    requests_per_second: float = 200.0
    qos_cpu_share: float = 1.0

    def __post_init__(self) -> None:
        if not _RELEASE.fullmatch(self.release):
            raise BackendError(
                f"backend.release is {self.release!r}; it must be 1 to 30 of a-z, 0-9 and '-', begin with a letter"
                " and end with a letter or digit, because every namespace begins with it",
                retryable=False,
            )
        if self.uid < 1 or self.gid < 0:
            raise BackendError("backend.uid must be 1 or more: workloads never run as root", retryable=False)
        if self.lease_seconds < 1:
            raise BackendError("backend.lease_seconds must be 1 or more", retryable=False)
        if not 0 < self.qos_cpu_share <= 1:
            raise BackendError("backend.qos_cpu_share must be above 0 and at most 1", retryable=False)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> KubernetesOptions:
        """From configuration; an unknown key or a wrong value is refused at start.

        Raises:
            BackendError: Not retryable; names the key.
        """
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise BackendError(f"backend.{unknown[0]} is not an option of the Kubernetes backend", retryable=False)
        given = dict(values)
        if "gateway" in given and isinstance(given["gateway"], Mapping):
            given["gateway"] = Gateway(**given["gateway"])
        if "accelerators" in given:
            declared = {name: AcceleratorClass.from_mapping(name, data) for name, data in given["accelerators"].items()}
            given["accelerators"] = {**DEFAULT_CLASSES, **declared}
        if "card_memory_gib" in given:
            given["card_memory_gib"] = {**CARD_GIB, **given["card_memory_gib"]}
        for item in fields(cls):
            if isinstance(given.get(item.name), list):
                given[item.name] = tuple(given[item.name])
        return cls(**given)
