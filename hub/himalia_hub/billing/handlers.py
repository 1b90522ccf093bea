"""Routes of money: balance, bills, ledger, prices, recharges; and what the machine's administrator asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from himalia_hub.api.context import Context
from himalia_hub.api.routes import Reply, RouteTable, Stream
from himalia_hub.auth.actor import Reach
from himalia_hub.billing import costing, exports, ledger, prices, reading, rules, schemas, service
from himalia_hub.billing.tables import Bill, LedgerEntry
from himalia_hub.core import clock, money, paging
from himalia_hub.core.admission import KnownResources
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput, NotFound
from himalia_hub.tenancy.tables import Tenant

routes = RouteTable("money")
internal = RouteTable("money.admin", internal=True)
TABLES = [routes, internal]
EXPORT_BATCH = 500


def _tenant_by_code(db: Db, code: str) -> Any:
    row = db.execute(sa.select(Tenant.id, Tenant.code, Tenant.name).where(Tenant.code == code)).first()
    if row is None:
        raise NotFound(
            f"tenant: there is no organisation {code!r}.",
            zh=f"tenant：没有代码为 {code!r} 的组织。",
            field="tenant",
            rule="the code of an organisation",
            value=code,
        )
    return row


def _tenant(ctx: Context, code: str | None = None) -> Any:
    return _tenant_in(ctx, ctx.db, code)


def _tenant_in(ctx: Context, db: Db, code: str | None = None) -> Any:
    """The organisation a request is about: one's own, or with platform reach the one it names."""
    actor = ctx.actor
    code = code or ctx.headers.get("Himalia-Tenant") or actor.tenant_code
    if code != actor.tenant_code and actor.reach(ctx.permission) is not Reach.PLATFORM:
        raise NotFound()
    return _tenant_by_code(db, code)


def _currency(ctx: Context) -> dict[str, Any]:
    return ctx.platform.config.currency.model_dump()


@routes.get(
    "/balance",
    permission="money.balance.read",
    summary="The organisation's balance, what is held of it, and how long it lasts",
    response=schemas.Balance,
)
def get_balance(ctx: Context) -> dict[str, Any]:
    tenant = _tenant(ctx)
    balance, held, arrears_since = ledger.read_account(ctx.db, tenant.id)
    burn = costing.burn_per_hour(ctx.db, tenant.id, prices.book(ctx.db))
    uncharged = costing.uncharged(ctx.db, tenant.id)
    return {
        "balance_micros": balance,
        "held_micros": held,
        "available_micros": balance - held,
        "uncharged_micros": uncharged,
        "burn_per_hour_micros": burn,
        "lasts_until": clock.to_wire(costing.lasts_until(balance - uncharged, burn)),
        "arrears_since": clock.to_wire(arrears_since),
        "tenant": {"code": tenant.code, "name": tenant.name},
        "currency": _currency(ctx),
    }


@routes.get(
    "/bills",
    permission="money.bill.read",
    summary="Bills",
    query=schemas.BillQuery,
    response=paging.Page[schemas.BillOut],
)
def list_bills(ctx: Context, query: schemas.BillQuery) -> dict[str, Any]:
    page = paging.page(
        ctx.db,
        reading.bills_select(ctx.actor, ctx.permission, query),
        query,
        sorts=reading.BILL_SORTS,
        key=Bill.id,
        render=lambda row: row,
        search=[Bill.name],
    )
    page["items"] = reading.render_bills(ctx.db, page["items"])
    return page


@routes.get(
    "/bills/summary",
    permission="money.bill.read",
    summary="Spending by day, kind, section, user or department",
    query=schemas.SummaryQuery,
    response=schemas.BillSummary,
)
def bills_summary(ctx: Context, query: schemas.SummaryQuery) -> dict[str, Any]:
    return reading.summary(
        ctx.db,
        ctx.actor,
        ctx.permission,
        by=query.by,
        start=query.start,
        end=query.end,
        offset=timedelta(minutes=query.offset_minutes),
    )


async def _bill_batches(ctx: Context, query: schemas.ExportQuery) -> AsyncIterator[list[exports.Row]]:
    """All visible bills by ascending number, a batch per read, so that other requests go on between."""
    currency, offset, last = _currency(ctx), timedelta(minutes=query.offset_minutes), 0

    def read(db: Db) -> tuple[list[exports.Row], int]:
        statement = reading.bills_select(ctx.actor, ctx.permission, query)
        rows = db.execute(statement.where(Bill.id > last).order_by(Bill.id).limit(EXPORT_BATCH)).all()
        shown = [exports.bill_row(bill, currency, offset, ctx.language) for bill in reading.render_bills(db, rows)]
        return shown, rows[-1].id if rows else 0

    while True:
        batch, last = ctx.read(read)
        if not batch:
            return
        yield batch
        await asyncio.sleep(0)


