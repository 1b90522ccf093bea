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

from himalia_hub.backends.protocol import BackendError, NodeCapacity

Form = Literal["gpu", "mig", "slice", "npu", "vnpu", "other"]
GIB = 1 << 30


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
        product_label="nvidia.com/gpu.product",
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
_910, _310P = "huawei.com/Ascend910", "huawei.com/Ascend310P"
DEFAULT_CLASSES: Mapping[str, AcceleratorClass] = {
    item.resource: item
    for item in (
        _nvidia("nvidia.com/gpu", "gpu"),
        _nvidia("nvidia.com/mig-1g.5gb", "mig", 5),
        _nvidia("nvidia.com/mig-1g.10gb", "mig", 10),
        _nvidia("nvidia.com/mig-2g.10gb", "mig", 10),
        _nvidia("nvidia.com/mig-2g.20gb", "mig", 20),
        _nvidia("nvidia.com/mig-3g.20gb", "mig", 20),
        _nvidia("nvidia.com/mig-3g.40gb", "mig", 40),
        _nvidia("nvidia.com/mig-4g.20gb", "mig", 20),
        _nvidia("nvidia.com/mig-4g.40gb", "mig", 40),
        _nvidia("nvidia.com/mig-7g.40gb", "mig", 40),
        _nvidia("nvidia.com/mig-7g.80gb", "mig", 80),
        _huawei(_910, "npu", 32, _RING, _910),
        _huawei("huawei.com/Ascend910B", "npu", 64, _RING, "huawei.com/Ascend910B"),
        _huawei(_310P, "npu", 24, (1, 2, 4), _310P),
        *(_huawei(f"{_910}-{cores}c", "vnpu", 2 * cores, (1,), _910) for cores in (2, 4, 8, 16)),
        *(_huawei(f"{_310P}-{cores}c", "vnpu", 3 * cores, (1,), _310P) for cores in (1, 2, 4)),
        AcceleratorClass("huawei.com/npu-core", "vnpu", "cann", 0, (1, 2, 4, 8)),
        AcceleratorClass("amd.com/gpu", "gpu", "rocm", tolerations=(Toleration("amd.com/gpu"),)),
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
    """``count`` accelerators with at least ``memory_bytes`` each, in one of ``frameworks``."""

    memory_bytes: int
    count: int = 1
    frameworks: tuple[str, ...] = ("cuda", "cann")


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to satisfy a neutral wish; the smallest sufficient comes first."""

    resource: str
    count: int
    memory_bytes: int
    framework: str
    product: str = ""


def resolve(
    wish: Neutral,
    classes: Mapping[str, AcceleratorClass],
    nodes: Iterable[NodeCapacity],
    memory_of_product: Mapping[str, int],
) -> list[Choice]:
    """Every card class of the cluster that satisfies a neutral wish, the least sufficient first (BEY-23). Pure.

    Args:
        memory_of_product: Bytes of the cards whose memory depends on the product, by the node
            label's value (``NVIDIA-A100-SXM4-80GB``).
    """
    found: dict[tuple[str, str], Choice] = {}
    for node in nodes:
        for name, available in node.allocatable.accelerators.items():
            card = classes.get(name)
            if card is None or card.framework not in wish.frameworks or available < wish.count:
                continue
            product = node.labels.get(card.product_label, "") if card.product_label else ""
            memory = card.memory_bytes or memory_of_product.get(product, 0)
            if memory < wish.memory_bytes or count_problem(card, wish.count) is not None:
                continue
            by_product = product if not card.memory_bytes else ""
            found[name, by_product] = Choice(name, wish.count, memory, card.framework, by_product)
    return sorted(found.values(), key=lambda choice: (choice.memory_bytes, choice.resource, choice.product))
