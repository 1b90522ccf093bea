"""Wire shapes of shares."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.core import paging

Kind = Literal["dataset", "label_group", "model"]
AccessWord = Literal["view", "use", "edit"]


class Receiver(BaseModel):
    """Who receives: a member or a department by number or name, or the whole organisation."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["user", "department", "organisation"]
    id: Annotated[int | None, Field(ge=1)] = None
    name: Annotated[str | None, Field(min_length=1, max_length=512)] = None


class ShareCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")
    object_kind: Kind
    object: Annotated[int, Field(ge=1)]
    receiver: Receiver
    access: AccessWord = "view"


class ShareQuery(paging.ListQuery):
    direction: Literal["received", "given"] = "received"
    object_kind: Kind | None = None
    object: Annotated[int | None, Field(ge=1)] = None
    sort: Annotated[str, Field(max_length=32)] = "-created_at"


class Named(BaseModel):
    id: int
    name: str


class SharedObject(BaseModel):
    kind: Kind
    id: int
    name: str


class ReceiverOut(BaseModel):
    kind: Literal["user", "department", "organisation"]
    id: int | None
    name: str


class ShareOut(BaseModel):
    id: int
    object: SharedObject
    owner: Named
    receiver: ReceiverOut
    access: AccessWord
    permissions: list[str]
    """What of the receiver's own permissions reaches the object by this share."""
    created_at: datetime
