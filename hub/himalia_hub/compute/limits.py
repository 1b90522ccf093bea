"""Setting quotas: who may set whose, and that no limit exceeds the level above (TEN-3, TEN-7).

How limits are shown is in ``sheets``; what work does with them in ``quotas`` and ``assess``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor, Reach
from himalia_hub.compute import quotas
from himalia_hub.compute import resources as res
from himalia_hub.compute.schemas import QuotaSet
from himalia_hub.compute.tables import QuotaLimit, QuotaState
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import Conflict, InvalidInput, NotFound, StaleVersion, VersionRequired
from himalia_hub.tenancy.tables import Department, Tenant, User

Amounts = Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose quota it is; ``above`` are the enclosing levels, nearest first.

    ``key`` is how the API names it: a code, a number.
    """

    level: str
    id: int
    key: str
    name: str
    tenant_id: int
    tenant_code: str
    above: tuple[tuple[str, int], ...] = ()
    may_set: bool = False


def reach_of(actor: Actor, permission: str) -> Reach:
    return actor.reach(permission) or Reach.OWN


def tenant_of(db: Db, actor: Actor, permission: str, code: str | None) -> tuple[int, str, str]:
    """Id, code and name of the tenant that a request is about; one's own unless with platform reach."""
    code = code or actor.tenant_code
    if code != actor.tenant_code and reach_of(actor, permission) is not Reach.PLATFORM:
        raise NotFound()
    row = db.execute(
        sa.select(Tenant.id, Tenant.code, Tenant.name).where(Tenant.code == code, Tenant.deleted_at.is_(None))
    ).first()
    if row is None:
        raise NotFound()
    return row.id, row.code, row.name


def find_subject(
    db: Db, actor: Actor, permission: str, level: str, subject: str | int, tenant: str | None, *, change: bool
) -> Subject:
    """The subject, if it lies within the actor's reach; else not found.

    An organisation's own limits are set by the platform, a department's by the organisation, a
    member's also by the department.
    """
    reach = reach_of(actor, permission)
    if level == quotas.TENANT:
        tenant_id, code, name = tenant_of(db, actor, permission, str(subject) or tenant)
        may_set = reach is Reach.PLATFORM
        if reach < Reach.ORGANISATION or (change and not may_set):
            raise NotFound()
        return Subject(level, tenant_id, code, name, tenant_id, code, (), may_set)
    tenant_id, code, _ = tenant_of(db, actor, permission, tenant)
    if level == quotas.DEPARTMENT:
        return _department(db, actor, permission, subject, tenant_id, code, change=change)
    return _user(db, actor, permission, subject, tenant_id, code)


def _number(subject: str | int) -> int | None:
    text = str(subject)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _department(
    db: Db, actor: Actor, permission: str, subject: str | int, tenant_id: int, code: str, *, change: bool
) -> Subject:
    row = db.execute(
        sa.select(Department.id, Department.number, Department.name).where(
            Department.tenant_id == tenant_id,
            Department.number == _number(subject),
            Department.deleted_at.is_(None),
        )
    ).first()
    may_set = reach_of(actor, permission) >= Reach.ORGANISATION
    if row is None or (change and not may_set) or (not may_set and row.id not in actor.departments_of(permission)):
        raise NotFound()
    above = ((quotas.TENANT, tenant_id),)
    return Subject(quotas.DEPARTMENT, row.id, str(row.number), row.name, tenant_id, code, above, may_set)


def _user(db: Db, actor: Actor, permission: str, subject: str | int, tenant_id: int, code: str) -> Subject:
    statement = sa.select(User.id, User.number, User.display_name, User.department_id).where(
        User.tenant_id == tenant_id, User.deleted_at.is_(None), User.guest.is_(False)
    )
    number = _number(subject)
    if number is not None:
        statement = statement.where(User.number == number)
    else:
        statement = statement.where(User.name_key == str(subject).casefold())
    row = db.execute(statement.order_by(User.id)).first()
    narrow = reach_of(actor, permission) < Reach.ORGANISATION
    if row is None or (narrow and row.department_id not in actor.departments_of(permission)):
        raise NotFound()
    above: list[tuple[str, int]] = [(quotas.TENANT, tenant_id)]
    if row.department_id is not None:
        above.insert(0, (quotas.DEPARTMENT, row.department_id))
    return Subject(quotas.USER, row.id, str(row.number), row.display_name, tenant_id, code, tuple(above), True)


