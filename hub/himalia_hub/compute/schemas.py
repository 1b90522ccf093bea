"""Wire shapes of the engine; ``docs/design/wire.md`` has the reasoning."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from himalia_hub.account.schemas import ObjectRef, Ref
from himalia_hub.core import names
from himalia_hub.core.errors import BrokenRule
from himalia_hub.core.paging import ListQuery

Scenario = Literal["notebook", "training", "inference", "annotation", "visualisation", "any"]
PhaseWord = Literal[
    "waiting", "queued", "starting", "running", "stopping", "stopped", "succeeded", "failed", "timed_out"
]
SPEC_NAME = names.visible(32)
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
    """By when it starts in half of the cases (P50), from how long such work lasted; null where too little is known."""
    expected_start_latest_at: str | None
    """By when it starts in nine of ten cases (P90); with too little history by when deadlines alone make room."""
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
    used_percent: float | None
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
    missing: list[str]
    """What the organisation has no quota of at all, so that nothing of it runs (TEN-3)."""
    uses: dict[str, int]
    """What the start would occupy, all replicas together."""
    queue_position: int | None
    expected_start_at: str | None
    """By when it starts in half of the cases (P50), from how long such work lasted; null where too little is known."""
    expected_start_latest_at: str | None
    """By when it starts in nine of ten cases (P90); with too little history by when deadlines alone make room."""
    price_per_hour_micros: int
    hold_micros: int
    balance_micros: int
    levels: list[QuotaLevel]


SpecKind = Literal["basic", "gpu", "gpu_mig", "npu", "vnpu"]


class Spec(BaseModel):
    """A resource spec: CPU and memory, or a count of one accelerator resource that is added to them."""

    id: int
    name: str
    kind: SpecKind
    scenario: Scenario
    resources: Resources
    accelerator_label: str | None
    price_per_hour_micros: int
    version: int


class Profile(BaseModel):
    spec: Spec
    verdict: Verdict


class AcceleratorRef(BaseModel):
    """The accelerator spec that was added to a basic one."""

    id: int
    name: str
    kind: SpecKind
    accelerators: dict[str, int]
    accelerator_label: str | None


class AcceleratorLargest(BaseModel):
    resource: str
    kind: SpecKind
    cards: list[str]
    largest: int
    total: int
    nodes: int


class Largest(BaseModel):
    """What any one node has at most; a spec with more is refused."""

    cpu_millis: int
    memory_bytes: int
    nodes: int
    accelerators: list[AcceleratorLargest]


class AcceleratorWish(BaseModel):
    """Any accelerators that suffice, whatever maker and form they have (BEY-23)."""

    model_config = ConfigDict(extra="forbid")
    count: Annotated[int, Field(strict=True, ge=1, le=1024)] = 1
    memory_bytes: Annotated[int, Field(strict=True, ge=0, le=MAX_MEMORY_BYTES)] = 0
    """At least this of each, as its maker names it (24 GB of an L4 is 24 GiB here)."""
    frameworks: Annotated[list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]], Field(max_length=8)] = []
    """One of these, such as ``cuda``, ``cann``, ``rocm``; none is any."""


class TakesAccelerator(BaseModel):
    """A start's accelerator: a spec that is named, or a wish that the platform resolves."""

    model_config = ConfigDict(extra="forbid")
    accelerator_spec_id: int | None = None
    accelerator_wish: AcceleratorWish | None = None

    @model_validator(mode="after")
    def _named_or_wished(self) -> Self:
        if self.accelerator_spec_id is not None and self.accelerator_wish is not None:
            rule = "either accelerator_spec_id or accelerator_wish"
            raise BrokenRule(rule, "accelerator_spec_id 与 accelerator_wish 二选一", "accelerator_wish")
        return self


class AcceleratorAsk(AcceleratorWish):
    """A wish, and what would be started with it."""

    spec_id: int | None = None
    replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    scenario: Scenario = "any"


class AcceleratorOffer(BaseModel):
    """One spec that satisfies a wish; ``verdict`` and its price are of the whole start."""

    spec: Spec
    form: Literal["gpu", "mig", "slice", "npu", "vnpu", "other"]
    framework: str
    card: str
    memory_bytes: int
    """Of each."""
    verdict: Verdict


class AcceleratorProblem(BaseModel):
    """Why nothing satisfies a wish: the part of it, the rule, and what comes nearest."""

    field: str
    rule: str
    sentence: str
    sentence_zh: str
    hint: str
    hint_zh: str
    nearest: AcceleratorRef | None


class AcceleratorAnswer(BaseModel):
    """What satisfies a wish: what starts now first, then the cheaper, then the least that suffices."""

    wish: AcceleratorWish
    offers: list[AcceleratorOffer]
    frameworks: list[str]
    """Those that the accelerators on offer run, whatever was wished for."""
    why: str
    """Why the first offer would be taken."""
    why_zh: str
    problem: AcceleratorProblem | None


class VerdictPart(TakesAccelerator):
    """One of several workloads that start together."""

    spec_id: int
    replicas: Annotated[int, Field(ge=1, le=1000)] = 1


