"""Wire shapes of label groups."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.account.schemas import Ref
from himalia_hub.core import paging

GroupType = Literal["vision", "text", "audio"]


class Label(BaseModel):
    id: int
    name: str
    colour: str
    key: str | None


class LabelIn(BaseModel):
    """A label to keep (with ``id``) or to make; ``color`` is taken too, as people paste it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    id: int | None = None
    name: Annotated[str, Field(max_length=200)]
    colour: Annotated[str | None, Field(max_length=20)] = None
    color: Annotated[str | None, Field(max_length=20)] = None
    key: Annotated[str | None, Field(max_length=20)] = None

    def plain(self) -> dict[str, Any]:
        """What the rules take; a key that was not sent is left as it is."""
        fields: dict[str, Any] = {"id": self.id, "name": self.name, "colour": self.colour or self.color}
        if "key" in self.model_fields_set:
            fields["key"] = self.key
        return fields


class LabelGroupOut(BaseModel):
    id: int
    name: str
    type: GroupType
    description: str
    labels: list[Label]
    preset: bool
    used_by: int
    owner: Ref
    created_at: str
    updated_at: str
    version: int


class PresetLabel(BaseModel):
    name: str
    colour: str
    key: str | None


class Preset(BaseModel):
    preset: str
    name: str
    type: GroupType
    description: str
    labels: list[PresetLabel]


class LabelGroupCreate(BaseModel):
    """By form, by pasted JSON, or a copy of a preset."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(max_length=400)]
    type: GroupType = "vision"
    description: Annotated[str, Field(max_length=2000)] = ""
    labels: list[LabelIn] = []
    preset: Annotated[str | None, Field(max_length=64)] = None


class LabelGroupUpdate(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str | None, Field(max_length=400)] = None
    description: Annotated[str | None, Field(max_length=2000)] = None
    labels: list[LabelIn] | None = None


class LabelGroupCopy(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str | None, Field(max_length=400)] = None


class LabelGroupQuery(paging.ListQuery):
    type: GroupType | None = None
    shared: bool | None = None
    """True: only what others shared with you; False: without that."""
