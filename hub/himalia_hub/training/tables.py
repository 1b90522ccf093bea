"""Jobs, their runs, and what a run reports: metrics, progress, files."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId
from himalia_hub.core.tables import OwnedMixin, owned_args


class Job(OwnedMixin, Base):
    """A name for runs that belong together; each change and each repetition is a new run."""

    __tablename__ = "jobs"
    description: Mapped[str] = mapped_column(sa.Text, default="")
    type: Mapped[str] = mapped_column(sa.String(16), default="single_node")
    script: Mapped[bool] = mapped_column(default=False)
    last_index: Mapped[int] = mapped_column(default=0)
    last_run_id: Mapped[int | None]
    __table_args__ = owned_args("jobs")


class Run(OwnedMixin, Base):
    """One execution, with everything that is needed to repeat it exactly.

    ``request`` is what was asked, in the shape of ``schemas.RunRequest``; ``inputs``, ``command`` and
    ``variables`` are what came of it and never change. The phase mirrors the workload's.
    """

    __tablename__ = "runs"
    job_id: Mapped[int] = mapped_column(sa.ForeignKey("jobs.id"))
    run_index: Mapped[int]
    request: Mapped[dict[str, Any]]
    algorithm: Mapped[dict[str, Any] | None]
    environment: Mapped[str] = mapped_column(sa.String(128))
    inputs: Mapped[list[Any]]
    """``[{"kind", "id", "name", "version", "digest", "manifest", "path", "label_authors"}]``."""
    parameters: Mapped[dict[str, Any]]
    command: Mapped[list[Any]]
    variables: Mapped[dict[str, Any]]
    code: Mapped[str | None] = mapped_column(sa.Text)
    spec: Mapped[dict[str, Any]]
    workload_id: Mapped[int | None]
    phase: Mapped[str] = mapped_column(sa.String(16))
    reason: Mapped[str | None] = mapped_column(sa.String(32))
    message: Mapped[str] = mapped_column(sa.Text, default="")
    message_zh: Mapped[str] = mapped_column(sa.Text, default="")
    exit_code: Mapped[int | None]
    last_lines: Mapped[list[Any]]
    progress_step: Mapped[int | None]
    progress_total: Mapped[int | None]
    files_complete: Mapped[bool] = mapped_column(default=False)
    model: Mapped[dict[str, Any] | None]
    """The model version made of it: ``{"id", "model": {"id", "name"}, "version"}``."""
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = owned_args(
        "runs",
        sa.UniqueConstraint("job_id", "run_index"),
        sa.Index("ix_runs_workload", "workload_id"),
        unique_name=False,
    )


class RunInput(Base):
    """Which dataset versions a run reads, for "what depends on this?"."""

    __tablename__ = "run_inputs"
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("runs.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    dataset_id: Mapped[int]
    version_id: Mapped[int]
    __table_args__ = (sa.Index("ix_run_inputs_version", "version_id"), sa.Index("ix_run_inputs_dataset", "dataset_id"))


class RunSeries(Base):
    """One metric of one run and its newest point."""

    __tablename__ = "run_series"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("runs.id"))
    name: Mapped[str] = mapped_column(sa.String(128))
    last_step: Mapped[int]
    last_value: Mapped[float] = mapped_column(sa.Double)
    __table_args__ = (sa.UniqueConstraint("run_id", "name"),)


class RunPoint(Base):
    __tablename__ = "run_points"
    series_id: Mapped[int] = mapped_column(sa.ForeignKey("run_series.id"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float] = mapped_column(sa.Double)
    at: Mapped[datetime]


class RunFile(Base):
    """A file that a run left: ``folder`` is ``output`` or ``model``; the bytes are a blob."""

    __tablename__ = "run_files"
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("runs.id"), primary_key=True)
    folder: Mapped[str] = mapped_column(sa.String(8), primary_key=True)
    path: Mapped[str] = mapped_column(sa.String(1000), primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64))
    size: Mapped[int]
    at: Mapped[datetime]


class RunPart(Base):
    """A part of a large file on its way: a blob of its own until the file is whole."""

    __tablename__ = "run_parts"
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("runs.id"), primary_key=True)
    file: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    """SHA-256 of ``folder/path``."""
    offset: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    """Of the whole file, as announced: parts of another content are dropped."""
    digest: Mapped[str] = mapped_column(sa.String(64))
    length: Mapped[int]
