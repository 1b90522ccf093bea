"""Wire shapes of members."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.account.schemas import MeTenant, Ref
from himalia_hub.core import paging
from himalia_hub.tenancy.organisations.schemas import SignInLinkOut
from himalia_hub.tenancy.scope import Code

Numbers = Annotated[list[int], Field(max_length=1000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MemberOut(BaseModel):
    """``roles`` are the member's own; those of ``groups`` come on top. ``name`` is the sign-in name."""

    id: int
    name: str
    display_name: str
    organisation: MeTenant
    department: Ref | None
    roles: list[str]
    groups: list[Ref]
    source: str
    guest: bool
    enabled: bool
    locked_until: str | None
    password_set: bool
    last_sign_in_at: str | None
    created_at: str
    updated_at: str
    version: int


class NewMember(MemberOut):
    link: SignInLinkOut | None


class MemberQuery(paging.ListQuery):
    organisation: Code = None
    department: int | None = None
    without_department: bool = False
    role: Annotated[str | None, Field(max_length=64)] = None
    group: int | None = None
    enabled: bool | None = None
    guest: bool | None = None
    source: Annotated[str | None, Field(max_length=64)] = None
    signed_in_after: datetime | None = None
    signed_in_before: datetime | None = None
    never_signed_in: bool = False


class MemberCreate(_Body):
    """Without ``roles`` a member; a guest is an annotator and nothing else."""

    organisation: Code = None
    name: Annotated[str, Field(max_length=600)]
    display_name: Annotated[str, Field(max_length=200)] = ""
    department: int | None = None
    roles: Annotated[list[str] | None, Field(max_length=32)] = None
    guest: bool = False


class MemberUpdate(_Body):
    """What is not sent stays; ``department: null`` takes the member out of the department."""

    display_name: Annotated[str | None, Field(max_length=200)] = None
    department: int | None = None
    roles: Annotated[list[str] | None, Field(max_length=32)] = None


class Belongings(BaseModel):
    """What a member owns, by kind: what a deletion hands over or erases."""

    kind: str
    count: int


class Removal(BaseModel):
    """What a deletion did."""

    handed_over: dict[str, int]
    erased: dict[str, int]
    kept: list[str]


class RemovalQuery(BaseModel):
    """Exactly one of the two, unless the member owns nothing."""

    model_config = ConfigDict(extra="forbid")
    organisation: Code = None
    take_over: int | None = None
    erase: bool = False


class LinksAsked(_Body):
    members: Annotated[list[int], Field(min_length=1, max_length=500)]


class ImportQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    organisation: Code = None
    dry_run: bool = False


class ImportOut(BaseModel):
    """An import and how far it is; ``counts`` by outcome: created, changed, unchanged, refused."""

    id: int
    task: int
    dry_run: bool
    encoding: str
    state: str
    done: int
    total: int
    counts: dict[str, int]
    error: dict[str, Any] | None
    created_at: str
    ended_at: str | None


class LineProblem(BaseModel):
    """One broken rule, in both languages."""

    field: str
    rule: str
    value: str
    message: str
    message_zh: str


class ImportLine(BaseModel):
    line: int
    outcome: Literal["created", "changed", "unchanged", "refused"]
    name: str
    problems: list[LineProblem]


class LinesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    organisation: Code = None
    outcome: Literal["created", "changed", "unchanged", "refused"] | None = None
    after: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class TemplateQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    language: Literal["en", "zh"] | None = None
