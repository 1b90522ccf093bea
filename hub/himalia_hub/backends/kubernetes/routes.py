"""Services' routes at the cluster's own gateway: made, changed by weight, removed; each for itself (SRV-3, SRV-6).

What splits the traffic is the gateway's controller. A route counts as made once that controller has
accepted it; one that it does not accept is put back as it was. One service's trouble holds up no other's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any

from himalia_hub.backends.kubernetes import naming, objects
from himalia_hub.backends.kubernetes.api import KINDS, Cluster, Manifest, path_of
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.protocol import BackendError, ServiceRoute

log = logging.getLogger("himalia.backends.kubernetes")
_LOOK_SECONDS = 0.25
_KINDS = ("gateway.networking.k8s.io/v1/HTTPRoute", "gateway.networking.k8s.io/v1/GRPCRoute")


class Routes:
    """Keeps the routes of one installation; only of namespaces that are its own."""

    def __init__(self, cluster: Cluster, options: KubernetesOptions) -> None:
        self._cluster, self._options = cluster, options
        self._made: dict[str, Manifest] = {}
        """What the gateway accepted, by path."""
        self._looked_into: set[str] = set()

    async def keep(self, routes: Sequence[ServiceRoute], namespaces: Iterable[str]) -> dict[str, str]:
        """Make exactly these live.

        Args:
            namespaces: Where routes of earlier processes may stand.

        Returns:
            What went wrong, by the service as ``tenant/service``; empty when all are live.
        """
        wrong: dict[str, str] = {}
        wanted: dict[str, Manifest] = {}
        for route in routes:
            try:
                wanted |= {path_of(made): made for made in self._objects(route)}
            except BackendError as error:
                wrong[f"{route.tenant}/{route.service}"] = str(error)
        await self._find(set(namespaces))
        for path in self._made.keys() - wanted.keys():
            await self._try(path, self._remove(path), wrong)
        changed = [(path, made) for path, made in wanted.items() if self._made.get(path) != made]
        await asyncio.gather(*(self._try(_service(made), self._put(path, made), wrong) for path, made in changed))
        return wrong

    def _objects(self, route: ServiceRoute) -> list[Manifest]:
        found = [objects.http_route(route, self._options)]
        if any(target.grpc_addresses for target in route.targets):
            found.append(objects.grpc_route(route, self._options))
        return found

    @staticmethod
    async def _try(name: str, work: Any, wrong: dict[str, str]) -> None:
        try:
            await work
        except BackendError as error:
            wrong[name] = str(error)

    async def _find(self, namespaces: set[str]) -> None:
        """Routes that an earlier process made: applied anew where wanted, removed where not."""
        for namespace in namespaces - self._looked_into:
            for kind in _KINDS:
                selector = f"{naming.RELEASE}={self._options.release}"
                try:
                    found = await self._cluster.get(KINDS[kind].path(namespace), labelSelector=selector)
                except BackendError as error:
                    log.warning("the routes of %s cannot be listed: %s", namespace, error)
                    break
                for item in found["items"]:
                    self._made.setdefault(KINDS[kind].path(namespace, item["metadata"]["name"]), {})
            else:
                self._looked_into.add(namespace)

    async def _put(self, path: str, wanted: Manifest) -> None:
        before = self._made.get(path)
        made = await self._cluster.apply(wanted)
        try:
            await self._until_accepted(path, int(made["metadata"].get("generation", 0)))
        except BackendError:
            if before:
                await self._cluster.apply(before)
            raise
        self._made[path] = wanted

    async def _until_accepted(self, path: str, generation: int) -> None:
        """Wait for the gateway's controller to take this very version.

        Raises:
            BackendError: It refused, in its words, or said nothing in time.
        """
        assert self._options.gateway is not None
        until = time.monotonic() + self._options.gateway.accept_seconds
        while True:
            found = await self._cluster.find(path) or {}
            said = verdicts(found, generation)
            refused = next((one for one in said if one.get("status") != "True"), None)
            if refused is not None:
                text = refused.get("message") or refused.get("reason")
                raise BackendError(f"the gateway refused the route: {text}", retryable=True)
            if any(one["type"] == "Accepted" for one in said):
                return
            if time.monotonic() > until:
                seconds = self._options.gateway.accept_seconds
                raise BackendError(f"no gateway accepted the route within {seconds:g} s", retryable=True)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _remove(self, path: str) -> None:
        await self._cluster.delete(path)
        del self._made[path]


def verdicts(route: Manifest, generation: int) -> list[Manifest]:
    """What gateways said of this version of a route: whether it is accepted, and leads somewhere. Pure."""
    return [
        condition
        for parent in route.get("status", {}).get("parents") or ()
        for condition in parent.get("conditions") or ()
        if condition["type"] in ("Accepted", "ResolvedRefs") and condition.get("observedGeneration", 0) >= generation
    ]


def _service(made: Manifest) -> str:
    return f"{made['metadata']['labels'][naming.TENANT]}/{made['metadata']['name'].removeprefix('serving-')}"
