"""Before and after of a unit of work, seen by the session itself, so that no handler has to remember to say it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from himalia_hub.audit.masking import masked

OBJECTS = 16
_QUIET_TABLES = frozenset(("changes", "counters", "tasks", "idempotency_records", "audit_entries", "audit_heads"))
_QUIET_COLUMNS = frozenset(("version", "updated_at", "epoch", "session_epoch"))


class Watched:
    """Collects what flushes of one session change or delete; one per request."""

    def __init__(self, session: Session) -> None:
        self._found: dict[int, dict[str, Any]] = {}
        self._kept: list[Any] = []
        event.listen(session, "before_flush", self._look)

    def _look(self, session: Session, _context: Any, _instances: Any) -> None:
        for row in [*session.dirty, *session.deleted]:
            if len(self._found) >= OBJECTS and id(row) not in self._found:
                continue
            self._take(row, deleted=row in session.deleted)

    def _take(self, row: Any, *, deleted: bool) -> None:
        state = sa.inspect(row)
        table = state.mapper.local_table.name
        if table in _QUIET_TABLES:
            return
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for attribute in state.mapper.column_attrs:
            name = attribute.key
            if name in _QUIET_COLUMNS:
                continue
            history = state.attrs[name].history
            if deleted:
                before[name] = (history.deleted or history.unchanged or [None])[0]
            elif history.has_changes():
                before[name] = history.deleted[0] if history.deleted else None
                after[name] = history.added[0] if history.added else None
        if not before and not after:
            return
        known = self._found.get(id(row))
        if known is None:
            self._kept.append(row)  # so that its identity is not given to another object
            number = getattr(row, "number", None) or getattr(row, "id", None)
            known = self._found[id(row)] = {"table": table, "id": number, "before": {}, "after": {}}
        known["before"] = {**before, **known["before"]}
        known["after"].update(after)

    def detail(self) -> dict[str, Any]:
        """``{"changes": [...]}`` with secrets masked, or nothing when nothing changed."""
        return {"changes": masked(list(self._found.values()))} if self._found else {}
