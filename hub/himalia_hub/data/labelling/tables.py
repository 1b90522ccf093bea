"""The log of labelling operations: what people did, in order, with whom it came from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId


class LabelOperation(Base):
    """One operation as it was received; never changed. The same person, client and seq come once.

    ``labels`` is what was asked; ``result`` is the item's state, labels and version after it.
    """

    __tablename__ = "label_operations"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    dataset_id: Mapped[int] = mapped_column(sa.ForeignKey("datasets.id"))
    item: Mapped[int]
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    client: Mapped[str] = mapped_column(sa.String(36))
    seq: Mapped[int]
    op: Mapped[str] = mapped_column(sa.String(16))
    labels: Mapped[list[Any] | None]
    base: Mapped[list[Any] | None]
    at: Mapped[datetime]
    received_at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(sa.String(12))
    reason: Mapped[str | None] = mapped_column(sa.String(64))
    result: Mapped[dict[str, Any]]
    __table_args__ = (
        sa.UniqueConstraint("dataset_id", "user_id", "client", "seq"),
        sa.Index("ix_label_operations_item", "dataset_id", "item", "id"),
    )
