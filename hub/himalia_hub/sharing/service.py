"""Making and ending shares. Only the owner shares, only inside the organisation; their routes audit it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor
from himalia_hub.core import clock, objects, sharing
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput, NotFound
from himalia_hub.core.sharing import Access
from himalia_hub.core.tables import OwnedMixin, Share
from himalia_hub.data.datasets.tables import Dataset
from himalia_hub.data.label_groups.tables import LabelGroup
from himalia_hub.registry.tables import RegisteredModel
from himalia_hub.sharing.schemas import Receiver, ShareQuery
from himalia_hub.tenancy.tables import Department, Tenant, User

TABLES: dict[str, type[OwnedMixin]] = {"dataset": Dataset, "label_group": LabelGroup, "model": RegisteredModel}
MANAGE = "sharing.share.manage"


def receiver_of(session: Session, actor: Actor, receiver: Receiver) -> int:
    """The receiver's row id.

    Raises:
        InvalidInput: Nobody of the organisation is meant by it, or the owner is.
    """
    if receiver.kind == "organisation":
        return actor.tenant_id
    if (receiver.id is None) == (receiver.name is None):
        raise InvalidInput(
            "receiver: name it by id or by name, one of both.",
            zh="receiver：请用 id 或 name 指定，二者选一。",
            field="receiver",
            rule="either id or name",
        )
    if receiver.kind == "department":
        statement = sa.select(Department.id).where(
            Department.tenant_id == actor.tenant_id, Department.deleted_at.is_(None)
        )
        same = Department.number == receiver.id if receiver.id is not None else Department.name == receiver.name
    else:
        statement = sa.select(User.id).where(User.tenant_id == actor.tenant_id, User.enabled, User.deleted_at.is_(None))
        by_name = User.name_key == (receiver.name or "").casefold()
        same = User.number == receiver.id if receiver.id is not None else by_name
    found = session.execute(statement.where(same).limit(2)).scalars().all()
    if len(found) != 1:
        told = receiver.id if receiver.id is not None else receiver.name
        raise InvalidInput(
            f"receiver: your organisation has no {receiver.kind} {told!r}.",
            zh=f"receiver：您的组织中没有{'部门' if receiver.kind == 'department' else '成员'} {told!r}。",
            field="receiver.id" if receiver.id is not None else "receiver.name",
            rule="a member or department of your organisation",
            value=told,
        )
    if receiver.kind == "user" and found[0] == actor.user_id:
        raise InvalidInput(
            "receiver: it is yours already.", zh="receiver：该对象本就属于您。", field="receiver", rule="somebody else"
        )
    return int(found[0])


def give(session: Session, actor: Actor, kind: str, number: int, receiver: Receiver, access: Access) -> Share:
    """Share an own object; sharing it again with the same receiver changes what they may do."""
    table = TABLES[kind]
    row = objects.find(session, table, actor, MANAGE, number)
    receiver_id = receiver_of(session, actor, receiver)
    same = (
        Share.object_kind == kind,
        Share.object_id == row.id,
        Share.receiver_kind == receiver.kind,
        Share.receiver_id == receiver_id,
    )
    share = session.execute(sa.select(Share).where(*same).with_for_update()).scalar_one_or_none()
    if share is None:
        share = Share(
            tenant_id=actor.tenant_id,
            number=objects.next_number(session, actor.tenant_id, "share"),
            object_kind=kind,
            object_id=row.id,
            receiver_kind=receiver.kind,
            receiver_id=receiver_id,
            access=int(access),
            shared_by=actor.user_id,
            created_at=clock.now(),
        )
        session.add(share)
    share.access = int(access)
    session.flush()
    tell(session, actor, share, "updated")
    return share


def take_back(session: Session, actor: Actor, number: int) -> Share:
    """End a share of one's own object; it holds from the next request on."""
    given = listing(actor, ShareQuery(direction="given")).where(Share.number == number)
    found = session.execute(given).first()
    if found is None:
        raise NotFound()
    share = session.get_one(Share, found.id)
    session.delete(share)
    session.flush()
    tell(session, actor, share, "deleted")
    return share


