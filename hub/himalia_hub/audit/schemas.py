"""Wire shapes of the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Word = Annotated[str | None, Field(max_length=128)]


class Filter(BaseModel):
    """Which entries; times are half-open."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    organisation: Annotated[str | None, Field(max_length=64, description="An organisation's code (wide reach)")] = None
    start: AwareDatetime | None = Field(default=None, alias="from")
    end: AwareDatetime | None = Field(default=None, alias="to")
    category: Literal["operation", "security"] | None = None
    actor: Annotated[str | None, Field(max_length=512, description="The actor's name, whole")] = None
    action: Annotated[str | None, Field(max_length=128, description="An action, or the beginning of one")] = None
    object_kind: Word = None
    object: Word = None
    outcome: Annotated[str | None, Field(max_length=32)] = None
    address: Annotated[str | None, Field(max_length=64)] = None
    q: Annotated[
        str, Field(max_length=200, description="Text in actor, action (its name or words), object, address or request")
    ] = ""


class EntryQuery(Filter):
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Annotated[str | None, Field(max_length=64)] = None


class ExportQuery(Filter):
    format: Literal["csv", "jsonl"] = "csv"


class Organisation(BaseModel):
    code: str
    name: str


class Entry(BaseModel):
    """One entry. ``actor`` is empty where it is the platform's and the reader an organisation's.

    ``action_words`` and ``object_words`` say ``action`` and ``object_kind`` in the request's language.
    """

    id: int
    at: datetime
    category: str
    organisation: Organisation | None
    actor: str
    actor_organisation: Organisation | None
    by_platform: bool
    roles: list[str]
    address: str
    session: str
    action: str
    action_words: str
    object_kind: str
    object_words: str
    object: str
    outcome: str
    detail: dict[str, Any]
    request_id: str
    position: int
    digest: str


class EntryPage(BaseModel):
    items: list[Entry]
    next_cursor: str | None
    total: int
    total_capped: bool
