"""Wire shapes of models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.account.schemas import Ref
from himalia_hub.core import paging


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ModelCreate(_In):
    name: Annotated[str, Field(max_length=400)]
    framework: Annotated[str, Field(max_length=64)] = "ONNX"
    format: Annotated[str, Field(max_length=64)] = "ONNX"
    category: Annotated[str, Field(max_length=64)] = ""
    description: Annotated[str, Field(max_length=2000)] = ""


class ModelUpdate(_In):
    name: Annotated[str | None, Field(max_length=400)] = None
    framework: Annotated[str | None, Field(max_length=64)] = None
    format: Annotated[str | None, Field(max_length=64)] = None
    category: Annotated[str | None, Field(max_length=64)] = None
    description: Annotated[str | None, Field(max_length=2000)] = None


class ModelQuery(paging.ListQuery):
    framework: str | None = None
    category: str | None = None
    shared: bool | None = None
    """True: only what others shared with you; False: without that."""


class VersionQuery(_In):
    limit: Annotated[int, Field(ge=1, le=500)] = 500


class UploadQuery(_In):
    description: Annotated[str, Field(max_length=2000)] = ""


class AliasIn(_In):
    version: Annotated[str, Field(pattern=r"^V[0-9]{4,9}$")]


class ModelOut(BaseModel):
    id: int
    name: str
    owner: Ref
    department: Ref | None
    framework: str
    format: str
    category: str
    description: str
    versions: int
    latest: str | None
    created_at: str
    updated_at: str
    version: int


class FileOut(BaseModel):
    path: str
    size: int
    sha256: str
    pickled: bool


class Lineage(BaseModel):
    run: Ref | None
    job: Ref | None
    algorithm: Ref | None
    dataset: Ref | None
    dataset_version: str | None
    label_authors: list[str]


class ModelVersionOut(BaseModel):
    """``pickled``: some file runs code when it is loaded; it is loaded in sandboxes only."""

    id: int
    model: Ref
    version: str
    number: int
    state: str
    bytes: int
    digest: str
    files: list[FileOut]
    signature: dict[str, Any] | None
    labels: list[str] | None
    metrics: dict[str, float]
    lineage: Lineage
    aliases: list[str]
    description: str
    source: str
    pickled: bool
    created_at: str


class VersionList(BaseModel):
    items: list[ModelVersionOut]
