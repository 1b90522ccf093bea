"""Wires the engine: the backend of the configuration, the reconciler, the keeper of samples."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from himalia_hub.compute.engine import Engine
from himalia_hub.compute.reconciler import Reconciler
from himalia_hub.compute.samples import Sweeper, Thinner
from himalia_hub.compute.spaces import SpaceController
from himalia_hub.compute.standing import WorkOfPeople
from himalia_hub.compute.storage import TenantStorageQuota
from himalia_hub.core.admission import KnownResources
from himalia_hub.core.standing import Standing
from himalia_hub.core.storage import StorageQuota

if TYPE_CHECKING:
    from himalia_hub.backends.protocol import Backend
    from himalia_hub.platform.parts import Platform

log = logging.getLogger("himalia.engine")


def relay_targets(platform: Platform) -> dict[str, tuple[str, int]]:
    """Where the services that a sandbox may reach listen on this machine."""
    config = platform.config
    targets = {"api": (config.listen.host, config.listen.port)}
    addresses = {"hub": config.hub.api_url, "s3": config.s3.endpoint if config.s3 is not None else ""}
    for name, address in addresses.items():
        parts = urlsplit(address)
        if parts.hostname:
            targets[name] = (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
    return targets


def make_backend(platform: Platform) -> Backend | None:
    """The backend that the configuration names; None where no place for it is configured."""
    choice = platform.config.backend
    if choice.kind == "kubernetes":
        from himalia_hub.backends.kubernetes.backend import KubernetesBackend
        from himalia_hub.backends.kubernetes.options import KubernetesOptions

        return KubernetesBackend(KubernetesOptions.from_mapping(choice.options))
    if choice.root is None:
        log.info("no backend is configured; work waits in the queue")
        return None
    from himalia_hub.backends.local.backend import LocalBackend
    from himalia_hub.backends.local.options import LocalOptions

    options = {name: value for name, value in (choice.model_extra or {}).items() if name != "relay"}
    level = {"single_user": "single-user", "unsafe": "unsafe", "full": "full"}[platform.config.isolation]
    options.setdefault("isolation", level)
    return LocalBackend(choice.root, LocalOptions.from_mapping({**options, "relay": relay_targets(platform)}))


def setup(platform: Platform) -> None:
    if platform.backend is None:
        platform.backend = make_backend(platform)
    engine = Engine(platform, platform.backend, single_machine=platform.config.backend.kind == "local")
    platform.provide(engine)
    platform.provide(engine, as_type=KnownResources)
    platform.provide(TenantStorageQuota(engine), as_type=StorageQuota)
    platform.workload_counts = engine.counts
    work = WorkOfPeople(engine)
    platform.get(Standing).stops.append(work.stop)
    platform.get(Standing).runs.append(work.running)
    reconciler = Reconciler(engine)
    platform.controllers.add(reconciler)
    platform.closers.append(reconciler.close)
    if platform.config.backend.kind == "kubernetes":
        spaces = SpaceController(engine)
        platform.controllers.add(spaces)
        platform.closers.append(spaces.close)
    platform.controllers.add(Thinner(engine))
    platform.controllers.add(Sweeper(engine))
