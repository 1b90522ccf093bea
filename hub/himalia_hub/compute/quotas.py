"""Nested quotas: what a user, a department and a tenant may occupy, and what they do (TEN-3, TEN-7).

A workload must fit all three. A missing limit of a user or department means "as the level above".
A missing limit of a tenant means the default of the backend: on one machine a multiple of what
the machine has, so that work waits in the queue instead of being refused; elsewhere nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.compute import resources as res
from himalia_hub.compute.tables import QuotaLimit, QuotaReservation
from himalia_hub.core import clock
from himalia_hub.core.admission import Payer
from himalia_hub.core.db import Db
from himalia_hub.core.errors import QuotaExceeded
from himalia_hub.tenancy.tables import Department, Tenant, User

USER, DEPARTMENT, TENANT = "user", "department", "tenant"
QUEUES = "queues"
"""The rows of ``quota_limits`` that say how much of a tenant's quota its queues may reserve (TEN-3)."""
LEVELS = (USER, DEPARTMENT, TENANT)
DEFAULT_MULTIPLE = 4
_WORDS = {
    USER: ("your own quota", "您的个人配额"),
    DEPARTMENT: ("your department's quota", "部门配额"),
    TENANT: ("your organisation's quota", "组织配额"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One resource at one level; ``limit`` None is unlimited here."""

    resource: str
    limit: int | None
    used: int

    @property
    def available(self) -> int | None:
        return None if self.limit is None else max(0, self.limit - self.used)

    @property
    def used_percent(self) -> float | None:
        """Of the limit, to one digit; above 100 once a limit was lowered below what is used."""
        return round(100 * self.used / self.limit, 1) if self.limit else None


@dataclass(frozen=True, slots=True)
class Level:
    level: str
    name: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Where a request does not fit."""

    level: str
    name: str
    resource: str
    limit: int
    used: int
    asked: int
    missing: tuple[str, ...] = ()
    """Not an excess: the organisation has none of these, so nothing of it can run (TEN-3)."""


def subjects(payer: Payer) -> list[tuple[str, int]]:
    """The levels a payer counts against, innermost first."""
    found = [(USER, payer.user_id)]
    if payer.department_id is not None:
        found.append((DEPARTMENT, payer.department_id))
    return [*found, (TENANT, payer.tenant_id)]


def lock(session: Session, tenant_id: int) -> None:
    """Serialise admissions of a tenant until commit.

    All three levels of a request lie within one tenant, so its row is the one lock needed. The
    mode lets others go on inserting rows that refer to the tenant (PostgreSQL); SQLite's writer
    is alone anyway.
    """
    session.execute(sa.select(Tenant.id).where(Tenant.id == tenant_id).with_for_update(key_share=True))


def default_limits(capacity: Mapping[str, int], *, single_machine: bool) -> res.Amounts:
    """A tenant's limits while nobody set any."""
    if not single_machine:
        return {}
    return {name: amount * DEFAULT_MULTIPLE for name, amount in capacity.items()}


def limits_of(db: Db, level: str, subject_id: int) -> res.Amounts:
    rows = db.execute(
        sa.select(QuotaLimit.resource, QuotaLimit.nominal).where(
            QuotaLimit.level == level, QuotaLimit.subject_id == subject_id
        )
    )
    return {row.resource: row.nominal for row in rows}


def unset(resource: str, defaults: Mapping[str, int]) -> int | None:
    """A tenant's limit of a resource that nobody set one of: the default, or nothing; bytes kept, unlimited."""
    return defaults.get(resource, None if resource in res.KEPT else 0)


def missing(limits: Mapping[str, int], defaults: Mapping[str, int], *, single_machine: bool) -> tuple[str, ...]:
    """What a tenant needs some of and has none of; one machine has defaults, a cluster has none. Pure."""
    found = []
    for name in res.NEEDED:
        limit = limits.get(name, defaults.get(name))
        if limit == 0 or (limit is None and not single_machine):
            found.append(name)
    return tuple(found)


COLUMNS = {
    USER: QuotaReservation.user_id,
    DEPARTMENT: QuotaReservation.department_id,
    TENANT: QuotaReservation.tenant_id,
}


def used_of(db: Db, level: str, subject_id: int) -> res.Amounts:
    rows = db.execute(
        sa.select(QuotaReservation.resource, sa.func.sum(QuotaReservation.amount).label("used"))
        .where(COLUMNS[level] == subject_id)
        .group_by(QuotaReservation.resource)
    )
    return {row.resource: int(row.used) for row in rows}


def name_of(db: Db, level: str, subject_id: int) -> str:
    table: Any = {USER: User, DEPARTMENT: Department, TENANT: Tenant}[level]
    column = User.display_name if level == USER else table.name
    return str(db.execute(sa.select(column).where(table.id == subject_id)).scalar_one())


def levels(db: Db, payer: Payer, defaults: Mapping[str, int]) -> list[Level]:
    """Every level with each resource that work occupies: with a limit, or used."""
    found: list[Level] = []
    for level, subject_id in subjects(payer):
        limits: dict[str, int | None] = dict(limits_of(db, level, subject_id))
        used = used_of(db, level, subject_id)
        names = {*res.BASE, *used, *limits, *(defaults if level == TENANT else ())} - set(res.KEPT)
        if level == TENANT:
            for name in names:
                limits.setdefault(name, unset(name, defaults))
        lines = tuple(Line(name, limits.get(name), used.get(name, 0)) for name in res.ordered(names))
        found.append(Level(level, name_of(db, level, subject_id), lines))
    return found


def naming(level: Level, resources: Iterable[str]) -> Level:
    """The level with a line for each of these resources; what a tenant was never given is zero."""
    known = {line.resource: line for line in level.lines}
    missing = 0 if level.level == TENANT else None
    for name in resources:
        known.setdefault(name, Line(name, missing, 0))
    return replace(level, lines=tuple(known[name] for name in res.ordered(known)))


def shortfall(found: Sequence[Level], asked: Mapping[str, int]) -> Shortfall | None:
    """The first level and resource that a request would exceed, innermost level first."""
    for level in found:
        for line in level.lines:
            wanted = asked.get(line.resource, 0)
            if wanted and line.limit is not None and line.used + wanted > line.limit:
                return Shortfall(level.level, level.name, line.resource, line.limit, line.used, wanted)
    return None


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def sentences(short: Shortfall) -> tuple[str, str]:
    """What is over, in English and Chinese, with every number (TEN-8)."""
    words, words_zh = _WORDS[short.level]
    if short.missing:
        return (
            f"Nothing of your organisation ({short.name}) can run yet: it has no quota of"
            f" {_and([res.name_en(name) for name in short.missing])}.",
            f"您的组织（{short.name}）尚无{'、'.join(res.name_zh(name) for name in short.missing)}配额，"
            "因此无法运行任何任务。",
        )
    limit, used, asked = (res.show(short.resource, n) for n in (short.limit, short.used, short.asked))
    if short.limit == 0:
        return (
            f"{words[0].upper()}{words[1:]} ({short.name}) has no {res.name_en(short.resource)};"
            f" {asked} was asked for.",
            f"{words_zh}（{short.name}）没有{res.name_zh(short.resource)}；本次申请 {asked}。",
        )
    return (
        f"This goes over {words} ({short.name}): {used} of {limit} is in use and {asked} was asked for.",
        f"超出{words_zh}（{short.name}）：上限 {limit}，已用 {used}，本次申请 {asked}。",
    )


def refusal(short: Shortfall) -> QuotaExceeded:
    """The error of a request that does not fit, with level, resource, used, limit and asked."""
    text, text_zh = sentences(short)
    storage = short.resource in res.KEPT
    hint = "Stop something that is running, choose a smaller size, or ask an administrator for more."
    hint_zh = "请停止正在运行的任务、选择更小的规格，或联系管理员提高配额。"
    if storage:
        hint = "Delete what is no longer needed, or ask an administrator for more."
        hint_zh = "请删除不再需要的内容，或联系管理员提高配额。"
    more: dict[str, Any] = {}
    if short.missing:
        more["missing"] = list(short.missing)
        hint = "Ask an administrator of the platform for a quota of each."
        hint_zh = "请联系平台管理员逐项设置配额。"
    return QuotaExceeded(
        text,
        zh=text_zh,
        field=None if storage else "spec_id",
        rule=(
            "the organisation has CPU, memory, storage and image storage"
            if short.missing
            else f"at most {res.show(short.resource, short.limit)} at level {short.level}"
        ),
        value=short.asked,
        hint=hint,
        hint_zh=hint_zh,
        level=short.level,
        name=short.name,
        resource=short.resource,
        used=short.used,
        limit=short.limit,
        asked=short.asked,
        **more,
    )


def reserve(session: Session, payer: Payer, workload_id: int, asked: Mapping[str, int]) -> None:
    session.execute(
        sa.insert(QuotaReservation),
        [
            {
                "workload_id": workload_id,
                "resource": name,
                "amount": amount,
                "tenant_id": payer.tenant_id,
                "department_id": payer.department_id,
                "user_id": payer.user_id,
            }
            for name, amount in asked.items()
            if amount
        ],
    )


def release(session: Session, workload_id: int) -> None:
    session.execute(sa.delete(QuotaReservation).where(QuotaReservation.workload_id == workload_id))


def set_limit(session: Session, level: str, subject_id: int, resource: str, nominal: int | None) -> None:
    """Set one limit; None takes it away. Below the present use it stops nothing (TEN-7)."""
    where = (QuotaLimit.level == level, QuotaLimit.subject_id == subject_id, QuotaLimit.resource == resource)
    session.execute(sa.delete(QuotaLimit).where(*where))
    if nominal is not None:
        session.execute(
            sa.insert(QuotaLimit).values(
                level=level, subject_id=subject_id, resource=resource, nominal=nominal, updated_at=clock.now()
            )
        )
