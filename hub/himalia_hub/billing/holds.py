"""Money's side of admission: holds that parallel starts cannot overdraw, and arrears (TEN-4, OPS-4, OPS-9).

A hold covers the next 15 minutes at the work's rate. Charges are taken out of it, then it is
renewed from what the balance has left; where that is not enough the tenant is in arrears: running
work goes on, new work is refused until a recharge. Every function locks the tenant's account first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import Resources
from himalia_hub.billing import costing, ledger, prices, rules
from himalia_hub.billing.tables import Hold, LedgerAccount
from himalia_hub.core import clock, money, objects
from himalia_hub.core.admission import Estimate, Payer
from himalia_hub.core.db import Db
from himalia_hub.core.errors import BalanceTooLow
from himalia_hub.metering import service as metering


def _full(hold: Hold, book: rules.PriceBook) -> int:
    amounts = rules.quantities(hold.cpu_millis, hold.memory_bytes, hold.accelerators)
    return rules.hold_for(amounts, hold.replicas, hold.section, book, clock.now())


def purse_of(account: LedgerAccount, hold: Hold | None) -> rules.Purse:
    purse = rules.Purse(account.balance_micros, account.held_micros)
    if hold is not None:
        purse.holds[hold.workload_id] = hold.amount_micros
    return purse


def keep(purse: rules.Purse, account: LedgerAccount, hold: Hold | None) -> None:
    """Write a purse's holds back; its balance moves by ledger entries only."""
    assert purse.balance == account.balance_micros, "a balance moved without a ledger entry"
    account.held_micros = purse.held
    if hold is not None and hold.workload_id in purse.holds:
        hold.amount_micros = purse.holds[hold.workload_id]


def in_arrears(account: LedgerAccount) -> bool:
    return account.arrears_since is not None or account.balance_micros < 0


def _refused(account: LedgerAccount, needed: int) -> BalanceTooLow:
    available = account.balance_micros - account.held_micros
    numbers: dict[str, Any] = {
        "balance_micros": account.balance_micros,
        "held_micros": account.held_micros,
        "available_micros": available,
        "needed_micros": needed,
        "short_micros": max(0, needed - available),
    }
    if in_arrears(account):
        since = clock.to_wire(account.arrears_since or clock.now())
        return BalanceTooLow(
            f"The organisation is in arrears since {since}: its balance of "
            f"{money.amount_text(account.balance_micros)} does not cover the work that already runs.",
            zh=f"组织自 {since} 起欠费：余额 {money.amount_text(account.balance_micros)} 不足以支付正在运行的工作。",
            field="balance",
            rule="the balance covers what runs",
            value=money.amount_text(account.balance_micros),
            hint="Stop running work, or ask an administrator for a recharge.",
            hint_zh="请停止正在运行的工作，或联系管理员充值。",
            arrears_since=since,
            **numbers,
        )
    return BalanceTooLow(
        f"The first 15 minutes cost {money.amount_text(needed)}, and {money.amount_text(max(available, 0))} is free: "
        f"balance {money.amount_text(account.balance_micros)}, held by running work "
        f"{money.amount_text(account.held_micros)}.",
        zh=f"前 15 分钟需 {money.amount_text(needed)}，可用 {money.amount_text(max(available, 0))}："
        f"余额 {money.amount_text(account.balance_micros)}，"
        f"正在运行的工作占用 {money.amount_text(account.held_micros)}。",
        field="balance",
        rule="balance less holds covers 15 minutes",
        value=money.amount_text(available),
        hint="Choose a smaller spec, stop running work, or ask an administrator for a recharge.",
        hint_zh="请选择更小的规格、停止正在运行的工作，或联系管理员充值。",
        **numbers,
    )


def renew_all(session: Session, account: LedgerAccount, book: rules.PriceBook) -> None:
    """Renew a tenant's holds oldest first, and enter or leave arrears accordingly."""
    found = session.execute(
        sa.select(Hold)
        .where(Hold.tenant_id == account.tenant_id, Hold.ended_at.is_(None))
        .order_by(Hold.created_at, Hold.workload_id)
    ).scalars()
    covered = True
    for hold in found:
        purse = purse_of(account, hold)
        covered = purse.renew(hold.workload_id, _full(hold, book)) and covered
        keep(purse, account, hold)
    if covered and account.balance_micros >= 0:
        account.arrears_since = None
    elif account.arrears_since is None:
        account.arrears_since = clock.now()
    session.flush()