class VerdictAsk(TakesAccelerator):
    """One workload by its specs, or several together in ``parts`` (variants of a service)."""

    spec_id: int | None = None
    replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    parts: Annotated[list[VerdictPart] | None, Field(min_length=1, max_length=100)] = None
    scenario: Scenario = "any"

    @model_validator(mode="after")
    def _one_or_many(self) -> VerdictAsk:
        if (self.spec_id is None) == (self.parts is None):
            raise BrokenRule("either spec_id or parts", "spec_id 与 parts 二选一", "spec_id")
        return self


class ScenarioQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    scenario: Scenario | None = None
    kind: Literal["basic", "gpu", "gpu_mig", "npu", "vnpu", "accelerator"] | None = None


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
            raise BrokenRule("a time with its zone", "带时区的时间")
        return value


Accelerators = dict[
    Annotated[str, Field(min_length=1, max_length=128)], Annotated[int, Field(strict=True, ge=1, le=1024)]
]
Millis = Annotated[int, Field(strict=True, ge=0, le=MAX_CPU_MILLIS)]
Bytes = Annotated[int, Field(strict=True, ge=0, le=MAX_MEMORY_BYTES)]


class SpecCreate(BaseModel):
    """A basic spec needs CPU and memory, any other kind one entry of ``accelerators``."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(max_length=200), SPEC_NAME]
    kind: SpecKind = "basic"
    scenario: Scenario = "any"
    cpu_millis: Millis = 0
    memory_bytes: Bytes = 0
    disk_bytes: Bytes = 0
    accelerators: Accelerators = Field(default_factory=dict, max_length=8)
    accelerator_label: Annotated[str | None, Field(max_length=64)] = None
    """The card's name, as people know it."""


class SpecUpdate(BaseModel):
    """What is not given stays; the kind never changes."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str | None, Field(max_length=200), SPEC_NAME] = None
    scenario: Scenario | None = None
    cpu_millis: Millis | None = None
    memory_bytes: Bytes | None = None
    disk_bytes: Bytes | None = None
    accelerators: Annotated[Accelerators | None, Field(max_length=8)] = None
    accelerator_label: Annotated[str | None, Field(max_length=64)] = None


MAX_LIMIT = 2**60
Limits = dict[
    Annotated[str, Field(min_length=1, max_length=128)],
    Annotated[int | None, Field(strict=True, ge=0, le=MAX_LIMIT)],
]


class QuotaSet(BaseModel):
    """Limits of one subject; a null takes a limit away, resources not named stay."""

    model_config = ConfigDict(extra="forbid")
    level: Literal["user", "department", "tenant"]
    subject: Annotated[str, Field(max_length=512)] | int
    """User: number or name; department: number; tenant: code."""
    tenant: Annotated[str | None, Field(max_length=32)] = None
    """For platform administrators: the organisation of a user or department."""
    limits: Annotated[Limits, Field(max_length=64)] = {}
    reservable: Annotated[Limits, Field(max_length=64)] = {}
    """Of an organisation: how much of each its queues may reserve together."""
    lower_below: bool = False
    """Bring limits of departments and members that would exceed the new ones down to them, instead of refusing."""

    @model_validator(mode="after")
    def _something(self) -> QuotaSet:
        if not self.limits and not self.reservable:
            raise BrokenRule("limits or reservable is given", "limits 与 reservable 至少提供一项", "limits")
        return self


class QuotaOf(BaseModel):
    model_config = ConfigDict(extra="forbid")
    level: Literal["user", "department", "tenant"] = "tenant"
    subject: Annotated[str, Field(max_length=512)] = ""
    tenant: Annotated[str | None, Field(max_length=32)] = None


class QuotaAbove(BaseModel):
    """An enclosing level; ``limit`` null is none of its own there."""

    level: Literal["department", "tenant"]
    name: str
    limit: int | None
    used: int


class SheetLine(BaseModel):
    """One resource of a subject.

    ``effective`` is the smallest limit of this level and those above, ``available`` the least that
    remains at any of them; null is no limit. ``set`` is false for an organisation's default.
    """

    resource: str
    limit: int | None
    set: bool
    effective: int | None
    used: int
    used_percent: float | None
    available: int | None
    highest: int | None
    """What a limit here may be at most: the lowest limit above."""
    reservable: int | None
    above: list[QuotaAbove]


class QuotaSheet(BaseModel):
    """All limits of one subject, what is used of them, and the limits above."""

    level: Literal["user", "department", "tenant"]
    subject: str
    name: str
    tenant: str
    may_set: bool
    version: int
    updated_at: str | None
    updated_by: str | None
    missing: list[str]
    """Of an organisation: what it has none of, so that nothing of it can run."""
    resources: list[SheetLine]


class SheetQuery(ListQuery):
    """The subjects of a level within reach."""

    level: Literal["user", "department", "tenant"] = "user"
    tenant: Annotated[str | None, Field(max_length=32)] = None
    department: Annotated[int | None, Field(ge=1)] = None
    """Only members of this department."""
    sort: Annotated[str, Field(max_length=32)] = "name"


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
