"""A tenant's space: the namespace and what stands in it before any work runs. Pure.

Nothing here asks the cluster; :mod:`.keeper` applies these objects and repairs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from himalia_hub.backends.kubernetes import naming, quantities
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.kubernetes.pods import ACCOUNT, Manifest

QUOTA, LIMITS = "himalia", "himalia"
LEVEL_VERSION = "latest"
LARGEST_OBJECT_COUNT = {"pods": "2000", "count/jobs.batch": "2000", "count/deployments.apps": "500"}


@dataclass(frozen=True, slots=True)
class SpaceQuota:
    """The platform's quota of a tenant; None is without limit. Units as in ``Resources``."""

    cpu_millis: int | None = None
    memory_bytes: int | None = None
    storage_bytes: int | None = None
    accelerators: Mapping[str, int] | None = None


def space_objects(tenant: str, quota: SpaceQuota, options: KubernetesOptions) -> list[Manifest]:
    """Everything inside the namespace, in the order in which it is applied."""
    return [
        platform_role_binding(tenant, options),
        resource_quota(tenant, quota, options),
        limit_range(tenant, options),
        *network_policies(tenant, options),
        service_account(tenant, options),
        default_service_account(tenant, options),
        hub_role(tenant, options),
        hub_role_binding(tenant, options),
    ]


CARED_FOR = ("spec", "rules", "roleRef", "subjects", "automountServiceAccountToken")
"""What is ours of an object. A cluster may add the rest, such as pull secrets of a service account."""


def wrong(live: Manifest, wanted: Manifest) -> list[Manifest]:
    """What must change of an object that is there, as a JSON patch; empty when it is right. Pure.

    Whole fields are replaced: what somebody added inside one, such as an opening in a network
    policy, would survive an apply because it is not in ours.
    """
    patch: list[Manifest] = []
    for name in CARED_FOR:
        if not _same(live.get(name), wanted.get(name)):
            change = {"op": "add", "path": f"/{name}", "value": wanted[name]} if name in wanted else None
            patch.append(change or {"op": "remove", "path": f"/{name}"})
    labels = live["metadata"].get("labels") or {}
    lost = {key: value for key, value in wanted["metadata"]["labels"].items() if labels.get(key) != value}
    if lost:
        patch.append({"op": "add", "path": "/metadata/labels", "value": {**labels, **lost}})
    return patch


def _same(live: Any, wanted: Any) -> bool:
    """Equal, quantities by their value: the server may write ``1000m`` as ``1``; empty is absent."""
    if isinstance(live, Mapping) and isinstance(wanted, Mapping):
        names = live.keys() | wanted.keys()
        return all(_same(live.get(name), wanted.get(name)) for name in names)
    if isinstance(live, list) and isinstance(wanted, list | tuple):
        return len(live) == len(wanted) and all(map(_same, live, wanted))
    if live == wanted or (not live and not wanted and live is not False and wanted is not False):
        return True
    if not isinstance(live, str) or not isinstance(wanted, str):
        return False
    try:
        return quantities.parse(live) == quantities.parse(wanted)
    except (ValueError, ArithmeticError):
        return False


def _meta(name: str, tenant: str, options: KubernetesOptions) -> Manifest:
    return {
        "name": name,
        "namespace": naming.namespace(options.release, tenant),
        "labels": {
            "app.kubernetes.io/managed-by": naming.MANAGER,
            naming.RELEASE: options.release,
            naming.TENANT: tenant,
        },
    }


def namespace(tenant: str, options: KubernetesOptions) -> Manifest:
    """Labelled as ours, and closed to any pod that is not ``restricted``.

    With a host folder excepted for drivers the level is only warned about and audited: the API
    server has no finer exception than a whole namespace.
    """
    enforce = "privileged" if options.host_path_exceptions else "restricted"
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": naming.namespace(options.release, tenant),
            "labels": {
                "app.kubernetes.io/managed-by": naming.MANAGER,
                naming.RELEASE: options.release,
                naming.TENANT: tenant,
                "pod-security.kubernetes.io/enforce": enforce,
                "pod-security.kubernetes.io/enforce-version": LEVEL_VERSION,
                "pod-security.kubernetes.io/warn": "restricted",
                "pod-security.kubernetes.io/audit": "restricted",
            },
        },
    }