async def _posting_batches(
    ctx: Context, tenant: Any, query: schemas.LedgerExportQuery
) -> AsyncIterator[list[exports.Row]]:
    currency, offset, last = _currency(ctx), timedelta(minutes=query.offset_minutes), 0

    def read(db: Db) -> tuple[list[exports.Row], int]:
        statement = reading.filter_postings(reading.postings_select(tenant.id), query)
        rows = db.execute(statement.where(LedgerEntry.id > last).order_by(LedgerEntry.id).limit(EXPORT_BATCH)).all()
        shown = [exports.posting_row(reading.posting(row), tenant.name, currency, offset, ctx.language) for row in rows]
        return shown, rows[-1].id if rows else 0

    while True:
        batch, last = ctx.read(read)
        if not batch:
            return
        yield batch
        await asyncio.sleep(0)


def _document(ctx: Context, name: str, form: str, head: Sequence[tuple[str, str]], batches: exports.Batches) -> Stream:
    write, media_type = exports.FORMATS[form]
    return Stream(
        write(exports.head(head, ctx.language), batches),
        media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}.{form}"'},
    )


@routes.get(
    "/bills/export",
    permission="money.bill.read",
    summary="Bills as .csv or .xlsx",
    query=schemas.ExportQuery,
    response_type="text/csv",
)
async def export_bills(ctx: Context, query: schemas.ExportQuery) -> Stream:
    return _document(ctx, "bills", query.format, exports.BILL_HEAD, _bill_batches(ctx, query))


@routes.get(
    "/ledger/export",
    permission="money.ledger.read",
    summary="Income and expense as .csv or .xlsx",
    query=schemas.LedgerExportQuery,
    response_type="text/csv",
)
async def export_ledger(ctx: Context, query: schemas.LedgerExportQuery) -> Stream:
    tenant = ctx.read(lambda db: _tenant_in(ctx, db))
    return _document(ctx, "ledger", query.format, exports.LEDGER_HEAD, _posting_batches(ctx, tenant, query))


@routes.get(
    "/bills/{bill}", permission="money.bill.read", summary="One bill with its postings", response=schemas.BillDetail
)
def get_bill(ctx: Context, bill: int) -> dict[str, Any]:
    statement = reading.bills_select(ctx.actor, ctx.permission, schemas.BillFilter())
    row = ctx.db.execute(statement.where(Bill.number == bill)).first()
    if row is None:
        raise NotFound()
    return {**reading.render_bills(ctx.db, [row])[0], "postings": reading.postings_of_bill(ctx.db, row)}


@routes.get(
    "/ledger",
    permission="money.ledger.read",
    summary="Income and expense of the organisation",
    query=schemas.LedgerQuery,
    response=paging.Page[schemas.Posting],
)
def list_ledger(ctx: Context, query: schemas.LedgerQuery) -> dict[str, Any]:
    statement = reading.filter_postings(reading.postings_select(_tenant(ctx).id), query)
    return paging.page(
        ctx.db,
        statement,
        query,
        sorts=reading.POSTING_SORTS,
        key=LedgerEntry.id,
        render=reading.posting,
        search=[LedgerEntry.note],
    )


def _accelerators(ctx: Context) -> list[str]:
    if not ctx.platform.has(KnownResources):
        return []
    return list(ctx.platform.get(KnownResources).accelerators())  # type: ignore[type-abstract]


@routes.get(
    "/prices", permission="account.self.read", summary="Prices", query=schemas.PriceQuery, response=schemas.PriceList
)
def list_prices(ctx: Context, query: schemas.PriceQuery) -> dict[str, Any]:
    return {
        "currency": _currency(ctx),
        "sections": list(rules.SECTIONS),
        "entries": prices.listed(ctx.db, history=query.history, accelerators=_accelerators(ctx)),
    }


