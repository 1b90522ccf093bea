"""Wire shapes of departments."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.account.schemas import MeTenant, Ref
from himalia_hub.core import paging
from himalia_hub.tenancy.scope import Code

Numbers = Annotated[list[int], Field(max_length=1000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DepartmentOut(BaseModel):
    id: int
    name: str
    description: str
    organisation: MeTenant
    enabled: bool
    members: int
    administrators: list[Ref]
    created_at: str
    updated_at: str
    version: int


class DepartmentQuery(paging.ListQuery):
    organisation: Code = None
    enabled: bool | None = None


class DepartmentCreate(_Body):
    """``administrators`` and ``members`` are numbers of the organisation's members; they move here."""

    organisation: Code = None
    name: Annotated[str, Field(max_length=200)]
    description: Annotated[str, Field(max_length=2000)] = ""
    enabled: bool = True
    members: Numbers = []
    administrators: Numbers = []


class DepartmentUpdate(_Body):
    """What is not sent stays."""

    name: Annotated[str | None, Field(max_length=200)] = None
    description: Annotated[str | None, Field(max_length=2000)] = None
    administrators: Numbers | None = None


class MembersChange(_Body):
    add: Numbers = []
    remove: Numbers = []
