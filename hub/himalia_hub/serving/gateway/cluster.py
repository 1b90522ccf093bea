"""Carries services' routes to a cluster's own gateway, where the installation names one (SRV-3, SRV-6).

The installation's own address (``traefik``) stays as it is; this is a second way in, for traffic that is
not to pass through one machine. It follows what ``serving/controller`` decided and decides nothing; a
gateway that is out of order holds up nobody's service.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from himalia_hub.backends.protocol import ServiceRoute
from himalia_hub.compute.engine import Engine
from himalia_hub.core import clock
from himalia_hub.platform.parts import Platform
from himalia_hub.serving.controller import look, route_of
from himalia_hub.serving.rules import decide

if TYPE_CHECKING:
    from himalia_hub.backends.kubernetes.backend import KubernetesBackend

log = logging.getLogger("himalia.gateway")


class ClusterRoutes:
    """The controller of routes at the cluster's gateway."""

    name = "cluster-routes"
    interval_seconds = 2.0
    wakes_on_commit = False

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._live: list[ServiceRoute] | None = None
        self._wrong: dict[str, str] = {}

    def _backend(self) -> KubernetesBackend | None:
        """The cluster's backend once the engine has connected it."""
        backend: Any = self._platform.get(Engine).backend
        return backend if getattr(backend, "keeper", None) is not None else None

    async def step(self) -> None:
        backend = self._backend()
        if backend is None:
            return
        with self._platform.db.read() as db:
            found = look(db)
        now = clock.now()
        routes = [
            route_of(row, variants, decide(row.wanted, row.revision, row.live_revision, variants, now))
            for row, variants in found
        ]
        if routes == self._live:
            return
        wrong = await backend.keep_routes(routes)
        for service, text in wrong.items():
            if self._wrong.get(service) != text:
                log.warning("the cluster's gateway does not lead to %s: %s", service, text)
        self._wrong = wrong
        self._live = routes if not wrong else None
