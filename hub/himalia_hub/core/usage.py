"""Usage facts: what the backend observed a replica to occupy, written with the change of phase.

The engine appends, metering reads by ascending ``id`` and prices. Rows are never changed or
deleted. The meaning of each column and fact is in ``docs/design/engine.md``, "Usage facts".
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId


class Fact(enum.StrEnum):
    """What a row says about the interval of one replica of one attempt."""

    OPENED = "opened"
    ALIVE = "alive"
    CLOSED = "closed"
    CORRECTED = "corrected"


class FactSource(enum.StrEnum):
    """How the moment in ``at`` is known."""

    START = "start"
    HEARTBEAT = "heartbeat"
    EXIT = "exit"
    LAST_PROOF_OF_LIFE = "last_proof_of_life"


class UsageFact(Base):
    """One append-only fact; self-contained, so that pricing needs no other table."""

    __tablename__ = "usage_facts"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    fact: Mapped[str] = mapped_column(sa.String(16))
    at: Mapped[datetime]
    source: Mapped[str] = mapped_column(sa.String(32))
    recorded_at: Mapped[datetime]
    workload_id: Mapped[int]
    attempt: Mapped[int]
    replica: Mapped[int]
    opened_at: Mapped[datetime]
    tenant_id: Mapped[int]
    department_id: Mapped[int | None]
    owner_id: Mapped[int]
    workload_number: Mapped[int]
    kind: Mapped[str] = mapped_column(sa.String(64))
    object_kind: Mapped[str] = mapped_column(sa.String(64))
    object_number: Mapped[int]
    object_name: Mapped[str] = mapped_column(sa.String(255))
    section: Mapped[str] = mapped_column(sa.String(32))
    node: Mapped[str] = mapped_column(sa.String(255), default="")
    cpu_millis: Mapped[int]
    memory_bytes: Mapped[int]
    accelerators: Mapped[dict[str, Any]]
    __table_args__ = (
        # An interval opens once and closes once: a crash between two commits cannot double it.
        sa.Index(
            "uq_usage_facts_edges",
            "workload_id",
            "attempt",
            "replica",
            "fact",
            unique=True,
            sqlite_where=sa.text("fact IN ('opened', 'closed')"),
            postgresql_where=sa.text("fact IN ('opened', 'closed')"),
        ),
        sa.Index("ix_usage_facts_interval", "workload_id", "attempt", "replica", "id"),
        {"sqlite_autoincrement": True},
    )
