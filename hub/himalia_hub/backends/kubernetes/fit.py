"""Would the scheduler place this pod, and if not, what is missing. Pure.

Follows the filters of the kube-scheduler that our pods can meet: readiness, unschedulable, node
selector, required node affinity, taints, number of pods, and each resource against what is free. A
cluster test compares the answers with what the real scheduler does (BEY-1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from himalia_hub.backends.kubernetes import quantities

Manifest = Mapping[str, Any]
Verdict = Literal["starts_now", "waits", "never_fits"]
Amounts = dict[str, int]
PODS = "pods"


@dataclass(frozen=True, slots=True)
class Node:
    """What the scheduler looks at of a node; CPU in millis, the rest in units or bytes."""

    name: str
    allocatable: Mapping[str, int]
    used: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    unschedulable: bool = False

    def free(self, name: str) -> int:
        return self.allocatable.get(name, 0) - self.used.get(name, 0)


@dataclass(frozen=True, slots=True)
class Shortage:
    """The resource that is short, on the node that comes nearest."""

    resource: str
    asked: int
    most: int
    node: str
    never: bool

    @property
    def missing(self) -> int:
        return self.asked - self.most

    def show(self, amount: int) -> str:
        if self.resource == quantities.CPU:
            return f"{amount / 1000:g} CPU"
        if self.resource in (quantities.MEMORY, quantities.DISK):
            return f"{amount / 2**30:.3g} GiB" if amount >= 2**30 else f"{amount / 2**20:.3g} MiB"
        return f"{amount} × {self.resource}"


@dataclass(frozen=True, slots=True)
class Fit:
    """The answer: the verdict, the nodes that would take it now, and what is short else."""

    verdict: Verdict
    nodes: tuple[str, ...] = ()
    shortage: Shortage | None = None
    because: str = ""


def amounts(quantity: Mapping[str, str]) -> Amounts:
    """A ResourceList in integers."""
    found = {}
    for name, text in quantity.items():
        value = quantities.parse(text)
        found[name] = quantities.ceiling(value * 1000 if name == quantities.CPU else value)
    return found


def pod_requests(spec: Manifest) -> Amounts:
    """What the scheduler counts for a pod: its containers together, or its largest init container."""
    total: Amounts = {}
    for container in spec.get("containers", ()):
        given = container.get("resources", {})
        for name, value in amounts({**given.get("limits", {}), **given.get("requests", {})}).items():
            total[name] = total.get(name, 0) + value
    for container in spec.get("initContainers", ()):
        for name, value in amounts(container.get("resources", {}).get("requests", {})).items():
            total[name] = max(total.get(name, 0), value)
    for name, value in amounts(spec.get("overhead", {})).items():
        total[name] = total.get(name, 0) + value
    return {**total, PODS: 1}


def node_of(manifest: Manifest, pods: Sequence[Manifest] = ()) -> Node:
    """A node and the pods on it that still count."""
    used: Amounts = {}
    for pod in pods:
        if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            continue
        for name, value in pod_requests(pod["spec"]).items():
            used[name] = used.get(name, 0) + value
    spec, status = manifest.get("spec", {}), manifest.get("status", {})
    return Node(
        manifest["metadata"]["name"],
        amounts(status.get("allocatable", {})),
        used,
        dict(manifest["metadata"].get("labels", {})),
        tuple(spec.get("taints", ())),
        bool(spec.get("unschedulable")),
    )


def fit(spec: Manifest, nodes: Sequence[Node]) -> Fit:
    """Judge a pod's spec against nodes as they are now."""
    asked = pod_requests(spec)
    allowed, because = [], "There is no node."
    for node in nodes:
        refusal = _refusal(spec, node)
        if refusal is None:
            allowed.append(node)
        else:
            because = refusal
    if not allowed:
        return Fit("never_fits", because=because)
    takes = [node.name for node in allowed if not _short(asked, node, free=True)]
    if takes:
        return Fit("starts_now", tuple(takes))
    if any(not _short(asked, node, free=False) for node in allowed):
        large = [node for node in allowed if not _short(asked, node, free=False)]
        return Fit("waits", shortage=_shortage(asked, large, free=True))
    return Fit("never_fits", shortage=_shortage(asked, allowed, free=False))


def _short(asked: Amounts, node: Node, *, free: bool) -> list[str]:
    """The resources of which a node has too little, free or at all."""
    return [
        name
        for name, amount in asked.items()
        if amount > 0 and amount > (node.free(name) if free else node.allocatable.get(name, 0))
    ]


def _shortage(asked: Amounts, nodes: Sequence[Node], *, free: bool) -> Shortage | None:
    """Of the node that lacks least, the resource it lacks most of."""

    def have(node: Node, name: str) -> int:
        return max(0, node.free(name) if free else node.allocatable.get(name, 0))

    nearest = min(nodes, key=lambda node: (len(_short(asked, node, free=free)), _lack(asked, node, have)))
    short = _short(asked, nearest, free=free)
    if not short:
        return None
    name = max(short, key=lambda item: ("/" in item, Decimal(asked[item] - have(nearest, item)) / asked[item]))
    most = max(nodes, key=lambda node: have(node, name))
    if have(most, name) >= asked[name]:
        most = nearest  # others have enough of this one but lack another
    return Shortage(name, asked[name], have(most, name), most.name, never=not free)


def _lack(asked: Amounts, node: Node, have: Any) -> Decimal:
    return sum(
        (Decimal(max(0, amount - have(node, name))) / amount for name, amount in asked.items() if amount), Decimal()
    )


def _refusal(spec: Manifest, node: Node) -> str | None:
    """Why this node may never take the pod, whatever is free."""
    tolerations = [*spec.get("tolerations", ()), *_DEFAULT_TOLERATIONS]
    if node.unschedulable and not _tolerates(tolerations, _UNSCHEDULABLE):
        return f"{node.name} takes no new pods."
    for taint in node.taints:
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerates(tolerations, taint):
            return f"{node.name} is reserved by the taint {taint['key']}."
    wanted = spec.get("nodeSelector", {})
    for key, value in wanted.items():
        if node.labels.get(key) != value:
            return f"No node has the label {key}={value}."
    affinity = spec.get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is not None and not any(_term(term, node) for term in required.get("nodeSelectorTerms", ())):
        return "No node has the labels that the affinity asks for."
    return None


_UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_DEFAULT_TOLERATIONS: tuple[Mapping[str, str], ...] = (
    {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"},
    {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"},
)
"""What the API server adds to every pod."""


def _tolerates(tolerations: Sequence[Mapping[str, str]], taint: Mapping[str, str]) -> bool:
    for item in tolerations:
        if item.get("effect") and item["effect"] != taint.get("effect"):
            continue
        if item.get("key") and item["key"] != taint["key"]:
            continue
        operator = item.get("operator", "Equal")
        if operator == "Exists" or (item.get("key") and item.get("value", "") == taint.get("value", "")):
            return True
    return False


def _term(term: Manifest, node: Node) -> bool:
    expressions = term.get("matchExpressions", ())
    fields = term.get("matchFields", ())
    if not expressions and not fields:
        return False  # an empty term selects nothing
    labels = node.labels
    return all(_expression(item, labels) for item in expressions) and all(
        _expression(item, {"metadata.name": node.name}) for item in fields
    )


def _expression(item: Manifest, labels: Mapping[str, str]) -> bool:
    key, operator, values = item["key"], item["operator"], item.get("values", [])
    value = labels.get(key)
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    if value is None or not _integer(value) or not _integer(values[0]):
        return False
    return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])


def _integer(text: str) -> bool:
    return text.removeprefix("-").isdigit()
