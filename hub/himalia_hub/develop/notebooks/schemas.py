"""Wire shapes of notebooks, for the panels and for the hub."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from himalia_hub.account.schemas import Ref
from himalia_hub.compute.schemas import (
    MAX_MEMORY_BYTES,
    AcceleratorRef,
    Accelerators,
    AcceleratorWish,
    Bytes,
    Millis,
    PhaseWord,
    Resources,
    SpecKind,
    Step,
    TakesAccelerator,
    WorkloadOut,
)
from himalia_hub.core.errors import BrokenRule

MAX_BINDINGS = 5
Slug = Annotated[str, Field(min_length=1, max_length=128)]
ProfileOptions = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=255)]], Field(max_length=16)
]
"""An option's name to the chosen value: one of its choices, or a value of one's own where it takes one."""


def _clean(value: str) -> str:
    value = value.strip()
    if not value:
        raise BrokenRule("1-30 characters, not only spaces", "1-30 个字符，不能全为空格")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise BrokenRule("no control characters", "不能包含控制字符")
    return value


class BindingIn(BaseModel):
    """A dataset version to find at ``/himalia/input/input<i>``."""

    model_config = ConfigDict(extra="forbid")
    dataset: int
    version: Annotated[str, Field(max_length=16)]


class NotebookCreate(TakesAccelerator):
    name: Annotated[str, Field(min_length=1, max_length=30)]
    spec_id: int
    environment: Annotated[str, Field(max_length=64)] = ""
    bindings: Annotated[list[BindingIn], Field(max_length=MAX_BINDINGS)] = []
    description: Annotated[str, Field(max_length=255)] = ""
    profile: Slug | None = None
    """The slug of a profile of the hub's configuration (``GET /notebook-profiles``); its default when left out."""
    profile_options: ProfileOptions = {}
    stop_when_idle_seconds: Annotated[int | None, Field(ge=60, le=30 * 86400)] = None
    start: bool = True

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return _clean(value)


class NotebookUpdate(BaseModel):
    """What is not given stays."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str | None, Field(min_length=1, max_length=30)] = None
    spec_id: int | None = None
    accelerator_spec_id: int | None = None
    """Given as null: without an accelerator from the next start on."""
    environment: Annotated[str | None, Field(max_length=64)] = None
    bindings: Annotated[list[BindingIn] | None, Field(max_length=MAX_BINDINGS)] = None
    description: Annotated[str | None, Field(max_length=255)] = None
    profile: Slug | None = None
    """Given as null: the configuration's default from the next start on."""
    profile_options: ProfileOptions | None = None
    """All of them; with another profile and without options, that one's defaults."""
    stop_when_idle_seconds: Annotated[int | None, Field(ge=60, le=30 * 86400)] = None

    @field_validator("name")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        return None if value is None else _clean(value)


class Binding(BaseModel):
    kind: Literal["dataset_version", "model_version"]
    id: int
    version: str
    name: str
    path: str


class SpecRef(BaseModel):
    id: int
    name: str
    resources: Resources
    accelerator_spec: AcceleratorRef | None = None
    accelerator_wish: AcceleratorWish | None = None
    """Where the accelerator was wished for: each start resolves it anew."""


class ChosenProfile(BaseModel):
    """A profile of the hub's configuration as it was chosen; it may have left the configuration since."""

    slug: str
    name: str
    options: dict[str, str]


class NotebookOut(BaseModel):
    """A notebook with its newest workload."""

    id: int
    name: str
    server_name: str
    owner: Ref
    department: Ref | None
    spec: SpecRef
    environment: str
    bindings: list[Binding]
    profile: ChosenProfile | None
    description: str
    phase: PhaseWord
    reason: str | None
    message: str
    workload: WorkloadOut | None
    url: str | None
    cost_micros: int
    stop_when_idle_seconds: int | None
    created_at: str
    updated_at: str
    version: int


class SpecDraft(BaseModel):
    """A resource spec that is not saved: a basic one, or one of an accelerator."""

    model_config = ConfigDict(extra="forbid")
    kind: SpecKind = "basic"
    cpu_millis: Millis = 0
    memory_bytes: Bytes = 0
    disk_bytes: Bytes = 0
    accelerators: Accelerators = Field(default_factory=dict, max_length=8)


class PodPreviewAsk(BaseModel):
    """A start that is not made: whose, of which size, with which environment and profile.

    ``spec`` is a size before it is saved; one of an accelerator is added to ``spec_id`` or, without
    that, to the smallest basic one.
    """

    model_config = ConfigDict(extra="forbid")
    spec_id: int | None = None
    accelerator_spec_id: int | None = None
    spec: SpecDraft | None = None
    environment: Annotated[str, Field(max_length=64)] = ""
    profile: Annotated[str | None, Field(max_length=64)] = None
    """The slug of a profile in the hub's configuration; its default one when left out."""
    profile_options: ProfileOptions = {}
    member: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    """A member's name or number; the asking person when left out."""
    organisation: Annotated[str | None, Field(max_length=32)] = None


