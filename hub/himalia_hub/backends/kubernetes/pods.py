"""A plan to the pod that runs one of its replicas. Pure: the same plan gives the same pod.

Every pod made here is admitted under the ``restricted`` level of pod security (a cluster test asks
the API server); the one exception is a host folder that an administrator excepted by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from himalia_hub.backends.kubernetes import accelerators, naming, quantities
from himalia_hub.backends.kubernetes.accelerators import Fragment, Toleration
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.protocol import (
    FileMount,
    FolderMount,
    HomeMount,
    HttpProbe,
    NodeTerm,
    Placement,
    Port,
    Resources,
    ScratchMount,
    WorkloadPlan,
)

Manifest = dict[str, Any]
HOME = "/home/jovyan"
CONTAINER = "main"
FOLDERS = "folders"
"""The container that fetches read-only folders before the workload's own begins."""
FOLDERS_PATH = "/himalia-folders"
ACCOUNT = "himalia-workload"
"""The service account of every workload: no rights, no token."""


@dataclass(frozen=True, slots=True)
class Preference:
    """Nodes that would start sooner, such as those that have the image; weight 1..100."""

    nodes: tuple[str, ...]
    weight: int = 50


def labels(plan: WorkloadPlan, options: KubernetesOptions) -> dict[str, str]:
    return {
        "app.kubernetes.io/managed-by": naming.MANAGER,
        naming.RELEASE: options.release,
        naming.TENANT: plan.tenant,
        naming.WORKLOAD: plan.workload,
        naming.ATTEMPT: str(plan.attempt),
        naming.KIND: plan.kind,
        naming.OWNER: plan.owner,
        **{key: value for key, value in plan.labels.items() if not key.startswith(naming.PREFIX)},
    }


def pod_template(plan: WorkloadPlan, options: KubernetesOptions, *, prefer: Preference | None = None) -> Manifest:
    """The pod template of a plan, as a Job's or Deployment's ``template``."""
    return {"metadata": {"labels": labels(plan, options)}, "spec": pod_spec(plan, options, prefer=prefer)}


def pod_spec(plan: WorkloadPlan, options: KubernetesOptions, *, prefer: Preference | None = None) -> Manifest:
    """The pod of one replica.

    Raises:
        BackendError: The plan can never run on a cluster; the message says which value and why.
    """
    naming.check_plan(plan)
    card = accelerators.fragment(plan.resources.accelerators, options.accelerators, options.host_path_exceptions)
    volumes, mounts = _volumes(plan, card)
    lasting = plan.kind in options.deployment_kinds
    spec: Manifest = {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # The pause container is process 1: it reaps orphans, and a program without a handler ends at SIGTERM.
        "shareProcessNamespace": True,
        "restartPolicy": "Always" if lasting else "Never",
        "terminationGracePeriodSeconds": max(plan.grace_seconds, 0),
        "securityContext": pod_security(options),
        "containers": [_container(plan, options, card, mounts)],
        "volumes": volumes,
        **placement(plan.placement, card, prefer, options.node_labels),
    }
    if any(isinstance(mount, FolderMount) for mount in plan.mounts):
        spec["initContainers"] = [_folders(plan, options)]
    if plan.deadline_seconds and not lasting:
        spec["activeDeadlineSeconds"] = plan.deadline_seconds
    if options.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in options.image_pull_secrets]
    return spec


def pod_security(options: KubernetesOptions) -> Manifest:
    return {
        "runAsNonRoot": True,
        "runAsUser": options.uid,
        "runAsGroup": options.gid,
        "fsGroup": options.gid,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Manifest:
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "privileged": False}


