"""Plans to the objects of the cluster: Jobs, Deployments, Services, routes and what they need. Pure.

What belongs to one attempt is named ``<workload>-<attempt>`` and labelled with both, so that the
whole attempt is found, and removed, by labels alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from himalia_hub.backends.kubernetes import naming, pods, quantities
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.kubernetes.pods import Manifest, Preference
from himalia_hub.backends.protocol import (
    BackendError,
    FileMount,
    HomeMount,
    Resources,
    RouteTarget,
    ServiceRoute,
    WorkloadPlan,
)

_QUEUE_API = "scheduling.volcano.sh/v1beta1"
_JOB_API = "batch.volcano.sh/v1alpha1"
SERVICE_HEADER = "X-Himalia-Service"
"""What the key check is told the service by; see ``serving/keycheck.py``."""


def attempt_objects(
    plan: WorkloadPlan, options: KubernetesOptions, *, prefer: Preference | None = None
) -> list[Manifest]:
    """Everything one attempt needs, in the order in which it is applied; what runs comes last."""
    found: list[Manifest] = []
    if plan.secrets:
        found.append(secret(plan, options))
    if any(isinstance(mount, FileMount) for mount in plan.mounts):
        found.append(config_map(plan, options))
    found += [home_claim(plan.tenant, mount.key, options) for mount in plan.mounts if isinstance(mount, HomeMount)]
    if plan.kind in options.deployment_kinds:
        found += [service(plan, options), deployment(plan, options, prefer=prefer)]
        return found
    if plan.replicas > 1:
        found += [service(plan, options, headless=True), gang_policy(plan, options)]
    if plan.kind in options.hub_kinds:
        found.append(pod(plan, options, prefer=prefer))
    elif options.scheduler == "volcano":
        found.append(volcano_job(plan, options, prefer=prefer))
    else:
        _refuse_volcano_options(plan)
        found.append(job(plan, options, prefer=prefer))
    return found


def metadata(plan: WorkloadPlan, options: KubernetesOptions) -> Manifest:
    return {
        "name": naming.object_name(plan.workload, plan.attempt),
        "namespace": naming.namespace(options.release, plan.tenant),
        "labels": pods.labels(plan, options),
        "annotations": {naming.PLANNED: str(plan.replicas)},
    }


def pod(plan: WorkloadPlan, options: KubernetesOptions, *, prefer: Preference | None = None) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(plan, options),
        "spec": pods.pod_spec(plan, options, prefer=prefer),
    }


def job(plan: WorkloadPlan, options: KubernetesOptions, *, prefer: Preference | None = None) -> Manifest:
    """An indexed Job: one pod per replica, no pod tried twice.

    A restart is a new attempt with a new plan and so a new Job. The limit per index, unlike a
    limit for the whole, lets the other pods of a failed Job live, and with them their logs: the
    engine decides about them.
    """
    template = pods.pod_template(plan, options, prefer=prefer)
    if plan.replicas > 1:
        template["spec"]["subdomain"] = naming.object_name(plan.workload, plan.attempt)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(plan, options),
        "spec": {
            "completionMode": "Indexed",
            "completions": plan.replicas,
            "parallelism": plan.replicas,
            "backoffLimitPerIndex": 0,
            "maxFailedIndexes": plan.replicas,
            "podReplacementPolicy": "Failed",
            "template": template,
        },
    }


def deployment(plan: WorkloadPlan, options: KubernetesOptions, *, prefer: Preference | None = None) -> Manifest:
    """Replicas that are kept alive; a lost node's replica comes back elsewhere by itself."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(plan, options),
        "spec": {
            "replicas": plan.replicas,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": {naming.WORKLOAD: plan.workload, naming.ATTEMPT: str(plan.attempt)}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "progressDeadlineSeconds": 600,
            "template": pods.pod_template(plan, options, prefer=prefer),
        },
    }


