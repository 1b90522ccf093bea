"""The ledger: accounts and entries. Nothing else in the platform moves a balance.

Lock order, which keeps PostgreSQL free of deadlocks: a tenant's account first (several by
ascending tenant), ``funding`` and ``revenue`` last and only by a single UPDATE.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from himalia_hub.billing.tables import Bill, LedgerAccount, LedgerEntry
from himalia_hub.core import clock, money, objects
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput

REVENUE, FUNDING = "revenue", "funding"
RECHARGE, CHARGE, REFUND = "recharge", "charge", "refund"


def _ensure(session: Session, key: str, tenant_id: int | None) -> None:
    """Make an account once, also when two transactions try at the same time."""
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    values = {"key": key, "tenant_id": tenant_id, "balance_micros": 0, "held_micros": 0}
    session.execute(insert(LedgerAccount).values(**values).on_conflict_do_nothing(index_elements=["key"]))


def lock_account(session: Session, tenant_id: int) -> LedgerAccount:
    """The tenant's account, made on first use, its row locked until the end of the transaction."""
    statement = (
        sa.select(LedgerAccount)
        .where(LedgerAccount.tenant_id == tenant_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    session.flush()
    account = session.execute(statement).scalar_one_or_none()
    if account is None:
        _ensure(session, f"tenant:{tenant_id}", tenant_id)
        account = session.execute(statement).scalar_one()
    return account


def read_account(db: Db, tenant_id: int) -> tuple[int, int, datetime | None]:
    """``(balance, held, arrears since)`` in micros; zeros before the first movement."""
    row = db.execute(
        sa.select(LedgerAccount.balance_micros, LedgerAccount.held_micros, LedgerAccount.arrears_since).where(
            LedgerAccount.tenant_id == tenant_id
        )
    ).first()
    return (row.balance_micros, row.held_micros, row.arrears_since) if row is not None else (0, 0, None)


def _system_account(session: Session, key: str) -> int:
    statement = sa.select(LedgerAccount.id).where(LedgerAccount.key == key)
    found = session.execute(statement).scalar_one_or_none()
    if found is None:
        _ensure(session, key, None)
        found = session.execute(statement).scalar_one()
    return found


def post(
    session: Session,
    account: LedgerAccount,
    kind: str,
    change_micros: int,
    *,
    key: str,
    note: str = "",
    user_id: int | None = None,
    user_name: str = "",
    department_id: int | None = None,
    bill: Bill | None = None,
) -> LedgerEntry | None:
    """Move a tenant's balance by ``change_micros`` against the account that the kind names.

    Args:
        account: From :func:`lock_account`, in this transaction.
        kind: ``recharge`` moves against *funding*; ``charge`` and ``refund`` against *revenue*.
        key: Names the cause; a second posting of the same cause does nothing.

    Returns:
        The entry, or None when its cause was posted before.
    """
    assert change_micros != 0, "a ledger entry moves something"
    if session.execute(sa.select(LedgerEntry.id).where(LedgerEntry.idempotency_key == key)).first() is not None:
        return None
    assert account.tenant_id is not None
    other = _system_account(session, FUNDING if kind == RECHARGE else REVENUE)
    account.balance_micros += change_micros
    debit, credit = (other, account.id) if change_micros > 0 else (account.id, other)
    entry = LedgerEntry(
        at=clock.now(),
        tenant_id=account.tenant_id,
        number=objects.next_number(session, account.tenant_id, "ledger_entry"),
        kind=kind,
        debit_account_id=debit,
        credit_account_id=credit,
        amount_micros=abs(change_micros),
        balance_after_micros=account.balance_micros,
        idempotency_key=key,
        note=note,
        user_id=user_id,
        user_name=user_name,
        department_id=department_id,
        bill_id=bill.id if bill is not None else None,
    )
    session.add(entry)
    session.flush()
    session.execute(
        sa.update(LedgerAccount)
        .where(LedgerAccount.id == other)
        .values(balance_micros=LedgerAccount.balance_micros - change_micros)
        .execution_options(synchronize_session=False)
    )
    return entry


def check_recharge(amount_micros: int, note: str) -> None:
    """TEN-4: any amount but zero, negative to deduct; raises :class:`InvalidInput`."""
    if amount_micros == 0 or abs(amount_micros) > money.MAX_AMOUNT_MICROS:
        limit = money.amount_text(money.MAX_AMOUNT_MICROS)
        raise InvalidInput(
            f"amount_micros: {amount_micros} is not between -{limit} and {limit} in currency units, zero excluded.",
            zh=f"amount_micros：{amount_micros} 超出范围；以货币单位计应在 -{limit} 与 {limit} 之间，且不为零。",
            field="amount_micros",
            rule=f"not zero, at most {money.MAX_AMOUNT_MICROS} in size",
            value=amount_micros,
            hint="Send millionths of the currency unit; a negative amount deducts.",
            hint_zh="请以货币单位的百万分之一填写；负数表示扣减。",
        )
    if len(note) > 255:
        raise InvalidInput(
            f"note: {len(note)} characters; at most 255.",
            zh=f"note：{len(note)} 个字符；最多 255 个。",
            field="note",
            rule="at most 255 characters",
            value=note,
        )


def sum_of_accounts(db: Db) -> int:
    """Always zero (OPS-3)."""
    return int(db.execute(sa.select(sa.func.coalesce(sa.func.sum(LedgerAccount.balance_micros), 0))).scalar_one())
