"""Roles in Python: ``himalia.admin.roles.create("Labelling lead", {"data.dataset.read": "own"})``.

A role is named by its key: a built-in one's name, or ``custom:<number>``. What may be made and given is
the platform's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from himalia.sdk.decode import decode
from himalia.sdk.errors import NotFound

if TYPE_CHECKING:
    from himalia.sdk.client import Client

Permissions = dict[str, str]
"""Permission → reach: own, department, organisation or platform."""


@dataclass
class Role:
    """``grantable``: you may give it; ``holders``: members and groups that have it."""

    key: str = ""
    name: str = ""
    title: str = ""
    id: int | None = None
    description: str = ""
    built_in: bool = False
    scope: str = ""
    permissions: Permissions = field(default_factory=dict)
    needs_department: bool = False
    holders: int = 0
    grantable: bool = False
    editable: bool = False
    version: int = 1


@dataclass
class Permission:
    """A row of the table; ``reaches`` are those with which you may put it into a role."""

    name: str = ""
    sentence: str = ""
    power: str | None = None
    reaches: list[str] = field(default_factory=list)
    roles: Permissions = field(default_factory=dict)
    routes: list[str] = field(default_factory=list)


@dataclass
class HeldRole:
    """``through``: the group that gives it, None for a role of one's own."""

    role: str = ""
    name: str = ""
    department: int | None = None
    through: str | None = None


class Roles:
    """``client.admin.roles``; ``organisation`` is a code, for platform administrators."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, q: str = "", *, organisation: str | None = None) -> Sequence[Role]:
        found = self._client.http.get("/roles", q=q or None, organisation=organisation)
        return [decode(Role, one) for one in found["items"]]

    def get(self, which: int | str, *, organisation: str | None = None) -> Role:
        """One by number, key or exact name."""
        for role in self.list(organisation=organisation):
            if which in (role.id, role.key, role.name):
                return role
        raise NotFound(f"There is no role {which!r} that you may see.")

    def permissions(self) -> Sequence[Permission]:
        """The table of permissions."""
        return [decode(Permission, one) for one in self._client.http.get("/permissions")["items"]]

    def policies(self) -> dict[str, Permissions]:
        """Ready sets to make a role of: ``full_access`` and ``common_operations``."""
        return {one["key"]: one["permissions"] for one in self._client.http.get("/permissions")["policies"]}

    def create(
        self,
        name: str,
        permissions: Permissions,
        *,
        description: str = "",
        scope: str = "organisation",
        organisation: str | None = None,
    ) -> Role:
        body = {"name": name, "permissions": permissions, "description": description, "scope": scope}
        return decode(Role, self._ask("POST", "/roles", organisation, body))

    def update(self, role: Role, *, organisation: str | None = None, **changes: Any) -> Role:
        """Change ``name``, ``description`` or ``permissions``; whoever holds it has them from the next request on."""
        answer = self._ask("PATCH", f"/roles/{role.id}", organisation, changes, version=role.version)
        return decode(Role, answer)

    def delete(self, role: Role | int, *, organisation: str | None = None) -> None:
        """Only a role that nobody holds."""
        self._ask("DELETE", f"/roles/{role if isinstance(role, int) else role.id}", organisation)

    def of(self, member: int, *, organisation: str | None = None) -> Sequence[HeldRole]:
        """What a member holds, own and through groups."""
        found = self._client.http.get(f"/members/{member}/roles", organisation=organisation)
        return [decode(HeldRole, one) for one in found["roles"]]

    def grant(
        self, member: int, *roles: str, department: int | None = None, organisation: str | None = None
    ) -> Sequence[HeldRole]:
        """Make these the member's own roles; ``department`` is what ``department_administrator`` names."""
        wanted = [
            {"role": key, "department": department if key == "department_administrator" else None} for key in roles
        ]
        found = self._ask("PUT", f"/members/{member}/roles", organisation, {"roles": wanted})
        return [decode(HeldRole, one) for one in found["roles"]]

    def grant_group(self, group: int, *roles: str, organisation: str | None = None) -> Sequence[str]:
        """Make these the roles that a group gives."""
        found = self._ask("PUT", f"/groups/{group}/roles", organisation, {"roles": [*roles]})
        return [str(key) for key in found["roles"]]

    def _ask(
        self, method: str, path: str, organisation: str | None, json: Any = None, version: int | None = None
    ) -> Any:
        answer = self._client.http.request(
            method, path, query={"organisation": organisation}, json=json, version=version
        )
        return answer.json() if answer.content else None
