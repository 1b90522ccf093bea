"""Organisations: making them with their first administrator, editing, closing, deleting.

Closing (disabled, or past ``valid_until``) ends sessions and asks work to stop, once; nothing is
deleted. Reopening brings neither back.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth import permissions
from himalia_hub.core import clock, names
from himalia_hub.core.db import Db
from himalia_hub.core.errors import Conflict, InUse, NotFound
from himalia_hub.core.standing import Standing, Whose
from himalia_hub.tenancy import rules, sessions, wording
from himalia_hub.tenancy.tables import Department, Tenant, User, UserRole


def in_force(moment: datetime) -> sa.ColumnElement[bool]:
    """The condition that an organisation is open at a moment."""
    return sa.and_(Tenant.enabled, sa.or_(Tenant.valid_until.is_(None), Tenant.valid_until > moment))


def state_of(enabled: bool, valid_until: datetime | None) -> str:
    if not enabled:
        return "disabled"
    return "expired" if valid_until is not None and valid_until <= clock.now() else "enabled"


def check_valid_until(moment: datetime | None) -> datetime | None:
    """A moment to come, with its zone, or none."""
    if moment is not None and (moment.tzinfo is None or moment <= clock.now()):
        raise wording.refuse(
            "valid_until", "a moment in the future, with its time zone", "带时区的未来时刻", moment.isoformat()
        )
    return moment


def named(organisation: str | int) -> sa.ColumnElement[bool]:
    """By its id or its code; a code of digits alone could be an id, so it is only ever an id here."""
    text = str(organisation)
    is_id = text.isascii() and text.isdigit() and len(text) <= 15
    return sa.and_(Tenant.id == int(text) if is_id else Tenant.code == text, Tenant.deleted_at.is_(None))


def find(session: Session, organisation: str | int) -> Tenant:
    """An organisation by its id or code, locked."""
    row = session.execute(sa.select(Tenant).where(named(organisation)).with_for_update()).scalar_one_or_none()
    if row is None:
        raise NotFound()
    return row


def _check_free(db: Db, *, code: str | None = None, name: str | None = None, but: int = 0) -> None:
    for field, column, value in (("code", Tenant.code, code), ("name", Tenant.name, name)):
        if value is not None and db.execute(sa.select(Tenant.id).where(column == value, Tenant.id != but)).first():
            raise wording.not_available(field, value)


def create(
    session: Session,
    *,
    code: str,
    name: str,
    description: str = "",
    enabled: bool = True,
    valid_until: datetime | None = None,
) -> Tenant:
    """A new organisation without anybody in it (TEN-1)."""
    rules.check_code(code)
    wording.check_organisation_name(name)
    _check_free(session, code=code, name=name)
    moment = clock.now()
    row = Tenant(
        code=code,
        name=name,
        description=names.check_text(description, wording.LONGEST_DESCRIPTION),
        enabled=enabled,
        valid_until=check_valid_until(valid_until),
        closed_at=None if enabled else moment,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    session.flush()
    return row


def touch(session: Session, row: Tenant) -> None:
    row.version += 1
    row.updated_at = clock.now()
    session.flush()


def set_enabled(session: Session, standing: Standing, row: Tenant, enabled: bool) -> int:
    """Open or close by hand; answers how much work was asked to stop. Repeating it changes nothing."""
    if row.enabled == enabled:
        return 0
    if not enabled:
        keep_an_administrator(session, User.tenant_id != row.id)
    row.enabled = enabled
    touch(session, row)
    return apply(session, standing, row)


def apply(session: Session, standing: Standing, row: Tenant) -> int:
    """Make what is open follow what should be: also the controller's step for ``valid_until``."""
    open_now = state_of(row.enabled, row.valid_until) == "enabled"
    if open_now or row.closed_at is not None:
        row.closed_at = None if open_now else row.closed_at
        session.flush()
        return 0
    row.closed_at = clock.now()
    sessions.end(session, User.tenant_id == row.id)
    return standing.stop(session, Whose(tenant_id=row.id))


def keep_an_administrator(db: Db, others: sa.ColumnElement[bool]) -> None:
    """Refuse what would leave nobody who administers the platform; ``others`` are those who stay."""
    stays = db.execute(
        sa.select(User.id)
        .join(UserRole, UserRole.user_id == User.id)
        .join(Tenant, Tenant.id == User.tenant_id)
        .outerjoin(Department, Department.id == User.department_id)
        .where(
            UserRole.role == permissions.ADMINISTRATOR,
            User.enabled,
            User.deleted_at.is_(None),
            in_force(clock.now()),
            sa.or_(Department.id.is_(None), Department.enabled),
            others,
        )
        .limit(1)
    ).first()
    anybody = db.execute(sa.select(UserRole.user_id).where(UserRole.role == permissions.ADMINISTRATOR).limit(1)).first()
    if stays is None and anybody is not None:
        raise Conflict(
            "The last platform administrator cannot be closed out.",
            zh="不能停用最后一名平台管理员。",
            rule="one platform administrator stays enabled",
            hint="Give somebody else the role Administrator first.",
            hint_zh="请先将 Administrator 角色授予其他人。",
            code="last_administrator",
        )


def contents(db: Db, tenant_id: int) -> list[dict[str, object]]:
    """What keeps an organisation from being deleted."""
    counted = []
    for kind, table, condition in (
        ("member", User, User.deleted_at.is_(None)),
        ("department", Department, Department.deleted_at.is_(None)),
    ):
        count = db.execute(
            sa.select(sa.func.count()).select_from(table).where(table.tenant_id == tenant_id, condition)
        ).scalar_one()
        if count:
            counted.append({"kind": kind, "count": count})
    return counted


def delete(session: Session, row: Tenant) -> None:
    """Delete an empty organisation. Its code stays taken for ever: data and bills are filed under it."""
    found = contents(session, row.id)
    if found:
        shown = ", ".join(f"{one['count']} {one['kind']}s" for one in found)
        raise InUse(
            f"{row.code} is not empty: {shown}.",
            zh=f"组织 {row.code} 不为空：{shown}。",
            rule="empty",
            hint="Delete its members and departments first.",
            hint_zh="请先删除其成员和部门。",
            dependants=found,
        )
    row.deleted_at = clock.now()
    row.enabled = False
    row.closed_at = row.closed_at or row.deleted_at
    row.name = f"{row.name} #{row.id}"  # no name that somebody may give has such a form
    touch(session, row)


def rename(session: Session, row: Tenant, name: str) -> None:
    wording.check_organisation_name(name)
    _check_free(session, name=name, but=row.id)
    row.name = name
