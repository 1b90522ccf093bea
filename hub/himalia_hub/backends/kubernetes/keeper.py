"""Tenants' spaces on the cluster: made when first needed, put right when somebody changed them, removed on command."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from himalia_hub.backends.kubernetes import naming, spaces
from himalia_hub.backends.kubernetes.api import KINDS, ApiError, Cluster, Manifest, path_of, pause
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.kubernetes.spaces import SpaceQuota
from himalia_hub.backends.protocol import BackendError

log = logging.getLogger("himalia.backends.kubernetes")
REPAIR_SECONDS = 300.0
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

    def known(self) -> list[str]:
        return sorted(self._made)

    async def ensure(self, tenant: str, quota: SpaceQuota | None = None) -> None:
        """Make or repair a space; cheap when it was looked at a moment ago and nothing is new.

        Raises:
            BackendError: Not retryable where a namespace of this name belongs to somebody else.
        """
        if quota is None:
            known = self._quota.get(tenant, SpaceQuota())
            quota = await self._quota_of(tenant) if self._quota_of is not None else known
        async with self._locks.setdefault(tenant, asyncio.Lock()):
            fresh = time.monotonic() - self._made.get(tenant, float("-inf")) < REPAIR_SECONDS
            if fresh and self._quota.get(tenant) == quota:
                return
            await self._namespace(tenant)
            await self._bind(tenant)
            for manifest in spaces.space_objects(tenant, quota, self._options):
                await self._apply(manifest)
            self._made[tenant], self._quota[tenant] = time.monotonic(), quota

    async def _namespace(self, tenant: str) -> None:
        wanted = spaces.namespace(tenant, self._options)
        found = await self._cluster.find(path_of(wanted))
        if found is None:
            try:
                await self._cluster.request("POST", KINDS["v1/Namespace"].path(), body=wanted)
                return
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

    async def _bind(self, tenant: str) -> None:
        """The one binding that gives the platform its rights in the namespace; all else follows from them."""
        wanted = spaces.platform_role_binding(tenant, self._options)
        kind = KINDS["rbac.authorization.k8s.io/v1/RoleBinding"]
        try:
            await self._cluster.request("POST", kind.path(wanted["metadata"]["namespace"]), body=wanted)
        except ApiError as error:
            if error.status != 409:
                raise

    async def _apply(self, manifest: Manifest) -> None:
        """Rights take a moment to reach the API server's authoriser: a first refusal is waited out."""
        for failures in range(1, _BOUND_TRIES + 1):
            try:
                await self._cluster.apply(manifest)
                return
            except ApiError as error:
                if error.status != 403 or failures == _BOUND_TRIES:
                    raise
            await asyncio.sleep(pause(failures, most=2.0))

    def forget(self, tenant: str) -> None:
        """Look again next time: something of the space was changed by somebody."""
        self._made.pop(tenant, None)

    async def repair(self) -> None:
        """Put every known space right; a failing one does not hold up the others."""
        for tenant in self.known():
            self.forget(tenant)
            try:
                await self.ensure(tenant)
            except BackendError as error:
                log.warning("the space of %s cannot be repaired yet: %s", tenant, error)
                self._made.setdefault(tenant, 0.0)

    async def remove(self, tenant: str) -> None:
        """Delete the namespace and with it everything of the tenant; returns once it is gone.

        Raises:
            BackendError: It is not ours, or (retryable) something in it does not let go yet.
        """
        name = naming.namespace(self._options.release, tenant)
        path = KINDS["v1/Namespace"].path(name=name)
        found = await self._cluster.find(path)
        self.forget(tenant)
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
