"""One writer at a time: a Lease of the cluster that a process must hold to change anything.

Two platform processes meet when a node is cut off, a machine sleeps, or an installation is updated. The
one that lost the lease, or slept through its end, is refused here before its late order leaves the
process; it goes on reading, and takes over when the other lets go. A lease's end is judged by how long
nobody renewed it in front of one's own clock, so clocks need not agree.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any

from himalia_hub.backends.kubernetes.api import KINDS, ApiError, Cluster, Manifest
from himalia_hub.backends.protocol import BackendError

log = logging.getLogger("himalia.backends.kubernetes")
_LEASE = KINDS["coordination.k8s.io/v1/Lease"]
_RENEWALS = 3
"""How often a lease is renewed within its length."""


class Lease:
    """A lease of the ``coordination.k8s.io`` kind.

    Args:
        holder: Who this process is; unlike any other's.
        seconds: How long the lease holds without being renewed.
    """

    def __init__(self, cluster: Cluster, namespace: str, name: str, holder: str, seconds: float = 15.0) -> None:
        self.holder, self.other = holder, ""
        self._cluster, self._namespace, self._name = cluster, namespace, name
        self._seconds = seconds
        self._until = float("-inf")
        self._seen: tuple[str, float] = ("", float("-inf"))
        self._trying = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        """Whether writing is allowed at this moment; the clock goes on while a process is paused."""
        return time.monotonic() < self._until

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._renew(), name=f"lease {self._name}")

    async def close(self) -> None:
        """Let go, so that the next one need not wait for the end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self.held:
            self._until = float("-inf")
            try:
                await self._write({"holderIdentity": ""}, self._seen[0])
            except BackendError as error:
                log.warning("the lease %s was not let go: %s", self._name, error)

    async def require(self) -> None:
        """Return while the lease is held; try once to get it first.

        Raises:
            BackendError: Retryable: another process holds it.
        """
        if self.held:
            return
        await self._try()
        if not self.held:
            who = self.other or "nobody yet"
            raise BackendError(f"this process may not change the cluster: the lease is held by {who}", retryable=True)

    async def _renew(self) -> None:
        while True:
            try:
                await self._try()
            except BackendError as error:
                log.warning("the lease %s cannot be renewed: %s", self._name, error)
            await asyncio.sleep(self._seconds / _RENEWALS)

    async def _try(self) -> None:
        """Take or renew the lease where that is allowed."""
        async with self._trying:
            asked_at = time.monotonic()
            found = await self._cluster.find(_LEASE.path(self._namespace, self._name))
            version = str(found["metadata"]["resourceVersion"]) if found is not None else ""
            holder = str((found or {}).get("spec", {}).get("holderIdentity") or "")
            if version != self._seen[0]:
                self._seen = (version, asked_at)
            lapsed = asked_at - self._seen[1] > self._seconds
            if holder not in ("", self.holder) and not lapsed:
                self._lose(holder)
                return
            spec: Manifest = {
                "holderIdentity": self.holder,
                "leaseDurationSeconds": max(1, round(self._seconds)),
                "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            }
            try:
                made = await self._write(spec, version)
            except ApiError as error:
                if error.status != 409:
                    raise
                return  # somebody was faster; the next look tells who
            if holder != self.holder:
                log.info("this process (%s) now holds the lease %s", self.holder, self._name)
            self.other = ""
            # Counted from before it was asked: the lease ends here no later than others may think.
            self._until = asked_at + self._seconds
            self._seen = (str(made["metadata"]["resourceVersion"]), asked_at)

    def _lose(self, holder: str) -> None:
        if self.other != holder:
            log.warning("the lease %s is held by %s; this process only looks on", self._name, holder)
        self.other, self._until = holder, float("-inf")

    async def _write(self, spec: Manifest, version: str) -> Any:
        path = _LEASE.path(self._namespace, self._name)
        if not version:
            body = {"metadata": {"name": self._name}, "spec": spec}
            return await self._cluster.request("POST", path.rpartition("/")[0], body=body, fenced=False)
        # With its version a change by anybody in between refuses ours.
        change = {"metadata": {"resourceVersion": version}, "spec": spec}
        return await self._cluster.patch(path, change, fenced=False)