class ProfileChoice(BaseModel):
    value: str
    name: str
    default: bool


class ProfileOther(BaseModel):
    """That an option also takes a value of one's own."""

    title: str
    choice: str
    """How that is called among the choices."""
    pattern: str | None
    """A regular expression of Python that the value's beginning has to match."""
    message: str


class ProfileOption(BaseModel):
    name: str
    title: str
    choices: list[ProfileChoice]
    other: ProfileOther | None


class SpawnProfile(BaseModel):
    """A profile of the hub's configuration (``c.HimaliaKubeSpawner.profile_list``)."""

    slug: str
    name: str
    description: str
    default: bool
    options: list[ProfileOption]


class PodPreview(BaseModel):
    """What a start would make; values of secrets are masked."""

    backend: Literal["kubernetes", "local"]
    resources: Resources
    objects: list[dict[str, Any]]
    """In the order in which they would be made; the pod comes last. On one machine: the sandbox."""
    yaml: str
    profiles: list[SpawnProfile]
    hooks_not_run: list[str]
    """Hooks of the configuration that a start runs and this did not, because they act."""


# -- the hub's side ---------------------------------------------------------------------------


class HubCreate(TakesAccelerator):
    hub_user: Annotated[str, Field(max_length=32)]
    name: Annotated[str, Field(min_length=1, max_length=30)]
    spec_id: int
    environment: Annotated[str, Field(max_length=64)] = ""
    description: Annotated[str, Field(max_length=255)] = ""
    profile: Slug | None = None
    profile_options: ProfileOptions = {}

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return _clean(value)


class HubStart(BaseModel):
    """A start; with another profile where one is given."""

    model_config = ConfigDict(extra="forbid")
    profile: Slug | None = None
    profile_options: ProfileOptions = {}


class Launch(BaseModel):
    """What the spawner hands over; ``environment`` may hold secrets and is never stored."""

    model_config = ConfigDict(extra="forbid")
    environment: dict[str, str]
    command: Annotated[list[str], Field(min_length=1, max_length=64)]
    port: Annotated[int, Field(ge=1, le=65535)] = 8888
    path: Annotated[str, Field(pattern=r"^/.*/$", max_length=255)]


class Launched(BaseModel):
    attempt: int
    plan: dict[str, Any] | None = None
    """On a cluster: the plan, for the spawner to make the pod from (``backends/wire.py``)."""
    prefer: list[str] = []
    """On a cluster: nodes that would start it sooner."""


class Terminate(BaseModel):
    model_config = ConfigDict(extra="forbid")
    grace_seconds: Annotated[int, Field(ge=0, le=3600)] = 10


class StateQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    attempt: int | None = None


class State(BaseModel):
    attempt: int
    phase: PhaseWord
    reason: str | None
    message: str
    ready: bool
    address: str | None
    exit_code: int | None
    queue_position: int | None
    steps: list[Step]
    last_lines: list[str]


class StartPageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    user: Annotated[str, Field(max_length=32)]
    language: Literal["en", "zh"] | None = None
    accelerator: Annotated[int | None, Field(ge=1)] = None
    """The accelerator spec that the profiles' verdicts include."""
    least_bytes: Annotated[int | None, Field(ge=1, le=MAX_MEMORY_BYTES)] = None
    """In place of a spec: any accelerator with at least this much memory."""


class StartPageNotebook(BaseModel):
    id: int
    name: str
    server_name: str
    description: str
    spec: SpecRef
    environment: str
    profile: ChosenProfile | None
    phase: PhaseWord
    reason: str | None
    message: str
    phase_since: str | None
    queue_position: int | None
    expected_start_at: str | None
    """By when a queued start has room in half of the cases; null where too little is known."""
    expected_start_latest_at: str | None
    """The same in nine of ten cases; with too little history by when deadlines alone make room."""
    price_per_hour_micros: int
    cost_micros: int
    steps: list[Step]
    last_lines: list[str]
    created_at: str
    started_at: str | None
    expected_start_seconds: float | None
    version: int


class LastStart(BaseModel):
    """What the person started last, for the form to begin with."""

    spec_id: int
    environment: str
    profile: ChosenProfile | None


class StartPage(BaseModel):
    identity: dict[str, Any]
    currency: dict[str, Any]
    isolation: str
    balance: dict[str, Any] | None
    profiles: list[dict[str, Any]]
    accelerators: list[dict[str, Any]]
    accelerator: int | None
    card_sizes: list[int]
    """Bytes that single cards on offer have."""
    least_bytes: int | None
    environments: list[dict[str, Any]]
    default_environment: str
    suggested_name: str
    last: LastStart | None
    notebooks: list[StartPageNotebook]
