"""The storage part of quotas: what whoever keeps bytes asks before keeping more (TEN-3, DAT-5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from himalia_hub.compute import quotas
from himalia_hub.compute import resources as res
from himalia_hub.core.admission import Payer
from himalia_hub.core.db import Db
from himalia_hub.core.storage import StorageMeter

if TYPE_CHECKING:
    from himalia_hub.compute.engine import Engine
    from himalia_hub.platform.parts import Platform


def used(platform: Platform, db: Db, payer: Payer, level: str, *, images: bool = False) -> int:
    """Bytes in use at one level; 0 where nothing keeps bytes."""
    if not platform.has(StorageMeter):
        return 0
    meter = platform.get(StorageMeter)  # type: ignore[type-abstract]
    if level == quotas.USER:
        return meter.used(db, payer.tenant_id, owner_id=payer.user_id, images=images)
    if level == quotas.DEPARTMENT:
        return meter.used(db, payer.tenant_id, department_id=payer.department_id, images=images)
    return meter.used(db, payer.tenant_id, images=images)


def used_each(platform: Platform, db: Db, level: str, ids: Collection[int], resource: str) -> Mapping[int, int]:
    """Bytes in use by many of a level, of ``storage_bytes`` or ``image_bytes``."""
    if not platform.has(StorageMeter):
        return {}
    meter = platform.get(StorageMeter)  # type: ignore[type-abstract]
    return meter.used_each(db, level, ids, images=resource == res.IMAGES)


def with_storage(
    platform: Platform, db: Db, payer: Payer, level: quotas.Level, subject_id: int, defaults: Mapping[str, int]
) -> quotas.Level:
    """A level with its lines of storage and image storage filled in."""
    lines = tuple(
        quotas.Line(
            name,
            limit_of(db, level.level, subject_id, defaults, name),
            used(platform, db, payer, level.level, images=name == res.IMAGES),
        )
        for name in res.KEPT
    )
    return replace(level, lines=(*level.lines, *lines))


def limit_of(
    db: Db, level: str, subject_id: int, defaults: Mapping[str, int], resource: str = res.STORAGE
) -> int | None:
    """Bytes that may be stored at one level; None: as the level above, or no limit."""
    limit = quotas.limits_of(db, level, subject_id).get(resource)
    return defaults.get(resource) if limit is None and level == quotas.TENANT else limit


class TenantStorageQuota:
    """Implements ``core.storage.StorageQuota`` with the engine's limits.

    An organisation without a limit has the machine's disk; on a cluster, where nothing says how
    much there is, it has no limit until one is set.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def check(
        self,
        session: Session,
        *,
        tenant_id: int,
        department_id: int | None,
        owner_id: int,
        more_bytes: int,
        images: bool = False,
    ) -> None:
        resource = res.IMAGES if images else res.STORAGE
        payer = Payer(tenant_id, department_id, owner_id)
        quotas.lock(session, tenant_id)
        defaults = self._engine.default_limits()
        for level, subject_id in quotas.subjects(payer):
            limit = limit_of(session, level, subject_id, defaults, resource)
            if limit is None:
                continue
            present = used(self._engine.platform, session, payer, level, images=images)
            if present + more_bytes > limit:
                name = quotas.name_of(session, level, subject_id)
                raise quotas.refusal(quotas.Shortfall(level, name, resource, limit, present, more_bytes))