def drop(session: Session, account: LedgerAccount, workload_id: int) -> None:
    """The last charge is posted: free what the work still held."""
    hold = session.get(Hold, workload_id)
    if hold is not None:
        account.held_micros -= hold.amount_micros
        session.delete(hold)
        session.flush()


class LedgerBudget:
    """:class:`~himalia_hub.core.admission.BudgetCheck` on the ledger.

    Args:
        live_limit: How far past the last proof of life an open interval is shown as costing.
    """

    def __init__(self, *, live_limit: timedelta = costing.LIVE_LIMIT) -> None:
        self._live_limit = live_limit

    def hold(
        self, session: Session, payer: Payer, workload_id: int, resources: Resources, replicas: int, section: str
    ) -> None:
        account = ledger.lock_account(session, payer.tenant_id)
        if session.get(Hold, workload_id) is not None:
            return
        amounts = rules.quantities(resources.cpu_millis, resources.memory_bytes, resources.accelerators)
        needed = rules.hold_for(amounts, replicas, section, prices.book(session), clock.now())
        purse = purse_of(account, None)
        if needed > 0 and (in_arrears(account) or not purse.may_hold(needed)):
            raise _refused(account, needed)
        purse.set_hold(workload_id, needed)
        hold = Hold(
            workload_id=workload_id,
            tenant_id=payer.tenant_id,
            department_id=payer.department_id,
            user_id=payer.user_id,
            section=section,
            replicas=replicas,
            cpu_millis=resources.cpu_millis,
            memory_bytes=resources.memory_bytes,
            accelerators=dict(resources.accelerators),
            amount_micros=needed,
            created_at=clock.now(),
        )
        session.add(hold)
        keep(purse, account, hold)
        session.flush()
        if needed:
            objects.announce(session, "balance", tenant_id=payer.tenant_id)

    def renew(self, session: Session, workload_id: int) -> bool:
        tenant_id = session.execute(sa.select(Hold.tenant_id).where(Hold.workload_id == workload_id)).scalar()
        if tenant_id is None:
            return True
        account = ledger.lock_account(session, tenant_id)
        book = prices.book(session)
        renew_all(session, account, book)
        hold = session.get(Hold, workload_id)
        return hold is None or hold.amount_micros >= _full(hold, book)

    def release(self, session: Session, workload_id: int) -> None:
        """Keeps the hold until the last charge when the work used anything, so that nothing slips between."""
        tenant_id = session.execute(sa.select(Hold.tenant_id).where(Hold.workload_id == workload_id)).scalar()
        if tenant_id is None:
            return
        account = ledger.lock_account(session, tenant_id)
        hold = session.get(Hold, workload_id, populate_existing=True)
        if hold is None:
            return
        if metering.has_facts(session, workload_id):
            hold.ended_at = hold.ended_at or clock.now()
            metering.mark_pending(session, workload_id)
            session.flush()
        else:
            drop(session, account, workload_id)
            renew_all(session, account, prices.book(session))
        objects.announce(session, "balance", tenant_id=tenant_id)

    def estimate(self, db: Db, tenant_id: int, resources: Resources, replicas: int, section: str) -> Estimate:
        book, moment = prices.book(db), clock.now()
        amounts = rules.quantities(resources.cpu_millis, resources.memory_bytes, resources.accelerators)
        balance, held, arrears_since = ledger.read_account(db, tenant_id)
        available = balance - held
        return Estimate(
            price_per_hour_micros=money.half_even(rules.rate(amounts, replicas, section, book, moment)),
            hold_micros=rules.hold_for(amounts, replicas, section, book, moment),
            balance_micros=min(available, 0) if arrears_since is not None else available,
        )

    def costs(self, db: Db, workload_ids: Collection[int]) -> Mapping[int, int]:
        return costing.costs(db, workload_ids, live_limit=self._live_limit)
