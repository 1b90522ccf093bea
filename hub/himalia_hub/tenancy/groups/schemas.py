"""Wire shapes of groups."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.account.schemas import MeTenant
from himalia_hub.core import paging
from himalia_hub.tenancy.departments.schemas import Numbers
from himalia_hub.tenancy.scope import Code


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GroupOut(BaseModel):
    """``members`` is how many; who they are: ``GET /members?group=``."""

    id: int
    name: str
    description: str
    external_name: str
    organisation: MeTenant
    roles: list[str]
    members: int
    created_at: str
    updated_at: str
    version: int


class GroupQuery(paging.ListQuery):
    organisation: Code = None
    role: Annotated[str | None, Field(max_length=64)] = None
    external_name: Annotated[str | None, Field(max_length=512)] = None


class GroupCreate(_Body):
    organisation: Code = None
    name: Annotated[str, Field(max_length=200)]
    description: Annotated[str, Field(max_length=2000)] = ""
    external_name: Annotated[str, Field(max_length=1000)] = ""
    roles: Annotated[list[str], Field(max_length=32)] = []
    members: Numbers = []


class GroupUpdate(_Body):
    name: Annotated[str | None, Field(max_length=200)] = None
    description: Annotated[str | None, Field(max_length=2000)] = None
    external_name: Annotated[str | None, Field(max_length=1000)] = None
    roles: Annotated[list[str] | None, Field(max_length=32)] = None
