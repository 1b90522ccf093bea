"""Imports and what they left out; what they added is in the items themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId
from himalia_hub.core.tables import OwnedMixin, owned_args


class Import(OwnedMixin, Base):
    """One import; ``name`` is the dataset's name when it began."""

    __tablename__ = "imports"
    dataset_id: Mapped[int] = mapped_column(sa.ForeignKey("datasets.id"))
    source: Mapped[str] = mapped_column(sa.String(16))
    state: Mapped[str] = mapped_column(sa.String(16))
    """open, finishing, done, cancelled, failed."""
    labels_from_folders: Mapped[bool]
    total_files: Mapped[int | None]
    total_bytes: Mapped[int | None]
    received: Mapped[int] = mapped_column(default=0)
    added: Mapped[int] = mapped_column(default=0)
    duplicates: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    unknown_labels: Mapped[dict[str, Any]]
    """Label names that the group lacks, with how many files named them (the first 100)."""
    archive: Mapped[str | None] = mapped_column(sa.String(64))
    archive_name: Mapped[str] = mapped_column(sa.String(255), default="")
    task_id: Mapped[int | None]
    active_at: Mapped[datetime]
    __table_args__ = owned_args(
        "imports",
        sa.Index("ix_imports_dataset", "dataset_id", "id"),
        sa.Index("ix_imports_state", "state", "active_at"),
        unique_name=False,
    )


class ImportResult(Base):
    """A file that was not added: refused, or a duplicate. Sending it again finds this row."""

    __tablename__ = "import_results"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    import_id: Mapped[int] = mapped_column(sa.ForeignKey("imports.id"))
    path: Mapped[str] = mapped_column(sa.Text)
    path_digest: Mapped[str] = mapped_column(sa.String(64))
    outcome: Mapped[str] = mapped_column(sa.String(16))
    item: Mapped[int | None]
    code: Mapped[str | None] = mapped_column(sa.String(64))
    field: Mapped[str | None] = mapped_column(sa.String(64))
    rule: Mapped[str | None] = mapped_column(sa.Text)
    value: Mapped[str | None] = mapped_column(sa.Text)
    reason: Mapped[str | None] = mapped_column(sa.Text)
    reason_zh: Mapped[str | None] = mapped_column(sa.Text)
    __table_args__ = (
        sa.UniqueConstraint("import_id", "path_digest"),
        sa.Index("ix_import_results_outcome", "import_id", "outcome", "id"),
    )
