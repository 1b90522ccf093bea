"""Prices by effective date: setting them, and the book of those in force (OPS-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.billing import rules
from himalia_hub.billing.tables import PriceEntry
from himalia_hub.core import clock, money
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput

_BOOK = sa.select(
    PriceEntry.id, PriceEntry.resource, PriceEntry.section, PriceEntry.picos_per_hour, PriceEntry.valid_from
)


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A price to set; ``valid_from`` None means from now on, ``section`` empty means every section."""

    resource: str
    section: str
    picos_per_hour: int
    valid_from: datetime | None = None


def book(db: Db) -> rules.PriceBook:
    """All prices that were ever in force or are planned."""
    return rules.PriceBook(
        (row.id, row.resource, row.section, row.picos_per_hour, row.valid_from) for row in db.execute(_BOOK)
    )


def _refuse(
    index: int, field: str, message: str, zh: str, rule: str, value: Any, hint: str = "", hint_zh: str = ""
) -> InvalidInput:
    name = f"entries[{index}].{field}"
    return InvalidInput(
        f"{name}: {message}", zh=f"{name}：{zh}", field=name, rule=rule, value=value, hint=hint, hint_zh=hint_zh
    )


def check(index: int, change: PriceChange, moment: datetime) -> None:
    """Raises :class:`InvalidInput` naming field, rule and value."""
    if not rules.known_resource(change.resource):
        raise _refuse(
            index,
            "resource",
            f"{change.resource!r} is not a resource that can be priced.",
            f"{change.resource!r} 不是可定价的资源。",
            "cpu, memory, storage, or an accelerator such as nvidia.com/gpu",
            change.resource,
        )
    if change.section and change.section not in rules.SECTIONS:
        raise _refuse(
            index,
            "section",
            f"{change.section!r} is not a section.",
            f"没有名为 {change.section!r} 的业务分区。",
            f"one of {', '.join(rules.SECTIONS)}, or none",
            change.section,
        )
    shown = money.rate_text(change.picos_per_hour)
    if change.picos_per_hour < 0:
        raise _refuse(
            index,
            "price_micros_per_hour",
            f"{shown} is negative; a price is 0 or more.",
            f"{shown} 为负数；价格不能小于 0。",
            "0 or more",
            shown,
            "Set 0 to make the resource free.",
            "设为 0 即为免费。",
        )
    if change.picos_per_hour > money.MAX_RATE_PICOS:
        highest = money.rate_text(money.MAX_RATE_PICOS)
        raise _refuse(
            index,
            "price_micros_per_hour",
            f"{shown} is above {highest}.",
            f"{shown} 超过 {highest}。",
            f"at most {highest}",
            shown,
        )
    if change.valid_from is not None and change.valid_from < moment:
        raise _refuse(
            index,
            "from",
            f"{clock.to_wire(change.valid_from)} has passed; a price cannot change the past.",
            f"{clock.to_wire(change.valid_from)} 已过去；价格不能追溯生效。",
            "now or later",
            clock.to_wire(change.valid_from),
            "Leave it out to change the price from now on.",
            "留空即从现在起生效。",
        )


def set_prices(session: Session, changes: Sequence[PriceChange], *, user_id: int, user_name: str) -> list[PriceEntry]:
    """Append prices, all or none; never before now, so that nothing already used changes its price."""
    moment = clock.now()
    for index, change in enumerate(changes):
        check(index, change, moment)
    entries = [
        PriceEntry(
            resource=change.resource,
            section=change.section,
            picos_per_hour=change.picos_per_hour,
            valid_from=change.valid_from or moment,
            set_at=moment,
            set_by_id=user_id,
            set_by=user_name,
        )
        for change in changes
    ]
    session.add_all(entries)
    session.flush()
    return entries


def entry_to_wire(row: Any, state: str) -> dict[str, Any]:
    """One entry; ``state`` is ``current``, ``future`` or ``past``."""
    return {
        "resource": row.resource,
        "section": row.section or None,
        "unit": rules.unit_of(row.resource)[1],
        "price_micros_per_hour": money.rate_micros(row.picos_per_hour),
        "price_per_hour": money.rate_text(row.picos_per_hour),
        "from": clock.to_wire(row.valid_from),
        "set_at": clock.to_wire(row.set_at),
        "set_by": row.set_by,
        "state": state,
    }


def listed(db: Db, *, history: bool, accelerators: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Prices in force and to come, newest first per resource; with ``history`` those of the past too.

    ``cpu``, ``memory``, ``storage`` and these accelerators are always there: unset means 0 and is shown as such.
    """
    moment = clock.now()
    rows = db.execute(
        sa.select(PriceEntry.__table__).order_by(
            PriceEntry.resource, PriceEntry.section, PriceEntry.valid_from.desc(), PriceEntry.id.desc()
        )
    ).all()
    found: list[dict[str, Any]] = []
    seen_current: set[tuple[str, str]] = set()
    seen_future: set[tuple[str, str, datetime]] = set()
    for row in rows:
        key = (row.resource, row.section)
        if row.valid_from > moment:
            # Of two entries for one moment only the newer one will ever be in force.
            state = "past" if (*key, row.valid_from) in seen_future else "future"
            seen_future.add((*key, row.valid_from))
        else:
            state = "past" if key in seen_current else "current"
            seen_current.add(key)
        if state != "past" or history:
            found.append(entry_to_wire(row, state))
    unset = [name for name in (*rules.UNITS, *accelerators) if (name, "") not in seen_current]
    found.extend(
        {
            "resource": name,
            "section": None,
            "unit": rules.unit_of(name)[1],
            "price_micros_per_hour": 0,
            "price_per_hour": "0",
            "from": None,
            "set_at": None,
            "set_by": None,
            "state": "unset",
        }
        for name in unset
    )
    return found
