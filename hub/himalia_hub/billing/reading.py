"""Bills, postings and spending as the API shows them; every select is limited by the actor's reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from himalia_hub.auth.actor import Actor
from himalia_hub.billing import costing, prices, rules
from himalia_hub.billing.schemas import BillFilter
from himalia_hub.billing.tables import Bill, BillLine, LedgerAccount, LedgerEntry
from himalia_hub.core import clock, money, objects
from himalia_hub.core.db import Db
from himalia_hub.metering import service as metering
from himalia_hub.tenancy.tables import Department, Tenant, User

_OWNER, _DEPARTMENT = sa.orm.aliased(User), sa.orm.aliased(Department)


def bill_serial(tenant_code: str, number: int) -> str:
    return f"B-{tenant_code}-{number:06d}"


def entry_serial(tenant_code: str, number: int) -> str:
    return f"L-{tenant_code}-{number:06d}"


def _ref(number: int | None, name: str | None) -> dict[str, Any] | None:
    return {"id": number, "name": name} if number is not None else None


# -- bills ---------------------------------------------------------------------------------------


def bills_select(actor: Actor, permission: str, query: BillFilter) -> sa.Select[Any]:
    """Visible bills with the names that a bill shows."""
    statement = (
        sa.select(
            Bill.__table__,
            Tenant.code.label("tenant_code"),
            Tenant.name.label("tenant_name"),
            _OWNER.number.label("user_number"),
            _OWNER.display_name.label("user_name"),
            _DEPARTMENT.number.label("department_number"),
            _DEPARTMENT.name.label("department_name"),
        )
        .select_from(Bill)
        .join(Tenant, Tenant.id == Bill.tenant_id)
        .join(_OWNER, _OWNER.id == Bill.owner_id)
        .outerjoin(_DEPARTMENT, _DEPARTMENT.id == Bill.department_id)
        .where(objects.visible(Bill, actor, permission))
    )
    conditions: list[tuple[Any, Callable[[Any], Any]]] = [
        (query.kind, lambda value: Bill.kind == value),
        (query.section, lambda value: Bill.section == value),
        (query.start, lambda value: Bill.started_at >= value),
        (query.end, lambda value: Bill.started_at < value),
        (query.user, lambda value: _OWNER.number == value),
        (query.department, lambda value: _DEPARTMENT.number == value),
        (query.state, lambda value: Bill.state == value),
        (query.object_kind, lambda value: Bill.object_kind == value),
        (query.object, lambda value: Bill.object_number == value),
        (query.resource, _occupies),
    ]
    for value, condition in conditions:
        if value is not None:
            statement = statement.where(condition(value))
    return statement


def _occupies(resource: str) -> Any:
    if resource == "cpu":
        return Bill.cpu_millis > 0
    if resource == "memory":
        return Bill.memory_bytes > 0
    return Bill.accelerators[resource].as_string().is_not(None)


BILL_SORTS = {
    "started_at": Bill.started_at,
    "created_at": Bill.created_at,
    "updated_at": Bill.updated_at,
    "total": Bill.charged_micros,
    "name": Bill.name,
}


def render_bills(db: Db, rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Bills with their lines; those of open bills reach to the present second."""
    rows = list(rows)
    settled = [row.id for row in rows if row.state == costing.SETTLED]
    written: dict[int, list[Any]] = {}
    for start in range(0, len(settled), 500):
        found = db.execute(
            sa.select(BillLine.__table__)
            .where(BillLine.bill_id.in_(settled[start : start + 500]))
            .order_by(BillLine.bill_id, BillLine.correction, BillLine.resource, BillLine.picos_per_hour)
        )
        for line in found:
            written.setdefault(line.bill_id, []).append(line)
    running = metering.intervals(db, [row.workload_id for row in rows if row.state == costing.OPEN])
    book = prices.book(db) if running else rules.PriceBook(())
    return [_bill(row, running.get(row.workload_id, []), written.get(row.id, []), book) for row in rows]


