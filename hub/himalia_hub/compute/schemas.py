"""Wire shapes of the engine; ``docs/design/wire.md`` has the reasoning."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from himalia_hub.account.schemas import ObjectRef, Ref

Scenario = Literal["notebook", "training", "inference", "annotation", "visualisation", "any"]
PhaseWord = Literal[
    "waiting", "queued", "starting", "running", "stopping", "stopped", "succeeded", "failed", "timed_out"
]
MAX_CPU_MILLIS = 10_000_000
MAX_MEMORY_BYTES = 2**50


class Resources(BaseModel):
    """Of one replica."""

    cpu_millis: int
    memory_bytes: int
    disk_bytes: int = 0
    accelerators: dict[str, int]


class Step(BaseModel):
    """A line of the start-up tree."""

    name: Literal["admitted", "scheduled", "image", "mounts", "server"]
    state: Literal["waiting", "active", "done", "failed"]
    detail: str
    started_at: str | None
    ended_at: str | None


class Usage(BaseModel):
    """Use of all replicas together; percentages are of the limit."""

    sampled_at: str
    cpu_percent: float
    cpu_millis: int
    memory_bytes: int
    memory_limit_bytes: int
    disk_bytes: int
    accelerators: dict[str, float]


class UsageSeries(BaseModel):
    samples: list[Usage]


class WorkloadOut(BaseModel):
    """Something that occupies resources."""

    id: int
    kind: str
    name: str
    object: ObjectRef
    owner: Ref
    department: Ref | None
    phase: PhaseWord
    reason: str | None
    message: str
    phase_since: str
    queue_position: int | None
    expected_start_at: str | None
    attempt: int
    replicas_ready: int
    replicas_total: int
    resources: Resources
    price_per_hour_micros: int
    cost_micros: int
    steps: list[Step]
    usage: Usage | None
    last_lines: list[str]
    priority: int
    deadline_seconds: int | None
    created_at: str
    updated_at: str
    started_at: str | None
    ended_at: str | None
    exit_code: int | None
    version: int


class LevelLine(BaseModel):
    resource: str
    limit: int | None
    used: int
    available: int | None
    after: int | None


class QuotaLevel(BaseModel):
    level: Literal["user", "department", "tenant"]
    name: str
    resources: list[LevelLine]


class QuotaView(BaseModel):
    levels: list[QuotaLevel]


class Verdict(BaseModel):
    """What would happen to a start, before it is made."""

    verdict: Literal["starts_now", "waits", "never_fits", "over_quota", "too_dear", "not_permitted"]
    sentence: str
    sentence_zh: str
    resource: str | None
    level: str | None
    asked: int | None
    used: int | None
    limit: int | None
    queue_position: int | None
    expected_start_at: str | None
    price_per_hour_micros: int
    hold_micros: int
    balance_micros: int
    levels: list[QuotaLevel]


class Spec(BaseModel):
    """A resource spec."""

    id: int
    name: str
    scenario: Scenario
    resources: Resources
    accelerator_label: str | None
    price_per_hour_micros: int
    version: int


class Profile(BaseModel):
    spec: Spec
    verdict: Verdict


class VerdictAsk(BaseModel):
    model_config = ConfigDict(extra="forbid")
    spec_id: int
    replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    scenario: Scenario = "any"


class ScenarioQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    scenario: Scenario | None = None


class ProfileQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    scenario: Scenario = "notebook"


class LogQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=4 * 1024 * 1024)] = 262_144
    replica: Annotated[int, Field(ge=0, lt=1000)] = 0
    attempt: Annotated[int | None, Field(ge=1)] = None


class UsageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    since: datetime | None = None

    @field_validator("since")
    @classmethod
    def _zone(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("needs a time zone")
        return value


class SpecCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=32, pattern=r"\S")]
    scenario: Scenario = "any"
    cpu_millis: Annotated[int, Field(ge=1, le=MAX_CPU_MILLIS)]
    memory_bytes: Annotated[int, Field(ge=16 * 2**20, le=MAX_MEMORY_BYTES)]
    disk_bytes: Annotated[int, Field(ge=0, le=MAX_MEMORY_BYTES)] = 0
    accelerators: dict[Annotated[str, Field(min_length=1, max_length=128)], Annotated[int, Field(ge=1, le=1024)]] = (
        Field(default_factory=dict, max_length=8)
    )
    accelerator_label: Annotated[str | None, Field(max_length=64)] = None


class SpecUpdate(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str | None, Field(min_length=1, max_length=32, pattern=r"\S")] = None
    scenario: Scenario | None = None
    cpu_millis: Annotated[int | None, Field(ge=1, le=MAX_CPU_MILLIS)] = None
    memory_bytes: Annotated[int | None, Field(ge=16 * 2**20, le=MAX_MEMORY_BYTES)] = None
    disk_bytes: Annotated[int | None, Field(ge=0, le=MAX_MEMORY_BYTES)] = None
    accelerators: (
        dict[Annotated[str, Field(min_length=1, max_length=128)], Annotated[int, Field(ge=1, le=1024)]] | None
    ) = None
    accelerator_label: Annotated[str | None, Field(max_length=64)] = None


class QuotaSet(BaseModel):
    """Limits of one subject; a null takes a limit away, resources not named stay."""

    model_config = ConfigDict(extra="forbid")
    level: Literal["user", "department", "tenant"]
    subject: str | int
    """User: number or name; department: number; tenant: code."""
    tenant: Annotated[str | None, Field(max_length=32)] = None
    """For platform administrators: the organisation of a user or department."""
    limits: Annotated[
        dict[
            Annotated[str, Field(min_length=1, max_length=128)],
            Annotated[int | None, Field(ge=0, le=2**60)],
        ],
        Field(min_length=1, max_length=64),
    ]


class QuotaOf(BaseModel):
    model_config = ConfigDict(extra="forbid")
    level: Literal["user", "department", "tenant"] = "tenant"
    subject: str = ""
    tenant: str | None = None


class EnvironmentOut(BaseModel):
    """A runtime environment that work can run in."""

    name: str
    title: str
    digest: str
    state: Literal["ready", "building", "failed"]
    python: str
    packages: dict[str, str]
    size_bytes: int
    uses: list[str]
    message: str = ""


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")
