"""From rows to permissions: what a user holds by own roles and by those of groups (TEN-9, TEN-21).

The reach *department* means the departments that the granting roles name, permission by
permission; a role that names none means the user's own department.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from himalia_hub.auth import permissions
from himalia_hub.auth.actor import Reach
from himalia_hub.core.db import Db
from himalia_hub.tenancy.tables import CustomRole, Group, GroupMember, GroupRole, User, UserRole

CUSTOM = "custom:"


@dataclass(frozen=True, slots=True)
class Held:
    """The names of somebody's roles, and the union of what they permit."""

    roles: tuple[str, ...] = ()
    reaches: Mapping[str, Reach] = field(default_factory=dict)
    departments: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Row ids of the departments that a permission of reach department extends to, where roles name them."""


def custom_key(number: int) -> str:
    """How grants refer to a custom role."""
    return f"{CUSTOM}{number}"


def custom_number(key: str) -> int | None:
    text = key.removeprefix(CUSTOM)
    return int(text) if key.startswith(CUSTOM) and text.isascii() and text.isdigit() and len(text) <= 15 else None


def set_of(row: Any) -> dict[str, Reach]:
    """A custom role's permissions; what the table no longer knows permits nothing."""
    return {name: Reach(reach) for name, reach in row.permissions.items() if name in permissions.BY_NAME}


def grants_of(db: Db, user_id: int) -> list[tuple[str, int | None]]:
    """Role keys with the departments they name: the user's own and those of the groups."""
    own = sa.select(UserRole.role, UserRole.department_id).where(UserRole.user_id == user_id)
    by_group = (
        sa.select(GroupRole.role, sa.null().label("department_id"))
        .join(GroupMember, GroupMember.group_id == GroupRole.group_id)
        .join(Group, Group.id == GroupRole.group_id)
        .join(User, User.id == GroupMember.user_id)
        .where(GroupMember.user_id == user_id, Group.tenant_id == User.tenant_id)
    )
    return sorted(
        ((row.role, row.department_id) for row in db.execute(own.union(by_group))), key=lambda g: (g[0], g[1] or 0)
    )


def custom_roles(db: Db, keys: Iterable[str]) -> dict[str, Any]:
    """The rows of the custom roles among these keys."""
    numbers = {number for key in keys if (number := custom_number(key)) is not None}
    if not numbers:
        return {}
    rows = db.execute(sa.select(CustomRole.__table__).where(CustomRole.number.in_(numbers)))
    return {custom_key(row.number): row for row in rows}


def load(db: Db, user_id: int) -> Held:
    """What this user holds now."""
    grants = grants_of(db, user_id)
    custom = custom_roles(db, (key for key, _ in grants))
    reaches: dict[str, Reach] = {}
    named: dict[str, set[int]] = {}
    names: dict[str, None] = {}
    for key, department_id in grants:
        row = custom.get(key)
        if row is None and key.startswith(CUSTOM):
            continue
        names[row.name if row is not None else key] = None
        for name, reach in (set_of(row) if row is not None else permissions.held_by([key])).items():
            reaches[name] = max(reach, reaches.get(name, reach))
            if reach is Reach.DEPARTMENT and department_id is not None:
                named.setdefault(name, set()).add(department_id)
    return Held(tuple(names), reaches, {name: frozenset(ids) for name, ids in named.items()})
