"""Charging: from usage intervals to ledger entries and bills.

One transaction per tenant: lock the account, post for each piece of work the rounded cost of all
its usage so far minus what was posted, keep its bill, take the charge out of its hold, renew the
holds. Everything is a function of the facts and the prices, so a charge that is interrupted
anywhere leaves nothing, and one that is repeated changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.billing import costing, holds, ledger, prices, rules
from himalia_hub.billing.tables import Bill, BillLine, Hold, LedgerAccount
from himalia_hub.core import clock, objects
from himalia_hub.core.db import Db
from himalia_hub.metering import service as metering

CHARGE_EVERY = timedelta(minutes=4)
"""Running work is charged when this much more of it is proven; proofs come every minute, so never later than 5."""
BATCH = 200


def due(db: Db, charge_every: timedelta = CHARGE_EVERY) -> dict[int, list[int]]:
    """Workloads to charge now, by tenant: new ones, ended or corrected ones, and those that ran long enough."""
    waiting = metering.pending(db)
    bills = {}
    ids = [workload_id for _, workload_id, _, _ in waiting]
    for start in range(0, len(ids), 500):
        rows = db.execute(
            sa.select(Bill.workload_id, Bill.charged_until).where(Bill.workload_id.in_(ids[start : start + 500]))
        )
        bills.update({row.workload_id: row.charged_until for row in rows})
    found: dict[int, list[int]] = {}
    for tenant_id, workload_id, ended, until in waiting:
        charged_until = bills.get(workload_id)
        if ended or charged_until is None or until - charged_until >= charge_every:
            found.setdefault(tenant_id, []).append(workload_id)
    return found


def charge(session: Session, tenant_id: int, workload_ids: Sequence[int]) -> None:
    """Charge some of one tenant's workloads; the unit of work of the controller."""
    account = ledger.lock_account(session, tenant_id)
    book = prices.book(session)
    intervals = metering.intervals(session, workload_ids)
    moved = False
    for workload_id in workload_ids:
        if workload_id in intervals:
            moved = _charge_one(session, account, book, intervals[workload_id]) or moved
    holds.renew_all(session, account, book)
    if moved:
        objects.announce(session, "balance", tenant_id=tenant_id)


def _charge_one(session: Session, account: LedgerAccount, book: rules.PriceBook, intervals: Sequence[Any]) -> bool:
    workload_id = intervals[0].workload_id
    hold = session.get(Hold, workload_id, populate_existing=True)
    bill = session.execute(sa.select(Bill).where(Bill.workload_id == workload_id)).scalar_one_or_none()
    new = bill is None
    if bill is None:
        bill = _new_bill(session, intervals, hold)
    fact_id = max(interval.fact_id for interval in intervals)
    lines = costing.lines_of(intervals, book)
    change = rules.total(lines) - bill.charged_micros
    if change:
        _post(session, account, bill, hold, change, f"charge:w{workload_id}:f{fact_id}:{rules.total(lines)}")
    if bill.settled_at is None:
        _replace_lines(session, bill, lines)
    else:
        _append_correction(session, bill, lines)
    _describe(bill, intervals, fact_id)
    ended = all(interval.ended for interval in intervals) and (hold is None or hold.ended_at is not None)
    settles = ended and bill.state == costing.OPEN
    if ended:
        bill.state = costing.SETTLED
        bill.settled_at = bill.settled_at or clock.now()
        holds.drop(session, account, workload_id)
    metering.clear_pending(session, workload_id, fact_id)
    if new or change or settles:
        objects.touch(session, "bill", bill, op="created" if new else "updated")
    return bool(change) or settles


def _post(session: Session, account: LedgerAccount, bill: Bill, hold: Hold | None, change: int, key: str) -> None:
    purse = holds.purse_of(account, hold)
    purse.charge(bill.workload_id, change)
    entry = ledger.post(
        session,
        account,
        ledger.CHARGE if change > 0 else ledger.REFUND,
        -change,
        key=key,
        user_id=bill.owner_id,
        department_id=bill.department_id,
        bill=bill,
    )
    assert entry is not None, f"{key} was posted, and its bill does not know"
    holds.keep(purse, account, hold)
    bill.charged_micros += change


