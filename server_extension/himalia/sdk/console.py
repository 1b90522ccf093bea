"""Quotas of others, prices and the checklist: what administrators see and set.

Changing needs an API token whose reach includes it; from a notebook only a step-up in the panel does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from himalia.sdk.decode import decode

if TYPE_CHECKING:
    from himalia.sdk.client import Client


@dataclass
class LimitAbove:
    """The limit of an enclosing level; None is none of its own."""

    level: str = ""
    name: str = ""
    limit: int | None = None
    used: int = 0


@dataclass
class QuotaLine:
    """One resource: millis of CPU, bytes, or pieces of an accelerator; None is no limit.

    ``effective`` is the smallest limit of this level and those above, ``available`` the least that
    remains at any of them.
    """

    resource: str = ""
    limit: int | None = None
    effective: int | None = None
    used: int = 0
    used_percent: float | None = None
    available: int | None = None
    highest: int | None = None
    reservable: int | None = None
    above: list[LimitAbove] = field(default_factory=list)


@dataclass
class QuotaSheet:
    """All limits of an organisation (``tenant``), a department or a member (``user``)."""

    level: str = ""
    subject: str = ""
    name: str = ""
    tenant: str = ""
    may_set: bool = False
    version: int = 1
    updated_at: datetime | None = None
    updated_by: str | None = None
    missing: list[str] = field(default_factory=list)
    resources: list[QuotaLine] = field(default_factory=list)

    def __getitem__(self, resource: str) -> QuotaLine:
        return next(line for line in self.resources if line.resource == resource)


class Quotas:
    """``client.quotas``: quotas of those you administer."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, level: str = "tenant", subject: str | int = "", *, tenant: str | None = None) -> QuotaSheet:
        """One sheet.

        Args:
            level: ``tenant``, ``department`` or ``user``.
            subject: The organisation's code, the department's number, the member's number or name.
            tenant: For platform administrators: the organisation of a department or member.
        """
        answer = self._client.http.get("/quotas", level=level, subject=subject, tenant=tenant)
        return decode(QuotaSheet, answer, self._client)

    def all(self, level: str = "user", **filters: Any) -> list[QuotaSheet]:
        """The sheets of everybody within reach at a level; filters: ``tenant``, ``department``, ``q``."""
        return list(self._client.pages("/quota-sheets", QuotaSheet, None, level=level, sort="name", **filters))

    def set(
        self,
        level: str,
        subject: str | int,
        limits: dict[str, int | None] | None = None,
        *,
        reservable: dict[str, int | None] | None = None,
        tenant: str | None = None,
        lower_below: bool = False,
        seen: QuotaSheet | None = None,
    ) -> QuotaSheet:
        """Set limits; None takes one away, what is not named stays.

        Args:
            reservable: Of an organisation: how much of each its queues may reserve.
            lower_below: Bring higher limits of departments and members down along, instead of refusing.
            seen: The sheet that the change is based on; refused when somebody changed it since.
        """
        seen = seen or self.get(level, subject, tenant=tenant)
        told = {
            "level": level,
            "subject": subject,
            "tenant": tenant,
            "limits": limits or {},
            "reservable": reservable or {},
            "lower_below": lower_below,
        }
        answer = self._client.http.request("PUT", "/quotas", json=told, version=seen.version)
        return decode(QuotaSheet, answer.json(), self._client)


@dataclass
class Price:
    """What one core, GiB or card costs an hour; ``state`` is current, future, past or unset (which is 0)."""

    resource: str = ""
    section: str | None = None
    unit: str = ""
    price_per_hour: str = "0"
    set_at: datetime | None = None
    set_by: str | None = None
    state: str = ""

    @property
    def amount(self) -> Decimal:
        return Decimal(self.price_per_hour)


class Prices:
    """``client.prices``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, *, history: bool = False) -> list[Price]:
        answer = self._client.http.get("/prices", history=history)
        return [decode(Price, entry) for entry in answer["entries"]]

    def set(
        self, prices: dict[str, Any], *, section: str | None = None, valid_from: datetime | None = None
    ) -> Sequence[Price]:
        """Set prices an hour, e.g. ``{"cpu": "0.10", "nvidia.com/gpu": "7.5"}``; from now or a later moment."""
        entries = [
            {
                "resource": resource,
                "price_per_hour": str(price),
                **({"section": section} if section else {}),
                **({"from": valid_from.isoformat()} if valid_from else {}),
            }
            for resource, price in prices.items()
        ]
        answer = self._client.http.request("PUT", "/prices", json={"entries": entries}).json()
        return [decode(Price, entry) for entry in answer["entries"]]


@dataclass
class ChecklistItem:
    """One thing to set up; ``roles`` can do it, ``may`` says whether you can."""

    key: str = ""
    done: bool = False
    title: str = ""
    detail: str = ""
    missing: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    may: bool = False


@dataclass
class Checklist:
    scope: str = ""
    code: str | None = None
    name: str = ""
    complete: bool = False
    items: list[ChecklistItem] = field(default_factory=list)


def checklists(client: Client, tenant: str | None = None) -> list[Checklist]:
    """What the installation (for platform administrators) and an organisation still lack."""
    answer = client.http.get("/checklist", tenant=tenant)
    found = [answer["installation"], answer["organisation"]]
    return [decode(Checklist, one) for one in found if one is not None]
