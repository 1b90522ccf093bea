"""What a share allows, and which rows are shared with somebody (GEN-10). ``objects.visible`` alone decides by it.

A share widens what an actor sees inside their own organisation; it never adds a permission: who
may edit no datasets at all edits no shared one either. Deleting and sharing on stay the owner's.
"""

from __future__ import annotations

import enum
from typing import Any

import sqlalchemy as sa

from himalia_hub.auth.actor import Actor
from himalia_hub.core.tables import OwnedMixin, Share


class Access(enum.IntEnum):
    """What a share allows; each includes those before it."""

    NONE = 0
    VIEW = 1
    USE = 2
    EDIT = 3

    @property
    def word(self) -> str:
        return self.name.lower()


KINDS = {"datasets": "dataset", "label_groups": "label_group", "models": "model"}
"""Tables whose objects can be shared, and what their kind is called."""

NEEDED = {
    "data.dataset.read": Access.VIEW,
    "data.dataset.export": Access.USE,
    "data.dataset.annotate": Access.EDIT,
    "data.dataset.edit": Access.EDIT,
    "data.dataset.publish": Access.EDIT,
    "data.label_group.read": Access.VIEW,
    "data.label_group.edit": Access.EDIT,
    "model.model.read": Access.VIEW,
    "model.model.edit": Access.EDIT,
}
"""What a share must allow for a permission to reach its object; what is not listed stays the owner's."""


AREAS = {"dataset": "data.dataset.", "label_group": "data.label_group.", "model": "model.model."}


def allowed(kind: str, access: Access) -> list[str]:
    """The permissions that a share lends on its object to a receiver whose roles hold them."""
    return [name for name, needed in NEEDED.items() if name.startswith(AREAS[kind]) and needed <= access]


def access_for(table: type[OwnedMixin], permission: str) -> Access:
    """What must be shared, ``NONE`` where no share suffices."""
    return NEEDED.get(permission, Access.NONE) if table.__tablename__ in KINDS else Access.NONE  # type: ignore[attr-defined]


def shared_rows(table: type[OwnedMixin], actor: Actor, access: Access) -> sa.Select[Any]:
    """The row ids shared with an actor: with the member, their department, or the whole organisation."""
    kind: str = KINDS[table.__tablename__]  # type: ignore[attr-defined]
    receivers = [
        sa.and_(Share.receiver_kind == "user", Share.receiver_id == actor.user_id),
        sa.and_(Share.receiver_kind == "organisation", Share.receiver_id == actor.tenant_id),
    ]
    if actor.department_id is not None:
        receivers.append(sa.and_(Share.receiver_kind == "department", Share.receiver_id == actor.department_id))
    return sa.select(Share.object_id).where(
        Share.tenant_id == actor.tenant_id,
        Share.object_kind == kind,
        Share.access >= int(access),
        sa.or_(*receivers),
    )
