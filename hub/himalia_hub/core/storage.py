"""Who may store how much: asked by whatever keeps bytes, answered by whoever keeps quotas (DAT-5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from sqlalchemy.orm import Session

from himalia_hub.core.db import Db


class StorageQuota(Protocol):
    """Found by ``platform.get(StorageQuota)``; without one everything fits.

    What is used already is the sum of ``storage_usage`` (``data/content/tables.py``) by tenant,
    department and owner.
    """

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
        """Raise ``QuotaExceeded`` with level, used, limit and asked when the bytes do not fit.

        ``images`` asks for image storage, which has a quota of its own.
        """


class StorageMeter(Protocol):
    """What is stored, found by ``platform.get(StorageMeter)``; provided by whatever keeps bytes."""

    def used(
        self,
        db: Db,
        tenant_id: int,
        *,
        department_id: int | None = None,
        owner_id: int | None = None,
        images: bool = False,
    ) -> int:
        """Bytes in use by a tenant, one of its departments, or one of its people; of images or of all else."""

    def used_each(self, db: Db, level: str, ids: Collection[int], *, images: bool = False) -> Mapping[int, int]:
        """The same for many of a level (``user``, ``department``, ``tenant``) at once; who has none is left out."""