def service(plan: WorkloadPlan, options: KubernetesOptions, *, headless: bool = False) -> Manifest:
    """The stable name of a service's replicas, or, headless, the names of a gang's members."""
    spec: Manifest = {
        "type": "ClusterIP",
        "selector": {naming.WORKLOAD: plan.workload, naming.ATTEMPT: str(plan.attempt)},
    }
    if plan.ports:
        spec["ports"] = [
            {"name": pods.port_name(port), "port": port.number, "targetPort": port.number, "protocol": "TCP"}
            for port in plan.ports
        ]
    if headless:
        # Members of a gang must find each other before they are ready.
        spec |= {"clusterIP": "None", "publishNotReadyAddresses": True}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata(plan, options), "spec": spec}


def gang_policy(plan: WorkloadPlan, options: KubernetesOptions) -> Manifest:
    """Members of one attempt reach each other, and nobody else of their tenant."""
    members = {"matchLabels": {naming.WORKLOAD: plan.workload, naming.ATTEMPT: str(plan.attempt)}}
    peers = [{"podSelector": members}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(plan, options),
        "spec": {
            "podSelector": members,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": peers}],
            "egress": [{"to": peers}],
        },
    }


def secret(plan: WorkloadPlan, options: KubernetesOptions) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": metadata(plan, options),
        "stringData": dict(sorted(plan.secrets.items())),
    }


def config_map(plan: WorkloadPlan, options: KubernetesOptions) -> Manifest:
    """The small files of a plan; keys are their places among the mounts."""
    data = {f"f{index}": mount.text for index, mount in enumerate(plan.mounts) if isinstance(mount, FileMount)}
    if sum(len(text.encode()) for text in data.values()) > 1_000_000:
        raise BackendError("the plan's small files are larger than a ConfigMap's 1 MB together", retryable=False)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(plan, options), "data": data}


def home_claim(tenant: str, key: str, options: KubernetesOptions) -> Manifest:
    """A home's claim: belongs to no attempt and outlives them all."""
    spec: Manifest = {
        "accessModes": list(options.home_access_modes),
        "resources": {"requests": {"storage": quantities.size(options.home_bytes)}},
    }
    if options.storage_class:
        spec["storageClassName"] = options.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": naming.home_claim(key),
            "namespace": naming.namespace(options.release, tenant),
            "labels": {
                "app.kubernetes.io/managed-by": naming.MANAGER,
                naming.RELEASE: options.release,
                naming.TENANT: tenant,
            },
            "annotations": {naming.HOME: key},
        },
        "spec": spec,
    }


# --- Volcano --------------------------------------------------------------------------------------


def _refuse_volcano_options(plan: WorkloadPlan) -> None:
    """TRN-2: what a plain Job cannot do is refused, not ignored."""
    wanted = plan.placement
    if wanted.queue:
        raise BackendError(f"queue {wanted.queue!r} needs Volcano; this cluster runs plain Jobs", retryable=False)
    if wanted.minimum_replicas is not None and wanted.minimum_replicas != plan.replicas:
        raise BackendError(
            f"starting with {wanted.minimum_replicas} of {plan.replicas} pods needs Volcano; this cluster runs plain"
            " Jobs",
            retryable=False,
        )


def volcano_job(plan: WorkloadPlan, options: KubernetesOptions, *, prefer: Preference | None = None) -> Manifest:
    """A Volcano Job: all replicas start or none does (TRN-2)."""
    minimum = plan.placement.minimum_replicas or plan.replicas
    if not 1 <= minimum <= plan.replicas:
        raise BackendError(f"at least {minimum} of {plan.replicas} pods cannot be", retryable=False)
    template = pods.pod_template(plan, options, prefer=prefer)
    priority = template["spec"].pop("priorityClassName", None)
    spec: Manifest = {
        "schedulerName": "volcano",
        "minAvailable": minimum,
        "maxRetry": 0,
        "tasks": [{"name": "worker", "replicas": plan.replicas, "minAvailable": minimum, "template": template}],
        "plugins": {"svc": [], "env": []},
    }
    if plan.placement.queue:
        spec["queue"] = plan.placement.queue
    if priority:
        spec["priorityClassName"] = priority
    return {"apiVersion": _JOB_API, "kind": "Job", "metadata": metadata(plan, options), "spec": spec}


