"""The API server as this backend uses it: plain maps over HTTP, a rate limit, back-off, one kind of error.

The official client brings configuration and credentials (kubeconfig, exec plugins, the rotating
token of a pod's account); requests are sent without its models, which cost too much at 10,000 pods.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import config as kube_config
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from himalia_hub.backends.kubernetes import naming
from himalia_hub.backends.protocol import BackendError

Manifest = dict[str, Any]
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
_TRIES = 5
SILENT = "Silent"
"""The reason of a stream that ended because nothing came."""
_IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class ApiError(BackendError):
    """The API server refused or could not be reached; ``status`` 0 where it did not answer."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message, retryable=status in (0, 408, 409, 429) or status >= 500)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Kind:
    """Where objects of a kind live."""

    prefix: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "") -> str:
        middle = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.prefix}{middle}/{self.plural}" + (f"/{name}" if name else "")


_CORE, _RBAC = "/api/v1", "/apis/rbac.authorization.k8s.io/v1"
KINDS: Mapping[str, Kind] = {
    "v1/Pod": Kind(_CORE, "pods"),
    "v1/Event": Kind(_CORE, "events"),
    "v1/Node": Kind(_CORE, "nodes", False),
    "v1/Namespace": Kind(_CORE, "namespaces", False),
    "v1/Secret": Kind(_CORE, "secrets"),
    "v1/ConfigMap": Kind(_CORE, "configmaps"),
    "v1/Service": Kind(_CORE, "services"),
    "v1/ServiceAccount": Kind(_CORE, "serviceaccounts"),
    "v1/PersistentVolumeClaim": Kind(_CORE, "persistentvolumeclaims"),
    "v1/ResourceQuota": Kind(_CORE, "resourcequotas"),
    "v1/LimitRange": Kind(_CORE, "limitranges"),
    "batch/v1/Job": Kind("/apis/batch/v1", "jobs"),
    "apps/v1/Deployment": Kind("/apis/apps/v1", "deployments"),
    "networking.k8s.io/v1/NetworkPolicy": Kind("/apis/networking.k8s.io/v1", "networkpolicies"),
    "rbac.authorization.k8s.io/v1/Role": Kind(_RBAC, "roles"),
    "rbac.authorization.k8s.io/v1/RoleBinding": Kind(_RBAC, "rolebindings"),
    "coordination.k8s.io/v1/Lease": Kind("/apis/coordination.k8s.io/v1", "leases"),
    "batch.volcano.sh/v1alpha1/Job": Kind("/apis/batch.volcano.sh/v1alpha1", "jobs"),
    "scheduling.volcano.sh/v1beta1/Queue": Kind("/apis/scheduling.volcano.sh/v1beta1", "queues", False),
    "gateway.networking.k8s.io/v1/HTTPRoute": Kind("/apis/gateway.networking.k8s.io/v1", "httproutes"),
    "gateway.networking.k8s.io/v1/GRPCRoute": Kind("/apis/gateway.networking.k8s.io/v1", "grpcroutes"),
}


def path_of(manifest: Mapping[str, Any]) -> str:
    kind = KINDS[f"{manifest['apiVersion']}/{manifest['kind']}"]
    meta = manifest["metadata"]
    return kind.path(meta.get("namespace", ""), meta["name"])