def version_of(db: Db, subject: Subject) -> int:
    """Counts the changes of a subject's limits; 1 while nobody changed any."""
    found = db.execute(
        sa.select(QuotaState.version).where(QuotaState.level == subject.level, QuotaState.subject_id == subject.id)
    ).scalar()
    return int(found) if found is not None else 1


def change(session: Session, subject: Subject, wanted: QuotaSet, defaults: Mapping[str, int], *, by: str) -> None:
    """Set limits, all or none.

    Below the present use is fine: it stops nothing and blocks new work. The tenant's row is locked
    until commit, as admissions do, so no admission sees half of it.

    Raises:
        InvalidInput: An unknown resource, or a limit above that of an enclosing level.
        Conflict: ``limits_below``: departments or members have higher limits than the new ones.
    """
    for part, names in (("limits", wanted.limits), ("reservable", wanted.reservable)):
        for name in names:
            _check_resource(f"{part}.{name}", name)
    for name, nominal in wanted.limits.items():
        _check_above(session, subject, name, nominal, defaults)
    _check_reservable(session, subject, wanted, defaults)
    _check_below(session, subject, wanted.limits, defaults, lower=wanted.lower_below)
    for name, nominal in wanted.limits.items():
        quotas.set_limit(session, subject.level, subject.id, name, nominal)
    for name, share in wanted.reservable.items():
        quotas.set_limit(session, quotas.QUEUES, subject.id, name, share)
    _count_change(session, subject.level, subject.id, by)


def _count_change(session: Session, level: str, subject_id: int, by: str) -> None:
    state = session.get(QuotaState, (level, subject_id))
    if state is None:
        state = QuotaState(level=level, subject_id=subject_id, version=1)
        session.add(state)
    state.version += 1
    state.updated_at, state.updated_by = clock.now(), by
    session.flush()


def _check_resource(field: str, name: str) -> None:
    if res.known(name):
        return
    raise InvalidInput(
        f"{field}: this is not a resource that has a quota.",
        zh=f"{field}：没有此项资源的配额。",
        field=field,
        rule=f"one of {', '.join(res.NEEDED)}, or an accelerator such as nvidia.com/gpu",
        value=name,
    )


def _too_much(field: str, resource: str, value: int, limit: int, level: str, name: str) -> InvalidInput:
    whose, whose_zh = {
        quotas.DEPARTMENT: ("the department's", "部门配额"),
        quotas.TENANT: ("the organisation's", "组织配额"),
    }[level]
    return InvalidInput(
        f"{field}: {res.show(resource, value)} is more than {whose} {res.show(resource, limit)} ({name}).",
        zh=f"{field}：{res.show(resource, value)} 超过{whose_zh} {res.show(resource, limit)}（{name}）。",
        field=field,
        rule=f"at most {res.show(resource, limit)}",
        value=value,
        hint="Set a smaller limit or raise the level above first.",
        hint_zh="请设置更小的值，或先提高上级配额。",
        level=level,
        limit=limit,
    )


def limit_at(db: Db, level: str, subject_id: int, resource: str, defaults: Mapping[str, int]) -> int | None:
    """The limit of one level, a tenant's default included; None is no limit of its own."""
    found = quotas.limits_of(db, level, subject_id).get(resource)
    if found is not None or level != quotas.TENANT:
        return found
    return quotas.unset(resource, defaults)