def _bill(row: Any, intervals: list[Any], written: list[Any], book: rules.PriceBook) -> dict[str, Any]:
    moment = clock.now()
    if row.state == costing.OPEN:
        computed = costing.lines_of(intervals, book, live=True)
        lines = [_line(line, 0, line.microseconds, line.amount_micros) for line in computed]
        until = max([costing.known_until(one, True, moment) for one in intervals], default=row.started_at)
    else:
        lines = [_line(line, line.correction, line.microseconds, line.amount_micros) for line in written]
        until = row.ended_at
    amounts = rules.quantities(row.cpu_millis, row.memory_bytes, row.accelerators)
    occupied = sum(not one.ended for one in intervals)
    return {
        "id": row.number,
        "serial": bill_serial(row.tenant_code, row.number),
        "name": row.name,
        "kind": row.kind,
        "section": row.section,
        "object": {"kind": row.object_kind, "id": row.object_number, "name": row.name},
        "workload": row.workload_number,
        "tenant": {"code": row.tenant_code, "name": row.tenant_name},
        "department": _ref(row.department_number, row.department_name),
        "user": _ref(row.user_number, row.user_name),
        "created_at": clock.to_wire(row.created_at),
        "started_at": clock.to_wire(row.started_at),
        "ended_at": clock.to_wire(row.ended_at),
        "duration_seconds": (until - row.started_at).total_seconds(),
        "resources": {
            "cpu_millis": row.cpu_millis,
            "memory_bytes": row.memory_bytes,
            "accelerators": row.accelerators,
        },
        "replicas": row.replicas,
        "nodes": row.nodes,
        "lines": lines,
        "price_per_hour_micros": money.half_even(rules.rate(amounts, occupied, row.section, book, moment)),
        "total_micros": sum(line["amount_micros"] for line in lines),
        "charged_micros": row.charged_micros,
        "state": row.state,
        "version": row.version,
    }


def _line(line: Any, correction: int, microseconds: int, amount: int) -> dict[str, Any]:
    size, unit = rules.unit_of(line.resource)
    return {
        "resource": line.resource,
        "quantity": line.quantity / size,
        "unit": unit,
        "seconds": microseconds / 1_000_000,
        "unit_price_micros": money.rate_micros(line.picos_per_hour),
        "unit_price": money.rate_text(line.picos_per_hour),
        "amount_micros": amount,
        "correction": correction,
    }


# -- the ledger ----------------------------------------------------------------------------------


def postings_select(tenant_id: int) -> sa.Select[Any]:
    """A tenant's ledger entries, signed, with the names that income and expense shows."""
    return (
        sa.select(
            LedgerEntry.__table__,
            sa.case(
                (LedgerEntry.credit_account_id == LedgerAccount.id, LedgerEntry.amount_micros),
                else_=-LedgerEntry.amount_micros,
            ).label("change_micros"),
            Tenant.code.label("tenant_code"),
            _OWNER.number.label("user_number"),
            _OWNER.display_name.label("user_display_name"),
            _DEPARTMENT.number.label("department_number"),
            _DEPARTMENT.name.label("department_name"),
            Bill.number.label("bill_number"),
            Bill.name.label("bill_name"),
            Bill.object_kind,
            Bill.object_number,
        )
        .select_from(LedgerEntry)
        .join(LedgerAccount, LedgerAccount.tenant_id == LedgerEntry.tenant_id)
        .join(Tenant, Tenant.id == LedgerEntry.tenant_id)
        .outerjoin(_OWNER, _OWNER.id == LedgerEntry.user_id)
        .outerjoin(_DEPARTMENT, _DEPARTMENT.id == LedgerEntry.department_id)
        .outerjoin(Bill, Bill.id == LedgerEntry.bill_id)
        .where(LedgerEntry.tenant_id == tenant_id)
    )


def filter_postings(statement: sa.Select[Any], query: Any) -> sa.Select[Any]:
    conditions: list[tuple[Any, Callable[[Any], Any]]] = [
        (query.type, lambda value: LedgerEntry.kind == value),
        (query.start, lambda value: LedgerEntry.at >= value),
        (query.end, lambda value: LedgerEntry.at < value),
        (getattr(query, "user", None), lambda value: _OWNER.number == value),
        (getattr(query, "department", None), lambda value: _DEPARTMENT.number == value),
        (getattr(query, "bill", None), lambda value: Bill.number == value),
    ]
    for value, condition in conditions:
        if value is not None:
            statement = statement.where(condition(value))
    return statement


POSTING_SORTS = {"at": LedgerEntry.at, "number": LedgerEntry.number, "amount": LedgerEntry.amount_micros}


def posting(row: Any) -> dict[str, Any]:
    bill = None
    if row.bill_number is not None:
        bill = {
            "id": row.bill_number,
            "serial": bill_serial(row.tenant_code, row.bill_number),
            "object": {"kind": row.object_kind, "id": row.object_number, "name": row.bill_name},
        }
    user = _ref(row.user_number, row.user_display_name)
    if user is None and row.user_name:
        user = {"id": 0, "name": row.user_name}
    return {
        "id": row.number,
        "serial": entry_serial(row.tenant_code, row.number),
        "at": clock.to_wire(row.at),
        "type": row.kind,
        "amount_micros": row.change_micros,
        "balance_after_micros": row.balance_after_micros,
        "note": row.note,
        "user": user,
        "department": _ref(row.department_number, row.department_name),
        "bill": bill,
    }


