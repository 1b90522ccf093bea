"""Datasets, their items by revision, their versions, and the counts beside them.

A row of ``dataset_items`` is one item as it was from revision ``valid_from`` until before
``valid_to``. The draft is the dataset's ``draft_revision``; rows that nothing has replaced yet have
``valid_to = OPEN``. Rows of published revisions never change but for their ``valid_to``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId
from himalia_hub.core.tables import OwnedMixin, owned_args

OPEN = 2**53 - 1
"""``valid_to`` of what has not been replaced."""

PathText = sa.String(1024).with_variant(sa.String(1024, collation="C"), "postgresql")
"""Compared by bytes on both databases, as manifests are ordered."""


def _live(extra: str = "") -> dict[str, Any]:
    """A partial index over the draft's rows; the number is a literal so that both planners match it."""
    condition = sa.text(f"valid_to = {OPEN}{extra}")
    return {"sqlite_where": condition, "postgresql_where": condition}


class Dataset(OwnedMixin, Base):
    __tablename__ = "datasets"
    data_type: Mapped[str] = mapped_column(sa.String(16))
    annotation_type: Mapped[str] = mapped_column(sa.String(32))
    multi_label: Mapped[bool]
    label_group_id: Mapped[int] = mapped_column(sa.ForeignKey("label_groups.id"))
    scenario: Mapped[str] = mapped_column(sa.String(64), default="")
    description: Mapped[str] = mapped_column(sa.Text, default="")
    pinned: Mapped[bool] = mapped_column(default=False)
    draft_revision: Mapped[int] = mapped_column(default=1)
    last_item: Mapped[int] = mapped_column(default=0)
    last_version: Mapped[int] = mapped_column(default=0)
    current_version: Mapped[int | None]
    import_failed: Mapped[bool] = mapped_column(default=False)
    __table_args__ = owned_args("datasets", sa.Index("ix_datasets_label_group", "label_group_id"))


class DatasetItem(Base):
    """An item between two revisions. ``labels`` is its document:
    ``[{"label_id", "origin": person|service|import, "by": user number|None, "score": number|None}]``.
    """

    __tablename__ = "dataset_items"
    dataset_id: Mapped[int] = mapped_column(sa.ForeignKey("datasets.id"), primary_key=True)
    item: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    valid_from: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    valid_to: Mapped[int] = mapped_column(sa.BigInteger, default=OPEN)
    name: Mapped[str] = mapped_column(PathText)
    digest: Mapped[str] = mapped_column(sa.String(64))
    media_type: Mapped[str] = mapped_column(sa.String(32))
    width: Mapped[int]
    height: Mapped[int]
    bytes: Mapped[int]
    state: Mapped[str] = mapped_column(sa.String(20))
    labels: Mapped[list[Any]]
    labels_key: Mapped[str] = mapped_column(sa.String(512), default="")
    """The label ids in ascending order, joined by commas: equal exactly when the labels are."""
    annotated_by: Mapped[int | None]
    """User number of whoever labelled it last."""
    item_version: Mapped[int] = mapped_column(default=1)
    import_id: Mapped[int | None]
    source_path: Mapped[str | None] = mapped_column(PathText)
    """The path it was imported by, where the name had to differ."""
    trashed_at: Mapped[datetime | None]
    __table_args__ = (
        # valid_to closes each index of the list, so that keys are found without touching the rows.
        sa.Index("uq_dataset_items_live_path", "dataset_id", "name", "valid_to", unique=True, **_live()),
        sa.Index("ix_dataset_items_digest", "dataset_id", "digest", **_live()),
        sa.Index("ix_dataset_items_state", "dataset_id", "state", "item", "valid_to", **_live()),
        sa.Index("ix_dataset_items_state_path", "dataset_id", "state", "name", "valid_to", **_live()),
        sa.Index(
            "ix_dataset_items_annotator", "dataset_id", "annotated_by", "item",
            **_live(" AND annotated_by IS NOT NULL"),
        ),
        sa.Index("ix_dataset_items_from", "dataset_id", "valid_from"),
        sa.Index(
            "ix_dataset_items_to", "dataset_id", "valid_to",
            sqlite_where=sa.text(f"valid_to < {OPEN}"), postgresql_where=sa.text(f"valid_to < {OPEN}"),
        ),
        {"sqlite_with_rowid": False},
    )  # fmt: skip


class ItemLabel(Base):
    """The labels of an item's row once more, for finding items by label."""

    __tablename__ = "dataset_item_labels"
    dataset_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    label_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    item: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    valid_from: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    __table_args__ = ({"sqlite_with_rowid": False},)


class DatasetDelta(Base):
    """Signed changes of a draft's counts; summed on read, folded by a controller.

    Keys: ``items``, ``bytes``, ``state:<state>``, ``label:<id>``, ``size:<bucket>``.
    """

    __tablename__ = "dataset_deltas"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    dataset_id: Mapped[int] = mapped_column(sa.ForeignKey("datasets.id"))
    key: Mapped[str] = mapped_column(sa.String(64))
    n: Mapped[int]
    __table_args__ = (sa.Index("ix_dataset_deltas_dataset", "dataset_id", "key"),)


class DatasetVersion(Base):
    """A frozen revision. What is filled in later: the splits, the digest, the folder's manifest."""

    __tablename__ = "dataset_versions"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(sa.ForeignKey("tenants.id"))
    dataset_id: Mapped[int] = mapped_column(sa.ForeignKey("datasets.id"))
    number: Mapped[int]
    revision: Mapped[int]
    description: Mapped[str] = mapped_column(sa.Text, default="")
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]]
    label_group: Mapped[dict[str, Any]]
    """``{"id", "name", "labels"}`` as they were."""
    recipe: Mapped[dict[str, Any]]
    """``{"shares": {"train", "validation", "test"}, "seed"}``: what the fill-in task goes by."""
    filled: Mapped[bool] = mapped_column(default=False)
    split_counts: Mapped[dict[str, Any] | None]
    split_digest: Mapped[str | None] = mapped_column(sa.String(64))
    """A blob with one byte per item number: 0 absent, 1 train, 2 validation, 3 test."""
    digest: Mapped[str | None] = mapped_column(sa.String(64))
    manifest: Mapped[str | None] = mapped_column(sa.String(64))
    __table_args__ = (sa.UniqueConstraint("dataset_id", "number"),)


class Thumbnail(Base):
    """The small picture of a content, made once per tenant."""

    __tablename__ = "thumbnails"
    tenant_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    thumbnail: Mapped[str] = mapped_column(sa.String(64))
    media_type: Mapped[str] = mapped_column(sa.String(32))
    __table_args__ = ({"sqlite_with_rowid": False},)
