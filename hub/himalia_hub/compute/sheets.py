"""Quotas as people see them: what is used of each limit, what remains, and the limits above (TEN-3, TEN-7).

One page of subjects is read by a handful of statements, however many there are: limits, reservations
and stored bytes of all of them at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from himalia_hub.auth.actor import Actor, Reach
from himalia_hub.compute import limits, quotas, storage
from himalia_hub.compute import resources as res
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.limits import Subject
from himalia_hub.compute.schemas import SheetQuery
from himalia_hub.compute.tables import QuotaLimit, QuotaReservation, QuotaState, ResourceSpec
from himalia_hub.core import clock, paging
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotFound
from himalia_hub.tenancy.tables import Department, Tenant, User

Key = tuple[str, int]
"""A level and a subject's row id."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Limits, use and states of some subjects, by level and id."""

    limits: Mapping[Key, Mapping[str, int]]
    used: Mapping[Key, Mapping[str, int]]
    names: Mapping[Key, str]
    states: Mapping[Key, Any]
    defaults: Mapping[str, int]
    single_machine: bool

    def limit(self, key: Key, resource: str) -> int | None:
        """The limit of one level, a tenant's default included; None is no limit of its own."""
        found = self.limits.get(key, {}).get(resource)
        return quotas.unset(resource, self.defaults) if found is None and key[0] == quotas.TENANT else found

    def use(self, key: Key, resource: str) -> int:
        return self.used.get(key, {}).get(resource, 0)


def resources_known(engine: Engine, db: Db) -> list[str]:
    """Every resource a limit makes sense for: CPU, memory, storage, images, the accelerators of nodes and specs."""
    rows = db.execute(sa.select(ResourceSpec.accelerators).where(ResourceSpec.deleted_at.is_(None))).scalars()
    return res.ordered({*res.NEEDED, *res.accelerators(engine.nodes), *(name for found in rows for name in found)})


def gather(engine: Engine, db: Db, subjects: Sequence[Subject]) -> Facts:
    """Read everything that the sheets of these subjects show."""
    ids: dict[str, set[int]] = {}
    for subject in subjects:
        for level, subject_id in ((subject.level, subject.id), *subject.above):
            ids.setdefault(level, set()).add(subject_id)
    found: dict[Key, dict[str, int]] = {}
    used: dict[Key, dict[str, int]] = {}
    names: dict[Key, str] = {}
    states: dict[Key, Any] = {}
    tables: dict[str, Any] = {quotas.USER: User, quotas.DEPARTMENT: Department, quotas.TENANT: Tenant}
    for level, some in ids.items():
        kinds = (level, quotas.QUEUES) if level == quotas.TENANT else (level,)
        for row in db.execute(
            sa.select(QuotaLimit.__table__).where(QuotaLimit.level.in_(kinds), QuotaLimit.subject_id.in_(some))
        ):
            found.setdefault((row.level, row.subject_id), {})[row.resource] = row.nominal
        for row in db.execute(
            sa.select(QuotaState.__table__).where(QuotaState.level == level, QuotaState.subject_id.in_(some))
        ):
            states[level, row.subject_id] = row
        used.update(_used(engine, db, level, some))
        column = User.display_name if level == quotas.USER else tables[level].name
        for row in db.execute(sa.select(tables[level].id, column.label("name")).where(tables[level].id.in_(some))):
            names[level, row.id] = row.name
    return Facts(found, used, names, states, engine.default_limits(), engine.single_machine)


def _used(engine: Engine, db: Db, level: str, ids: Collection[int]) -> dict[Key, dict[str, int]]:
    column = quotas.COLUMNS[level]
    rows = db.execute(
        sa.select(column.label("id"), QuotaReservation.resource, sa.func.sum(QuotaReservation.amount).label("used"))
        .where(column.in_(ids))
        .group_by(column, QuotaReservation.resource)
    )
    used: dict[Key, dict[str, int]] = {}
    for row in rows:
        used.setdefault((level, row.id), {})[row.resource] = int(row.used)
    for resource in res.KEPT:
        for subject_id, size in storage.used_each(engine.platform, db, level, ids, resource).items():
            used.setdefault((level, subject_id), {})[resource] = size
    return used


def _line(facts: Facts, subject: Subject, resource: str) -> dict[str, Any]:
    own = (subject.level, subject.id)
    limit, used = facts.limit(own, resource), facts.use(own, resource)
    above = [(key, facts.limit(key, resource)) for key in subject.above]
    ceilings = [ceiling for _, ceiling in above if ceiling is not None]
    effective = min([*ceilings, *([] if limit is None else [limit])], default=None)
    left = [ceiling - facts.use(key, resource) for key, ceiling in above if ceiling is not None]
    if limit is not None:
        left.append(limit - used)
    return {
        "resource": resource,
        "limit": limit,
        "set": resource in facts.limits.get(own, {}),
        "effective": effective,
        "used": used,
        "used_percent": round(100 * used / effective, 1) if effective else None,
        "available": max(0, min(left)) if left else None,
        "highest": min(ceilings, default=None),
        "reservable": facts.limits.get((quotas.QUEUES, subject.id), {}).get(resource)
        if subject.level == quotas.TENANT
        else None,
        "above": [
            {
                "level": key[0],
                "name": facts.names.get(key, ""),
                "limit": ceiling,
                "used": facts.use(key, resource),
            }
            for key, ceiling in above
        ],
    }