def _container(plan: WorkloadPlan, options: KubernetesOptions, card: Fragment, mounts: Sequence[Manifest]) -> Manifest:
    container: Manifest = {
        "name": CONTAINER,
        "image": plan.image,
        "imagePullPolicy": options.image_pull_policy,
        "command": [literal(part) for part in plan.command],
        "workingDir": plan.working_directory,
        "env": [*environment(plan, card), *_place_in_gang(plan, options)],
        "resources": resources(plan.resources, options.qos_cpu_share),
        "securityContext": container_security(),
        "volumeMounts": list(mounts),
        # The end of the log becomes the message where the program wrote none itself.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if plan.secrets:
        container["envFrom"] = [{"secretRef": {"name": naming.object_name(plan.workload, plan.attempt)}}]
    if plan.ports:
        container["ports"] = [{"name": port_name(p), "containerPort": p.number, "protocol": "TCP"} for p in plan.ports]
    if plan.probe is not None:
        container.update(_probes(plan.probe, plan.ports, lasting=plan.kind in options.deployment_kinds))
    return container


def _folders(plan: WorkloadPlan, options: KubernetesOptions) -> Manifest:
    """Fetches what the plan mounts read-only, with the workload's own token and nothing else of its secrets.

    It uses the workload's image, which is there anyway, and no accelerator.
    """
    found = [(f"folder-{index}", mount) for index, mount in enumerate(plan.mounts) if isinstance(mount, FolderMount)]
    wanted = replace(plan.resources, accelerators={})
    known = ("HIMALIA_API_URL", "HIMALIA_WORKLOAD_ID")
    token = {"name": naming.object_name(plan.workload, plan.attempt), "key": "HIMALIA_TOKEN"}
    container: Manifest = {
        "name": FOLDERS,
        "image": plan.image,
        "imagePullPolicy": options.image_pull_policy,
        "command": ["python", "-m", "himalia.folders"],
        "args": [f"{mount.manifest}={FOLDERS_PATH}/{name}/tree" for name, mount in found],
        "env": [{"name": name, "value": literal(plan.environment[name])} for name in known if name in plan.environment],
        "resources": resources(wanted, options.qos_cpu_share),
        "securityContext": container_security(),
        "volumeMounts": [{"name": name, "mountPath": f"{FOLDERS_PATH}/{name}"} for name, _ in found],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if "HIMALIA_TOKEN" in plan.secrets:
        container["env"].append({"name": "HIMALIA_TOKEN", "valueFrom": {"secretKeyRef": token}})
    return container


def literal(text: str) -> str:
    """Text that Kubernetes hands on as it is: it would read ``$(NAME)`` as a variable and ``$$`` as ``$``."""
    return text.replace("$", "$$")


def port_name(port: Port) -> str:
    """At most 15 letters, as a container port wants it."""
    return port.name[:15].strip("-").lower()


def environment(plan: WorkloadPlan, card: Fragment) -> list[Manifest]:
    """Variables in a fixed order; a secret of the same name wins, as it does on one machine."""
    values = {"HOME": HOME, **card.environment, **plan.environment}
    found: list[Manifest] = [
        {"name": name, "value": literal(value)} for name, value in sorted(values.items()) if name not in plan.secrets
    ]
    if not plan.resources.accelerators and "NVIDIA_VISIBLE_DEVICES" not in values:
        # Images built on CUDA ask the runtime for every card unless told otherwise.
        found.append({"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"})
    return found


def _place_in_gang(plan: WorkloadPlan, options: KubernetesOptions) -> list[Manifest]:
    """Which replica this is, and where the first one is found."""
    if plan.kind in options.deployment_kinds:
        return []  # a Deployment's replicas are alike
    if plan.kind in options.hub_kinds:
        return [{"name": "HIMALIA_REPLICA", "value": "0"}]
    path = f"metadata.annotations['{naming.INDEX}']"
    if options.scheduler == "volcano":
        path = "metadata.annotations['volcano.sh/task-index']"
    found: list[Manifest] = [
        {"name": "HIMALIA_REPLICA", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}
    ]
    if plan.replicas > 1:
        name = naming.object_name(plan.workload, plan.attempt)
        found.append({"name": "HIMALIA_LEADER", "value": f"{name}-0.{name}"})
    return found


def resources(wanted: Resources, cpu_share: float) -> Manifest:
    limits = quantities.to_list(wanted)
    requests = {**limits, quantities.CPU: quantities.cpu(max(1, math.ceil(wanted.cpu_millis * cpu_share)))}
    return {"limits": limits, "requests": requests}


def _probes(probe: HttpProbe, ports: Sequence[Port], *, lasting: bool) -> Manifest:
    """A start-up probe that fails a start which takes too long; for services also readiness."""
    number = next(port.number for port in ports if port.name == probe.port)
    get = {"httpGet": {"path": probe.path, "port": number, "scheme": "HTTP"}}
    found: Manifest = {
        "startupProbe": {
            **get,
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": max(1, math.ceil(probe.timeout_seconds)),
            "successThreshold": 1,
        }
    }
    if lasting:
        found["readinessProbe"] = {
            **get,
            "periodSeconds": 5,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
            "successThreshold": 1,
        }
    return found


def _volumes(plan: WorkloadPlan, card: Fragment) -> tuple[list[Manifest], list[Manifest]]:
    """Volumes and where they are mounted; parents before children."""
    name = naming.object_name(plan.workload, plan.attempt)
    volumes: list[Manifest] = [
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": quantities.size(plan.resources.memory_bytes)}},
        {"name": "tmp", "emptyDir": _bounded(plan)},
    ]
    mounts: list[Manifest] = [
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 (a path in the pod)
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
    ]
    files = 0
    for index, mount in enumerate(plan.mounts):
        match mount:
            case HomeMount(key=key, path=path):
                volumes.append(
                    {"name": f"home-{index}", "persistentVolumeClaim": {"claimName": naming.home_claim(key)}}
                )
                mounts.append({"name": f"home-{index}", "mountPath": path})
            case ScratchMount(path=path):
                volumes.append({"name": f"scratch-{index}", "emptyDir": _bounded(plan)})
                mounts.append({"name": f"scratch-{index}", "mountPath": path})
            case FolderMount(path=path):
                volumes.append({"name": f"folder-{index}", "emptyDir": {}})
                mounts.append({"name": f"folder-{index}", "mountPath": path, "subPath": "tree", "readOnly": True})
            case FileMount(path=path):
                mounts.append({"name": "files", "mountPath": path, "subPath": f"f{index}", "readOnly": True})
                files += 1
    if files:
        items = [
            {"key": f"f{index}", "path": f"f{index}", "mode": mount.mode}
            for index, mount in enumerate(plan.mounts)
            if isinstance(mount, FileMount)
        ]
        volumes.append({"name": "files", "configMap": {"name": name, "items": items, "defaultMode": 0o444}})
    covered = {mount["mountPath"] for mount in mounts}
    if HOME not in covered:
        volumes.append({"name": "home", "emptyDir": _bounded(plan)})
        mounts.append({"name": "home", "mountPath": HOME})
    for index, path in enumerate(card.host_paths):
        volumes.append({"name": f"driver-{index}", "hostPath": {"path": path}})
        mounts.append({"name": f"driver-{index}", "mountPath": path, "readOnly": True})
    return volumes, sorted(mounts, key=lambda mount: mount["mountPath"].count("/"))


def _bounded(plan: WorkloadPlan) -> Manifest:
    return {"sizeLimit": quantities.size(plan.resources.disk_bytes)} if plan.resources.disk_bytes else {}


# --- where it may run -----------------------------------------------------------------------------


def placement(
    wanted: Placement, card: Fragment, prefer: Preference | None = None, ours: Mapping[str, str] | None = None
) -> Manifest:
    """Node labels, affinity, tolerations, priority and runtime class of a pod.

    Args:
        ours: Labels of the nodes that this installation may use at all.
    """
    found: Manifest = {}
    selector = {**card.node_labels, **wanted.node_labels, **(ours or {})}
    if selector:
        found["nodeSelector"] = dict(sorted(selector.items()))
    tolerations = [_toleration(item) for item in card.tolerations]
    tolerations += [_toleration(Toleration(key)) for key in wanted.tolerated]
    if tolerations:
        found["tolerations"] = tolerations
    affinity = _node_affinity(wanted.terms, prefer)
    if affinity:
        found["affinity"] = {"nodeAffinity": affinity}
    if card.runtime_class:
        found["runtimeClassName"] = card.runtime_class
    if wanted.priority_class:
        found["priorityClassName"] = wanted.priority_class
    return found


def _toleration(item: Toleration) -> Manifest:
    base: Manifest = {"key": item.key, "effect": item.effect}
    return base | ({"operator": "Exists"} if item.value is None else {"operator": "Equal", "value": item.value})


def _node_affinity(terms: Sequence[NodeTerm], prefer: Preference | None) -> Manifest:
    required = [_expression(term) for term in terms if term.required]
    preferred: list[Manifest] = [
        {"weight": term.weight, "preference": {"matchExpressions": [_expression(term)]}}
        for term in terms
        if not term.required
    ]
    if prefer is not None and prefer.nodes:
        names = {"key": "metadata.name", "operator": "In", "values": sorted(prefer.nodes)}
        # A field selector takes one name; each node is its own preference.
        preferred += [
            {"weight": prefer.weight, "preference": {"matchFields": [{**names, "values": [node]}]}}
            for node in sorted(prefer.nodes)
        ]
    found: Manifest = {}
    if required:
        selector = {"nodeSelectorTerms": [{"matchExpressions": required}]}
        found["requiredDuringSchedulingIgnoredDuringExecution"] = selector
    if preferred:
        found["preferredDuringSchedulingIgnoredDuringExecution"] = preferred
    return found


def _expression(term: NodeTerm) -> Manifest:
    base: Manifest = {"key": term.key, "operator": term.operator}
    return base if term.operator in ("Exists", "DoesNotExist") else base | {"values": list(term.values)}


def image_names(images: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the images that a node reports; one that lost its names is told as ``null``."""
    return [name for image in images for name in image.get("names") or ()]


def nodes_with_image(image: str, images_of: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Nodes that hold an image already (BEY-25).

    Args:
        images_of: Node name to the image names it reports.
    """
    return tuple(sorted(node for node, names in images_of.items() if image in names))
