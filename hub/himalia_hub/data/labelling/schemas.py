"""Wire shapes of labelling."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.data.datasets.schemas import ItemLabelOut, ItemState

Kind = Literal["set_labels", "confirm", "reopen", "clear", "mark_nothing"]
LabelIds = Annotated[list[Annotated[int, Field(ge=1, lt=2**53)]], Field(max_length=1000)]


class Operation(BaseModel):
    """``base`` is the labels its author saw; with it, work of several people on one item merges."""

    model_config = ConfigDict(extra="forbid")
    seq: Annotated[int, Field(ge=1, lt=2**53)]
    item: Annotated[int, Field(ge=1, lt=2**53)]
    op: Kind
    labels: LabelIds | None = None
    base: LabelIds | None = None
    at: datetime


class Operations(BaseModel):
    model_config = ConfigDict(extra="forbid")
    client: UUID
    operations: Annotated[list[Operation], Field(min_length=1, max_length=1000)]


class OperationResult(BaseModel):
    seq: int
    item: int
    outcome: Literal["applied", "parked", "refused"]
    reason: Literal["label_deleted", "no_labels", "one_label", "item_deleted", "labels_missing"] | None
    state: ItemState
    labels: list[ItemLabelOut]
    item_version: int


class OperationAnswer(BaseModel):
    accepted_seq: int
    results: list[OperationResult]


class HistoryEntry(BaseModel):
    op: Kind
    outcome: Literal["applied", "parked", "refused"]
    reason: str | None
    state: ItemState
    labels: list[ItemLabelOut]
    asked: list[int] | None
    by: str
    at: str
    received_at: str


class History(BaseModel):
    items: list[HistoryEntry]
    next_cursor: str | None
