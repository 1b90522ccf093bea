"""Wire shapes of jobs and runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.account.schemas import Ref
from himalia_hub.compute.schemas import TakesAccelerator
from himalia_hub.core import paging


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class VersionRef(_In):
    """A dataset version by the dataset's number."""

    id: int
    version: Annotated[str, Field(pattern=r"^V[0-9]{4,9}$")]


class RunRequest(TakesAccelerator):
    """What a run is asked to be; kept as it was asked, so that a repetition asks the same."""

    algorithm_id: int
    dataset: VersionRef
    validation: VersionRef | None = None
    parameters: dict[str, Any] = {}
    argument_names: dict[str, str] = {}
    spec_id: int
    environment: Annotated[str, Field(max_length=128)] = ""
    longest_seconds: Annotated[int | None, Field(ge=0, le=10_000_000)] = None


class JobCreate(RunRequest):
    name: Annotated[str, Field(max_length=400)]
    description: Annotated[str, Field(max_length=2000)] = ""


class RunChange(TakesAccelerator):
    """A new run of a job: what is left out is as in the last run."""

    algorithm_id: int | None = None
    dataset: VersionRef | None = None
    validation: VersionRef | None = None
    parameters: dict[str, Any] | None = None
    argument_names: dict[str, str] | None = None
    spec_id: int | None = None
    environment: Annotated[str | None, Field(max_length=128)] = None
    longest_seconds: Annotated[int | None, Field(ge=0, le=10_000_000)] = None
    name: str | None = None
    description: str | None = None


class ScriptCreate(TakesAccelerator):
    name: Annotated[str, Field(max_length=400)]
    code: str
    datasets: Annotated[list[VersionRef], Field(max_length=5)] = []
    parameters: dict[str, Any] = {}
    argument_names: dict[str, str] = {}
    spec_id: int
    environment: Annotated[str, Field(max_length=128)] = ""
    longest_seconds: Annotated[int | None, Field(ge=0, le=10_000_000)] = None
    description: Annotated[str, Field(max_length=2000)] = ""


class MetricIn(_In):
    name: Annotated[str, Field(min_length=1, max_length=128)]
    step: Annotated[int, Field(ge=-(2**53), le=2**53)]
    value: float
    at: datetime | None = None


class MetricsIn(_In):
    points: Annotated[list[MetricIn], Field(max_length=1000)]


class ProgressIn(_In):
    step: Annotated[int, Field(ge=0, le=2**53)]
    total: Annotated[int | None, Field(ge=0, le=2**53)] = None


class SaveModel(_In):
    model_id: int | None = None
    model_name: Annotated[str | None, Field(max_length=400)] = None
    description: Annotated[str, Field(max_length=2000)] = ""


class JobQuery(paging.ListQuery):
    phase: str | None = None


class RunQuery(paging.ListQuery):
    phase: str | None = None
    job: int | None = None
    active: bool | None = None


class MetricsQuery(_In):
    names: list[str] = []
    since_step: int | None = None
    max_points: Annotated[int, Field(ge=10, le=20_000)] = 2000


class CompareQuery(_In):
    ids: Annotated[str, Field(pattern=r"^[0-9]{1,15}(,[0-9]{1,15}){1,9}$")]


class FilesQuery(_In):
    folder: Literal["output", "model"] = "output"


class Progress(BaseModel):
    step: int
    total: int | None


class RunSummary(BaseModel):
    id: int
    number: int
    version: str
    phase: str
    reason: str | None
    message: str
    metrics_last: dict[str, float]
    progress: Progress | None
    cost_micros: int
    created_at: str


class JobOut(BaseModel):
    id: int
    name: str
    owner: Ref
    department: Ref | None
    description: str
    type: str
    notebook_source: bool
    latest_run: RunSummary | None
    runs: int
    created_at: str
    updated_at: str
    version: int


class RunData(BaseModel):
    id: int
    name: str
    version: str
    digest: str | None


class RunAlgorithm(BaseModel):
    id: int
    name: str
    title: str
    version: str


class RunModel(BaseModel):
    id: int
    model: Ref
    version: str


class RunOut(BaseModel):
    id: int
    name: str
    owner: Ref
    department: Ref | None
    job: Ref
    number: int
    version: str
    run_version: str
    phase: str
    reason: str | None
    message: str
    workload: dict[str, Any] | None
    algorithm: RunAlgorithm | None
    environment: str
    dataset: RunData | None
    validation: RunData | None
    inputs: list[dict[str, Any]]
    parameters: dict[str, Any]
    command: str
    environment_variables: dict[str, str]
    code: str | None
    spec: dict[str, Any]
    metrics_last: dict[str, float]
    progress: Progress | None
    cost_micros: int
    model_version: RunModel | None
    notebook_source: bool
    exit_code: int | None
    last_lines: list[str]
    files_complete: bool
    created_at: str
    updated_at: str
    started_at: str | None
    ended_at: str | None


class Preview(BaseModel):
    command: str
    environment_variables: dict[str, str]
    inputs: list[dict[str, Any]]
    verdict: dict[str, Any]


class Series(BaseModel):
    name: str
    points: list[list[Any]]


class Metrics(BaseModel):
    series: list[Series]


class RunFileOut(BaseModel):
    path: str
    size: int
    sha256: str


class RunFiles(BaseModel):
    items: list[RunFileOut]
    complete: bool


class UploadResult(BaseModel):
    path: str
    outcome: Literal["stored", "partial", "refused"]
    code: str | None = None
    reason: str | None = None


class UploadResults(BaseModel):
    results: list[UploadResult]


class Comparison(BaseModel):
    runs: list[RunSummary]
    parameters: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    datasets: list[dict[str, Any]]
    code_difference: str | None
