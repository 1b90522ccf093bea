"""Setting quotas: who may set whose, and that no limit exceeds the level above (TEN-7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor, Reach
from himalia_hub.compute import assess, quotas, storage
from himalia_hub.compute import resources as res
from himalia_hub.core.admission import Payer
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput, NotFound, StaleVersion, VersionRequired
from himalia_hub.platform.parts import Platform
from himalia_hub.tenancy.tables import Department, Tenant, User


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose quota it is; ``above`` are the enclosing levels, nearest first."""

    level: str
    id: int
    tenant_id: int
    name: str
    above: tuple[tuple[str, int], ...]


def find_subject(
    db: Db, actor: Actor, permission: str, level: str, subject: str | int, tenant: str | None, *, change: bool
) -> Subject:
    """The subject, if it lies within the actor's reach; else not found.

    An organisation's own limits are set by the platform, a department's by the organisation, a
    member's also by the department.
    """
    reach = actor.reach(permission)
    tenant_id = actor.tenant_id
    if reach is Reach.PLATFORM:
        code = str(subject) if level == quotas.TENANT and subject else tenant or actor.tenant_code
        tenant_id = db.execute(sa.select(Tenant.id).where(Tenant.code == code)).scalar() or 0
    elif level == quotas.TENANT and subject not in ("", actor.tenant_code):
        raise NotFound()
    if level == quotas.TENANT:
        row = db.execute(sa.select(Tenant.id, Tenant.name).where(Tenant.id == tenant_id)).first()
        if row is None or (change and reach is not Reach.PLATFORM) or reach is Reach.DEPARTMENT:
            raise NotFound()
        return Subject(level, row.id, tenant_id, row.name, ())
    if level == quotas.DEPARTMENT:
        return _department(db, actor, reach, subject, tenant_id, change=change)
    return _user(db, actor, reach, subject, tenant_id)


def _department(
    db: Db, actor: Actor, reach: Reach | None, subject: str | int, tenant_id: int, *, change: bool
) -> Subject:
    if not str(subject).isascii() or not str(subject).isdigit() or len(str(subject)) > 15:
        raise NotFound()
    row = db.execute(
        sa.select(Department.id, Department.name).where(
            Department.tenant_id == tenant_id, Department.number == int(subject)
        )
    ).first()
    if row is None or (reach is Reach.DEPARTMENT and (change or row.id != actor.department_id)):
        raise NotFound()
    return Subject(quotas.DEPARTMENT, row.id, tenant_id, row.name, ((quotas.TENANT, tenant_id),))


def _user(db: Db, actor: Actor, reach: Reach | None, subject: str | int, tenant_id: int) -> Subject:
    statement = sa.select(User.id, User.display_name, User.department_id).where(User.tenant_id == tenant_id)
    text = str(subject)
    if text.isascii() and text.isdigit() and len(text) <= 15:
        statement = statement.where(User.number == int(text))
    else:
        statement = statement.where(User.name_key == text.casefold())
    row = db.execute(statement).first()
    if row is None or (reach is Reach.DEPARTMENT and row.department_id != actor.department_id):
        raise NotFound()
    above: list[tuple[str, int]] = [(quotas.TENANT, tenant_id)]
    if row.department_id is not None:
        above.insert(0, (quotas.DEPARTMENT, row.department_id))
    return Subject(quotas.USER, row.id, tenant_id, row.display_name, tuple(above))


def change(session: Session, subject: Subject, limits: Mapping[str, int | None], defaults: Mapping[str, int]) -> None:
    """Set limits; refused when one exceeds the level above."""
    quotas.lock(session, subject.tenant_id)
    for resource, nominal in limits.items():
        for level, above_id in subject.above:
            above = quotas.limits_of(session, level, above_id).get(resource)
            if above is None and level == quotas.TENANT:
                above = defaults.get(resource, 0)
            if nominal is not None and above is not None and nominal > above:
                raise InvalidInput(
                    f"limits.{resource}: {res.show(resource, nominal)} is more than the {level}'s"
                    f" {res.show(resource, above)}.",
                    zh=f"limits.{resource}：{res.show(resource, nominal)} 超过上级配额 {res.show(resource, above)}。",
                    field=f"limits.{resource}",
                    rule=f"at most {res.show(resource, above)}",
                    value=nominal,
                    hint="Set a smaller limit or raise the level above first.",
                    hint_zh="请设置更小的值，或先提高上级配额。",
                    level=level,
                    limit=above,
                )
        quotas.set_limit(session, subject.level, subject.id, resource, nominal)


def view(platform: Platform, db: Db, subject: Subject, defaults: Mapping[str, int]) -> dict[str, Any]:
    """One level as the API shows it."""
    limits: dict[str, int | None] = dict(quotas.limits_of(db, subject.level, subject.id))
    used = quotas.used_of(db, subject.level, subject.id)
    if subject.level == quotas.TENANT:
        limits = {**defaults, **limits}
    department_id = subject.id if subject.level == quotas.DEPARTMENT else None
    user_id = subject.id if subject.level == quotas.USER else 0
    used[res.STORAGE] = storage.used(platform, db, Payer(subject.tenant_id, department_id, user_id), subject.level)
    names = res.ordered({*res.BASE, *limits, *used})
    lines = tuple(quotas.Line(name, limits.get(name), used.get(name, 0)) for name in names)
    return assess.levels_to_wire([quotas.Level(subject.level, subject.name, lines)])[0]


def check_version(version: int, if_match: int | None) -> None:
    """GEN-7 for rows that belong to the installation, not to a tenant."""
    if if_match is None:
        raise VersionRequired(
            "This change needs an If-Match header with the ETag you last read.",
            zh="此修改需要 If-Match 请求头，其值为您上次读取的 ETag。",
            field="If-Match",
            rule="required",
        )
    if if_match != version:
        raise StaleVersion(
            f"Somebody changed this since you read it: it is at version {version}, you sent {if_match}.",
            zh=f"您读取之后已有人修改：当前版本为 {version}，您发送的是 {if_match}。",
            field="If-Match",
            rule="must equal the present version",
            value=if_match,
            current_version=version,
        )
