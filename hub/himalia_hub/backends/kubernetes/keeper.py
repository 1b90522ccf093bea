"""Tenants' spaces on the cluster: made when first needed, put right when somebody changed them, removed on command."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from himalia_hub.backends.kubernetes import naming, spaces
from himalia_hub.backends.kubernetes.api import JSON_PATCH, KINDS, ApiError, Cluster, Manifest, path_of, pause
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.kubernetes.spaces import SpaceQuota
from himalia_hub.backends.protocol import BackendError

log = logging.getLogger("himalia.backends.kubernetes")
REPAIR_SECONDS = 60.0
REMOVE_SECONDS = 120.0
_BOUND_TRIES = 8


class Keeper:
    """Keeps spaces as :mod:`.spaces` describes them.

    Args:
        quota_of: The platform's quota of a tenant as it is now.
    """

    def __init__(
        self,
        cluster: Cluster,
        options: KubernetesOptions,
        quota_of: Callable[[str], Awaitable[SpaceQuota]] | None = None,
    ) -> None:
        self._cluster, self._options = cluster, options
        self._quota_of = quota_of
        self._made: dict[str, float] = {}
        self._quota: dict[str, SpaceQuota] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._bound: set[str] = set()

    def known(self) -> list[str]:
        return sorted(self._made)

    async def ensure(self, tenant: str, quota: SpaceQuota | None = None) -> list[str]:
        """Make or repair a space; cheap when it was looked at a moment ago and nothing is new.

        Args:
            quota: The tenant's quota now; None leaves the one that stands, or makes one without limits.

        Returns:
            What was wrong and was put right, as ``Kind/name``; empty when all was right.

        Raises:
            BackendError: Not retryable where a namespace of this name belongs to somebody else.
        """
        if quota is None and self._quota_of is not None:
            quota = await self._quota_of(tenant)
        async with self._locks.setdefault(tenant, asyncio.Lock()):
            fresh = time.monotonic() - self._made.get(tenant, float("-inf")) < REPAIR_SECONDS
            if fresh and quota in (None, self._quota.get(tenant)):
                return []
            quota = quota if quota is not None else self._quota.get(tenant)
            known = tenant in self._made
            changed = await self._put_right(tenant, quota)
            self._made[tenant] = time.monotonic()
            if quota is not None:
                self._quota[tenant] = quota
            if changed and known:
                log.warning("the space of %s was changed and is right again: %s", tenant, ", ".join(changed))
            return changed

    async def _put_right(self, tenant: str, quota: SpaceQuota | None) -> list[str]:
        """Compare first, write only what differs: looking at a space that is right changes nothing."""
        changed = await self._namespace(tenant)
        wanted = spaces.space_objects(tenant, quota or SpaceQuota(), self._options)
        self._bound.discard(tenant)
        live = await self._live(tenant, wanted)
        if tenant in self._bound:
            changed.append(f"RoleBinding/{wanted[0]['metadata']['name']}")
        for manifest in wanted:
            name = f"{manifest['kind']}/{manifest['metadata']['name']}"
            found = live.get(name)
            if found is not None and manifest["kind"] == "ResourceQuota" and quota is None:
                continue  # what it should be is not known at this moment
            if found is None:
                found = await self._make(manifest)
                changed.append(name)
            if patch := spaces.wrong(found, manifest):
                await self._repair(manifest, patch)
                changed.append(name)
        return list(dict.fromkeys(changed))

    async def _live(self, tenant: str, wanted: Sequence[Manifest]) -> dict[str, Manifest]:
        """What stands in the namespace of the kinds that belong to a space, by ``Kind/name``."""
        namespace = naming.namespace(self._options.release, tenant)
        selector = f"{naming.TENANT}={tenant},!{naming.WORKLOAD}"
        found: dict[str, Manifest] = {}
        for key in dict.fromkeys(f"{item['apiVersion']}/{item['kind']}" for item in wanted):
            path, kind = KINDS[key].path(namespace), key.rpartition("/")[2]
            answer = await self._allowed(tenant, partial(self._cluster.get, path, labelSelector=selector))
            found |= {f"{kind}/{item['metadata']['name']}": item for item in answer["items"]}
        return found

    async def _namespace(self, tenant: str) -> list[str]:
        wanted = spaces.namespace(tenant, self._options)
        made = [f"Namespace/{wanted['metadata']['name']}"]
        found = await self._cluster.find(path_of(wanted))
        if found is None:
            try:
                await self._cluster.request("POST", KINDS["v1/Namespace"].path(), body=wanted)
                return made
            except ApiError as error:
                if error.status != 409:
                    raise
            found = await self._cluster.find(path_of(wanted)) or {}
        labels = found.get("metadata", {}).get("labels", {})
        if labels.get(naming.RELEASE) != self._options.release or labels.get(naming.TENANT) != tenant:
            name = wanted["metadata"]["name"]
            raise BackendError(
                f"the namespace {name} exists and is not this installation's; rename it or the organisation",
                retryable=False,
            )
        if found.get("metadata", {}).get("deletionTimestamp"):
            raise BackendError(f"the namespace of {tenant} is being removed; wait until it is gone", retryable=True)
        if any(labels.get(key) != value for key, value in wanted["metadata"]["labels"].items()):
            await self._cluster.patch(path_of(wanted), {"metadata": {"labels": wanted["metadata"]["labels"]}})
            return made
        return []

    async def _bind(self, tenant: str) -> None:
        """The one binding that gives the platform its rights in the namespace; all else follows from them."""
        wanted = spaces.platform_role_binding(tenant, self._options)
        kind = KINDS["rbac.authorization.k8s.io/v1/RoleBinding"]
        try:
            await self._cluster.request("POST", kind.path(wanted["metadata"]["namespace"]), body=wanted)
            self._bound.add(tenant)
        except ApiError as error:
            if error.status != 409:
                raise

    async def _allowed(self, tenant: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """Do it; where it is refused, bind the platform's rights and wait until the API server knows of them."""
        for failures in range(1, _BOUND_TRIES + 1):
            try:
                return await work()
            except ApiError as error:
                if error.status != 403 or failures == _BOUND_TRIES:
                    raise
            await self._bind(tenant)
            await asyncio.sleep(pause(failures, most=2.0))
        raise AssertionError

    async def _make(self, manifest: Manifest) -> Manifest:
        tenant = manifest["metadata"]["labels"][naming.TENANT]
        made: Manifest = await self._allowed(tenant, partial(self._cluster.apply, manifest))
        return made

    async def _repair(self, manifest: Manifest, patch: list[Manifest]) -> None:
        """Put back what differs; whom a binding refers to cannot change, so such a one is made anew."""
        path = path_of(manifest)
        if any(change["path"] == "/roleRef" for change in patch):
            await self._cluster.delete(path)
            await self._cluster.request("POST", path.rpartition("/")[0], body=manifest)
            return
        await self._cluster.request("PATCH", path, body=patch, content_type=JSON_PATCH)

    def forget(self, tenant: str) -> None:
        """Look again next time: something of the space was changed by somebody."""
        self._made[tenant] = float("-inf")

    async def repair(self) -> list[str]:
        """Look at every known space now; a failing one does not hold up the others."""
        changed = []
        for tenant in self.known():
            self.forget(tenant)
            try:
                changed += [f"{tenant}: {name}" for name in await self.ensure(tenant)]
            except BackendError as error:
                log.warning("the space of %s cannot be repaired yet: %s", tenant, error)
        return changed

    async def remove(self, tenant: str) -> None:
        """Delete the namespace and with it everything of the tenant; returns once it is gone.

        Raises:
            BackendError: It is not ours, or (retryable) something in it does not let go yet.
        """
        name = naming.namespace(self._options.release, tenant)
        path = KINDS["v1/Namespace"].path(name=name)
        found = await self._cluster.find(path)
        self._made.pop(tenant, None)
        self._quota.pop(tenant, None)
        if found is None:
            return
        if found["metadata"].get("labels", {}).get(naming.RELEASE) != self._options.release:
            raise BackendError(f"the namespace {name} is not this installation's and stays", retryable=False)
        await self._cluster.delete(path, uid=found["metadata"]["uid"])
        until = time.monotonic() + REMOVE_SECONDS
        while await self._cluster.find(path) is not None:
            if time.monotonic() > until:
                raise BackendError(f"the namespace {name} is still being removed", retryable=True)
            await asyncio.sleep(0.5)
