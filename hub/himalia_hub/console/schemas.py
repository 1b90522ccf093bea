"""Wire shapes of the console."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

ItemKey = Literal[
    "organisation", "specs", "prices", "administrator", "quota", "recharge", "departments", "members", "member_quota"
]


class ChecklistQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    tenant: Annotated[str | None, Field(max_length=32)] = None
    """For platform administrators: the organisation it is about; without it, one's own."""


class ChecklistItem(BaseModel):
    """One thing to set up. ``title`` and ``detail`` are in the request's language."""

    key: ItemKey
    done: bool
    title: str
    detail: str
    have: int
    """How many there are of it; of ``member_quota``, how many members have none."""
    missing: list[str]
    """What exactly is missing, where that has names: resources."""
    roles: list[str]
    """The built-in roles that can do it."""
    may: bool
    """The person who asks can do it."""


class Checklist(BaseModel):
    scope: Literal["installation", "organisation"]
    code: str | None
    name: str
    complete: bool
    items: list[ChecklistItem]


class Checklists(BaseModel):
    """The installation's for platform administrators, and one organisation's."""

    installation: Checklist | None
    organisation: Checklist
