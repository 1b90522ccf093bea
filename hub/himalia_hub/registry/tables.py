"""Registered models, their immutable versions, files and aliases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId
from himalia_hub.core.tables import OwnedMixin, owned_args


class RegisteredModel(OwnedMixin, Base):
    __tablename__ = "models"
    framework: Mapped[str] = mapped_column(sa.String(32))
    format: Mapped[str] = mapped_column(sa.String(32))
    category: Mapped[str] = mapped_column(sa.String(64), default="")
    description: Mapped[str] = mapped_column(sa.Text, default="")
    last_version: Mapped[int] = mapped_column(default=0)
    __table_args__ = owned_args("models")


class ModelVersion(Base):
    """What never changes of a version; aliases point at it. ``digest`` is the manifest's."""

    __tablename__ = "model_versions"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int]
    model_id: Mapped[int] = mapped_column(sa.ForeignKey("models.id"))
    number: Mapped[int]
    description: Mapped[str] = mapped_column(sa.Text, default="")
    manifest: Mapped[str] = mapped_column(sa.String(64))
    bytes: Mapped[int]
    signature: Mapped[dict[str, Any] | None]
    labels: Mapped[list[Any] | None]
    metrics: Mapped[dict[str, Any]]
    lineage: Mapped[dict[str, Any]]
    source: Mapped[str] = mapped_column(sa.String(16))
    pickled: Mapped[bool] = mapped_column(default=False)
    author_id: Mapped[int]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    __table_args__ = (sa.UniqueConstraint("model_id", "number"),)


class ModelFile(Base):
    __tablename__ = "model_files"
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("model_versions.id"), primary_key=True)
    path: Mapped[str] = mapped_column(sa.String(1000), primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64))
    size: Mapped[int]
    pickled: Mapped[bool] = mapped_column(default=False)


class ModelAlias(Base):
    """A name that moves from version to version (``champion``)."""

    __tablename__ = "model_aliases"
    model_id: Mapped[int] = mapped_column(sa.ForeignKey("models.id"), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("model_versions.id"))
