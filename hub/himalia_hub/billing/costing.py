"""What work costs: priced lines of its usage intervals, up to the charged moment or up to now.

Reads only. Charges take what is proven (``live=False``); what people see of running work goes on
to the present second, at most :data:`LIVE_LIMIT` past the last proof of life.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import sqlalchemy as sa

from himalia_hub.billing import prices, rules
from himalia_hub.billing.tables import Bill
from himalia_hub.core import clock, money
from himalia_hub.core.db import Db
from himalia_hub.metering import service as metering

LIVE_LIMIT = timedelta(minutes=2)
OPEN, SETTLED = "open", "settled"


def known_until(interval: Any, live: bool, moment: datetime, live_limit: timedelta = LIVE_LIMIT) -> datetime:
    """Where an interval ends for now."""
    until: datetime = interval.until
    return max(until, min(moment, until + live_limit)) if live and not interval.ended else until


def lines_of(
    intervals: Iterable[Any], book: rules.PriceBook, *, live: bool = False, live_limit: timedelta = LIVE_LIMIT
) -> list[rules.Line]:
    """The lines of one piece of work."""
    moment = clock.now()
    return rules.lines(
        (
            rules.Occupation(
                interval.section,
                rules.quantities(interval.cpu_millis, interval.memory_bytes, interval.accelerators),
                interval.opened_at,
                known_until(interval, live, moment, live_limit),
            )
            for interval in intervals
        ),
        book,
    )


def costs(db: Db, workload_ids: Collection[int], *, live_limit: timedelta = LIVE_LIMIT) -> Mapping[int, int]:
    """Micros that each workload cost so far, running seconds included; unknown ones are left out."""
    ids = sorted(set(workload_ids))
    settled: dict[int, int] = {}
    for start in range(0, len(ids), 500):
        rows = db.execute(
            sa.select(Bill.workload_id, Bill.charged_micros).where(
                Bill.workload_id.in_(ids[start : start + 500]), Bill.state == SETTLED
            )
        )
        settled.update({row.workload_id: row.charged_micros for row in rows})
    running = metering.intervals(db, [number for number in ids if number not in settled])
    if not running:
        return settled
    book = prices.book(db)
    live = {
        workload_id: rules.total(lines_of(found, book, live=True, live_limit=live_limit))
        for workload_id, found in running.items()
    }
    return {**settled, **live}


def burn_per_hour(db: Db, tenant_id: int, book: rules.PriceBook) -> int:
    """Micros an hour that a tenant's running work costs now."""
    moment = clock.now()
    burn = sum(
        (
            rules.rate(
                rules.quantities(interval.cpu_millis, interval.memory_bytes, interval.accelerators),
                1,
                interval.section,
                book,
                moment,
            )
            for interval in metering.open_intervals(db, tenant_id)
        ),
        Fraction(0),
    )
    return money.half_even(burn)


def uncharged(db: Db, tenant_id: int) -> int:
    """Micros that a tenant's work used and that no ledger entry has charged yet."""
    bills = db.execute(
        sa.select(Bill.workload_id, Bill.charged_micros).where(Bill.tenant_id == tenant_id, Bill.state == OPEN)
    ).all()
    live = costs(db, [bill.workload_id for bill in bills])
    return sum(live.get(bill.workload_id, bill.charged_micros) - bill.charged_micros for bill in bills)


def lasts_until(available_micros: int, burn_micros: int) -> datetime | None:
    """When the money is gone at the present rate; None when nothing costs."""
    if burn_micros <= 0:
        return None
    seconds = max(0, available_micros) * 3600 // burn_micros
    return clock.now() + timedelta(seconds=min(seconds, 100 * 366 * 86400))
