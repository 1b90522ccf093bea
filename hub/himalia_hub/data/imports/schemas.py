"""Wire shapes of imports."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.account.schemas import ObjectRef, Task


class ImportCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")
    source: Literal["browser", "archive"] = "browser"
    total_files: Annotated[int | None, Field(ge=0, le=2**40)] = None
    total_bytes: Annotated[int | None, Field(ge=0, le=2**50)] = None
    labels_from_folders: bool = False


class ImportOut(BaseModel):
    id: int
    dataset: ObjectRef
    source: Literal["browser", "archive"]
    state: Literal["open", "finishing", "done", "cancelled", "failed"]
    labels_from_folders: bool
    total_files: int | None
    total_bytes: int | None
    received: int
    added: int
    duplicates: int
    refused: int
    unknown_labels: dict[str, int]
    task: Task | None
    created_at: str
    version: int


class FileResult(BaseModel):
    path: str
    outcome: Literal["added", "duplicate", "refused"]
    item: int | None = None
    code: str | None = None
    reason: str | None = None
    field: str | None = None
    rule: str | None = None
    value: str | None = None


class FileResults(BaseModel):
    results: list[FileResult]


class ResultQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: str | None = None
    outcome: Literal["refused", "duplicate"] = "refused"


class ArchiveQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(max_length=255)] = ""
