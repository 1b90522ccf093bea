"""Which accelerators a replica gets, how it is told, and the devices it may open.

A count is given as indices of the machine's devices. Where the machine has no such device the
accelerator is made up: counted and named in the environment, with nothing behind it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from himalia_hub.backends.protocol import BackendError, WorkloadPlan

_VARIABLES = {
    "nvidia.com": ("NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"),
    "huawei.com": ("ASCEND_VISIBLE_DEVICES", "ASCEND_RT_VISIBLE_DEVICES"),
    "amd.com": ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
}
_DEVICES = {
    "nvidia.com": ("/dev/nvidia{index}",),
    "huawei.com": ("/dev/davinci{index}",),
    "amd.com": ("/dev/dri/renderD{render}",),
}
_SHARED_DEVICES = {
    "nvidia.com": ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"),
    "huawei.com": ("/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc"),
    "amd.com": ("/dev/kfd",),
}


def assign(
    available: Mapping[str, int], taken: Mapping[str, set[int]], plan: WorkloadPlan
) -> list[dict[str, list[int]]]:
    """Indices for each replica, lowest free first.

    Raises:
        BackendError: The node has not enough left; retryable, unless it never had.
    """
    free = {
        name: [index for index in range(count) if index not in taken.get(name, ())] for name, count in available.items()
    }
    given: list[dict[str, list[int]]] = []
    for _ in range(plan.replicas):
        share: dict[str, list[int]] = {}
        for name, count in plan.resources.accelerators.items():
            if count <= 0:
                continue
            left = free.get(name, [])
            if len(left) < count:
                raise BackendError(
                    f"{plan.replicas * count} {name} were asked for, the node has {available.get(name, 0)} "
                    f"and too few of them are free",
                    retryable=available.get(name, 0) >= plan.replicas * count,
                )
            share[name], free[name] = left[:count], left[count:]
        given.append(share)
    return given


def environment(given: Mapping[str, list[int]]) -> dict[str, str]:
    """Variables that show exactly the given devices; without any, vendors' tools see none."""
    indices: dict[str, list[int]] = {}
    for resource, numbers in given.items():
        indices.setdefault(resource.partition("/")[0], []).extend(numbers)
    variables = {"NVIDIA_VISIBLE_DEVICES": "void", "CUDA_VISIBLE_DEVICES": ""}
    for vendor, numbers in indices.items():
        for variable in _VARIABLES.get(vendor, ()):
            variables[variable] = ",".join(str(number) for number in sorted(numbers))
    return variables


def devices(given: Mapping[str, list[int]]) -> list[str]:
    """Device files of the given accelerators that exist on this machine."""
    wanted: list[str] = []
    for resource, numbers in given.items():
        vendor = resource.partition("/")[0]
        for index in numbers:
            for pattern in _DEVICES.get(vendor, ()):
                wanted.append(pattern.format(index=index, render=128 + index))
        if numbers:
            wanted.extend(_SHARED_DEVICES.get(vendor, ()))
    return [path for path in dict.fromkeys(wanted) if os.path.exists(path)]
