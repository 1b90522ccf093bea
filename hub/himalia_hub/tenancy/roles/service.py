"""Making roles and giving them to members and groups; every check of who may is here.

The rules in short. Nobody gives, makes or takes what goes beyond their own permissions, unless
they hold ``tenancy.role.grant_any``; nobody changes their own roles; where duties are separated
nobody ends up with two powers. A change holds from the next request on and ends step-ups.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth import holding, permissions
from himalia_hub.auth.actor import Actor, Reach
from himalia_hub.core import clock, objects
from himalia_hub.core.db import Db
from himalia_hub.core.errors import Conflict, InUse, InvalidInput, NotFound, NotPermitted
from himalia_hub.core.tables import Setting
from himalia_hub.tenancy import sessions
from himalia_hub.tenancy.roles import checks
from himalia_hub.tenancy.tables import CustomRole, Department, Group, GroupMember, GroupRole, StepUp, User, UserRole

GRANT = "tenancy.role.grant"
SEPARATED = "separated_duties"


@dataclass(frozen=True, slots=True)
class Facts:
    """A role as somebody of an organisation may hold it."""

    key: str
    name: str
    reaches: dict[str, Reach]
    row: Any | None = None

    @property
    def built_in(self) -> bool:
        return self.row is None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A role to hold, with the number of the department it names."""

    key: str
    department: int | None = None


# -- the mode ---------------------------------------------------------------------------------


def separated(db: Db) -> bool:
    """Whether this installation separates the duties (TEN-11); chosen once, at the first start."""
    value = db.execute(sa.select(Setting.value).where(Setting.key == SEPARATED)).scalar_one_or_none()
    return bool(value and value.get("on"))


def choose_mode(session: Session, *, separate: bool) -> bool:
    """Keep the mode of the first start; answers the mode in force, whatever is asked later."""
    if session.get(Setting, SEPARATED) is None:
        session.add(Setting(key=SEPARATED, value={"on": separate}))
        session.flush()
    return separated(session)


# -- which roles there are --------------------------------------------------------------------


def available(db: Db, tenant_id: int) -> dict[str, Facts]:
    """The roles that members of an organisation can hold, by key: built-in, the platform's, its own."""
    found = {role: Facts(role, role, permissions.held_by([role])) for role in checks.offered(separated=separated(db))}
    rows = db.execute(
        sa.select(CustomRole.__table__)
        .where(sa.or_(CustomRole.tenant_id.is_(None), CustomRole.tenant_id == tenant_id))
        .order_by(CustomRole.number)
    )
    for row in rows:
        key = holding.custom_key(row.number)
        found[key] = Facts(key, row.name, holding.set_of(row), row)
    return found


def holders(db: Db, keys: Collection[str], tenant_id: int | None) -> dict[str, int]:
    """How many members and groups hold each role, in one organisation or everywhere."""
    users = sa.select(UserRole.role, sa.literal(0).label("kind"), UserRole.user_id.label("holder")).join(
        User, User.id == UserRole.user_id
    )
    groups = sa.select(GroupRole.role, sa.literal(1).label("kind"), GroupRole.group_id.label("holder")).join(
        Group, Group.id == GroupRole.group_id
    )
    if tenant_id is not None:
        users, groups = users.where(User.tenant_id == tenant_id), groups.where(Group.tenant_id == tenant_id)
    both = users.where(UserRole.role.in_(keys)).union_all(groups.where(GroupRole.role.in_(keys))).subquery()
    rows = db.execute(sa.select(both.c.role, sa.func.count()).group_by(both.c.role))
    return {row[0]: row[1] for row in rows}


def find_custom(session: Session, actor: Actor, permission: str, number: int, tenant_id: int) -> CustomRole:
    """A custom role to change: the organisation's own, or with platform reach one for all."""
    row = session.execute(sa.select(CustomRole).where(CustomRole.number == number).with_for_update()).scalar()
    if row is None or row.tenant_id not in (None, tenant_id):
        raise NotFound()
    if row.tenant_id is None and actor.reach(permission) is not Reach.PLATFORM:
        raise NotPermitted(
            f"{row.name} is a role for all organisations; only platform administrators change it.",
            zh=f"{row.name} 是面向所有组织的角色；只有平台管理员可以修改。",
            code="platform_role",
        )
    return row