def sheet(facts: Facts, subject: Subject, known: Sequence[str]) -> dict[str, Any]:
    """The ``QuotaSheet`` of the API."""
    own = (subject.level, subject.id)
    names = res.ordered({*known, *facts.limits.get(own, {}), *facts.used.get(own, {})})
    state = facts.states.get(own)
    lacking: Sequence[str] = ()
    if subject.level == quotas.TENANT:
        limited = facts.limits.get(own, {})
        lacking = quotas.missing(limited, facts.defaults, single_machine=facts.single_machine)
    return {
        "level": subject.level,
        "subject": subject.key,
        "name": subject.name,
        "tenant": subject.tenant_code,
        "may_set": subject.may_set,
        "version": state.version if state is not None else 1,
        "updated_at": clock.to_wire(state.updated_at) if state is not None else None,
        "updated_by": state.updated_by if state is not None else None,
        "missing": list(lacking),
        "resources": [_line(facts, subject, name) for name in names],
    }


def one(engine: Engine, db: Db, subject: Subject) -> dict[str, Any]:
    """The sheet of one subject."""
    return sheet(gather(engine, db, [subject]), subject, resources_known(engine, db))


def page(engine: Engine, db: Db, actor: Actor, permission: str, query: SheetQuery) -> dict[str, Any]:
    """The sheets of a level's subjects within reach, a page at a time."""
    reach = limits.reach_of(actor, permission)
    subjects: list[Subject] = []
    if query.level == quotas.TENANT:
        answer = _tenants(db, actor, reach, query, subjects)
    else:
        tenant_id, code, _ = limits.tenant_of(db, actor, permission, query.tenant)
        mine = actor.departments_of(permission) if reach < Reach.ORGANISATION else None
        make = _departments if query.level == quotas.DEPARTMENT else _users
        answer = make(db, mine, query, subjects, tenant_id, code)
    facts, known = gather(engine, db, subjects), resources_known(engine, db)
    return {**answer, "items": [sheet(facts, subject, known) for subject in subjects]}


def _run(db: Db, statement: Any, query: SheetQuery, table: Any, name: Any, take: Any) -> dict[str, Any]:
    sorts = {"name": name, "created_at": table.created_at}
    return paging.page(db, statement, query, sorts=sorts, key=table.id, render=take, search=(name,))


def _tenants(db: Db, actor: Actor, reach: Reach, query: SheetQuery, subjects: list[Subject]) -> dict[str, Any]:
    if reach < Reach.ORGANISATION:
        raise NotFound()
    statement = sa.select(Tenant.id, Tenant.code, Tenant.name).where(Tenant.deleted_at.is_(None))
    if reach is not Reach.PLATFORM:
        statement = statement.where(Tenant.id == actor.tenant_id)
    elif query.tenant:
        statement = statement.where(Tenant.code == query.tenant)

    def take(row: Any) -> None:
        may_set = reach is Reach.PLATFORM
        subjects.append(Subject(quotas.TENANT, row.id, row.code, row.name, row.id, row.code, (), may_set))

    return _run(db, statement, query, Tenant, Tenant.name, take)


def _departments(
    db: Db, mine: Collection[int] | None, query: SheetQuery, subjects: list[Subject], tenant_id: int, code: str
) -> dict[str, Any]:
    statement = sa.select(Department.id, Department.number, Department.name).where(
        Department.tenant_id == tenant_id, Department.deleted_at.is_(None)
    )
    if mine is not None:
        statement = statement.where(Department.id.in_(mine))
    above = ((quotas.TENANT, tenant_id),)

    def take(row: Any) -> None:
        key = str(row.number)
        subjects.append(Subject(quotas.DEPARTMENT, row.id, key, row.name, tenant_id, code, above, mine is None))

    return _run(db, statement, query, Department, Department.name, take)


def _users(
    db: Db, mine: Collection[int] | None, query: SheetQuery, subjects: list[Subject], tenant_id: int, code: str
) -> dict[str, Any]:
    statement = sa.select(User.id, User.number, User.display_name, User.department_id).where(
        User.tenant_id == tenant_id, User.deleted_at.is_(None), User.guest.is_(False)
    )
    if mine is not None:
        statement = statement.where(User.department_id.in_(mine))
    if query.department is not None:
        number = Department.number == query.department
        department = sa.select(Department.id).where(Department.tenant_id == tenant_id, number)
        statement = statement.where(User.department_id.in_(department))

    def take(row: Any) -> None:
        above: list[Key] = [(quotas.TENANT, tenant_id)]
        if row.department_id is not None:
            above.insert(0, (quotas.DEPARTMENT, row.department_id))
        key = str(row.number)
        subjects.append(Subject(quotas.USER, row.id, key, row.display_name, tenant_id, code, tuple(above), True))

    return _run(db, statement, query, User, User.display_name, take)
