"""Services' routes at a cluster's own gateway, on a real API server with Gateway API's definitions (SRV-3, SRV-6).

The platform's own account makes, changes and removes them. No gateway runs here: the tests say of a route
what a gateway's controller would say of it, in the route's status, and nothing shows that traffic is split.
Without the definitions the tests are skipped and say so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from himalia_hub.backends.kubernetes.api import ApiError, Cluster
from himalia_hub.backends.kubernetes.backend import KubernetesBackend
from himalia_hub.backends.kubernetes.options import Gateway, KubernetesOptions
from himalia_hub.backends.kubernetes.routes import verdicts
from himalia_hub.backends.protocol import RouteTarget, ServiceRoute
from tests.cluster.conftest import Loop, Rights

GROUP = "/apis/gateway.networking.k8s.io/v1"
FILTER = {"group": "gateway.example.org", "kind": "KeyCheck", "name": "himalia"}
Manifest = dict[str, Any]


class Controller:
    """Says of each new version of a route what it is told to say."""

    def __init__(self, admin: Cluster, rights: Rights) -> None:
        self._admin, self._release = admin, rights.release
        self.refuses: dict[str, str] = {}
        """Why it does not accept, by the route's name."""
        self.deaf = False

    async def run(self) -> None:
        while True:
            for plural in ("httproutes", "grpcroutes"):
                query = {"labelSelector": f"himalia/release={self._release}"}
                for item in (await self._admin.get(f"{GROUP}/{plural}", **query))["items"]:
                    with contextlib.suppress(ApiError):  # removed meanwhile
                        await self._answer(plural, item)
            await asyncio.sleep(0.1)

    async def _answer(self, plural: str, item: Manifest) -> None:
        meta = item["metadata"]
        if self.deaf or verdicts(item, meta["generation"]):
            return
        why = self.refuses.get(meta["name"], "")
        condition = {
            "type": "Accepted",
            "status": "False" if why else "True",
            "reason": "NotAllowedByListeners" if why else "Accepted",
            "message": why,
            "observedGeneration": meta["generation"],
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        parent = {
            "parentRef": item["spec"]["parentRefs"][0],
            "controllerName": "example.org/told",
            "conditions": [condition],
        }
        path = f"{GROUP}/namespaces/{meta['namespace']}/{plural}/{meta['name']}/status"
        await self._admin.patch(path, {"status": {"parents": [parent]}})


@pytest.fixture(scope="module")
def options(loop: Loop, admin: Cluster, rights: Rights) -> Iterator[KubernetesOptions]:
    served = {item["name"] for item in (loop.run(admin.find(GROUP)) or {}).get("resources", ())}
    if not {"httproutes", "grpcroutes"} <= served:
        pytest.skip("Gateway API's definitions (gateway.networking.k8s.io/v1) are not installed on this cluster")
    yield KubernetesOptions(
        release=rights.release,
        system_namespace=rights.namespace,
        kubeconfig=str(rights.platform),
        gateway=Gateway("networking", "public", key_filter=FILTER, accept_seconds=3.0),
    )


@contextlib.asynccontextmanager
async def opened(
    options: KubernetesOptions, admin: Cluster, rights: Rights
) -> AsyncIterator[tuple[KubernetesBackend, Controller]]:
    backend, controller = KubernetesBackend(options), Controller(admin, rights)
    await backend.start()
    for tenant in ("acme", "globex"):
        await backend.ensure_space(tenant)
    running = asyncio.create_task(controller.run())
    try:
        yield backend, controller
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await backend.close()


def route(tenant: str, service: str, *weights: int, grpc: bool = False) -> ServiceRoute:
    targets = tuple(
        RouteTarget(f"v{n}", (f"10.0.0.{n}:8080",), weight, (f"10.0.0.{n}:9000",) if grpc else (), f"w{n}", 1)
        for n, weight in enumerate(weights, 1)
    )
    return ServiceRoute(tenant, service, targets)


async def standing(admin: Cluster, rights: Rights) -> dict[str, list[int]]:
    """Weights of every route of the installation, by ``plural namespace/name``."""
    found = {}
    for plural in ("httproutes", "grpcroutes"):
        listed = await admin.get(f"{GROUP}/{plural}", labelSelector=f"himalia/release={rights.release}")
        for item in listed["items"]:
            meta = item["metadata"]
            tenant = meta["namespace"].removeprefix(f"{rights.release}-")
            found[f"{plural} {tenant}/{meta['name']}"] = [
                target["weight"] for target in item["spec"]["rules"][0].get("backendRefs", ())
            ]
    return found


def test_weights_are_made_changed_and_removed(
    loop: Loop, admin: Cluster, rights: Rights, options: KubernetesOptions
) -> None:
    async def work() -> None:
        async with opened(options, admin, rights) as (backend, _):
            digits, letters = route("acme", "digits", 90, 10), route("globex", "digits", 1, grpc=True)
            assert await backend.keep_routes([digits, letters]) == {}
            assert await standing(admin, rights) == {
                "httproutes acme/serving-digits": [90, 10],
                "httproutes globex/serving-digits": [1],
                "grpcroutes globex/serving-digits": [1],
            }
            sent = backend.cluster.requests
            assert await backend.keep_routes([digits, letters]) == {}
            assert backend.cluster.requests == sent, "what stands is not asked about"
            assert await backend.keep_routes([route("acme", "digits", 0, 100)]) == {}
            assert await standing(admin, rights) == {"httproutes acme/serving-digits": [0, 100]}

    loop.run(work(), 120)


def test_another_process_takes_over_what_stands(
    loop: Loop, admin: Cluster, rights: Rights, options: KubernetesOptions
) -> None:
    async def work() -> None:
        async with opened(options, admin, rights) as (backend, _):
            assert await backend.keep_routes([route("acme", "old", 1), route("acme", "kept", 1)]) == {}
        async with opened(options, admin, rights) as (backend, _):
            assert await backend.keep_routes([route("acme", "kept", 1)]) == {}
            assert await standing(admin, rights) == {"httproutes acme/serving-kept": [1]}
            assert await backend.keep_routes([]) == {}
            assert await standing(admin, rights) == {}

    loop.run(work(), 120)


def test_what_the_gateway_refuses_is_put_back_and_holds_up_nobody(
    loop: Loop, admin: Cluster, rights: Rights, options: KubernetesOptions
) -> None:
    async def work() -> None:
        async with opened(options, admin, rights) as (backend, controller):
            assert await backend.keep_routes([route("acme", "one", 50, 50)]) == {}
            controller.refuses["serving-one"] = "no listener of this gateway takes it"
            wrong = await backend.keep_routes([route("acme", "one", 100), route("globex", "two", 7)])
            assert list(wrong) == ["acme/one"] and "no listener of this gateway takes it" in wrong["acme/one"]
            expected = {"httproutes acme/serving-one": [50, 50], "httproutes globex/serving-two": [7]}
            assert await standing(admin, rights) == expected
            controller.deaf = True
            wrong = await backend.keep_routes([route("globex", "two", 8)])
            assert "no gateway accepted the route within 3 s" in wrong["globex/two"]
            controller.deaf, controller.refuses = False, {}
            assert await backend.keep_routes([]) == {}

    loop.run(work(), 120)


def test_a_route_that_cannot_be_is_told_and_leaves_the_others(
    loop: Loop, admin: Cluster, rights: Rights, options: KubernetesOptions
) -> None:
    async def work() -> None:
        async with opened(options, admin, rights) as (backend, _):
            wrong = await backend.keep_routes([route("acme", "heavy", 1_000_001), route("globex", "light", 1)])
            assert list(wrong) == ["acme/heavy"] and "1,000,000" in wrong["acme/heavy"]
            assert await standing(admin, rights) == {"httproutes globex/serving-light": [1]}
            assert await backend.keep_routes([]) == {}

    loop.run(work(), 120)