def _change(index: int, entry: schemas.PriceIn) -> service.PriceChange:
    if (entry.price_micros_per_hour is None) == (entry.price_per_hour is None):
        raise InvalidInput(
            f"entries[{index}].price_micros_per_hour: give it or price_per_hour, not both.",
            zh=f"entries[{index}].price_micros_per_hour：请填写此项或 price_per_hour，且只填一项。",
            field=f"entries[{index}].price_micros_per_hour",
            rule="either price_micros_per_hour or price_per_hour",
        )
    if entry.price_per_hour is None:
        assert entry.price_micros_per_hour is not None
        picos = entry.price_micros_per_hour * money.PICOS
    else:
        try:
            picos = money.parse_rate(entry.price_per_hour)
        except ValueError as error:
            raise InvalidInput(
                f"entries[{index}].price_per_hour: {error}.",
                zh=f"entries[{index}].price_per_hour：{entry.price_per_hour!r} 不是小数点后至多 12 位的十进制数。",
                field=f"entries[{index}].price_per_hour",
                rule="a decimal number with at most 12 digits after the point",
                value=entry.price_per_hour,
            ) from error
    return service.PriceChange(entry.resource, entry.section or "", picos, entry.valid_from)


@routes.put(
    "/prices",
    permission="money.price.manage",
    summary="Set prices from now or a later moment on",
    query=schemas.PriceQuery,
    body=schemas.PricesIn,
    response=schemas.PriceList,
)
def put_prices(ctx: Context, query: schemas.PriceQuery, body: schemas.PricesIn) -> dict[str, Any]:
    changes = [_change(index, entry) for index, entry in enumerate(body.entries)]
    service.set_prices(ctx.session, changes, user_id=ctx.actor.user_id, user_name=ctx.actor.user_name)
    ctx.audit_object = ("price", ", ".join(sorted({change.resource for change in changes}))[:128])
    return list_prices(ctx, query)


@routes.post(
    "/recharges",
    permission="money.recharge.create",
    summary="Recharge an organisation's balance, or deduct from it",
    body=schemas.RechargeIn,
    response=schemas.Posting,
    status=201,
)
def create_recharge(ctx: Context, body: schemas.RechargeIn) -> dict[str, Any]:
    actor = ctx.actor
    tenant = _tenant(ctx, body.tenant)
    entry = service.recharge(
        ctx.session,
        tenant.id,
        body.amount_micros,
        note=body.note,
        user_id=actor.user_id or None,
        user_name=actor.user_name,
    )
    ctx.audit_object = ("ledger_entry", str(entry.number))
    ctx.audit_detail = {"tenant": tenant.code}
    row = ctx.db.execute(reading.postings_select(tenant.id).where(LedgerEntry.id == entry.id)).one()
    return reading.posting(row)


# -- from the machine ----------------------------------------------------------------------------


@internal.get("/admin/prices", permission="internal.admin.call", summary="Prices", query=schemas.PriceQuery)
def admin_list_prices(ctx: Context, query: schemas.PriceQuery) -> dict[str, Any]:
    return list_prices(ctx, query)


@internal.put(
    "/admin/prices",
    permission="money.price.manage",
    summary="Set prices",
    query=schemas.PriceQuery,
    body=schemas.PricesIn,
)
def admin_put_prices(ctx: Context, query: schemas.PriceQuery, body: schemas.PricesIn) -> dict[str, Any]:
    return put_prices(ctx, query, body)


@internal.post(
    "/admin/recharges",
    permission="money.recharge.create",
    summary="Recharge an organisation's balance, or deduct from it",
    body=schemas.RechargeIn,
    status=201,
)
def admin_recharge(ctx: Context, body: schemas.RechargeIn) -> Reply:
    if body.tenant is None:
        raise InvalidInput(
            "tenant: name the organisation by its code.",
            zh="tenant：请填写组织代码。",
            field="tenant",
            rule="required",
        )
    return Reply(create_recharge(ctx, body), status=201)


@internal.get("/admin/balances", permission="internal.admin.call", summary="Balances of all organisations")
def admin_balances(ctx: Context) -> dict[str, Any]:
    items = []
    for tenant in ctx.db.execute(sa.select(Tenant.id, Tenant.code, Tenant.name).order_by(Tenant.code)).all():
        balance, held, arrears_since = ledger.read_account(ctx.db, tenant.id)
        items.append(
            {
                "tenant": {"code": tenant.code, "name": tenant.name},
                "balance_micros": balance,
                "held_micros": held,
                "arrears_since": clock.to_wire(arrears_since),
            }
        )
    return {"items": items, "currency": _currency(ctx), "sum_of_accounts_micros": ledger.sum_of_accounts(ctx.db)}
