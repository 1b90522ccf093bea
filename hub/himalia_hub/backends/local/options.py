"""What an operator can set of the local backend; every default works on a bare machine."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Mapping
from typing import Any, Literal

from himalia_hub.backends.cards import CARD_GIB

RequestedLevel = Literal["auto", "full", "single-user", "unsafe"]


@dataclasses.dataclass(frozen=True, slots=True)
class LocalOptions:
    """Options of :class:`~himalia_hub.backends.local.backend.LocalBackend`.

    Attributes:
        isolation: ``auto`` takes the strongest level that works here and never ``unsafe``.
        node_name: Name of the one node.
        cpu_millis, memory_bytes, disk_bytes: What may be given to workloads; ``None`` means all the
            machine has.
        accelerators: Resource name to count. Devices are passed through where the machine has
            them; without them the accelerator is made up, which tests use.
        node_labels: What the one node says of itself as a cluster's node would, such as
            ``nvidia.com/gpu.product``; the driver's own answer stands where nothing is given.
        card_memory_gib: GiB of whole cards by product, beside those that are known.
        relay: Where the platform's services listen: ``api``, ``hub`` and ``s3`` to (host, port).
        egress: ``public`` lets workloads reach public addresses through the proxy, ``none`` nothing.
        egress_allow: Further networks (CIDR) that workloads may reach, although not public.
        connections_max: Relayed connections of one replica at a time; more are closed at once.
        log_bytes_max: Output kept per replica; older output goes first.
        cache_bytes_max: Size of the cache of read-only folders; what is in use is never evicted.
        disk_reserve_bytes: Free space below which work that keeps writing is ended and none starts.
        pids_max: Processes and threads of one replica.
        uid_base, uid_count: Range of uids for owners (*full*); ``None`` picks one per installation.
        extra_read_only: Further folders of the machine shown to every workload at the same path,
            such as drivers.
    """

    isolation: RequestedLevel = "auto"
    node_name: str = dataclasses.field(default_factory=socket.gethostname)
    cpu_millis: int | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    accelerators: Mapping[str, int] = dataclasses.field(default_factory=dict)
    node_labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    card_memory_gib: Mapping[str, int] = dataclasses.field(default_factory=lambda: dict(CARD_GIB))
    relay: Mapping[str, tuple[str, int]] = dataclasses.field(default_factory=dict)
    egress: Literal["public", "none"] = "public"
    egress_allow: tuple[str, ...] = ()
    connections_max: int = 4096
    log_bytes_max: int = 1 << 30
    cache_bytes_max: int = 20 << 30
    disk_reserve_bytes: int = 1 << 30
    pids_max: int = 4096
    uid_base: int | None = None
    uid_count: int = 65536
    extra_read_only: tuple[str, ...] = ()

    @staticmethod
    def from_mapping(values: Mapping[str, Any]) -> LocalOptions:
        """Options from a configuration file's section.

        Raises:
            ValueError: A key is not an option.
        """
        names = {item.name for item in dataclasses.fields(LocalOptions)}
        unknown = sorted(set(values) - names)
        if unknown:
            raise ValueError(f"unknown options of the local backend: {', '.join(unknown)}")
        ready = dict(values)
        if "relay" in ready:
            ready["relay"] = {name: (str(host), int(port)) for name, (host, port) in ready["relay"].items()}
        if "card_memory_gib" in ready:
            ready["card_memory_gib"] = {**CARD_GIB, **ready["card_memory_gib"]}
        for name in ("egress_allow", "extra_read_only"):
            if name in ready:
                ready[name] = tuple(ready[name])
        return LocalOptions(**ready)


def machine_memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
