"""Online services: revisions that never change, variants that run, keys, samples of their traffic."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId
from himalia_hub.core.tables import OwnedMixin, owned_args


class InferenceService(OwnedMixin, Base):
    """A stable address. ``revision`` is the one asked for, ``live_revision`` the one that answers.

    ``slug`` is its place in the address: unique per tenant, chosen once.
    """

    __tablename__ = "inference_services"
    description: Mapped[str] = mapped_column(sa.Text, default="")
    slug: Mapped[str] = mapped_column(sa.String(64))
    wanted: Mapped[str] = mapped_column(sa.String(16), default="running")
    phase: Mapped[str] = mapped_column(sa.String(16), default="deploying")
    reason: Mapped[str | None] = mapped_column(sa.String(32))
    message: Mapped[str] = mapped_column(sa.Text, default="")
    message_zh: Mapped[str] = mapped_column(sa.Text, default="")
    revision: Mapped[int] = mapped_column(default=1)
    live_revision: Mapped[int | None]
    calls_total: Mapped[int] = mapped_column(default=0)
    calls_failed: Mapped[int] = mapped_column(default=0)
    last_key: Mapped[int] = mapped_column(default=0)
    __table_args__ = owned_args(
        "inference_services",
        sa.Index(
            "uq_inference_services_live_slug",
            "tenant_id",
            "slug",
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
    )


class ServiceRevision(Base):
    """What was asked for, once per edit."""

    __tablename__ = "service_revisions"
    service_id: Mapped[int] = mapped_column(sa.ForeignKey("inference_services.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    variants: Mapped[list[Any]]
    author_id: Mapped[int]
    created_at: Mapped[datetime]


class ServiceVariant(Base):
    """One deployment of one model version and the workload that carries it.

    ``state``: ``current`` belongs to the revision asked for; ``retiring`` still answers or drains
    for an older one; ``gone`` has been asked to end. ``drain_until`` is set once no route names it.
    """

    __tablename__ = "service_variants"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    service_id: Mapped[int] = mapped_column(sa.ForeignKey("inference_services.id"))
    revision: Mapped[int]
    name: Mapped[str] = mapped_column(sa.String(32))
    state: Mapped[str] = mapped_column(sa.String(16), default="current")
    model: Mapped[dict[str, Any]]
    """``{"id", "name", "version", "version_id", "manifest"}``."""
    version_id: Mapped[int]
    weight_percent: Mapped[int]
    spec: Mapped[dict[str, Any]]
    replicas: Mapped[int]
    environment: Mapped[str] = mapped_column(sa.String(128))
    workload_id: Mapped[int | None]
    drain_until: Mapped[datetime | None]
    __table_args__ = (
        sa.Index("ix_service_variants_service", "service_id", "state"),
        sa.Index("ix_service_variants_version", "version_id"),
        sa.Index("ix_service_variants_workload", "workload_id"),
        {"sqlite_autoincrement": True},
    )


class ServiceKey(Base):
    """A key of one service, kept as a digest."""

    __tablename__ = "service_keys"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    service_id: Mapped[int] = mapped_column(sa.ForeignKey("inference_services.id"))
    number: Mapped[int]
    name: Mapped[str] = mapped_column(sa.String(64))
    prefix: Mapped[str] = mapped_column(sa.String(16))
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    requests_per_minute: Mapped[int | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    __table_args__ = (sa.UniqueConstraint("service_id", "number"),)


class ServiceTraffic(Base):
    """Calls of one variant within one interval, as the gateway counted them.

    ``buckets``: ``[[upper bound in seconds or null, calls up to it]]``, not cumulative in time.
    """

    __tablename__ = "service_traffic"
    service_id: Mapped[int] = mapped_column(sa.ForeignKey("inference_services.id"), primary_key=True)
    variant: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    requests: Mapped[int]
    errors: Mapped[int]
    buckets: Mapped[list[Any]]
