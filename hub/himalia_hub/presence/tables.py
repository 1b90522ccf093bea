"""What the hub was told, and when a person last did something."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base


class Presence(Base):
    """One row for each person who was ever signed in, or whose sessions were ever ended."""

    __tablename__ = "presences"
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    told_epoch: Mapped[int] = mapped_column(default=1)
    """The session epoch that the hub knows; a person's own is ahead of it while the hub has to be told."""
    active_at: Mapped[datetime | None]
    """The last input, running cell or transfer; empty when nobody is signed in as this person."""
    __table_args__ = (sa.Index("ix_presences_active", "active_at"),)