def tell(session: Session, actor: Actor, share: Share, op: str) -> None:
    """Those whom it concerns refresh their lists: the owner, and the member who receives."""
    people = [actor.user_id, *([share.receiver_id] if share.receiver_kind == "user" else [])]
    for user_id in people:
        objects.announce(session, "share", op=op, tenant_id=actor.tenant_id, owner_id=user_id, number=share.number)


def listing(actor: Actor, query: ShareQuery) -> sa.Select[Any]:
    """Shares given or received, of objects that still exist."""
    things = sa.union_all(
        *(
            sa.select(
                sa.literal(kind).label("kind"),
                table.id.label("row_id"),
                table.number.label("object_number"),
                table.name.label("object_name"),
                table.owner_id.label("object_owner"),
            ).where(table.tenant_id == actor.tenant_id, table.deleted_at.is_(None))
            for kind, table in TABLES.items()
            if query.object_kind in (None, kind)
        )
    ).subquery()
    owner, user = sa.orm.aliased(User), sa.orm.aliased(User)
    statement = (
        sa.select(
            Share.__table__,
            things.c.object_number,
            things.c.object_name,
            owner.number.label("owner_number"),
            owner.display_name.label("owner_name"),
            user.number.label("user_number"),
            user.display_name.label("user_name"),
            Department.number.label("department_number"),
            Department.name.label("department_name"),
            Tenant.name.label("tenant_name"),
        )
        .select_from(Share)
        .join(things, sa.and_(things.c.kind == Share.object_kind, things.c.row_id == Share.object_id))
        .join(owner, owner.id == things.c.object_owner)
        .outerjoin(user, sa.and_(Share.receiver_kind == "user", user.id == Share.receiver_id))
        .outerjoin(Department, sa.and_(Share.receiver_kind == "department", Department.id == Share.receiver_id))
        .join(Tenant, Tenant.id == Share.tenant_id)
        .where(Share.tenant_id == actor.tenant_id)
    )
    if query.direction == "given":
        statement = statement.where(things.c.object_owner == actor.user_id)
    else:
        mine = [
            sa.and_(Share.receiver_kind == "user", Share.receiver_id == actor.user_id),
            sa.and_(Share.receiver_kind == "organisation", Share.receiver_id == actor.tenant_id),
        ]
        if actor.department_id is not None:
            mine.append(sa.and_(Share.receiver_kind == "department", Share.receiver_id == actor.department_id))
        statement = statement.where(sa.or_(*mine), things.c.object_owner != actor.user_id)
    if query.object is not None:
        statement = statement.where(things.c.object_number == query.object)
    if query.q:
        pattern = "%" + query.q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        statement = statement.where(things.c.object_name.ilike(pattern, escape="\\"))
    return statement


def render(row: Any) -> dict[str, Any]:
    receivers = {
        "user": (row.user_number, row.user_name),
        "department": (row.department_number, row.department_name),
        "organisation": (None, row.tenant_name),
    }
    number, name = receivers[row.receiver_kind]
    return {
        "id": row.number,
        "object": {"kind": row.object_kind, "id": row.object_number, "name": row.object_name},
        "owner": {"id": row.owner_number, "name": row.owner_name},
        "receiver": {"kind": row.receiver_kind, "id": number, "name": name or ""},
        "access": Access(row.access).word,
        "permissions": sharing.allowed(row.object_kind, Access(row.access)),
        "created_at": clock.to_wire(row.created_at),
    }


def one(db: Db, actor: Actor, share: Share) -> dict[str, Any]:
    query = ShareQuery(direction="given")
    return render(db.execute(listing(actor, query).where(Share.id == share.id)).one())
