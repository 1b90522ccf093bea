"""Usage intervals: what the facts say so far about one replica of one attempt."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId


class UsageInterval(Base):
    """Half-open ``[opened_at, until)``; ``until`` moves on with proofs of life until ``ended``.

    ``fact_id`` is the newest fact applied; ``pending`` says that billing has not seen it yet.
    """

    __tablename__ = "usage_intervals"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    workload_id: Mapped[int]
    attempt: Mapped[int]
    replica: Mapped[int]
    tenant_id: Mapped[int] = mapped_column(sa.ForeignKey("tenants.id"))
    department_id: Mapped[int | None]
    owner_id: Mapped[int]
    workload_number: Mapped[int]
    kind: Mapped[str] = mapped_column(sa.String(64))
    object_kind: Mapped[str] = mapped_column(sa.String(64))
    object_number: Mapped[int]
    object_name: Mapped[str] = mapped_column(sa.String(255))
    section: Mapped[str] = mapped_column(sa.String(32))
    node: Mapped[str] = mapped_column(sa.String(255))
    cpu_millis: Mapped[int]
    memory_bytes: Mapped[int]
    accelerators: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime]
    until: Mapped[datetime]
    ended: Mapped[bool] = mapped_column(default=False)
    corrected_by: Mapped[int] = mapped_column(default=0)
    fact_id: Mapped[int]
    pending: Mapped[bool] = mapped_column(default=True)
    __table_args__ = (
        sa.UniqueConstraint("workload_id", "attempt", "replica"),
        sa.Index(
            "ix_usage_intervals_pending",
            "tenant_id",
            "workload_id",
            sqlite_where=sa.text("pending"),
            postgresql_where=sa.text("pending"),
        ),
        sa.Index(
            "ix_usage_intervals_open",
            "tenant_id",
            sqlite_where=sa.text("NOT ended"),
            postgresql_where=sa.text("NOT ended"),
        ),
    )


class MeteringCursor(Base):
    """How far the facts were read; one row."""

    __tablename__ = "metering_cursors"
    id: Mapped[int] = mapped_column(primary_key=True)
    fact_id: Mapped[int]
