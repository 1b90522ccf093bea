"""Wire shapes of online services."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.account.schemas import Ref
from himalia_hub.compute.schemas import AcceleratorWish, TakesAccelerator
from himalia_hub.core import paging


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class VariantIn(TakesAccelerator):
    name: Annotated[str | None, Field(max_length=32)] = None
    model_id: int
    version: Annotated[str, Field(max_length=64)]
    weight_percent: Annotated[int, Field(ge=0, le=100)] = 100
    spec_id: int
    replicas: Annotated[int, Field(ge=1, le=100)] = 1
    environment: Annotated[str, Field(max_length=128)] = ""


class ServiceCreate(_In):
    name: Annotated[str, Field(max_length=400)]
    description: Annotated[str, Field(max_length=2000)] = ""
    variants: Annotated[list[VariantIn], Field(max_length=100)]


class ServiceUpdate(_In):
    """With ``variants`` a new revision is rolled out; the description changes at once."""

    description: Annotated[str | None, Field(max_length=2000)] = None
    variants: Annotated[list[VariantIn] | None, Field(max_length=100)] = None


class WeightsIn(_In):
    weights: dict[str, Annotated[int, Field(ge=0, le=100)]]


class KeyCreate(_In):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    expires_at: datetime | None = None
    requests_per_minute: Annotated[int | None, Field(ge=1, le=1_000_000)] = None


class ServiceQuery(paging.ListQuery):
    phase: str | None = None


class MonitoringQuery(_In):
    minutes: Annotated[int, Field(ge=1, le=1440)] = 60


class VersionRef(Ref):
    version: str


class VariantOut(BaseModel):
    name: str
    model: VersionRef
    weight_percent: int
    spec: dict[str, Any]
    replicas: int
    ready: int
    environment: str
    phase: str
    message: str
    workload: dict[str, Any] | None


class ServiceOut(BaseModel):
    id: int
    name: str
    owner: Ref
    department: Ref | None
    framework: str
    protocol: str
    description: str
    phase: str
    reason: str | None
    message: str
    variants: list[VariantOut]
    revision: int
    live_revision: int | None
    address: str
    replicas_ready: int
    replicas_total: int
    calls_total: int
    calls_failed: int
    cost_micros: int
    price_per_hour_micros: int
    created_at: str
    updated_at: str
    version: int


class RevisionVariant(BaseModel):
    name: str
    model: VersionRef
    weight_percent: int
    replicas: int
    spec_id: int
    accelerator_spec_id: int | None
    accelerator_wish: AcceleratorWish | None
    environment: str


class RevisionOut(BaseModel):
    revision: int
    created_at: str
    author: Ref
    active: bool
    variants: list[RevisionVariant]


class RevisionList(BaseModel):
    items: list[RevisionOut]


class KeyOut(BaseModel):
    id: int
    name: str
    prefix: str
    created_at: str
    expires_at: str | None
    requests_per_minute: int | None


class KeyList(BaseModel):
    items: list[KeyOut]


class Guide(BaseModel):
    address: str
    curl: str
    python: str
    javascript: str


class NewKey(KeyOut):
    """The key is shown this once; ``guide`` has it filled in."""

    key: str
    guide: Guide


class VariantFigures(BaseModel):
    name: str
    requests: int
    errors: int
    latency_p50_ms: float | None
    p95: float | None
    p99: float | None


class TrafficPoint(BaseModel):
    at: str
    requests: int
    errors: int
    latency_p50_ms: float | None
    p95: float | None


class Monitoring(BaseModel):
    requests: int
    errors: int
    latency_p50_ms: float | None
    p95: float | None
    p99: float | None
    per_variant: list[VariantFigures]
    series: list[TrafficPoint]
