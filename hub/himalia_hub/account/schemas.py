"""Wire shapes of the account and installation."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Ref(BaseModel):
    """A named object by its number."""

    id: int
    name: str


class ObjectRef(BaseModel):
    kind: str
    id: int
    name: str


class Health(BaseModel):
    status: str
    version: str
    database: str


class MeUser(BaseModel):
    id: int
    name: str
    display_name: str


class MeTenant(BaseModel):
    code: str
    name: str


class StepUpState(BaseModel):
    until: str


class TokenInfo(BaseModel):
    kind: str


class Me(BaseModel):
    user: MeUser
    tenant: MeTenant
    department: Ref | None
    roles: list[str]
    permissions: dict[str, str]
    with_step_up: dict[str, str]
    step_up: StepUpState | None
    token: TokenInfo


class CurrencyInfo(BaseModel):
    code: str
    symbol: str
    digits: int


class InstallationInfo(BaseModel):
    name: str
    version: str
    currency: CurrencyInfo
    isolation: str
    backend: str
    hub_url: str
    api_url: str


class Task(BaseModel):
    """A long operation."""

    id: int
    kind: str
    object: ObjectRef
    state: str
    done: int
    total: int | None
    unit: str
    rate_per_second: float | None
    remaining_seconds: float | None
    message: str
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    version: int


class ApiToken(BaseModel):
    id: int
    name: str
    prefix: str
    permissions: list[str] | None
    reach: str
    created_at: str
    expires_at: str | None


class NewApiToken(ApiToken):
    token: str
