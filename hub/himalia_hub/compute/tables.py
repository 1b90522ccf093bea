"""Tables of the engine: workloads, quotas, resource specs, samples of use.

The facts that money reads are in ``core/usage.py``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId
from himalia_hub.core.tables import OwnedMixin, owned_args
from himalia_hub.core.usage import UsageFact

__all__ = [
    "QuotaLimit",
    "QuotaReservation",
    "QuotaState",
    "ResourceSpec",
    "UsageFact",
    "UsageSample",
    "Workload",
]


class Workload(OwnedMixin, Base):
    """Something that occupies resources for a tenant; ``name`` is the object's name.

    ``spec`` holds what the kind's translator needs to build the plan of each attempt, and nothing
    secret. Resources are those of one replica.
    """

    __tablename__ = "workloads"
    kind: Mapped[str] = mapped_column(sa.String(64))
    object_kind: Mapped[str] = mapped_column(sa.String(64))
    object_number: Mapped[int]
    section: Mapped[str] = mapped_column(sa.String(32))
    wanted: Mapped[str] = mapped_column(sa.String(16), default="running")
    phase: Mapped[str] = mapped_column(sa.String(16))
    reason: Mapped[str | None] = mapped_column(sa.String(32))
    message: Mapped[str] = mapped_column(sa.Text, default="")
    message_zh: Mapped[str] = mapped_column(sa.Text, default="")
    phase_since: Mapped[datetime]
    priority: Mapped[int] = mapped_column(default=0)
    start_at: Mapped[datetime | None]
    deadline_seconds: Mapped[int | None]
    spec: Mapped[dict[str, Any]]
    cpu_millis: Mapped[int]
    memory_bytes: Mapped[int]
    disk_bytes: Mapped[int] = mapped_column(default=0)
    accelerators: Mapped[dict[str, Any]]
    replicas: Mapped[int] = mapped_column(default=1)
    price_per_hour_micros: Mapped[int] = mapped_column(default=0)
    admitted_at: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(default=0)
    attempt_at: Mapped[datetime | None]
    """When the present attempt began; for work launched from outside, None until it was launched."""
    failures: Mapped[int] = mapped_column(default=0)
    """Attempts that failed in a row without having been ready."""
    not_before: Mapped[datetime | None]
    """A restart waits until here."""
    stop_reason: Mapped[str | None] = mapped_column(sa.String(32))
    stop_message: Mapped[str] = mapped_column(sa.Text, default="")
    stop_message_zh: Mapped[str] = mapped_column(sa.Text, default="")
    stop_at: Mapped[datetime | None]
    grace_seconds: Mapped[int] = mapped_column(default=10)
    replicas_ready: Mapped[int] = mapped_column(default=0)
    endpoints: Mapped[list[Any]]
    """Per replica ``{"replica", "ready", "node", "addresses": {port name: "host:port"}}``."""
    steps: Mapped[list[Any]]
    last_lines: Mapped[list[Any]]
    exit_code: Mapped[int | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = owned_args(
        "workloads",
        sa.Index(
            "ix_workloads_live",
            "phase",
            "priority",
            "id",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
        sa.Index("ix_workloads_object", "tenant_id", "object_kind", "object_number"),
        sa.Index("ix_workloads_ended", "ended_at"),
        unique_name=False,
    )

    @property
    def key(self) -> str:
        """The workload's name at the backend and in its journals."""
        return key_of(self.id)


def key_of(workload_id: int) -> str:
    return f"w{workload_id}"


def id_of(key: str) -> int | None:
    """The workload's id in a backend's key, or None when the key is not one of ours."""
    digits = key[1:]
    return int(digits) if key.startswith("w") and digits.isascii() and digits.isdigit() else None


class QuotaLimit(Base):
    """What a tenant, department or user may occupy at most; no row: see ``quotas.py``."""

    __tablename__ = "quota_limits"
    level: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True)
    resource: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    nominal: Mapped[int]
    updated_at: Mapped[datetime]


class QuotaState(Base):
    """When the limits of a tenant, department or user last changed, by whom; no row: never (GEN-7)."""

    __tablename__ = "quota_states"
    level: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(sa.String(512), default="")


class QuotaReservation(Base):
    """What a live workload holds of the quotas of its user, department and tenant."""

    __tablename__ = "quota_reservations"
    workload_id: Mapped[int] = mapped_column(sa.ForeignKey("workloads.id"), primary_key=True)
    resource: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    amount: Mapped[int]
    tenant_id: Mapped[int]
    department_id: Mapped[int | None]
    user_id: Mapped[int]
    __table_args__ = (
        sa.Index("ix_quota_reservations_tenant", "tenant_id", "resource"),
        sa.Index("ix_quota_reservations_department", "department_id", "resource"),
        sa.Index("ix_quota_reservations_user", "user_id", "resource"),
    )


class ResourceSpec(Base):
    """A size that people choose from (CON-1); running work keeps what it was started with.

    A basic one has CPU and memory; the others have a count of one accelerator resource and are
    added to a basic one.
    """

    __tablename__ = "resource_specs"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(32))
    kind: Mapped[str] = mapped_column(sa.String(16), default="basic")
    scenario: Mapped[str] = mapped_column(sa.String(32), default="any")
    cpu_millis: Mapped[int]
    memory_bytes: Mapped[int]
    disk_bytes: Mapped[int] = mapped_column(default=0)
    accelerators: Mapped[dict[str, Any]]
    accelerator_label: Mapped[str | None] = mapped_column(sa.String(64))
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    __table_args__ = (
        sa.Index(
            "uq_resource_specs_live_name",
            "name",
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )


class UsageSample(Base):
    """What a workload used, summed over its replicas; thinned with age, kept for 30 days (NB-12)."""

    __tablename__ = "usage_samples"
    workload_id: Mapped[int] = mapped_column(sa.ForeignKey("workloads.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    cpu_millis: Mapped[int]
    memory_bytes: Mapped[int]
    disk_bytes: Mapped[int] = mapped_column(default=0)
    accelerators: Mapped[dict[str, Any]]
    __table_args__ = (sa.Index("ix_usage_samples_at", "at"),)
