"""What depends on this? Nouns that come later answer for the ones they build on (GEN-5).

A noun registers in its ``setup`` a look-up for the kind it may depend on; whoever deletes an
object of that kind asks, and refuses by naming what was found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from himalia_hub.core.db import Db
from himalia_hub.core.errors import InUse

Lookup = Callable[[Db, tuple[int, ...]], list[dict[str, Any]]]
"""Takes the object's row ids; answers ``[{"kind", "id", "name"}]``, at most a screenful."""


class Dependants:
    """One per platform: ``platform.get(Dependants)``.

    Kinds: ``label_group`` (row id), ``label`` (row id of the group, label id), ``dataset`` (row id),
    ``dataset_version`` (row id of the version).
    """

    def __init__(self) -> None:
        self._lookups: dict[str, list[Lookup]] = {}

    def register(self, kind: str, lookup: Lookup) -> None:
        self._lookups.setdefault(kind, []).append(lookup)

    def of(self, db: Db, kind: str, *ids: int) -> list[dict[str, Any]]:
        return [found for lookup in self._lookups.get(kind, []) for found in lookup(db, ids)]

    def refuse_if_any(self, db: Db, kind: str, *ids: int, name: str) -> None:
        """Raise :class:`InUse` that names what depends on the object."""
        found = self.of(db, kind, *ids)
        if not found:
            return
        shown = ", ".join(f"{one['kind'].replace('_', ' ')} {one['name']}" for one in found[:5])
        raise InUse(
            f"{name} is still used by {shown}{' and more' if len(found) > 5 else ''}.",
            zh=f"{name} 仍被使用：{shown}{' 等' if len(found) > 5 else ''}。",
            hint="Remove what uses it first.",
            hint_zh="请先移除使用它的对象。",
            dependants=found,
        )
