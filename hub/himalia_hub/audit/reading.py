"""Entries as people may see them: newest first, from the table and then from the archives (SEC-1).

An organisation's administrators see what happened in their organisation; what the platform did
there stands without the name and address of who did it, since those belong to another organisation.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from himalia_hub.audit import words
from himalia_hub.audit.schemas import Filter
from himalia_hub.audit.tables import AuditArchive, AuditEntry
from himalia_hub.auth import permissions
from himalia_hub.auth.actor import Actor, Reach
from himalia_hub.core import clock
from himalia_hub.core.archive import ArchiveStore
from himalia_hub.core.db import Db
from himalia_hub.core.errors import BackendUnavailable, InvalidInput, NotFound, NotPermitted
from himalia_hub.core.paging import COUNT_CAP
from himalia_hub.tenancy.roles import service as roles
from himalia_hub.tenancy.tables import Tenant

PERMISSION = "audit.entry.read"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a reader may see: one organisation's entries, or all (``tenant_id`` None)."""

    tenant_id: int | None
    whole: bool
    """Reaches the platform, so that nobody's name is hidden."""


def sight(db: Db, actor: Actor, code: str | None) -> Sight:
    """The reader's sight, narrowed to an organisation.

    Raises:
        NotPermitted: Duties are separated, and this is not the auditor (TEN-11).
        NotFound: No such organisation within reach.
    """
    wide = actor.reach(PERMISSION) is Reach.PLATFORM
    if wide and permissions.AUDITOR not in actor.roles and roles.separated(db):
        raise NotPermitted(
            "Duties are separated in this installation: only the auditor reads the audit log.",
            zh="本安装已启用三员分立：仅审计员可查看审计日志。",
            hint="Ask the auditor.",
            hint_zh="请联系审计员。",
        )
    if not wide:
        if code is not None and code != actor.tenant_code:
            raise NotFound()
        return Sight(actor.tenant_id, False)
    if code is None:
        return Sight(None, True)
    tenant_id = db.execute(sa.select(Tenant.id).where(Tenant.code == code)).scalar_one_or_none()
    if tenant_id is None:
        raise NotFound(f"There is no organisation {code!r}.", zh=f"没有代码为 {code!r} 的组织。", field="organisation")
    return Sight(tenant_id, True)


def _begins(column: Any, start: str) -> Any:
    """A range that the column's index answers."""
    return sa.and_(column >= start, column < start + "\U0010ffff")


def selecting(seen: Sight, query: Filter) -> sa.Select[Any]:
    """The entries of the table that a filter names."""
    statement = sa.select(AuditEntry.__table__)
    columns = AuditEntry
    hidden = columns.actor_tenant_id == seen.tenant_id if not seen.whole else sa.true()
    tests: list[tuple[Any, Callable[[Any], Any]]] = [
        (seen.tenant_id, lambda value: columns.tenant_id == value),
        (query.start, lambda value: columns.at >= value),
        (query.end, lambda value: columns.at < value),
        (query.category, lambda value: columns.category == value),
        (query.actor, lambda value: sa.and_(columns.actor_name == value, hidden)),
        (query.action, lambda value: _begins(columns.action, value)),
        (query.object_kind, lambda value: columns.object_kind == value),
        (query.object, lambda value: columns.object_id == value),
        (query.outcome, lambda value: columns.outcome == value),
        (query.address, lambda value: sa.and_(columns.address == value, hidden)),
    ]
    for value, test in tests:
        if value is not None:
            statement = statement.where(test(value))
    if query.q:
        pattern = "%" + query.q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        open_to_all = (columns.action, columns.object_kind, columns.object_id, columns.request_id)
        matches: list[sa.ColumnElement[bool]] = [column.ilike(pattern, escape="\\") for column in open_to_all]
        matches.append(columns.action.in_(sorted(words.called(query.q))))
        matches += [sa.and_(hidden, c.ilike(pattern, escape="\\")) for c in (columns.actor_name, columns.address)]
        statement = statement.where(sa.or_(*matches))
    return statement


