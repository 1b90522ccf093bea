"""Bringing in members from a file: one task, one transaction a batch, a report per line (TEN-6).

A trial (``dry_run``) runs the very same code and takes each line back. Repeating a file changes
nothing: a line whose member is already as it says is *unchanged*. Lines are independent: what one
breaks, the others do not suffer.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth import tokens
from himalia_hub.auth.actor import Actor, Reach
from himalia_hub.core import clock, tasks
from himalia_hub.core.errors import HimaliaError, InvalidInput, NotFound
from himalia_hub.core.objects import next_number
from himalia_hub.core.tables import TaskRow
from himalia_hub.tenancy import scope, sessions, wording
from himalia_hub.tenancy import service as tenancy
from himalia_hub.tenancy.members import csvfile, granting, service
from himalia_hub.tenancy.tables import MemberImport, MemberImportLine, Tenant, User

if TYPE_CHECKING:
    from himalia_hub.core.db import Db
    from himalia_hub.core.tasks import TaskHandle

KIND = "member_import"
MANAGE = "tenancy.user.manage"
BATCH = 50


def begin(session: Session, actor: Actor, tenant: Any, data: bytes, *, dry_run: bool) -> MemberImport:
    """Read the file, and write the intent; a refusal of the file as a whole is raised here."""
    rows, encoding = csvfile.read(data)
    number = next_number(session, tenant.id, KIND)
    task = tasks.create(
        session,
        actor if actor.user_id else _stand_in(session),
        KIND,
        object_kind=KIND,
        object_number=number,
        object_name=f"{tenant.code}: {len(rows)} members",
        payload={"machine": not actor.user_id, "reach": {name: int(reach) for name, reach in actor.grants.items()}},
        total=len(rows),
        unit="lines",
    )
    row = MemberImport(
        tenant_id=tenant.id,
        number=number,
        task_id=task.id,
        dry_run=dry_run,
        encoding=encoding,
        rows=rows,
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    task.payload = {**task.payload, "import": row.id}
    session.flush()
    return row


def _stand_in(session: Session) -> Actor:
    """The machine's administrator is nobody's account; its tasks belong to the first platform administrator."""
    return tokens.actor_of_user(session, tenancy.bootstrap(session).id)


async def run(handle: TaskHandle) -> dict[str, Any]:
    """The task's body: goes on behind the last line that was written."""
    platform = handle.platform
    with platform.db.read() as db:
        found = db.execute(sa.select(MemberImport.__table__).where(MemberImport.id == handle.payload["import"])).one()
        last = db.execute(
            sa.select(sa.func.max(MemberImportLine.line)).where(MemberImportLine.import_id == found.id)
        ).scalar()
    left = [row for row in found.rows if row["line"] > (last or 0)]
    done = len(found.rows) - len(left)
    seen = {str(row.get("name", "")).casefold(): row["line"] for row in reversed(found.rows)}
    for start in range(0, len(left), BATCH):
        part = left[start : start + BATCH]

        def work(session: Session, part: list[dict[str, Any]] = part) -> None:
            actor = _actor(session, handle)
            for row in part:
                first = seen[str(row.get("name", "")).casefold()]
                session.add(_line(session, actor, found, row, first))
            session.flush()

        await platform.db.write(work)
        done += len(part)
        await handle.progress(done, len(found.rows))
    with platform.db.read() as db:
        return {"import": found.number, "dry_run": found.dry_run, "counts": counts(db, found.id)}


def _actor(session: Session, handle: TaskHandle) -> Actor:
    """Who asked, with no more than was granted then and no more than is held now."""
    if handle.payload.get("machine"):
        return tokens.machine_actor("local_admin", "")
    actor = tokens.actor_of_user(session, handle.owner_id)
    asked = {name: Reach(reach) for name, reach in handle.payload["reach"].items()}
    grants = {name: min(reach, asked[name]) for name, reach in actor.held.items() if name in asked}
    return dataclasses.replace(actor, grants=grants)


def _line(session: Session, actor: Actor, found: Any, row: dict[str, Any], first: int) -> MemberImportLine:
    """One line in a savepoint of its own; a trial's is taken back."""
    name = str(row.get("name", ""))
    outcome, problems = "refused", []
    point = session.begin_nested()
    try:
        if first != row["line"]:
            raise wording.refuse(
                "name", f"each name once; line {first} has it", f"每个用户名只出现一次；第 {first} 行已有", name
            )
        outcome = apply(session, actor, found.tenant_id, row)
        session.flush()
    except HimaliaError as error:
        problems = [problem_of(error)]
        point.rollback()
    else:
        if found.dry_run:
            point.rollback()
        else:
            point.commit()
    return MemberImportLine(import_id=found.id, line=row["line"], outcome=outcome, name=name[:512], problems=problems)


