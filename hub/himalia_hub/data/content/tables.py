"""Where each tenant's bytes lie: objects of S3, and the blobs inside them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId


class StoredObject(Base):
    """One immutable object of S3: a pack of small blobs, or one large blob."""

    __tablename__ = "stored_objects"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(sa.ForeignKey("tenants.id"))
    key: Mapped[str] = mapped_column(sa.String(160), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(8))
    """``pack`` or ``blob``."""
    bytes: Mapped[int]
    created_at: Mapped[datetime]
    __table_args__ = (sa.Index("ix_stored_objects_tenant", "tenant_id", "id"),)


class BlobRow(Base):
    """A blob of a tenant: which object holds it, and where. Never changed."""

    __tablename__ = "blobs"
    tenant_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    object_id: Mapped[int] = mapped_column(sa.ForeignKey("stored_objects.id"))
    offset: Mapped[int]
    size: Mapped[int]
    __table_args__ = (sa.Index("ix_blobs_object", "object_id"), {"sqlite_with_rowid": False})


class StorageUsage(Base):
    """Signed changes of what somebody's things occupy; summed on read, folded now and then (DAT-5)."""

    __tablename__ = "storage_usage"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(sa.ForeignKey("tenants.id"))
    department_id: Mapped[int | None]
    owner_id: Mapped[int]
    kind: Mapped[str] = mapped_column(sa.String(32))
    """What occupies: ``dataset``, ``run``, ``model``."""
    bytes: Mapped[int]
    __table_args__ = (sa.Index("ix_storage_usage_owner", "tenant_id", "owner_id"),)