def resource_quota(tenant: str, quota: SpaceQuota, options: KubernetesOptions) -> Manifest:
    """The tenant's quota as a second line behind the platform's own admission."""
    hard: dict[str, str] = dict(LARGEST_OBJECT_COUNT)
    if quota.cpu_millis is not None:
        hard["limits.cpu"] = quantities.cpu(quota.cpu_millis)
    if quota.memory_bytes is not None:
        hard["limits.memory"] = quantities.size(quota.memory_bytes)
    if quota.storage_bytes is not None:
        hard["requests.storage"] = quantities.size(quota.storage_bytes)
    for name, count in sorted((quota.accelerators or {}).items()):
        hard[f"requests.{name}"] = str(count)
    # What would open a way out of the tenant's network is not a tenant's to have.
    hard |= {"services.loadbalancers": "0", "services.nodeports": "0"}
    meta = _meta(QUOTA, tenant, options)
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": hard}}


def limit_range(tenant: str, options: KubernetesOptions) -> Manifest:
    """Small defaults, so that a pod without limits cannot slip past the quota."""
    small = {"cpu": "100m", "memory": "128Mi"}
    limits = [{"type": "Container", "default": small, "defaultRequest": small}]
    meta = _meta(LIMITS, tenant, options)
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": meta, "spec": {"limits": limits}}


def network_policies(tenant: str, options: KubernetesOptions) -> list[Manifest]:
    """Closed by default; opened for names, the platform and the world outside.

    Members of one gang get an opening of their own with their attempt (:func:`.objects.gang_policy`).

    The world outside is every public address: private, loopback and link-local ranges stay closed,
    so that no pod reaches another tenant, the nodes, or a cloud's metadata service.
    """
    system = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": options.system_namespace}},
        "podSelector": {"matchLabels": dict(options.platform_peers)},
    }
    platform: list[Manifest] = [system, *({"ipBlock": {"cidr": cidr}} for cidr in options.platform_cidrs)]
    dns = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    dns_ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    everybody: Manifest = {"podSelector": {}}
    closed = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"]
    outside: list[Manifest] = [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": closed}},
        {"ipBlock": {"cidr": "::/0", "except": ["fc00::/7", "fe80::/10", "::1/128", "64:ff9b::/96"]}},
    ]

    def policy(name: str, spec: Manifest) -> Manifest:
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": _meta(name, tenant, options),
            "spec": spec,
        }

    return [
        policy("default-deny", everybody | {"policyTypes": ["Ingress", "Egress"]}),
        policy("names", everybody | {"policyTypes": ["Egress"], "egress": [{"to": [dns], "ports": dns_ports}]}),
        policy(
            "platform",
            everybody
            | {
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": [*platform, *_gateway(options)]}],
                "egress": [{"to": platform}],
            },
        ),
        policy("outside", everybody | {"policyTypes": ["Egress"], "egress": [{"to": outside}]}),
    ]


def _gateway(options: KubernetesOptions) -> list[Manifest]:
    """Where the cluster's own gateway runs, if services are reached through one."""
    if options.gateway is None:
        return []
    return [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": options.gateway.namespace}}}]


def service_account(tenant: str, options: KubernetesOptions) -> Manifest:
    """Whose name workloads bear: no rights are bound to it and no token is mounted."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _meta(ACCOUNT, tenant, options),
        "automountServiceAccountToken": False,
    }


def default_service_account(tenant: str, options: KubernetesOptions) -> Manifest:
    return service_account(tenant, options) | {"metadata": _meta("default", tenant, options)}


# --- rights ---------------------------------------------------------------------------------------


def account(part: str, options: KubernetesOptions) -> Manifest:
    """The service account of hub or platform as a subject."""
    return {"kind": "ServiceAccount", "name": f"{options.release}-{part}", "namespace": options.system_namespace}


def platform_role_binding(tenant: str, options: KubernetesOptions) -> Manifest:
    """Gives the platform its one named ClusterRole inside this namespace only."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": _meta("himalia-platform", tenant, options),
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": f"{options.release}-space",
        },
        "subjects": [account("platform", options)],
    }


HUB_RULES: tuple[Manifest, ...] = (
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "create", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["get", "create"]},
    {"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["create", "patch", "delete"]},
)
"""What the hub may do in a tenant's namespace: make and end notebooks' pods, and nothing else. It can
write the secret of a server it starts and can read none."""


def hub_role(tenant: str, options: KubernetesOptions) -> Manifest:
    """A Role, not a ClusterRole: the platform may make it because it holds every right in it."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": _meta("himalia-hub", tenant, options),
        "rules": [dict(rule) for rule in HUB_RULES],
    }


def hub_role_binding(tenant: str, options: KubernetesOptions) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": _meta("himalia-hub", tenant, options),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "himalia-hub"},
        "subjects": [account("hub", options)],
    }
