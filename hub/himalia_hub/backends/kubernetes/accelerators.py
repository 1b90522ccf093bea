"""Accelerators as data: what each extended resource needs of a pod, and which counts can be given.

Nothing here names a vendor in code: an administrator declares a card by resource name, node
label, runtime class, environment and topology rule, and the builders read it from the table.

Glossary
    card class   one resource name as a device plugin announces it, with its facts.
    ring         cards on one fast interconnect; some are given only in counts that fill a ring evenly.
    neutral      a wish for "one accelerator with at least so much memory", resolved to a card class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from himalia_hub.backends import cards
from himalia_hub.backends.cards import GIB
from himalia_hub.backends.protocol import BackendError, NodeCapacity, NodeTerm

Form = Literal["gpu", "mig", "slice", "npu", "vnpu", "other"]


@dataclass(frozen=True, slots=True)
class Toleration:
    key: str
    effect: str = "NoSchedule"
    value: str | None = None


@dataclass(frozen=True, slots=True)
class AcceleratorClass:
    """One extended resource.

    Args:
        counts: How many one pod may have; empty means any number.
        product_label: Node label that names the card, for choosing a card by name.
        memory_bytes: Memory of one unit, 0 when it depends on the card.
        memory_label: Node label with the memory of a whole card, in MiB or as ``64G``.
        shares_label: Node label that says how many units share one card in time.
        runtime_class: RuntimeClass that brings the driver's files; none where a device plugin or
            CDI does.
        host_paths: Driver folders of old installations. A pod with one leaves the restricted
            level, so each must be excepted by the platform's administrator.
    """

    resource: str
    form: Form
    framework: str = ""
    memory_bytes: int = 0
    counts: tuple[int, ...] = ()
    product_label: str = ""
    memory_label: str = ""
    shares_label: str = ""
    node_labels: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    runtime_class: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    host_paths: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, resource: str, data: Mapping[str, Any]) -> AcceleratorClass:
        given = dict(data)
        given.setdefault("form", "other")
        given["tolerations"] = tuple(Toleration(**item) for item in given.get("tolerations", ()))
        for name in ("counts", "host_paths"):
            given[name] = tuple(given.get(name, ()))
        try:
            return cls(resource=resource, **given)
        except TypeError as error:
            raise BackendError(f"backend.accelerators.{resource}: {error}", retryable=False) from error


def _nvidia(resource: str, form: Form, memory_gib: int = 0, counts: tuple[int, ...] = ()) -> AcceleratorClass:
    return AcceleratorClass(
        resource,
        form,
        "cuda",
        memory_gib * GIB,
        counts,
        product_label=cards.NVIDIA_PRODUCT,
        memory_label=cards.NVIDIA_MEMORY,
        shares_label=cards.NVIDIA_SHARES,
        tolerations=(Toleration("nvidia.com/gpu"),),
    )


def _huawei(resource: str, form: Form, memory_gib: int, counts: tuple[int, ...], tolerated: str) -> AcceleratorClass:
    return AcceleratorClass(
        resource,
        form,
        "cann",
        memory_gib * GIB,
        counts,
        product_label="node.kubernetes.io/npu.chip.name",
        tolerations=(Toleration(tolerated),),
    )


_RING = (1, 2, 4, 8)
_MIG_GIB = {
    1: (5, 6, 10, 12, 18, 20, 24, 35),
    2: (10, 12, 20, 24, 35),
    3: (20, 40, 48, 71),
    4: (20, 24, 40, 48, 71),
    7: (40, 80, 96, 141),
}
"""Profiles of A30, A100, H100 and H200: slices of the processor, GiB of memory."""
_910, _310P = "huawei.com/Ascend910", "huawei.com/Ascend310P"
DEFAULT_CLASSES: Mapping[str, AcceleratorClass] = {
    item.resource: item
    for item in (
        _nvidia("nvidia.com/gpu", "gpu"),
        _nvidia("nvidia.com/gpu.shared", "slice"),
        *(
            _nvidia(f"nvidia.com/mig-{slices}g.{gib}gb", "mig", gib)
            for slices, sizes in _MIG_GIB.items()
            for gib in sizes
        ),
        _huawei(_910, "npu", 32, _RING, _910),
        _huawei("huawei.com/Ascend910B", "npu", 64, _RING, "huawei.com/Ascend910B"),
        _huawei(_310P, "npu", 24, (1, 2, 4), _310P),
        *(_huawei(f"{_910}-{cores}c", "vnpu", 2 * cores, (1,), _910) for cores in (2, 4, 8, 16)),
        *(_huawei(f"{_310P}-{cores}c", "vnpu", 3 * cores, (1,), _310P) for cores in (1, 2, 4)),
        AcceleratorClass("huawei.com/npu-core", "vnpu", "cann", 0, (1, 2, 4, 8)),
        AcceleratorClass(
            "amd.com/gpu",
            "gpu",
            "rocm",
            product_label="amd.com/gpu.product-name",
            memory_label="amd.com/gpu.vram",
            tolerations=(Toleration("amd.com/gpu"),),
        ),
        AcceleratorClass("cambricon.com/mlu", "other", "cnrt"),
        AcceleratorClass("hygon.com/dcu", "other", "dtk"),
    )
}


@dataclass(frozen=True, slots=True)
class Fragment:
    """What accelerators add to a pod."""

    node_labels: Mapping[str, str]
    tolerations: tuple[Toleration, ...]
    runtime_class: str
    environment: Mapping[str, str]
    host_paths: tuple[str, ...]


def fragment(
    asked: Mapping[str, int], classes: Mapping[str, AcceleratorClass], host_path_exceptions: Sequence[str] = ()
) -> Fragment:
    """What a pod that asks for these needs besides the numbers. Pure.

    Raises:
        BackendError: A count that the topology rule forbids, cards that cannot share a pod, or a
            host folder nobody excepted.
    """
    wanted = [(name, count) for name, count in sorted(asked.items()) if count]
    labels: dict[str, str] = {}
    tolerations: list[Toleration] = []
    environment: dict[str, str] = {}
    runtime, paths = "", []
    for name, count in wanted:
        card = classes.get(name) or AcceleratorClass(name, "other")
        problem = count_problem(card, count)
        if problem is not None:
            raise BackendError(problem, retryable=False)
        if runtime and card.runtime_class and card.runtime_class != runtime:
            raise BackendError(
                f"{name} needs the runtime class {card.runtime_class!r} and another accelerator of the same pod"
                f" {runtime!r}; one pod has one runtime class",
                retryable=False,
            )
        runtime = runtime or card.runtime_class
        labels.update(card.node_labels)
        tolerations += [item for item in card.tolerations if item not in tolerations]
        environment.update(card.environment)
        for path in card.host_paths:
            if path not in host_path_exceptions:
                raise BackendError(
                    f"{name} is declared with the host folder {path}, which the restricted level forbids; let a runtime"
                    " class, a device plugin or CDI bring the driver's files, or have a platform administrator except"
                    " this folder in backend.host_path_exceptions",
                    retryable=False,
                )
            paths.append(path)
    statics = [name for name, _ in wanted if name in classes and classes[name].form == "vnpu"]
    if len(statics) > 1:
        raise BackendError(f"one pod may have one static vNPU; {' and '.join(statics)} were asked for", retryable=False)
    return Fragment(labels, tuple(tolerations), runtime, environment, tuple(paths))


def count_problem(card: AcceleratorClass, count: int) -> str | None:
    """Why a pod cannot have this many of a card; None where it can."""
    if not card.counts or count in card.counts:
        return None
    allowed = ", ".join(str(item) for item in card.counts)
    if card.form == "vnpu":
        return f"one pod may have {allowed} of {card.resource}; {count} were asked for"
    return f"{card.resource} is given in counts of {allowed} so that the cards lie in one ring; {count} were asked for"


@dataclass(frozen=True, slots=True)
class Neutral:
    """``count`` accelerators with at least ``memory_bytes`` each, in one of ``frameworks``; none named is any."""

    memory_bytes: int
    count: int = 1
    frameworks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is known about cards: the classes, and GiB of whole cards by product."""

    classes: Mapping[str, AcceleratorClass] = field(default_factory=lambda: DEFAULT_CLASSES)
    gib: Mapping[str, int] = field(default_factory=lambda: cards.CARD_GIB)

    def of(self, resource: str) -> AcceleratorClass:
        return self.classes.get(resource) or AcceleratorClass(resource, "other")

    def memory_of(self, resource: str, labels: Mapping[str, str], called: str = "") -> int:
        """Bytes of one unit on a node with these labels; 0 when nobody knows.

        Args:
            called: What people call the card, for machines that do not tell their product.
        """
        card = self.of(resource)
        if card.memory_bytes:
            return card.memory_bytes
        whole = cards.reported_bytes(labels.get(card.memory_label, "")) if card.memory_label else 0
        whole = whole or cards.product_bytes(labels.get(card.product_label, ""), called, self.gib)
        shares = labels.get(card.shares_label, "")
        return whole // max(1, int(shares)) if shares.isascii() and shares.isdigit() else whole