def create(
    session: Session, actor: Actor, tenant_id: int | None, *, name: str, description: str, reaches: dict[str, Reach]
) -> CustomRole:
    name = checks.check_name(name)
    _check_set(session, actor, name, reaches)
    of_scope = CustomRole.tenant_id.is_(None) if tenant_id is None else CustomRole.tenant_id == tenant_id
    count = session.execute(sa.select(sa.func.count()).select_from(CustomRole).where(of_scope)).scalar_one()
    if count >= checks.MOST_ROLES:
        raise Conflict(
            f"There are {count} custom roles, which is as many as there may be.",
            zh=f"已有 {count} 个自定义角色，达到上限。",
            rule=f"at most {checks.MOST_ROLES} custom roles",
            value=count,
            code="too_many_roles",
        )
    _check_free(session, tenant_id, name, 0)
    moment = clock.now()
    row = CustomRole(
        tenant_id=tenant_id,
        number=objects.next_number(session, 0, "role"),
        name=name,
        name_key=name.casefold(),
        description=description,
        permissions={key: int(reach) for key, reach in reaches.items()},
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    session.flush()
    return row


def edit(
    session: Session,
    actor: Actor,
    row: CustomRole,
    *,
    name: str | None,
    description: str | None,
    reaches: dict[str, Reach] | None,
) -> None:
    """Change a custom role; whoever holds it has the new permissions from the next request on."""
    before = holding.set_of(row)
    key = holding.custom_key(row.number)
    if reaches is not None and reaches != before:
        _not_own(actor, row.name)
        checks.check_covered({**before, **_changed(before, reaches)}, actor.grants, row.name)
        _check_set(session, actor, row.name, reaches)
    if name is not None and name != row.name:
        name = checks.check_name(name)
        _check_free(session, row.tenant_id, name, row.id)
        row.name, row.name_key = name, name.casefold()
    if description is not None:
        row.description = description
    if reaches is not None and reaches != before:
        row.permissions = {permission: int(reach) for permission, reach in reaches.items()}
        session.flush()
        affected = _users_with(session, key)
        _check_people(session, affected)
        renew(session, affected)
    row.version += 1
    row.updated_at = clock.now()
    session.flush()


def delete(session: Session, actor: Actor, row: CustomRole) -> None:
    """Only a role that nobody holds can go (GEN-5)."""
    key = holding.custom_key(row.number)
    count = holders(session, [key], None).get(key, 0)
    if count:
        raise InUse(
            f"{row.name} is held by {count} members and groups.",
            zh=f"{row.name} 仍授予 {count} 个成员或用户组。",
            hint="Take the role from them first.",
            hint_zh="请先从他们收回该角色。",
            dependants=[{"kind": "holder", "count": count}],
        )
    checks.check_covered(holding.set_of(row), actor.grants, row.name)
    session.delete(row)
    session.flush()


def _changed(before: checks.Reaches, after: checks.Reaches) -> dict[str, Reach]:
    """What differs between two sets, at the wider of both reaches."""
    return checks.union(
        {name: reach for name, reach in one.items() if other.get(name) != reach}
        for one, other in ((before, after), (after, before))
    )


def _check_set(session: Session, actor: Actor, name: str, reaches: checks.Reaches) -> None:
    checks.check_covered(reaches, actor.grants, name)
    if separated(session):
        checks.check_separate(reaches, name)


def _check_free(session: Session, tenant_id: int | None, name: str, own_id: int) -> None:
    """A name is free when no role that the same people can see has it."""
    seen = sa.true() if tenant_id is None else sa.or_(CustomRole.tenant_id == tenant_id, CustomRole.tenant_id.is_(None))
    taken = session.execute(
        sa.select(CustomRole.id).where(seen, CustomRole.name_key == name.casefold(), CustomRole.id != own_id)
    ).first()
    if taken is not None:
        raise Conflict(
            f"name: {name!r} is not available.",
            zh=f"name：{name!r} 不可用。",
            field="name",
            rule="unique",
            value=name,
            code="name_taken",
        )


# -- who holds them ---------------------------------------------------------------------------


def set_user_roles(session: Session, actor: Actor, user: User, wanted: Iterable[Wanted]) -> None:
    """Replace a member's own roles (TEN-6, TEN-9).

    Raises:
        NotPermitted: one's own roles, or something beyond the actor's permissions is given or taken.
        Conflict: separated duties would meet in one person; the last administrator would go.
    """
    if user.id == actor.user_id:
        raise NotPermitted(
            "Nobody changes their own roles.",
            zh="任何人都不能修改自己的角色。",
            hint="Ask another administrator.",
            hint_zh="请联系其他管理员。",
            code="own_roles",
        )
    known = available(session, user.tenant_id)
    present = {
        row.role: row.department_id
        for row in session.execute(
            sa.select(UserRole.role, UserRole.department_id).where(UserRole.user_id == user.id).with_for_update()
        )
    }
    after = _read_wanted(session, actor, known, user.tenant_id, wanted)
    changed = {
        key for key in {*present, *after} if (key in present, present.get(key)) != (key in after, after.get(key))
    }
    for key in sorted(changed):
        facts = known.get(key)
        if facts is not None:
            checks.check_covered(facts.reaches, actor.grants, facts.name)
    if actor.reach(GRANT) is Reach.DEPARTMENT:
        _check_within_departments(actor, known, after)
    session.execute(sa.delete(UserRole).where(UserRole.user_id == user.id))
    session.add_all(UserRole(user_id=user.id, role=key, department_id=place) for key, place in after.items())
    session.flush()
    _check_people(session, [user.id])
    _check_somebody_left(session, set(present) - set(after))
    if changed:
        renew(session, [user.id])


def _read_wanted(
    session: Session, actor: Actor, known: dict[str, Facts], tenant_id: int, wanted: Iterable[Wanted]
) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for one in wanted:
        facts = known.get(one.key)
        if facts is None:
            raise checks.unknown_role(one.key, [key for key, role in known.items() if role.built_in])
        if one.key == permissions.DEPARTMENT_ADMIN and one.department is None:
            raise InvalidInput(
                f"roles: {one.key} names its department.",
                zh=f"roles：{one.key} 需要指定部门。",
                field="roles",
                rule="a department for this role",
                value=one.key,
            )
        found[one.key] = _department(session, facts, tenant_id, one.department)
    return found


def _department(session: Session, facts: Facts, tenant_id: int, number: int | None) -> int | None:
    if number is None:
        return None
    if not checks.needs_department(facts.reaches):
        raise InvalidInput(
            f"roles: {facts.name} reaches no department, so it names none.",
            zh=f"roles：{facts.name} 没有部门范围的权限，不能指定部门。",
            field="roles",
            rule="a department only for roles that reach one",
            value=number,
        )
    found = session.execute(
        sa.select(Department.id).where(
            Department.tenant_id == tenant_id, Department.number == number, Department.deleted_at.is_(None)
        )
    ).scalar_one_or_none()
    if found is None:
        raise InvalidInput(
            f"roles: there is no department {number} here.",
            zh=f"roles：此处没有部门 {number}。",
            field="roles",
            rule="a department of the organisation",
            value=number,
        )
    return found


def _check_within_departments(actor: Actor, known: dict[str, Facts], after: dict[str, int | None]) -> None:
    """Whoever grants within departments gives no reach over another one."""
    mine = actor.departments_of(GRANT)
    for key, place in after.items():
        if checks.needs_department(known[key].reaches) and place not in mine:
            raise NotPermitted(
                f"{known[key].name} would reach a department that is not yours.",
                zh=f"{known[key].name} 将涉及不属于您的部门。",
                field="roles",
                code="beyond_own_permissions",
            )


def set_group_roles(session: Session, actor: Actor, group: Group, wanted: Iterable[str]) -> None:
    """Replace the roles that a group gives to all who are in it (TEN-21)."""
    known = available(session, group.tenant_id)
    after = set(wanted)
    for key in sorted(after):
        if key not in known:
            raise checks.unknown_role(key, [name for name, role in known.items() if role.built_in])
        if key == permissions.DEPARTMENT_ADMIN:
            raise InvalidInput(
                f"roles: {key} names a department, so it is granted to a member and not to a group.",
                zh=f"roles：{key} 需要指定部门，只能授予成员，不能授予用户组。",
                field="roles",
                rule="no role that names a department",
                value=key,
            )
    present = set(session.execute(sa.select(GroupRole.role).where(GroupRole.group_id == group.id)).scalars())
    members = list(session.execute(sa.select(GroupMember.user_id).where(GroupMember.group_id == group.id)).scalars())
    if present == after:
        return
    _not_among(actor, members)
    for key in sorted(present ^ after):
        if key in known:
            checks.check_covered(known[key].reaches, actor.grants, known[key].name)
    session.execute(sa.delete(GroupRole).where(GroupRole.group_id == group.id))
    session.add_all(GroupRole(group_id=group.id, role=key) for key in sorted(after))
    session.flush()
    _check_people(session, members)
    _check_somebody_left(session, present - after)
    renew(session, members)


def check_membership_change(session: Session, actor: Actor, group: Group, user_ids: Collection[int]) -> None:
    """Call in the transaction that put members into a group or took them out, after its rows are written.

    Joining and leaving a group gives and takes its roles, so the same rules hold as for granting.
    """
    session.flush()
    keys = set(session.execute(sa.select(GroupRole.role).where(GroupRole.group_id == group.id)).scalars())
    if keys and user_ids:
        _not_among(actor, user_ids)
        check_carried(session, actor, group)
        _check_people(session, user_ids)
        _check_somebody_left(session, keys)
    renew(session, user_ids)


def check_carried(session: Session, actor: Actor, group: Group) -> None:
    """Nobody decides who is in a group whose roles go beyond their own permissions."""
    known = available(session, group.tenant_id)
    keys = session.execute(sa.select(GroupRole.role).where(GroupRole.group_id == group.id)).scalars()
    for key in sorted(keys):
        if key in known:
            checks.check_covered(known[key].reaches, actor.grants, known[key].name)


def check_not_above(db: Db, actor: Actor, user_id: int, *, sign_in: bool = False) -> None:
    """Nobody disables, deletes, or issues a link for somebody whose permissions go beyond their own.

    Call before whatever takes an account out of use or over. Who may grant any role may do it to
    anybody. Where duties are separated, accounts are the system administrator's duty whoever owns
    them; but ``sign_in`` (a link with which one could sign in as that person) is refused for the
    holder of another power who has signed in before, because it would join two powers in one hand.
    """
    held = holding.load(db, user_id).reaches
    if separated(db):
        foreign = checks.duties(held) - checks.duties(actor.grants)
        used = db.execute(sa.select(User.last_sign_in_at).where(User.id == user_id)).scalar() is not None
        if sign_in and foreign and used:
            raise NotPermitted(
                "This member holds another power; a link to sign in as them is made on the machine: himalia admin.",
                zh="该成员拥有另一项权力；其登录链接只能在服务器上生成：himalia admin。",
                code="duties_exclude_each_other",
            )
        return
    administrative = {name: reach for name, reach in held.items() if permissions.is_administrative(name)}
    checks.check_covered(administrative, actor.grants, "A role of this member")


def check_new_account(session: Session, user_id: int) -> None:
    """What must hold of every account whoever made it: known roles, and no two separated powers."""
    _check_people(session, [user_id])


def renew(session: Session, user_ids: Collection[int]) -> None:
    """The users' permissions are read anew from the next request on; their step-ups end."""
    if user_ids:
        session.execute(sa.delete(StepUp).where(StepUp.user_id.in_(user_ids)))
        sessions.renew(session, User.id.in_(user_ids))


def _not_own(actor: Actor, name: str) -> None:
    if name in actor.roles:
        raise NotPermitted(
            f"{name} is one of your own roles; nobody changes their own permissions.",
            zh=f"{name} 是您自己的角色；任何人都不能修改自己的权限。",
            hint="Ask another administrator.",
            hint_zh="请联系其他管理员。",
            code="own_roles",
        )


def _not_among(actor: Actor, user_ids: Collection[int]) -> None:
    if actor.user_id in user_ids:
        raise NotPermitted(
            "You are in this group; nobody changes their own permissions.",
            zh="您在此用户组中；任何人都不能修改自己的权限。",
            hint="Ask another administrator.",
            hint_zh="请联系其他管理员。",
            code="own_roles",
        )


def _users_with(session: Session, key: str) -> list[int]:
    direct = sa.select(UserRole.user_id).where(UserRole.role == key)
    grouped = (
        sa.select(GroupMember.user_id)
        .join(GroupRole, GroupRole.group_id == GroupMember.group_id)
        .where(GroupRole.role == key)
    )
    return list(session.execute(direct.union(grouped)).scalars())


def _check_people(session: Session, user_ids: Collection[int]) -> None:
    """TEN-11 for everybody a change concerns; looked at after the change, which is undone if refused."""
    if not separated(session):
        return
    for user_id in sorted(user_ids):
        name = session.execute(sa.select(User.name).where(User.id == user_id)).scalar_one()
        checks.check_separate(holding.load(session, user_id).reaches, name)


def _check_somebody_left(session: Session, taken: Collection[str]) -> None:
    """Somebody enabled keeps each role without which an installation cannot be administered."""
    needed = (permissions.ADMINISTRATOR, permissions.SECURITY_ADMIN, permissions.SYSTEM_ADMIN)
    for role in needed:
        if role not in taken:
            continue
        left = session.execute(
            sa.select(sa.func.count()).select_from(User).where(User.enabled, User.id.in_(_users_with(session, role)))
        ).scalar_one()
        if not left:
            raise Conflict(
                f"Nobody else holds {role}; the installation would be left without one.",
                zh=f"没有其他人拥有角色 {role}；平台将失去该角色。",
                field="roles",
                rule=f"one enabled {role} stays",
                hint="Grant it to another member first.",
                hint_zh="请先将其授予其他成员。",
                code="last_administrator",
            )
