"""Wire shapes of organisations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.account.schemas import Ref
from himalia_hub.core import paging

State = Literal["enabled", "disabled", "expired"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OrganisationOut(BaseModel):
    """``state`` is what holds now: ``expired`` is enabled, past its ``valid_until``."""

    id: int
    code: str
    name: str
    description: str
    enabled: bool
    valid_until: str | None
    state: State
    members: int
    departments: int
    administrators: list[Ref]
    created_at: str
    updated_at: str
    version: int


class SignInLinkOut(BaseModel):
    """A one-time sign-in link; shown this once."""

    name: str
    url: str
    expires_at: str


class NewOrganisation(OrganisationOut):
    link: SignInLinkOut | None


class FirstAdministrator(_Body):
    name: Annotated[str, Field(max_length=200)]
    display_name: Annotated[str, Field(max_length=200)] = ""


class OrganisationCreate(_Body):
    code: Annotated[str, Field(max_length=200)]
    name: Annotated[str, Field(max_length=200)]
    description: Annotated[str, Field(max_length=2000)] = ""
    enabled: bool = True
    valid_until: datetime | None = None
    administrator: FirstAdministrator


class OrganisationUpdate(_Body):
    name: Annotated[str | None, Field(max_length=200)] = None
    description: Annotated[str | None, Field(max_length=2000)] = None
    valid_until: datetime | None = None


class OrganisationQuery(paging.ListQuery):
    enabled: bool | None = None
    state: State | None = None
    code: Annotated[str | None, Field(max_length=64)] = None
