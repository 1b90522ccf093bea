"""Arithmetic on what work asks for and what there is. Pure.

Amounts are kept per resource name: ``cpu_millis``, ``memory_bytes``, ``storage_bytes``, ``image_bytes`` and the
extended resource names of accelerators (``nvidia.com/gpu``); an absent name is zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from himalia_hub.backends.protocol import NodeCapacity, Resources

CPU, MEMORY, STORAGE, IMAGES = "cpu_millis", "memory_bytes", "storage_bytes", "image_bytes"
BASE = (CPU, MEMORY)
KEPT = (STORAGE, IMAGES)
"""What lies there instead of running; limited, but never asked of a machine."""
NEEDED = (*BASE, *KEPT)
"""What an organisation must have some of before anything of it runs (TEN-3)."""
Amounts = dict[str, int]

_NAMES = {
    CPU: ("CPU", "CPU"),
    MEMORY: ("memory", "内存"),
    STORAGE: ("storage", "存储"),
    IMAGES: ("image storage", "镜像存储"),
}
_ACCELERATOR = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?/[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
GPU, GPU_MIG, NPU, VNPU = "gpu", "gpu_mig", "npu", "vnpu"
_MIG = re.compile(r"[^/]+/mig-.+")
_NPU = re.compile(r"huawei\.com/.+")
_VNPU = re.compile(r"huawei\.com/.+-\d+c(\..+)?")


def amounts(resources: Resources, replicas: int = 1) -> Amounts:
    """The amounts of all replicas together; zero accelerators are left out."""
    asked = {CPU: resources.cpu_millis * replicas, MEMORY: resources.memory_bytes * replicas}
    for name, count in resources.accelerators.items():
        if count:
            asked[name] = count * replicas
    return asked


def add(left: Mapping[str, int], right: Mapping[str, int]) -> Amounts:
    return {name: left.get(name, 0) + right.get(name, 0) for name in {**left, **right}}


def subtract(left: Mapping[str, int], right: Mapping[str, int]) -> Amounts:
    return {name: left.get(name, 0) - right.get(name, 0) for name in {**left, **right}}


def short_of(asked: Mapping[str, int], available: Mapping[str, int]) -> list[str]:
    """The resources of which less is available than asked, base resources first."""
    return [name for name in ordered(asked) if asked[name] > available.get(name, 0)]


def ordered(names: Iterable[str]) -> list[str]:
    """CPU, memory, accelerators by name, storage, image storage."""
    present = set(names)
    accelerators = sorted(present - {*BASE, *KEPT})
    kept = (name for name in KEPT if name in present)
    return [*(name for name in BASE if name in present), *accelerators, *kept]


def is_accelerator(name: str) -> bool:
    """``nvidia.com/gpu``: a domain, a slash, a name."""
    return _ACCELERATOR.fullmatch(name) is not None


def known(name: str) -> bool:
    """Something a limit can be set of."""
    return name in NEEDED or is_accelerator(name)


def accelerator_kind(name: str) -> str:
    """What an accelerator's resource name stands for: ``gpu``, ``gpu_mig``, ``npu`` or ``vnpu``.

    MIG profiles are named like ``nvidia.com/mig-1g.5gb`` (NVIDIA's device plugin, strategy *mixed*),
    vNPU templates like ``huawei.com/Ascend910-2c`` or ``huawei.com/Ascend310P-4c.3cpu`` (Ascend's).
    """
    if _MIG.fullmatch(name):
        return GPU_MIG
    if _VNPU.fullmatch(name):
        return VNPU
    return NPU if _NPU.fullmatch(name) else GPU


def accelerators(nodes: Sequence[NodeCapacity]) -> list[str]:
    """Every accelerator resource that some node has."""
    return sorted({name for node in nodes for name, count in node.allocatable.accelerators.items() if count})


def total(nodes: Sequence[NodeCapacity]) -> Amounts:
    """What all ready nodes can give together."""
    sums: Amounts = {CPU: 0, MEMORY: 0}
    for node in nodes:
        if node.ready:
            sums = add(sums, amounts(node.allocatable))
    return sums


def largest(nodes: Sequence[NodeCapacity], resource: str) -> int:
    """The most of one resource that any one node can give."""
    return max((amounts(node.allocatable).get(resource, 0) for node in nodes), default=0)


def fits_a_node(asked: Mapping[str, int], nodes: Sequence[NodeCapacity]) -> bool:
    """Could one replica run on some node if that node were empty."""
    return any(not short_of(asked, amounts(node.allocatable)) for node in nodes)


def show(resource: str, amount: int) -> str:
    """``1.5 CPU``, ``2 GiB``, ``2 × nvidia.com/gpu``."""
    if resource == CPU:
        return f"{amount / 1000:g} CPU"
    if resource in (MEMORY, *KEPT):
        gib = amount / 2**30
        return f"{gib:.3g} GiB" if gib >= 1 or amount == 0 else f"{amount / 2**20:.4g} MiB"
    return f"{amount} × {resource}"


def name_en(resource: str) -> str:
    return _NAMES.get(resource, (resource, resource))[0]


def name_zh(resource: str) -> str:
    return _NAMES.get(resource, (resource, resource))[1]