def fits(entry: dict[str, Any], seen: Sight, query: Filter) -> bool:
    """The same filter on an archived entry."""
    at = moment(entry["at"])
    shown = seen.whole or entry["actor_tenant_id"] == seen.tenant_id
    searched = [entry["action"], entry["object_kind"], entry["object_id"], entry["request_id"]]
    searched += [entry["actor_name"], entry["address"]] if shown else []
    return (
        (seen.tenant_id is None or entry["tenant_id"] == seen.tenant_id)
        and (query.start is None or at >= query.start)
        and (query.end is None or at < query.end)
        and query.category in (None, entry["category"])
        and (query.actor is None or (shown and query.actor == entry["actor_name"]))
        and (query.action is None or entry["action"].startswith(query.action))
        and query.object_kind in (None, entry["object_kind"])
        and query.object in (None, entry["object_id"])
        and query.outcome in (None, entry["outcome"])
        and (query.address is None or (shown and query.address == entry["address"]))
        and (
            not query.q
            or any(query.q.lower() in text.lower() for text in searched)
            or entry["action"] in words.called(query.q)
        )
    )


def moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def organisations(db: Db) -> dict[int, dict[str, str]]:
    rows = db.execute(sa.select(Tenant.id, Tenant.code, Tenant.name))
    return {row.id: {"code": row.code, "name": row.name} for row in rows}


def to_wire(entry: Any, seen: Sight, names: dict[int, dict[str, str]]) -> dict[str, Any]:
    """One entry from its columns."""
    hidden = not seen.whole and entry["actor_tenant_id"] != seen.tenant_id
    at = entry["at"] if isinstance(entry["at"], datetime) else moment(entry["at"])
    return {
        "id": entry["id"],
        "at": clock.to_wire(at),
        "category": entry["category"],
        "organisation": names.get(entry["tenant_id"]),
        "actor": "" if hidden else entry["actor_name"],
        "actor_organisation": None if hidden else names.get(entry["actor_tenant_id"]),
        "by_platform": entry["actor_tenant_id"] != entry["tenant_id"],
        "roles": [role for role in entry["roles"].split(",") if role],
        "address": "" if hidden else entry["address"],
        "session": "" if hidden else entry["session"],
        "action": entry["action"],
        "object_kind": entry["object_kind"],
        "object": entry["object_id"],
        "outcome": entry["outcome"],
        "detail": entry["detail"],
        "request_id": entry["request_id"],
        "position": entry["position"],
        "digest": entry["digest"],
    }


def cursor_of(cursor: str | None) -> int:
    """The id that a page goes on below; the cursor is that id."""
    if cursor is None:
        return 2**62
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise InvalidInput(
            f"cursor: {cursor[:40]!r} is not one that this list gave out.",
            zh=f"cursor：{cursor[:40]!r} 不是此列表给出的游标。",
            field="cursor",
            rule="a next_cursor of this list",
            value=cursor,
        )
    return int(cursor)


def table_rows(db: Db, seen: Sight, query: Filter, below: int, limit: int) -> list[dict[str, Any]]:
    statement = selecting(seen, query).where(AuditEntry.id < below).order_by(AuditEntry.id.desc()).limit(limit)
    return [dict(row._mapping) for row in db.execute(statement)]


def count(db: Db, seen: Sight, query: Filter) -> tuple[int, bool]:
    """How many there are in the table, at most 10,000; archived ones are not counted."""
    found = selecting(seen, query).with_only_columns(AuditEntry.id).limit(COUNT_CAP + 1).subquery()
    counted = db.execute(sa.select(sa.func.count()).select_from(found)).scalar_one()
    return min(counted, COUNT_CAP), counted > COUNT_CAP


def archives(db: Db, query: Filter, below: int) -> list[Any]:
    """Archives that may hold what is asked for, newest first."""
    statement = sa.select(AuditArchive.__table__).where(AuditArchive.first_id < below)
    if query.start is not None:
        statement = statement.where(AuditArchive.last_at >= query.start)
    if query.end is not None:
        statement = statement.where(AuditArchive.first_at < query.end)
    return list(db.execute(statement.order_by(AuditArchive.first_id.desc())))


async def archived_rows(store: ArchiveStore, archive: Any) -> list[dict[str, Any]]:
    """The entries of one archive, newest first; raises when its bytes are not those that were written."""
    data = await store.get(archive.key, 0, archive.bytes)
    if hashlib.sha256(data).hexdigest() != archive.sha256:
        raise BackendUnavailable(
            f"The archive of entries {archive.first_id} to {archive.last_id} was changed.",
            zh=f"审计归档（{archive.first_id} 至 {archive.last_id}）已被改动。",
            hint="Run himalia admin verify-audit.",
            hint_zh="请运行 himalia admin verify-audit。",
        )
    return [json.loads(line) for line in reversed(gzip.decompress(data).splitlines())]


def matching(rows: Iterable[dict[str, Any]], seen: Sight, query: Filter, below: int) -> Iterator[dict[str, Any]]:
    return (row for row in rows if row["id"] < below and fits(row, seen, query))
