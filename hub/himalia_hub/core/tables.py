"""Tables that every noun leans on: numbering, changes, idempotency, tasks, leases.

``OwnedMixin`` gives an object its tenant, owner, number and version, which is all that
authorisation, lists and ETags need.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId


class OwnedMixin:
    """An object of a tenant that belongs to somebody; the API's ``id`` is ``number``."""

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(sa.ForeignKey("tenants.id"))
    department_id: Mapped[int | None] = mapped_column(sa.ForeignKey("departments.id"))
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    number: Mapped[int]
    name: Mapped[str] = mapped_column(sa.String(255))
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


def owned_args(table: str, *more: Any, unique_name: bool = True) -> tuple[Any, ...]:
    """Indexes of an owned table: number unique per tenant, live name unique per owner."""
    args: list[Any] = [
        sa.UniqueConstraint("tenant_id", "number"),
        sa.Index(f"ix_{table}_owner", "tenant_id", "owner_id", "number"),
        sa.Index(f"ix_{table}_updated", "tenant_id", "updated_at"),
    ]
    if unique_name:
        args.append(
            sa.Index(
                f"uq_{table}_live_name",
                "owner_id",
                "name",
                unique=True,
                sqlite_where=sa.text("deleted_at IS NULL"),
                postgresql_where=sa.text("deleted_at IS NULL"),
            )
        )
    return (*args, *more)


class Counter(Base):
    """The last number given per tenant and kind (GEN-2)."""

    __tablename__ = "counters"
    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    value: Mapped[int]


class Change(Base):
    """The outbox of the event stream: what changed, in commit order."""

    __tablename__ = "changes"
    position: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    tenant_id: Mapped[int]
    department_id: Mapped[int | None]
    owner_id: Mapped[int | None]
    kind: Mapped[str] = mapped_column(sa.String(64))
    number: Mapped[int]
    version: Mapped[int]
    op: Mapped[str] = mapped_column(sa.String(16))
    __table_args__ = (sa.Index("ix_changes_tenant", "tenant_id", "position"), {"sqlite_autoincrement": True})


class IdempotencyRecord(Base):
    """The first answer to a keyed write; written in the same transaction as its effect."""

    __tablename__ = "idempotency_records"
    user_id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    request_digest: Mapped[str] = mapped_column(sa.String(64))
    status: Mapped[int]
    body: Mapped[str] = mapped_column(sa.Text)
    headers: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class TaskRow(OwnedMixin, Base):
    """A long operation with progress (GEN-4); ``name`` is the object's name for display."""

    __tablename__ = "tasks"
    kind: Mapped[str] = mapped_column(sa.String(64))
    object_kind: Mapped[str] = mapped_column(sa.String(64))
    object_number: Mapped[int]
    state: Mapped[str] = mapped_column(sa.String(16))
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int | None]
    unit: Mapped[str] = mapped_column(sa.String(16), default="items")
    message: Mapped[str] = mapped_column(sa.Text, default="")
    payload: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = owned_args("tasks", sa.Index("ix_tasks_state", "state", "kind"), unique_name=False)


class Lease(Base):
    """Who runs the controllers; writes of controllers check the epoch."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(sa.String(128))
    epoch: Mapped[int]
    expires_at: Mapped[datetime]


class Setting(Base):
    """Installation facts that must outlive a restart: installation id, keys' ids, chain heads."""

    __tablename__ = "settings"
    key: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    value: Mapped[dict[str, Any]]


class Share(Base):
    """An object that its owner shows to a member, a department or the whole organisation (GEN-10).

    ``object_id`` is the object's row, ``receiver_id`` that of the user, department or tenant.
    ``objects.visible`` reads it; taking a share back deletes the row, and the audit log remembers.
    """

    __tablename__ = "shares"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(sa.ForeignKey("tenants.id"))
    number: Mapped[int]
    object_kind: Mapped[str] = mapped_column(sa.String(32))
    object_id: Mapped[int]
    receiver_kind: Mapped[str] = mapped_column(sa.String(16))
    receiver_id: Mapped[int]
    access: Mapped[int]
    shared_by: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[datetime]
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "number"),
        sa.UniqueConstraint("object_kind", "object_id", "receiver_kind", "receiver_id"),
        sa.Index("ix_shares_receiver", "tenant_id", "object_kind", "receiver_kind", "receiver_id", "object_id"),
    )
