"""The table of notebooks. What runs is the newest workload; this row remembers between starts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base
from himalia_hub.core.tables import OwnedMixin, owned_args


class Notebook(OwnedMixin, Base):
    """A named server of one person. ``server_name`` and the home's key never change."""

    __tablename__ = "notebooks"
    server_name: Mapped[str] = mapped_column(sa.String(64))
    description: Mapped[str] = mapped_column(sa.String(255), default="")
    spec_id: Mapped[int]
    accelerator_spec_id: Mapped[int | None]
    environment: Mapped[str] = mapped_column(sa.String(64))
    bindings: Mapped[list[Any]]
    profile: Mapped[dict[str, Any] | None]
    """``{slug, name, options}`` of the hub's configuration as it was chosen; None: the configuration's default."""
    stop_when_idle_seconds: Mapped[int | None]
    workload_id: Mapped[int | None] = mapped_column(sa.ForeignKey("workloads.id"))
    phase: Mapped[str] = mapped_column(sa.String(16), default="stopped")
    starts: Mapped[int] = mapped_column(default=0)
    start_seconds: Mapped[float | None]
    """How long the last start took from its reservation to the server's first answer."""
    hub_state: Mapped[str] = mapped_column(sa.String(16), default="free")
    """``free``: the hub has no server of this name; ``held``: it was asked for one and has not let go."""
    cleaned_at: Mapped[datetime | None]
    """After deletion: the home and the hub's server are gone."""
    __table_args__ = owned_args(
        "notebooks",
        sa.UniqueConstraint("owner_id", "server_name"),
        sa.Index("ix_notebooks_workload", "workload_id"),
    )