def _new_bill(session: Session, intervals: Sequence[Any], hold: Hold | None) -> Bill:
    first = intervals[0]
    moment = clock.now()
    bill = Bill(
        tenant_id=first.tenant_id,
        department_id=first.department_id,
        owner_id=first.owner_id,
        number=objects.next_number(session, first.tenant_id, "bill"),
        name=first.object_name,
        version=1,
        created_at=hold.created_at if hold is not None else moment,
        updated_at=moment,
        workload_id=first.workload_id,
        workload_number=first.workload_number,
        kind=first.kind,
        section=first.section,
        object_kind=first.object_kind,
        object_number=first.object_number,
        state=costing.OPEN,
        started_at=min(interval.opened_at for interval in intervals),
        cpu_millis=first.cpu_millis,
        memory_bytes=first.memory_bytes,
        accelerators=dict(first.accelerators),
        nodes=[],
        charged_micros=0,
        charged_until=first.opened_at,
        corrections=0,
    )
    session.add(bill)
    session.flush()
    return bill


def _describe(bill: Bill, intervals: Sequence[Any], fact_id: int) -> None:
    ended = all(interval.ended for interval in intervals)
    bill.started_at = min(interval.opened_at for interval in intervals)
    bill.ended_at = max(interval.until for interval in intervals) if ended else None
    bill.replicas = len({interval.replica for interval in intervals})
    bill.nodes = sorted({interval.node for interval in intervals if interval.node})
    bill.charged_until = max(interval.until for interval in intervals)
    bill.charged_fact_id = fact_id
    if not ended:
        bill.state = costing.OPEN


def _replace_lines(session: Session, bill: Bill, lines: Sequence[rules.Line]) -> None:
    session.execute(sa.delete(BillLine).where(BillLine.bill_id == bill.id, BillLine.correction == 0))
    if lines:
        session.execute(
            sa.insert(BillLine), [_line(bill, 0, line, line.microseconds, line.amount_micros) for line in lines]
        )


def _append_correction(session: Session, bill: Bill, lines: Sequence[rules.Line]) -> None:
    """A settled bill is never rewritten: what is known better now follows as lines of their own."""
    written = session.execute(
        sa.select(
            BillLine.resource,
            BillLine.picos_per_hour,
            BillLine.quantity,
            sa.func.sum(BillLine.microseconds).label("microseconds"),
            sa.func.sum(BillLine.amount_micros).label("amount_micros"),
        )
        .where(BillLine.bill_id == bill.id)
        .group_by(BillLine.resource, BillLine.picos_per_hour, BillLine.quantity)
    )
    before = {
        rules.Line(row.resource, row.picos_per_hour, row.quantity, 0): (int(row.microseconds), int(row.amount_micros))
        for row in written
    }
    after = {
        rules.Line(line.resource, line.picos_per_hour, line.quantity, 0): (line.microseconds, line.amount_micros)
        for line in lines
    }
    changes = []
    for line in {**before, **after}:
        microseconds = after.get(line, (0, 0))[0] - before.get(line, (0, 0))[0]
        amount = after.get(line, (0, 0))[1] - before.get(line, (0, 0))[1]
        if microseconds or amount:
            changes.append(_line(bill, bill.corrections + 1, line, microseconds, amount))
    if changes:
        bill.corrections += 1
        session.execute(sa.insert(BillLine), changes)


def _line(bill: Bill, correction: int, line: rules.Line, microseconds: int, amount: int) -> dict[str, Any]:
    return {
        "bill_id": bill.id,
        "correction": correction,
        "resource": line.resource,
        "picos_per_hour": line.picos_per_hour,
        "quantity": line.quantity,
        "microseconds": microseconds,
        "amount_micros": amount,
    }
