"""Wire shapes of roles, permissions and grants."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from himalia_hub.tenancy.scope import Where

Reaches = dict[str, str]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Role(BaseModel):
    """``key`` is what grants name; ``id`` is a custom role's number."""

    id: int | None
    key: str
    name: str
    title: str
    description: str
    built_in: bool
    scope: str
    permissions: Reaches
    needs_department: bool
    holders: int
    grantable: bool
    editable: bool
    version: int
    created_at: str | None
    updated_at: str | None


class Roles(BaseModel):
    """All roles an organisation can use; their number is bounded, so this list has no pages."""

    items: list[Role]
    total: int
    separated_duties: bool


class RoleQuery(Where):
    q: Annotated[str, Field(max_length=200)] = ""


class RoleCreate(_Body):
    name: str
    description: Annotated[str, Field(max_length=2000)] = ""
    permissions: Reaches
    scope: Literal["organisation", "platform"] = "organisation"


class RoleEdit(_Body):
    name: str | None = None
    description: Annotated[str | None, Field(max_length=2000)] = None
    permissions: Reaches | None = None


class Permission(BaseModel):
    """A row of the table: ``reaches`` are those a custom role may hold it with, as far as the asker may give."""

    name: str
    area: str
    kind: str
    action: str
    sentence: str
    power: str | None
    reaches: list[str]
    roles: Reaches
    routes: list[str]


class Policy(BaseModel):
    """A ready set of permissions to make a role of."""

    key: str
    title: str
    permissions: Reaches


class PermissionTable(BaseModel):
    items: list[Permission]
    policies: list[Policy]
    separated_duties: bool


class Grant(_Body):
    """A role to hold; ``department`` is the number of the department that the role names."""

    role: Annotated[str, Field(max_length=64)]
    department: int | None = None


class Grants(_Body):
    roles: Annotated[list[Grant], Field(max_length=64)]


class GroupGrants(_Body):
    roles: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=64)]


class HeldRole(BaseModel):
    role: str
    name: str
    department: int | None
    through: str | None


class UserRoles(BaseModel):
    """What a member holds: own roles and, ``through`` a group's name, those of groups; and their union."""

    roles: list[HeldRole]
    permissions: Reaches


class GroupRoles(BaseModel):
    roles: list[str]
