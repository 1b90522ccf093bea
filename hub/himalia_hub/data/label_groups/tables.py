"""A label group's row; its labels are one document, so that one version guards them all."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base
from himalia_hub.core.tables import OwnedMixin, owned_args


class LabelGroup(OwnedMixin, Base):
    """``labels``: ``[{"id", "name", "colour", "key"}]`` in order; ``retired``: those deleted since.

    Label ids ascend per group and are never given twice.
    """

    __tablename__ = "label_groups"
    type: Mapped[str] = mapped_column(sa.String(16))
    description: Mapped[str] = mapped_column(sa.Text, default="")
    labels: Mapped[list[Any]]
    retired: Mapped[list[Any]]
    last_label: Mapped[int] = mapped_column(default=0)
    __table_args__ = owned_args("label_groups")
