"""Counting what people's things occupy, and asking whether more fits (DAT-5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core.db import Db
from himalia_hub.core.storage import StorageQuota
from himalia_hub.data.content.tables import StorageUsage

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform


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
    """Count ``size`` bytes more (less, when negative) of a kind: ``dataset``, ``run``, ``model``.

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
) -> None:
    """Refuse with the numbers what would not fit; nothing is counted."""
    if platform.has(StorageQuota):
        platform.get(StorageQuota).check(  # type: ignore[type-abstract]
            session,
            tenant_id=tenant_id,
            department_id=department_id,
            owner_id=owner_id,
            more_bytes=more_bytes,
        )


def used(db: Db, tenant_id: int, *, department_id: int | None = None, owner_id: int | None = None) -> int:
    """Bytes in use by a tenant, one of its departments, or one of its people."""
    where = [StorageUsage.tenant_id == tenant_id]
    if department_id is not None:
        where.append(StorageUsage.department_id == department_id)
    if owner_id is not None:
        where.append(StorageUsage.owner_id == owner_id)
    total = sa.func.coalesce(sa.func.sum(StorageUsage.bytes), 0)
    return int(db.execute(sa.select(total).where(*where)).scalar_one())


class UsageMeter:
    """Implements ``core.storage.StorageMeter``."""

    def used(self, db: Db, tenant_id: int, *, department_id: int | None = None, owner_id: int | None = None) -> int:
        return used(db, tenant_id, department_id=department_id, owner_id=owner_id)
