"""Who is asking: a user or a machine of ours, with what it may do and how far it reaches."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Reach(enum.IntEnum):
    """How far a permission goes; a wider reach includes the narrower ones."""

    OWN = 1
    DEPARTMENT = 2
    ORGANISATION = 3
    PLATFORM = 4

    @property
    def word(self) -> str:
        return self.name.lower()


class TokenKind(enum.StrEnum):
    NOTEBOOK = "notebook"
    WORKLOAD = "workload"
    API = "api"
    HUB = "hub"
    ADMIN = "admin"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """The authenticated caller of one request.

    ``grants`` is what this request may do: the roles' permissions clipped by the token's kind and
    reach and by the step-up. ``held`` is what the person holds with a step-up, which only serves
    to tell "prove that it is you" from "not yours to do".
    """

    user_id: int
    user_number: int
    user_name: str
    display_name: str
    hub_name: str
    tenant_id: int
    tenant_code: str
    tenant_name: str
    department_id: int | None
    department_number: int | None
    department_name: str | None
    roles: tuple[str, ...]
    token_kind: TokenKind
    token_id: int | None = None
    workload_id: int | None = None
    grants: Mapping[str, Reach] = field(default_factory=dict)
    held: Mapping[str, Reach] = field(default_factory=dict)
    departments: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Departments that roles name for a permission of reach department; see :meth:`departments_of`."""
    stepped_up: bool = False
    address: str = ""
    session: str = ""

    def reach(self, permission: str) -> Reach | None:
        """The widest reach of a permission for this request, or None when not granted."""
        return self.grants.get(permission)

    def departments_of(self, permission: str) -> frozenset[int]:
        """The departments (row ids) that reach *department* means for a permission.

        Those that the granting roles name (TEN-6), else the user's own.
        """
        named = self.departments.get(permission)
        if named is not None:
            return named
        return frozenset() if self.department_id is None else frozenset((self.department_id,))