def _check_above(
    session: Session, subject: Subject, resource: str, nominal: int | None, defaults: Mapping[str, int]
) -> None:
    for level, above_id in subject.above:
        above = limit_at(session, level, above_id, resource, defaults)
        if nominal is not None and above is not None and nominal > above:
            name = quotas.name_of(session, level, above_id)
            raise _too_much(f"limits.{resource}", resource, nominal, above, level, name)


def _check_reservable(session: Session, subject: Subject, wanted: QuotaSet, defaults: Mapping[str, int]) -> None:
    """Queues may reserve no more than the organisation has, after the change as before it."""
    if wanted.reservable and subject.level != quotas.TENANT:
        raise InvalidInput(
            "reservable: only an organisation's quota has a part that queues may reserve.",
            zh="reservable：只有组织配额可设置队列可预留的部分。",
            field="reservable",
            rule="only at level tenant",
            value=subject.level,
        )
    if subject.level != quotas.TENANT:
        return
    shares: dict[str, int | None] = {**quotas.limits_of(session, quotas.QUEUES, subject.id), **wanted.reservable}
    for name, share in shares.items():
        limit = wanted.limits.get(name)
        if name not in wanted.limits:
            limit = limit_at(session, quotas.TENANT, subject.id, name, defaults)
        elif limit is None:
            limit = quotas.unset(name, defaults)
        if share is None or limit is None or share <= limit:
            continue
        if name not in wanted.reservable and wanted.lower_below:
            quotas.set_limit(session, quotas.QUEUES, subject.id, name, limit)
            continue
        raise _too_much(f"reservable.{name}", name, share, limit, quotas.TENANT, subject.name)


def _check_below(
    session: Session, subject: Subject, limits: Amounts, defaults: Mapping[str, int], *, lower: bool
) -> None:
    """No limit below may exceed the new ones: bring them down, or refuse and say how many there are."""
    for resource, nominal in limits.items():
        limit = nominal
        if limit is None and subject.level == quotas.TENANT:
            limit = quotas.unset(resource, defaults)
        if limit is None:
            continue
        higher = session.execute(_higher(subject, resource, limit)).scalars().all()
        if not higher:
            continue
        if not lower:
            most = max(row.nominal for row in higher)
            raise Conflict(
                f"limits.{resource}: {len(higher)} departments or members have a higher limit, up to"
                f" {res.show(resource, most)}.",
                zh=f"limits.{resource}：有 {len(higher)} 个部门或成员的配额更高，最高为 {res.show(resource, most)}。",
                field=f"limits.{resource}",
                rule="no limit below exceeds it",
                value=limit,
                hint="Lower theirs first, or send lower_below to bring them down together.",
                hint_zh="请先降低它们的配额，或以 lower_below 一并降低。",
                code="limits_below",
                resource=resource,
                count=len(higher),
                highest=most,
            )
        for row in higher:
            row.nominal, row.updated_at = limit, clock.now()
            _count_change(session, row.level, row.subject_id, "")


def _higher(subject: Subject, resource: str, limit: int) -> sa.Select[QuotaLimit]:
    """Limits of what lies within the subject that exceed one of its own."""
    users = sa.select(User.id)
    if subject.level == quotas.USER:
        within: sa.ColumnElement[bool] = sa.false()
    elif subject.level == quotas.DEPARTMENT:
        users = users.where(User.department_id == subject.id)
        within = sa.and_(QuotaLimit.level == quotas.USER, QuotaLimit.subject_id.in_(users))
    else:
        users = users.where(User.tenant_id == subject.id)
        departments = sa.select(Department.id).where(Department.tenant_id == subject.id)
        within = sa.or_(
            sa.and_(QuotaLimit.level == quotas.USER, QuotaLimit.subject_id.in_(users)),
            sa.and_(QuotaLimit.level == quotas.DEPARTMENT, QuotaLimit.subject_id.in_(departments)),
        )
    return sa.select(QuotaLimit).where(within, QuotaLimit.resource == resource, QuotaLimit.nominal > limit)


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