@dataclass(frozen=True, slots=True)
class Choice:
    """One card that ready nodes have; ``most`` is what the best of them can give one pod."""

    resource: str
    memory_bytes: int
    framework: str
    form: Form
    product: str
    most: int


def stock(catalogue: Catalogue, nodes: Iterable[NodeCapacity], called: Mapping[str, str] | None = None) -> list[Choice]:
    """Every card of the ready nodes, the least memory first. Pure.

    Args:
        called: What people call the card of a resource.
    """
    found: dict[tuple[str, str, int], int] = {}
    for node in nodes:
        for name, available in node.allocatable.accelerators.items():
            if not node.ready or available < 1:
                continue
            card = catalogue.of(name)
            product = node.labels.get(card.product_label, "") if card.product_label else ""
            memory = catalogue.memory_of(name, node.labels, (called or {}).get(name, ""))
            key = (name, "" if card.memory_bytes else product, memory)
            found[key] = max(found.get(key, 0), available)
    choices = [
        Choice(name, memory, catalogue.of(name).framework, catalogue.of(name).form, product, most)
        for (name, product, memory), most in found.items()
    ]
    return sorted(choices, key=lambda choice: (choice.memory_bytes, choice.resource, choice.product))


def satisfies(wish: Neutral, choice: Choice, catalogue: Catalogue) -> bool:
    """Whether a pod could have what a wish asks for from this card (BEY-23). Pure."""
    return (
        (not wish.frameworks or choice.framework in wish.frameworks)
        and choice.memory_bytes >= wish.memory_bytes
        and choice.most >= wish.count
        and count_problem(catalogue.of(choice.resource), wish.count) is None
    )


def resolve(wish: Neutral, catalogue: Catalogue, nodes: Iterable[NodeCapacity]) -> list[Choice]:
    """Every card of the cluster that satisfies a neutral wish, the least sufficient first (BEY-23). Pure."""
    return [choice for choice in stock(catalogue, nodes) if satisfies(wish, choice, catalogue)]


def keep_to(chosen: Sequence[Choice], others: Sequence[Choice], catalogue: Catalogue) -> tuple[NodeTerm, ...] | None:
    """What keeps a pod on nodes with the chosen cards when nodes have others of the same resource. Pure.

    Returns:
        Nothing to add where every card will do; None where labels cannot tell the cards apart.
    """
    if not others:
        return ()
    products = {choice.product for choice in chosen} - {choice.product for choice in others} - {""}
    label = catalogue.of(chosen[0].resource).product_label
    return (NodeTerm(label, "In", tuple(sorted(products))),) if products and label else None