class Rate:
    """At most so many requests a second, short bursts allowed."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._allowance = per_second
        self._looked_at = time.monotonic()

    async def wait(self) -> None:
        moment = time.monotonic()
        gained = (moment - self._looked_at) * self._per_second
        self._allowance = min(self._per_second, self._allowance + gained) - 1
        self._looked_at = moment
        if self._allowance < 0:
            await asyncio.sleep(-self._allowance / self._per_second)


def pause(failures: int, *, most: float = 30.0) -> float:
    """Seconds to wait after so many failures in a row: doubling, with jitter."""
    longest = min(most, 0.1 * float(1 << min(failures, 12)))
    return longest * (0.5 + random.random() / 2)  # noqa: S311 (spreads retries, guards nothing)


async def load_configuration(kubeconfig: str = "") -> Configuration:
    """A kubeconfig by name, else the pod's own account, else ``KUBECONFIG``.

    Raises:
        BackendError: There is none of these, or it cannot be read.
    """
    configuration = Configuration()
    try:
        if not kubeconfig and _IN_CLUSTER.exists():  # noqa: ASYNC240 (once, at start)
            kube_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            place = kubeconfig or os.environ.get("KUBECONFIG") or None
            await kube_config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=place, client_configuration=configuration
            )
    except kube_config.ConfigException as error:
        raise BackendError(f"no cluster is configured: {error}", retryable=False) from error
    return configuration


class Cluster:
    """Requests to one API server."""

    def __init__(self, configuration: Configuration, requests_per_second: float = 200.0) -> None:
        self._configuration = configuration
        self._session: aiohttp.ClientSession | None = None
        self._rate = Rate(requests_per_second)
        self._ssl = RESTClientObject(configuration).ssl_context
        self.fence: Callable[[], Awaitable[None]] | None = None
        """Awaited before each write leaves; refuses it by raising."""
        self.requests = 0
        """How many were sent; benchmarks divide by it."""

    @classmethod
    async def connect(cls, kubeconfig: str = "", requests_per_second: float = 200.0) -> Cluster:
        return cls(await load_configuration(kubeconfig), requests_per_second)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(ssl=self._ssl, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, read_bufsize=1 << 21)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _headers(self) -> dict[str, str]:
        settings: Mapping[str, Any] = await self._configuration.auth_settings()
        return {item["key"]: item["value"] for item in settings.values() if item["in"] == "header" and item["value"]}

    def _url(self, path: str) -> str:
        return str(self._configuration.host).rstrip("/") + path

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        tries: int = _TRIES,
        seconds: float = 30.0,
        fenced: bool = True,
    ) -> Any:
        """One request; what may help is tried again.

        Args:
            fenced: Ask the fence first, where there is one and this writes.

        Raises:
            ApiError: With the server's own message.
            BackendError: Retryable: the fence refused the write.
        """
        failures = 0
        while True:
            await self._rate.wait()
            if fenced and method != "GET" and self.fence is not None:
                await self.fence()
            try:
                return await self._once(method, path, query, body, content_type, seconds)
            except ApiError as error:
                failures += 1
                again = error.status in (0, 429) or error.status >= 500
                if not again or failures >= tries or (error.status == 0 and method == "POST"):
                    raise
                await asyncio.sleep(pause(failures, most=5.0))

    async def _once(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, content_type: str, seconds: float
    ) -> Any:
        self.requests += 1
        headers = await self._headers()
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body), content_type
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._open().request(
                method, self._url(path), params=query, data=data, headers=headers, timeout=timeout
            ) as answer:
                payload = await answer.read()
                if answer.status >= 400:
                    raise _refusal(answer.status, payload)
                return json.loads(payload) if payload[:1] in (b"{", b"[") else payload
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(0, "Unreachable", f"the API server does not answer: {error!r}") from error

    async def get(self, path: str, **query: str) -> Any:
        return await self.request("GET", path, query=query)

    async def find(self, path: str) -> Manifest | None:
        """An object, or None where there is none."""
        try:
            found: Manifest = await self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    async def apply(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Server-side apply with our field manager; conflicts are taken over, ours is the truth."""
        query = {"fieldManager": naming.MANAGER, "force": "true", "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        answer: Manifest = await self.request(
            "PATCH", path_of(manifest), query=query, body=manifest, content_type=APPLY
        )
        return answer

    async def patch(self, path: str, change: Manifest, *, fenced: bool = True) -> Manifest:
        answer: Manifest = await self.request("PATCH", path, body=change, content_type=MERGE, fenced=fenced)
        return answer

    async def delete(self, path: str, *, grace_seconds: int | None = None, uid: str = "") -> bool:
        """Delete in the background; False where it was gone already."""
        body: Manifest = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            await self.request("DELETE", path, body=body)
        except ApiError as error:
            if error.status in (404, 409):
                return False
            raise
        return True

    async def lines(self, path: str, query: Mapping[str, str], *, idle_seconds: float) -> AsyncGenerator[bytes, None]:
        """A stream's lines as they come; ends when the server ends it.

        Raises:
            ApiError: Refused, cut off, or silent for ``idle_seconds``.
        """
        async with contextlib.aclosing(self.chunks(path, query, idle_seconds=idle_seconds)) as pieces:
            rest = b""
            async for piece in pieces:
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    yield line

    async def chunks(self, path: str, query: Mapping[str, str], *, idle_seconds: float) -> AsyncGenerator[bytes, None]:
        """A stream's bytes as they come."""
        await self._rate.wait()
        self.requests += 1
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=idle_seconds)
        try:
            async with self._open().get(
                self._url(path), params=query, headers=await self._headers(), timeout=timeout
            ) as answer:
                if answer.status >= 400:
                    raise _refusal(answer.status, await answer.read())
                async for piece in answer.content.iter_any():
                    yield piece
        except aiohttp.SocketTimeoutError as error:
            raise ApiError(0, SILENT, f"the API server said nothing for {idle_seconds:g} s") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(0, "Unreachable", f"the API server broke off: {error!r}") from error

    async def socket(self, path: str, query: list[tuple[str, str]], protocols: tuple[str, ...]) -> Any:
        """An open WebSocket, such as that of an exec; the caller closes it."""
        await self._rate.wait()
        try:
            return await self._open().ws_connect(
                self._url(path), params=query, protocols=protocols, headers=await self._headers(), max_msg_size=0
            )
        except aiohttp.WSServerHandshakeError as error:
            raise ApiError(error.status, error.message, f"the connection was refused: {error.message}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(0, "Unreachable", f"the API server does not answer: {error!r}") from error


def _refusal(status: int, payload: bytes) -> ApiError:
    try:
        answer = json.loads(payload)
        return ApiError(status, str(answer.get("reason", "")), str(answer.get("message", "")) or f"status {status}")
    except (ValueError, AttributeError):
        return ApiError(status, "", payload[:500].decode(errors="replace") or f"status {status}")
