"""Wire shapes of sign-in sources."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.core import names

Text = Annotated[str, Field(min_length=1, max_length=512)]
Claim = Annotated[str, Field(min_length=1, max_length=128)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OneOf(_Strict):
    """A claim whose value is translated to one name; without ``values`` it is the name itself."""

    claim: Annotated[str, Field(max_length=128)] = ""
    values: Annotated[dict[Text, Text], Field(max_length=1000)] = {}
    default: Annotated[str, Field(max_length=255)] = ""


class RolesOf(_Strict):
    """A claim whose values each grant roles; what is not listed grants nothing."""

    claim: Annotated[str, Field(max_length=128)] = ""
    values: Annotated[dict[Text, list[Text]], Field(max_length=1000)] = {}
    default: Annotated[list[Text], Field(max_length=16)] = ["member"]


class GroupsOf(_Strict):
    """A claim that lists groups; they join the organisation's groups of the same external name."""

    claim: Claim
    values: Annotated[dict[Text, Text], Field(max_length=1000)] = {}


class DisplayName(_Strict):
    claim: Claim


class Mapping(_Strict):
    """TEN-12, TEN-21: what the source's claims mean here."""

    organisation: OneOf = OneOf()
    department: OneOf | None = None
    roles: RolesOf = RolesOf()
    groups: GroupsOf | None = None
    display_name: DisplayName | None = None


class SourceCreate(_Strict):
    name: Annotated[str, Field(max_length=64)]
    title: Annotated[str, Field(max_length=200), names.visible(64)]
    kind: Annotated[str, Field(min_length=1, max_length=64)]
    settings: Annotated[dict[str, Any], Field(max_length=64)] = {}
    secrets: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=16)] = {}
    mapping: Mapping = Mapping()
    auto_provision: bool = False
    allow_private: bool = False
    case_sensitive: bool | None = None
    enabled: bool = True


class SourceChange(_Strict):
    title: Annotated[str | None, Field(max_length=200), names.visible(64)] = None
    settings: Annotated[dict[str, Any] | None, Field(max_length=64)] = None
    secrets: Annotated[dict[str, Annotated[str, Field(max_length=4096)]] | None, Field(max_length=16)] = None
    mapping: Mapping | None = None
    auto_provision: bool | None = None
    allow_private: bool | None = None
    enabled: bool | None = None


class Source(BaseModel):
    name: str
    title: str
    kind: str
    form: bool
    """True: name and password are typed into our form; False: the provider's own page asks."""
    origin: str
    enabled: bool
    settings: dict[str, Any]
    secrets: list[str]
    """Names of the secret settings that are set; their values are never shown."""
    mapping: dict[str, Any]
    auto_provision: bool
    allow_private: bool
    case_sensitive: bool
    users: int
    callback_url: str | None
    version: int
    created_at: str
    updated_at: str


class Kind(BaseModel):
    kind: str
    form: bool
    settings: list[dict[str, Any]]


class TestRequest(_Strict):
    """``claims``: show what the mapping makes of them. Without it only the source itself is tried."""

    claims: Annotated[dict[str, Any] | None, Field(max_length=200)] = None


class TestStep(BaseModel):
    name: str
    passed: bool
    detail: str


class TestResult(BaseModel):
    passed: bool
    steps: list[TestStep]
    mapped: dict[str, Any] | None