def volcano_queue(name: str, weight: int, capability: Resources | None, options: KubernetesOptions) -> Manifest:
    """A queue of Volcano; ``capability`` is the most that its jobs may hold together."""
    spec: Manifest = {"weight": weight, "reclaimable": True}
    if capability is not None:
        spec["capability"] = quantities.to_list(capability)
    return {
        "apiVersion": _QUEUE_API,
        "kind": "Queue",
        "metadata": {"name": name, "labels": {naming.RELEASE: options.release}},
        "spec": spec,
    }


# --- routes ---------------------------------------------------------------------------------------


def http_route(route: ServiceRoute, options: KubernetesOptions) -> Manifest:
    """A service's stable address at the cluster's gateway, split by weight.

    Keys are checked before a call goes on, and a model's code never sees the one that its caller sent.
    """
    prefix = f"/serving/{route.tenant}/{route.service}"
    rewrite = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
    targets = [(one, _port_of(one.addresses)) for one in route.targets if one.addresses]
    return _route("HTTPRoute", route, options) | {
        "spec": {
            "parentRefs": _parents(options),
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": prefix}}],
                    "filters": [*_checked(route, options), rewrite],
                    "backendRefs": _targets(targets),
                }
            ],
        }
    }


def grpc_route(route: ServiceRoute, options: KubernetesOptions) -> Manifest:
    """The same for gRPC, told apart by a header because gRPC has no path prefix."""
    match = {"headers": [{"type": "Exact", "name": "himalia-service", "value": f"{route.tenant}/{route.service}"}]}
    targets = [(one, _port_of(one.grpc_addresses)) for one in route.targets if one.grpc_addresses]
    rule = {"matches": [match], "filters": _checked(route, options), "backendRefs": _targets(targets)}
    return _route("GRPCRoute", route, options) | {"spec": {"parentRefs": _parents(options), "rules": [rule]}}


def _checked(route: ServiceRoute, options: KubernetesOptions) -> list[Manifest]:
    """The name of the service for the key check, which no caller can set, then the check itself."""
    assert options.gateway is not None  # _parents has refused it
    name = {"name": SERVICE_HEADER, "value": f"{route.tenant}/{route.service}"}
    return [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [name]}},
        {"type": "ExtensionRef", "extensionRef": dict(options.gateway.key_filter)},
    ]


def _port_of(addresses: Sequence[str]) -> int:
    return int(addresses[0].rpartition(":")[2])


def _route(kind: str, route: ServiceRoute, options: KubernetesOptions) -> Manifest:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": kind,
        "metadata": {
            "name": f"serving-{route.service}",
            "namespace": naming.namespace(options.release, route.tenant),
            "labels": {
                "app.kubernetes.io/managed-by": naming.MANAGER,
                naming.RELEASE: options.release,
                naming.TENANT: route.tenant,
            },
        },
    }


def _parents(options: KubernetesOptions) -> list[Manifest]:
    if options.gateway is None:
        raise BackendError("backend.gateway names no gateway, so no route can be made", retryable=False)
    parent: Manifest = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "namespace": options.gateway.namespace,
        "name": options.gateway.name,
    }
    return [parent | ({"sectionName": options.gateway.section} if options.gateway.section else {})]


def _targets(targets: Sequence[tuple[RouteTarget, int]]) -> list[Manifest]:
    """The Service of each variant; where there is none, the gateway answers that nothing is there."""
    found = []
    for target, port in targets:
        if not 0 <= target.weight <= 1_000_000:
            raise BackendError(
                f"weight {target.weight} of {target.name} is not between 0 and 1,000,000", retryable=False
            )
        found.append(
            {
                "group": "",
                "kind": "Service",
                "name": naming.object_name(target.workload, target.attempt),
                "port": port,
                "weight": target.weight,
                "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["Authorization"]}}],
            }
        )
    return found


def stop_annotations(asked_at: datetime, grace_seconds: int) -> dict[str, str]:
    return {naming.STOP: asked_at.isoformat(), naming.GRACE: str(grace_seconds)}
