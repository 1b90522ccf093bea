"""Wire shapes of datasets, items and versions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.account.schemas import Ref, Task
from himalia_hub.core import paging
from himalia_hub.data.datasets.rules import DATASET_STATES
from himalia_hub.data.label_groups.schemas import Label

DatasetState = Literal[
    "importing",
    "sampling",
    "auto_annotating",
    "tracking",
    "augmenting",
    "import_failed",
    "not_annotated",
    "annotating",
    "auto_annotation_done",
    "annotated",
]
assert set(DatasetState.__args__) == set(DATASET_STATES)  # type: ignore[attr-defined]
ItemState = Literal["none", "unfinished", "automatic", "confirmed", "nothing_to_label"]
Origin = Literal["person", "service", "import"]


class DatasetLabels(BaseModel):
    id: int
    name: str
    labels: list[Label]


class DatasetOut(BaseModel):
    id: int
    name: str
    owner: Ref
    department: Ref | None
    data_type: Literal["image"]
    annotation_type: Literal["classification"]
    multi_label: bool
    label_group: DatasetLabels
    scenario: str
    description: str
    state: DatasetState
    items: int
    confirmed: int
    open_items: int
    progress: float
    bytes: int
    current_version: str | None
    latest_version: str | None
    pinned: bool
    cover: str | None
    task: Task | None
    created_at: str
    updated_at: str
    version: int


class DatasetCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(max_length=400)]
    data_type: Literal["image"] = "image"
    annotation_type: Literal["classification"] = "classification"
    multi_label: bool = False
    label_group_id: int
    scenario: Annotated[str, Field(max_length=64)] = ""
    description: Annotated[str, Field(max_length=2000)] = ""


class DatasetUpdate(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str | None, Field(max_length=400)] = None
    scenario: Annotated[str | None, Field(max_length=64)] = None
    description: Annotated[str | None, Field(max_length=2000)] = None
    pinned: bool | None = None
    label_group_id: int | None = None


class DatasetQuery(paging.ListQuery):
    state: DatasetState | None = None
    data_type: str | None = None
    annotation_type: str | None = None
    pinned: bool | None = None
    shared: bool | None = None
    """True: only what others shared with you; False: without that."""


class ItemLabelOut(BaseModel):
    label_id: int
    name: str
    colour: str
    origin: Origin
    by: str | None
    score: float | None


class ItemOut(BaseModel):
    id: int
    name: str
    position: int
    width: int
    height: int
    bytes: int
    sha256: str
    media_type: str
    state: ItemState
    labels: list[ItemLabelOut]
    thumbnail: str
    split: Literal["train", "validation", "test"] | None = None
    version: int


class ItemQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: str | None = None
    sort: Literal["position", "-position", "name", "-name"] = "position"
    q: Annotated[str, Field(max_length=200)] = ""
    state: ItemState | None = None
    open: bool | None = None
    label: int | None = None
    annotator: int | None = None


class VersionItemQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: str | None = None
    sort: Literal["position", "-position"] = "position"
    q: Annotated[str, Field(max_length=200)] = ""
    state: ItemState | None = None
    label: int | None = None


class ItemNumbers(BaseModel):
    model_config = ConfigDict(extra="forbid")
    items: Annotated[list[int], Field(min_length=1, max_length=1000)]


class ItemsChanged(BaseModel):
    items: list[int]
    skipped: list[int]


class LabelCount(BaseModel):
    label_id: int
    name: str
    colour: str
    count: int


class SizeBucket(BaseModel):
    width: int
    height: int
    count: int


class Sizes(BaseModel):
    width_height_buckets: list[SizeBucket]


class Statistics(BaseModel):
    items: int
    by_state: dict[str, int]
    by_label: list[LabelCount]
    sizes: Sizes
    bytes: int
    duplicates: int
    damaged: int


class Publish(BaseModel):
    model_config = ConfigDict(extra="forbid")
    description: Annotated[str, Field(max_length=2000)] = ""
    splits: dict[str, float] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0


class VersionUpdate(BaseModel):
    model_config = ConfigDict(extra="forbid")
    description: Annotated[str, Field(max_length=2000)]


class Splits(BaseModel):
    train: int | None
    validation: int | None
    test: int | None
    state: Literal["pending", "ready"]
    shares: dict[str, float]
    seed: int


class VersionOut(BaseModel):
    id: int
    version: str
    number: int
    dataset: Ref
    current: bool
    items: int
    by_label: list[LabelCount]
    by_state: dict[str, int]
    unconfirmed: int
    label_group: DatasetLabels
    splits: Splits
    digest: str | None
    bytes: int
    description: str
    author: Ref
    created_at: str


class VersionQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: str | None = None


class CompareQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    from_: Annotated[str, Field(alias="from", max_length=12)]
    to: Annotated[str, Field(max_length=12)]
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: str | None = None
    change: Literal["added", "removed", "relabelled"] | None = None


class ComparedItem(BaseModel):
    item: int
    name: str
    change: Literal["added", "removed", "relabelled"]
    before: list[ItemLabelOut]
    after: list[ItemLabelOut]
    thumbnail: str


class Comparison(BaseModel):
    added: int
    removed: int
    relabelled: int
    items: list[ComparedItem]
    next_cursor: str | None


class ExportQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    format: Literal["imagefolder", "native", "csv"] = "native"


class ThumbnailQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: Literal["256"] = "256"
    v: Annotated[str, Field(max_length=64)] = ""


Document = list[dict[str, Any]]
