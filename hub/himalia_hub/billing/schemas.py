"""Wire shapes of money. Amounts are integers of micros; ``price_per_hour`` is exact decimal text."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictInt

from himalia_hub.account.schemas import CurrencyInfo, ObjectRef, Ref
from himalia_hub.core.paging import ListQuery


class TenantRef(BaseModel):
    code: str
    name: str


class Balance(BaseModel):
    """``available`` is what new work may hold; ``uncharged`` is used but not posted yet."""

    balance_micros: int
    held_micros: int
    available_micros: int
    uncharged_micros: int
    burn_per_hour_micros: int
    lasts_until: str | None
    arrears_since: str | None
    tenant: TenantRef
    currency: CurrencyInfo


class PriceOut(BaseModel):
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)
    resource: str
    section: str | None
    unit: str
    price_micros_per_hour: int
    price_per_hour: str
    valid_from: Annotated[str | None, Field(alias="from")]
    set_at: str | None
    set_by: str | None
    state: Literal["current", "future", "past", "unset"]


class PriceList(BaseModel):
    currency: CurrencyInfo
    sections: list[str]
    entries: list[PriceOut]


class PriceQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    history: bool = False


class PriceIn(BaseModel):
    """One price, as ``price_micros_per_hour`` or, where that is too coarse, as ``price_per_hour``."""

    model_config = ConfigDict(extra="forbid")
    resource: Annotated[str, Field(min_length=1, max_length=128)]
    section: Annotated[str | None, Field(max_length=32)] = None
    price_micros_per_hour: StrictInt | None = None
    price_per_hour: Annotated[str | None, Field(max_length=40)] = None
    valid_from: Annotated[AwareDatetime | None, Field(alias="from")] = None


class PricesIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    entries: Annotated[list[PriceIn], Field(min_length=1, max_length=200)]


class RechargeIn(BaseModel):
    """A negative amount deducts. ``tenant`` is a code; without it, one's own organisation."""

    model_config = ConfigDict(extra="forbid")
    tenant: Annotated[str | None, Field(max_length=32)] = None
    amount_micros: StrictInt
    note: Annotated[str, Field(max_length=255)] = ""


class BillRef(BaseModel):
    id: int
    serial: str
    object: ObjectRef


class Posting(BaseModel):
    id: int
    serial: str
    at: str
    type: Literal["recharge", "charge", "refund"]
    amount_micros: int
    balance_after_micros: int
    note: str
    user: Ref | None
    department: Ref | None
    bill: BillRef | None


class LedgerQuery(ListQuery):
    sort: Annotated[str, Field(max_length=32)] = "-at"
    type: Literal["recharge", "charge", "refund"] | None = None
    start: Annotated[AwareDatetime | None, Field(alias="from")] = None
    end: Annotated[AwareDatetime | None, Field(alias="to")] = None
    user: int | None = None
    department: int | None = None
    bill: int | None = None


class BillLineOut(BaseModel):
    """``correction`` 0 is the bill as settled; later numbers are what was learned afterwards."""

    resource: str
    quantity: float
    unit: str
    seconds: float
    unit_price_micros: int
    unit_price: str
    amount_micros: int
    correction: int


class BillOut(BaseModel):
    """``total_micros`` of an open bill includes the seconds not charged yet."""

    id: int
    serial: str
    name: str
    kind: str
    section: str
    object: ObjectRef
    workload: int
    tenant: TenantRef
    department: Ref | None
    user: Ref
    created_at: str
    started_at: str
    ended_at: str | None
    duration_seconds: float
    resources: dict[str, Any]
    replicas: int
    nodes: list[str]
    lines: list[BillLineOut]
    price_per_hour_micros: int
    total_micros: int
    charged_micros: int
    state: Literal["open", "settled"]
    version: int


class BillDetail(BillOut):
    postings: list[Posting]


class BillFilter(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Annotated[str | None, Field(max_length=64)] = None
    section: Annotated[str | None, Field(max_length=32)] = None
    resource: Annotated[str | None, Field(max_length=128)] = None
    start: Annotated[AwareDatetime | None, Field(alias="from")] = None
    end: Annotated[AwareDatetime | None, Field(alias="to")] = None
    user: int | None = None
    department: int | None = None
    state: Literal["open", "settled"] | None = None
    object_kind: Annotated[str | None, Field(max_length=64)] = None
    object: int | None = None


class BillQuery(BillFilter, ListQuery):
    sort: Annotated[str, Field(max_length=32)] = "-started_at"


class ExportQuery(BillFilter):
    format: Literal["csv", "xlsx"] = "csv"
    offset_minutes: Annotated[int, Field(ge=-840, le=840)] = 0


class LedgerExportQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    format: Literal["csv", "xlsx"] = "csv"
    type: Literal["recharge", "charge", "refund"] | None = None
    start: Annotated[AwareDatetime | None, Field(alias="from")] = None
    end: Annotated[AwareDatetime | None, Field(alias="to")] = None
    offset_minutes: Annotated[int, Field(ge=-840, le=840)] = 0


class SummaryQuery(BaseModel):
    """``offset_minutes`` is the person's distance from UTC, for where a day begins."""

    model_config = ConfigDict(extra="forbid")
    start: Annotated[AwareDatetime | None, Field(alias="from")] = None
    end: Annotated[AwareDatetime | None, Field(alias="to")] = None
    by: Literal["day", "kind", "section", "user", "department"] = "day"
    offset_minutes: Annotated[int, Field(ge=-840, le=840)] = 0


class BillBar(BaseModel):
    key: str
    name: str
    amount_micros: int


class BillSummary(BaseModel):
    by: str
    items: list[BillBar]
    total_micros: int
