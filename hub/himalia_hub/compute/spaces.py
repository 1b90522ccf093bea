"""Keeps each organisation's space on the cluster as the database has the organisation (NB-6, TEN-1, TEN-3).

The backend says what a space is and puts right what differs; this controller says which spaces there
are to be, with which quota, and when one goes: after its organisation was deleted, never because a
namespace is unknown. One organisation's trouble holds up no other's.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.audit import service as audit
from himalia_hub.backends.kubernetes.spaces import SpaceQuota
from himalia_hub.backends.protocol import BackendError
from himalia_hub.compute import quotas
from himalia_hub.compute import resources as res
from himalia_hub.compute.tables import QuotaLimit
from himalia_hub.core.db import Db
from himalia_hub.core.tables import Setting
from himalia_hub.tenancy.tables import Tenant

if TYPE_CHECKING:
    from himalia_hub.backends.kubernetes.backend import KubernetesBackend
    from himalia_hub.compute.engine import Engine

log = logging.getLogger("himalia.spaces")
AT_ONCE = 8
EXCEPTED = "compute.host_path_exceptions"
"""The setting that remembers which exceptions were last written into the audit log."""


def space_quota(limits: Mapping[str, int], accelerators: tuple[str, ...] = ()) -> SpaceQuota:
    """An organisation's limits as its namespace enforces them. Pure.

    What nobody set is nothing, as at admission. Storage is left out: the platform counts bytes that
    are kept, a cluster the size that a home reserves.

    Args:
        accelerators: Every accelerator that the cluster has.
    """
    counted = {name: limits.get(name, 0) for name in {*accelerators, *filter(res.is_accelerator, limits)}}
    return SpaceQuota(limits.get(res.CPU, 0), limits.get(res.MEMORY, 0), None, dict(sorted(counted.items())))


class SpaceController:
    """Looks every few seconds which organisations there are; the backend looks at a space once a minute."""

    name = "spaces"
    interval_seconds = 5.0
    wakes_on_commit = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._platform = engine.platform
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._failed: dict[str, str] = {}
        self._removed: set[str] = set()
        self._removing: dict[str, asyncio.Task[None]] = {}

    def _backend(self) -> KubernetesBackend | None:
        """The cluster's backend once the engine has connected it."""
        backend: Any = self._engine.backend
        return backend if backend is not None and getattr(backend, "keeper", None) is not None else None

    async def step(self) -> None:
        backend = self._backend()
        if backend is None:
            return
        await self._audit_exceptions(backend)
        with self._platform.db.read() as db:
            wanted, gone = self._organisations(db)
        await asyncio.gather(*(self._keep(backend, code, quota) for code, quota in wanted.items()))
        for code in gone:
            if code not in self._removed and code not in self._removing:
                self._removing[code] = asyncio.create_task(self._remove(backend, code), name=f"remove space {code}")

    def _organisations(self, db: Db) -> tuple[dict[str, SpaceQuota], list[str]]:
        limits: dict[int, dict[str, int]] = {}
        for row in db.execute(
            sa.select(QuotaLimit.subject_id, QuotaLimit.resource, QuotaLimit.nominal).where(
                QuotaLimit.level == quotas.TENANT
            )
        ):
            limits.setdefault(row.subject_id, {})[row.resource] = row.nominal
        cards = tuple(self._engine.accelerators())
        wanted, gone = {}, []
        for tenant in db.execute(sa.select(Tenant.id, Tenant.code, Tenant.deleted_at).order_by(Tenant.id)):
            if tenant.deleted_at is None:
                wanted[tenant.code] = space_quota(limits.get(tenant.id, {}), cards)
            else:
                gone.append(tenant.code)
        return wanted, gone

    async def _keep(self, backend: KubernetesBackend, code: str, quota: SpaceQuota) -> None:
        async with self._slots:
            try:
                await backend.ensure_space(code, quota)
            except BackendError as error:
                if self._failed.get(code) != str(error):
                    log.warning("the space of %s cannot be kept: %s", code, error)
                self._failed[code] = str(error)
            else:
                self._failed.pop(code, None)

    async def _remove(self, backend: KubernetesBackend, code: str) -> None:
        try:
            await backend.remove_space(code)
            self._removed.add(code)
            log.info("the space of %s, which was deleted, is gone", code)
        except BackendError as error:
            log.warning("the space of %s cannot be removed yet: %s", code, error)
            if not error.retryable:
                self._removed.add(code)
        finally:
            self._removing.pop(code, None)

    async def close(self) -> None:
        """End removals under way (the next start goes on with them) and let go of the cluster."""
        tasks = list(self._removing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        backend = self._backend()
        if backend is not None:
            await backend.close()

    # -- exceptions from the restricted level ----------------------------------------------------

    async def _audit_exceptions(self, backend: KubernetesBackend) -> None:
        """Whoever writes the configuration excepts host folders; what changed goes into the audit log."""
        excepted = sorted(backend.options.host_path_exceptions)
        with self._platform.db.read() as db:
            known = excepted_paths(db)
        if excepted != known:
            await self._platform.db.write(functools.partial(_note_exceptions, known, excepted))
            log.warning("host folders excepted from the restricted level: %s", ", ".join(excepted) or "none any more")


def excepted_paths(db: Db) -> list[str]:
    """Host folders that pods may have mounted, as last written into the audit log."""
    value = db.execute(sa.select(Setting.value).where(Setting.key == EXCEPTED)).scalar()
    return list(value["paths"]) if value else []


def _note_exceptions(before: list[str], after: list[str], session: Session) -> None:
    row = session.get(Setting, EXCEPTED)
    if row is None:
        session.add(Setting(key=EXCEPTED, value={"paths": after}))
    else:
        row.value = {"paths": after}
    audit.record(
        session,
        "compute.backend.change_host_folder_policy",
        actor_name="configuration",
        object_kind="backend",
        object_id="kubernetes",
        detail={"before": before, "after": after},
    )
