"""Groups: making and editing them, who is in them (TEN-21). Their roles are ``tenancy.roles``'."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor
from himalia_hub.core import clock, names
from himalia_hub.core.errors import NotFound
from himalia_hub.core.objects import next_number
from himalia_hub.tenancy import scope, sessions, wording
from himalia_hub.tenancy.roles import service as roles
from himalia_hub.tenancy.tables import Group, GroupMember, GroupRole, User

LONGEST_NAME = 32
LONGEST_EXTERNAL = 512


def find(session: Session, actor: Actor, permission: str, number: int, organisation: str | None) -> Group:
    """One group of the organisation, locked."""
    tenant = scope.tenant(session, actor, permission, organisation)
    row = session.execute(
        sa.select(Group).where(Group.tenant_id == tenant.id, Group.number == number).with_for_update()
    ).scalar_one_or_none()
    if row is None:
        raise NotFound()
    return row


def _check_free(session: Session, tenant_id: int, name: str, but: int = 0) -> None:
    same = sa.select(Group.id).where(
        Group.tenant_id == tenant_id, sa.func.lower(Group.name) == name.lower(), Group.id != but
    )
    if session.execute(same).first():
        raise wording.not_available("name", name)


def check_external(name: str) -> str:
    """What a directory calls a group: up to 512 characters without control characters."""
    return names.check_text(name.strip(), LONGEST_EXTERNAL, "external_name")


def create(session: Session, tenant_id: int, *, name: str, description: str, external_name: str) -> Group:
    name = names.check_name(name, LONGEST_NAME)
    _check_free(session, tenant_id, name)
    moment = clock.now()
    row = Group(
        tenant_id=tenant_id,
        number=next_number(session, tenant_id, "group"),
        name=name,
        description=names.check_text(description, wording.LONGEST_DESCRIPTION),
        external_name=check_external(external_name),
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    session.flush()
    return row


def rename(session: Session, row: Group, name: str) -> None:
    name = names.check_name(name, LONGEST_NAME)
    _check_free(session, row.tenant_id, name, row.id)
    row.name = name


def name_outside(session: Session, actor: Actor, row: Group, external_name: str) -> None:
    """Which group of a directory this one follows: its people come in and hold the roles, as if added by the actor."""
    external_name = check_external(external_name)
    if external_name != row.external_name:
        roles.check_carried(session, actor, row)
        row.external_name = external_name


def touch(session: Session, row: Group) -> None:
    row.version += 1
    row.updated_at = clock.now()
    session.flush()


def add(session: Session, actor: Actor, row: Group, users: list[User]) -> None:
    """Members come in and hold the group's roles from the next request on."""
    present = _inside(session, row)
    coming = [user for user in users if user.id not in present]
    for user in coming:
        if user.guest:
            raise wording.refuse("add", "members who are no guests", "非访客成员", user.number)
    session.add_all(GroupMember(group_id=row.id, user_id=user.id) for user in coming)
    _changed(session, actor, row, [user.id for user in coming])


def remove(session: Session, actor: Actor, row: Group, users: list[User]) -> None:
    """Members leave; who is not in it is refused."""
    present = _inside(session, row)
    for user in users:
        if user.id not in present:
            raise wording.refuse("remove", "members of this group", "本用户组的成员", user.number)
    gone = [user.id for user in users]
    session.execute(sa.delete(GroupMember).where(GroupMember.group_id == row.id, GroupMember.user_id.in_(gone)))
    _changed(session, actor, row, gone)


def delete(session: Session, actor: Actor, row: Group) -> None:
    """A group goes, and with it the roles it gave; its members stay."""
    gone = sorted(_inside(session, row))
    session.execute(sa.delete(GroupMember).where(GroupMember.group_id == row.id))
    _changed(session, actor, row, gone)
    session.execute(sa.delete(GroupRole).where(GroupRole.group_id == row.id))
    session.delete(row)
    session.flush()


def _inside(session: Session, row: Group) -> set[int]:
    return set(session.execute(sa.select(GroupMember.user_id).where(GroupMember.group_id == row.id)).scalars())


def _changed(session: Session, actor: Actor, row: Group, user_ids: list[int]) -> None:
    """Coming and going gives and takes the group's roles, so the rules of granting decide."""
    session.flush()
    if user_ids:
        roles.check_membership_change(session, actor, row, user_ids)
        sessions.renew(session, User.id.in_(user_ids))
