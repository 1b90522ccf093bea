"""The audit log: append-only entries, each chained by hash to the one before it of its organisation (SEC-1).

``chain`` is the organisation's row id, 0 for what concerns none; ``position`` counts without gaps
within it. ``audit_heads`` holds where each chain ends, so that a removed last entry is missed, and
serialises the writers of one chain. ``audit_archives`` names what retention moved to the object
store; the database itself refuses to change an entry, and to remove one that no archive covers
(revision 0002).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId


class AuditEntry(Base):
    """One thing that somebody did, tried, or read as an administrator."""

    __tablename__ = "audit_entries"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    chain: Mapped[int]
    position: Mapped[int]
    at: Mapped[datetime]
    category: Mapped[str] = mapped_column(sa.String(16))
    """``operation`` or ``security``."""
    tenant_id: Mapped[int | None]
    """The organisation that it happened in."""
    actor_tenant_id: Mapped[int | None]
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
        sa.UniqueConstraint("chain", "position"),
        sa.Index("ix_audit_entries_tenant", "tenant_id", "id"),
        sa.Index("ix_audit_entries_user", "user_id", "id"),
        sa.Index("ix_audit_entries_action", "action", "id"),
        sa.Index("ix_audit_entries_at", "at"),
        {"sqlite_autoincrement": True},
    )


class AuditHead(Base):
    """Where a chain ends. Its row is held from an entry's writing until the commit."""

    __tablename__ = "audit_heads"
    chain: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int]
    digest: Mapped[str] = mapped_column(sa.String(64))


class AuditArchive(Base):
    """Entries ``first_id`` to ``last_id`` as one gzipped JSON Lines object in the object store."""

    __tablename__ = "audit_archives"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    first_id: Mapped[int] = mapped_column(unique=True)
    last_id: Mapped[int] = mapped_column(unique=True)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    entries: Mapped[int]
    key: Mapped[str] = mapped_column(sa.String(255))
    bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(sa.String(64))
    at: Mapped[datetime]
