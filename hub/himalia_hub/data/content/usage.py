"""Counting what people's things occupy, and asking whether more fits (DAT-5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core.db import Db
from himalia_hub.core.storage import StorageQuota
from himalia_hub.data.content.tables import StorageUsage

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

IMAGE = "image"
"""The kind that counts against the quota of image storage; all others count against that of storage."""


def occupy(
    platform: Platform,
    session: Session,
    *,
    tenant_id: int,
    department_id: int | None,
    owner_id: int,
    kind: str,
    size: int,
) -> None:
    """Count ``size`` bytes more (less, when negative) of a kind: ``dataset``, ``run``, ``model``, ``image``.

    Raises:
        QuotaExceeded: More does not fit; giving back always passes.
    """
    if size == 0:
        return
    if size > 0:
        check(
            platform,
            session,
            tenant_id=tenant_id,
            department_id=department_id,
            owner_id=owner_id,
            more_bytes=size,
            images=kind == IMAGE,
        )
    session.execute(
        sa.insert(StorageUsage).values(
            tenant_id=tenant_id, department_id=department_id, owner_id=owner_id, kind=kind, bytes=size
        )
    )


def check(
    platform: Platform,
    session: Session,
    *,
    tenant_id: int,
    department_id: int | None,
    owner_id: int,
    more_bytes: int,
    images: bool = False,
) -> None:
    """Refuse with the numbers what would not fit; nothing is counted."""
    if platform.has(StorageQuota):
        platform.get(StorageQuota).check(  # type: ignore[type-abstract]
            session,
            tenant_id=tenant_id,
            department_id=department_id,
            owner_id=owner_id,
            more_bytes=more_bytes,
            images=images,
        )


def _of(images: bool) -> sa.ColumnElement[bool]:
    return StorageUsage.kind == IMAGE if images else StorageUsage.kind != IMAGE


def used(
    db: Db, tenant_id: int, *, department_id: int | None = None, owner_id: int | None = None, images: bool = False
) -> int:
    """Bytes in use by a tenant, one of its departments, or one of its people; of images or of all else."""
    where = [StorageUsage.tenant_id == tenant_id, _of(images)]
    if department_id is not None:
        where.append(StorageUsage.department_id == department_id)
    if owner_id is not None:
        where.append(StorageUsage.owner_id == owner_id)
    total = sa.func.coalesce(sa.func.sum(StorageUsage.bytes), 0)
    return int(db.execute(sa.select(total).where(*where)).scalar_one())


class UsageMeter:
    """Implements ``core.storage.StorageMeter``."""

    def used(
        self,
        db: Db,
        tenant_id: int,
        *,
        department_id: int | None = None,
        owner_id: int | None = None,
        images: bool = False,
    ) -> int:
        return used(db, tenant_id, department_id=department_id, owner_id=owner_id, images=images)

    def used_each(self, db: Db, level: str, ids: Collection[int], *, images: bool = False) -> Mapping[int, int]:
        column = {
            "user": StorageUsage.owner_id,
            "department": StorageUsage.department_id,
            "tenant": StorageUsage.tenant_id,
        }[level]
        rows = db.execute(
            sa.select(column.label("id"), sa.func.sum(StorageUsage.bytes).label("used"))
            .where(column.in_(ids), _of(images))
            .group_by(column)
        )
        return {row.id: int(row.used) for row in rows}