def problem_of(error: HimaliaError) -> dict[str, Any]:
    """A refusal as a report names it: field, rule, value, and the sentence in both languages."""
    return {
        "field": error.field or "line",
        "rule": error.rule or error.code,
        "value": str("" if error.value is None else error.value)[:200],
        "message": error.message,
        "message_zh": error.zh,
    }


def apply(session: Session, actor: Actor, tenant_id: int, row: dict[str, Any]) -> str:
    """Make one line's member so; answers ``created``, ``changed`` or ``unchanged``.

    A cell of a column that the file has not, or that is empty, leaves what is there.
    """
    if "extra" in row:
        raise wording.refuse("line", "no more cells than columns", "单元格数不超过列数", row["extra"])
    name = row["name"]
    display_name = wording.check_display_name(row["display_name"]) if row.get("display_name") else None
    department = service.find_department(session, tenant_id, name=row["department"]) if row.get("department") else None
    roles = csvfile.roles_in(row.get("roles", "")) or None
    guest = csvfile.flag_in(row.get("guest", ""))
    user = session.execute(
        sa.select(User).where(
            User.source == "local",
            User.name_key == name.casefold(),
            User.tenant_id == tenant_id,
            User.deleted_at.is_(None),
            scope.reachable_users(actor, MANAGE),
        )
    ).scalar_one_or_none()
    if user is None:
        service.make(
            session,
            actor,
            tenant_id,
            name=name,
            display_name=display_name or "",
            department_id=department.id if department is not None else None,
            keys=roles,
            guest=guest,
        )
        return "created"
    return _bring_up(session, actor, user, display_name, department, roles, guest)


def _bring_up(
    session: Session,
    actor: Actor,
    user: User,
    display_name: str | None,
    department: Any,
    roles: list[str] | None,
    guest: bool,
) -> str:
    if guest != user.guest:
        raise InvalidInput(
            "guest: a present member does not become a guest, nor a guest a member.",
            zh="guest：现有成员不能变为访客，访客也不能变为成员。",
            field="guest",
            rule="as it is",
            value="yes" if guest else "no",
        )
    renamed = display_name is not None and display_name != user.display_name
    moved = department is not None and department.id != user.department_id
    granted = roles is not None and set(roles) != granting.roles_of(session, user.id)
    if not (renamed or moved or granted):
        return "unchanged"
    granting.not_above(session, actor, user)
    if renamed:
        user.display_name = display_name or user.display_name
    if moved:
        service.move(session, user, department.id)
    if roles is not None:
        granting.set_roles(session, actor, user, roles)
    service.touch(session, user)
    if moved or granted:
        sessions.renew(session, User.id == user.id)
    return "changed"


# -- reading -----------------------------------------------------------------------------------


def find(db: Db, actor: Actor, permission: str, number: int, organisation: str | None) -> Any:
    """An import with its task's state, within reach."""
    tenant = scope.tenant(db, actor, permission, organisation)
    row = db.execute(
        sa.select(MemberImport.__table__, TaskRow.number.label("task"), TaskRow.state, TaskRow.done, TaskRow.total)
        .add_columns(TaskRow.error, TaskRow.ended_at)
        .join(TaskRow, TaskRow.id == MemberImport.task_id)
        .join(Tenant, Tenant.id == MemberImport.tenant_id)
        .where(MemberImport.tenant_id == tenant.id, MemberImport.number == number)
    ).first()
    if row is None:
        raise NotFound()
    return row


def counts(db: Db, import_id: int) -> dict[str, int]:
    found = db.execute(
        sa.select(MemberImportLine.outcome, sa.func.count())
        .where(MemberImportLine.import_id == import_id)
        .group_by(MemberImportLine.outcome)
    )
    return {row[0]: row[1] for row in found}


def to_wire(db: Db, row: Any) -> dict[str, Any]:
    return {
        "id": row.number,
        "task": row.task,
        "dry_run": row.dry_run,
        "encoding": row.encoding,
        "state": row.state,
        "done": row.done,
        "total": row.total or 0,
        "counts": counts(db, row.id),
        "error": row.error,
        "created_at": clock.to_wire(row.created_at),
        "ended_at": clock.to_wire(row.ended_at),
    }


def lines(db: Db, import_id: int, *, outcome: str | None, after: int, limit: int) -> list[dict[str, Any]]:
    """Lines of the report behind a line's number, in order."""
    table = MemberImportLine
    chosen = sa.select(table.line, table.outcome, table.name, table.problems).where(
        table.import_id == import_id, table.line > after
    )
    if outcome is not None:
        chosen = chosen.where(table.outcome == outcome)
    found = db.execute(chosen.order_by(table.line).limit(limit))
    return [{"line": row.line, "outcome": row.outcome, "name": row.name, "problems": row.problems} for row in found]
