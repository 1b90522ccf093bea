"""The audit log: append-only, chained by hash per installation (SEC-1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId


class AuditEntry(Base):
    __tablename__ = "audit_entries"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    tenant_id: Mapped[int | None]
    user_id: Mapped[int | None]
    actor_name: Mapped[str] = mapped_column(sa.String(512))
    roles: Mapped[str] = mapped_column(sa.String(512), default="")
    address: Mapped[str] = mapped_column(sa.String(64), default="")
    session: Mapped[str] = mapped_column(sa.String(128), default="")
    action: Mapped[str] = mapped_column(sa.String(128))
    object_kind: Mapped[str] = mapped_column(sa.String(64), default="")
    object_id: Mapped[str] = mapped_column(sa.String(128), default="")
    outcome: Mapped[str] = mapped_column(sa.String(32))
    detail: Mapped[dict[str, Any]]
    request_id: Mapped[str] = mapped_column(sa.String(64), default="")
    previous: Mapped[str] = mapped_column(sa.String(64))
    digest: Mapped[str] = mapped_column(sa.String(64))
    __table_args__ = (
        sa.Index("ix_audit_entries_tenant", "tenant_id", "at"),
        sa.Index("ix_audit_entries_user", "user_id", "at"),
        {"sqlite_autoincrement": True},
    )
