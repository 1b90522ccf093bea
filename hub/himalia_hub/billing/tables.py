"""Prices, ledger accounts and entries, holds, bills.

``price_entries`` and ``ledger_entries`` are append-only; the database itself refuses to change or
delete their rows. A ledger entry debits one account and credits one, so the sum of all accounts is
zero by construction. Holds are promises, not money: they live beside the ledger.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId
from himalia_hub.core.tables import OwnedMixin, owned_args

APPEND_ONLY = ("price_entries", "ledger_entries")


class PriceEntry(Base):
    """The price of one resource from a moment on; the newest entry of a moment wins.

    ``section`` empty: for every section without a price of its own. ``set_by`` is the name of who
    set it, as it was then.
    """

    __tablename__ = "price_entries"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    resource: Mapped[str] = mapped_column(sa.String(128))
    section: Mapped[str] = mapped_column(sa.String(32), default="")
    picos_per_hour: Mapped[int]
    valid_from: Mapped[datetime]
    set_at: Mapped[datetime]
    set_by_id: Mapped[int]
    set_by: Mapped[str] = mapped_column(sa.String(512))
    __table_args__ = (
        sa.CheckConstraint("picos_per_hour >= 0", name="not_negative"),
        sa.Index("ix_price_entries_resource", "resource", "section", "valid_from", "id"),
        {"sqlite_autoincrement": True},
    )


class LedgerAccount(Base):
    """One side of entries: a tenant's account, or ``revenue``, or ``funding`` (where recharges come from).

    ``balance_micros`` is credits minus debits of the entries and moves only with them.
    ``held_micros`` is the sum of the tenant's holds. The row is what admission locks.
    """

    __tablename__ = "ledger_accounts"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(64), unique=True)
    tenant_id: Mapped[int | None] = mapped_column(sa.ForeignKey("tenants.id"), unique=True)
    balance_micros: Mapped[int] = mapped_column(default=0)
    held_micros: Mapped[int] = mapped_column(default=0)
    arrears_since: Mapped[datetime | None]


class LedgerEntry(Base):
    """One movement of money. ``amount_micros`` is positive; direction is in the two accounts.

    ``number`` ascends per tenant without gaps; ``balance_after_micros`` is the tenant's.
    """

    __tablename__ = "ledger_entries"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    tenant_id: Mapped[int] = mapped_column(sa.ForeignKey("tenants.id"))
    number: Mapped[int]
    kind: Mapped[str] = mapped_column(sa.String(16))
    debit_account_id: Mapped[int] = mapped_column(sa.ForeignKey("ledger_accounts.id"))
    credit_account_id: Mapped[int] = mapped_column(sa.ForeignKey("ledger_accounts.id"))
    amount_micros: Mapped[int]
    balance_after_micros: Mapped[int]
    idempotency_key: Mapped[str] = mapped_column(sa.String(200), unique=True)
    note: Mapped[str] = mapped_column(sa.String(255), default="")
    user_id: Mapped[int | None]
    user_name: Mapped[str] = mapped_column(sa.String(512), default="")
    department_id: Mapped[int | None]
    bill_id: Mapped[int | None]
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "number"),
        sa.CheckConstraint("amount_micros > 0", name="positive"),
        sa.CheckConstraint("debit_account_id <> credit_account_id", name="two_accounts"),
        sa.Index("ix_ledger_entries_tenant_at", "tenant_id", "at"),
        sa.Index("ix_ledger_entries_bill", "bill_id"),
        {"sqlite_autoincrement": True},
    )


class Hold(Base):
    """Money promised to running work: what its next 15 minutes cost, less what was charged since renewal.

    One row per workload from its admission to its last charge, also when it costs nothing.
    ``ended_at`` is set when the engine let the workload go; the last charge removes the row.
    """

    __tablename__ = "holds"
    workload_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(sa.ForeignKey("tenants.id"))
    department_id: Mapped[int | None]
    user_id: Mapped[int]
    section: Mapped[str] = mapped_column(sa.String(32))
    replicas: Mapped[int]
    cpu_millis: Mapped[int]
    memory_bytes: Mapped[int]
    accelerators: Mapped[dict[str, Any]]
    amount_micros: Mapped[int]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        sa.CheckConstraint("amount_micros >= 0", name="not_negative"),
        sa.Index("ix_holds_tenant", "tenant_id"),
    )


class Bill(OwnedMixin, Base):
    """One piece of work's bill, from its first second on; ``name`` is the object's name then.

    ``charged_micros`` is the sum of its ledger entries; ``charged_until`` how far its usage was
    charged; ``charged_fact_id`` the newest usage fact that the charges know of.
    """

    __tablename__ = "bills"
    workload_id: Mapped[int] = mapped_column(unique=True)
    workload_number: Mapped[int]
    kind: Mapped[str] = mapped_column(sa.String(64))
    section: Mapped[str] = mapped_column(sa.String(32))
    object_kind: Mapped[str] = mapped_column(sa.String(64))
    object_number: Mapped[int]
    state: Mapped[str] = mapped_column(sa.String(16))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    cpu_millis: Mapped[int]
    memory_bytes: Mapped[int]
    accelerators: Mapped[dict[str, Any]]
    replicas: Mapped[int] = mapped_column(default=1)
    nodes: Mapped[list[Any]]
    charged_micros: Mapped[int] = mapped_column(default=0)
    charged_until: Mapped[datetime]
    charged_fact_id: Mapped[int] = mapped_column(default=0)
    corrections: Mapped[int] = mapped_column(default=0)
    __table_args__ = owned_args(
        "bills",
        sa.Index("ix_bills_state", "state", "tenant_id"),
        sa.Index("ix_bills_started", "tenant_id", "started_at"),
        sa.Index("ix_bills_object", "tenant_id", "object_kind", "object_number"),
        unique_name=False,
    )


class BillLine(Base):
    """What one resource cost at one price. ``correction`` 0 is the bill as settled, later ones what changed since.

    ``quantity`` and ``unit`` are in the resource's smallest unit; ``microseconds`` sums over
    replicas. A correction's ``microseconds`` and ``amount_micros`` may be negative.
    """

    __tablename__ = "bill_lines"
    bill_id: Mapped[int] = mapped_column(sa.ForeignKey("bills.id"), primary_key=True)
    correction: Mapped[int] = mapped_column(primary_key=True)
    resource: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    picos_per_hour: Mapped[int] = mapped_column(primary_key=True)
    quantity: Mapped[int] = mapped_column(primary_key=True)
    microseconds: Mapped[int]
    amount_micros: Mapped[int]


def append_only_statements(table: str, dialect: str) -> list[str]:
    """SQL that makes the database refuse changes to a table's rows; for migrations and fresh databases."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        f"CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$",
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()",
    ]


def _guard(table: sa.Table, connection: sa.Connection, **_: Any) -> None:
    for statement in append_only_statements(table.name, connection.dialect.name):
        connection.exec_driver_sql(statement)


for _name in APPEND_ONLY:
    sa.event.listen(Base.metadata.tables[_name], "after_create", _guard)