def postings_of_bill(db: Db, bill: Any) -> list[dict[str, Any]]:
    rows = db.execute(postings_select(bill.tenant_id).where(LedgerEntry.bill_id == bill.id).order_by(LedgerEntry.id))
    return [posting(row) for row in rows]


# -- spending ------------------------------------------------------------------------------------


def _day(column: Any, dialect: str, offset: timedelta) -> Any:
    """Days since 1970 of a moment, for a person ``offset`` away from UTC."""
    seconds = int(offset.total_seconds())
    if dialect == "postgresql":
        return sa.cast(sa.func.floor((sa.extract("epoch", column) + seconds) / 86400), sa.BigInteger)
    raw = sa.type_coerce(column, sa.BigInteger)
    return (raw + seconds * 1_000_000) // sa.literal_column("86400000000", sa.BigInteger)


def summary(
    db: Db, actor: Actor, permission: str, *, by: str, start: datetime | None, end: datetime | None, offset: timedelta
) -> dict[str, Any]:
    """Spending within the actor's reach, from the ledger plus what runs and is not charged yet.

    By day, money counts on the day it was charged; what is not charged yet, today.
    """
    dialect = (db.get_bind() if hasattr(db, "get_bind") else db.engine).dialect.name
    keys: dict[str, tuple[Any, Any]] = {
        "day": (_day(LedgerEntry.at, dialect, offset), sa.literal("")),
        "kind": (Bill.kind, Bill.kind),
        "section": (Bill.section, Bill.section),
        "user": (_OWNER.number, _OWNER.display_name),
        "department": (_DEPARTMENT.number, _DEPARTMENT.name),
    }
    key, name = keys[by]
    change = sa.case((LedgerEntry.kind == "charge", LedgerEntry.amount_micros), else_=-LedgerEntry.amount_micros)
    base = (
        sa.select(key.label("key"), sa.func.max(name).label("name"), sa.func.sum(change).label("amount"))
        .select_from(LedgerEntry)
        .join(Bill, Bill.id == LedgerEntry.bill_id)
        .join(_OWNER, _OWNER.id == Bill.owner_id)
        .outerjoin(_DEPARTMENT, _DEPARTMENT.id == Bill.department_id)
        .where(objects.visible(Bill, actor, permission))
        .group_by(sa.text("1"))
    )
    if start is not None:
        base = base.where(LedgerEntry.at >= start)
    if end is not None:
        base = base.where(LedgerEntry.at < end)
    amounts = {row.key: (row.name or "", int(row.amount)) for row in db.execute(base)}
    moment = clock.now()
    if (start is None or start <= moment) and (end is None or moment < end):
        for live_key, live_name, amount in _uncharged(db, actor, permission, by, moment + offset):
            before = amounts.get(live_key, (live_name, 0))
            amounts[live_key] = (before[0], before[1] + amount)
    items = [
        {"key": _key(by, value), "name": name or _key(by, value), "amount_micros": amount}
        for value, (name, amount) in amounts.items()
    ]
    items.sort(key=lambda item: str(item["key"]) if by == "day" else -int(item["amount_micros"]))
    return {"by": by, "items": items, "total_micros": sum(amount for _, amount in amounts.values())}


def _key(by: str, value: Any) -> str:
    if by == "day":
        return (datetime(1970, 1, 1) + timedelta(days=int(value))).strftime("%Y-%m-%d")
    return "" if value is None else str(value)


def _uncharged(db: Db, actor: Actor, permission: str, by: str, local: datetime) -> Iterable[tuple[Any, str, int]]:
    rows = db.execute(bills_select(actor, permission, BillFilter(state="open"))).all()
    live = costing.costs(db, [row.workload_id for row in rows])
    today = local.date().toordinal() - datetime(1970, 1, 1).toordinal()
    for row in rows:
        amount = live.get(row.workload_id, row.charged_micros) - row.charged_micros
        if amount:
            yield {
                "day": (today, ""),
                "kind": (row.kind, row.kind),
                "section": (row.section, row.section),
                "user": (row.user_number, row.user_name),
                "department": (row.department_number, row.department_name or ""),
            }[by] + (amount,)
