"""Installations of many organisations, written as rows: signing up 10,000 people one by one takes hours.

Every row is as the platform writes it, so that what reads them cannot tell. All timestamps differ,
as they do where people came one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.audit.tables import AuditEntry
from himalia_hub.compute import resources as res
from himalia_hub.compute.tables import QuotaLimit, QuotaReservation, Workload
from himalia_hub.core import clock
from himalia_hub.tenancy.tables import Department, Group, GroupMember, Tenant, User, UserRole

Layout = Sequence[tuple[int, int]]
"""Of each organisation: how many departments, and how many members each of them has."""
BATCH = 5000
DIGEST = "0" * 64


def size(layout: Layout) -> tuple[int, int, int]:
    """Organisations, departments, members."""
    return len(layout), sum(departments for departments, _ in layout), sum(a * b for a, b in layout)


def _stamps(number: int, begin: datetime) -> dict[str, datetime]:
    at = begin + timedelta(seconds=number)
    return {"created_at": at, "updated_at": at}


def people(session: Session, layout: Layout) -> None:
    """Organisations, departments, members, a group of each organisation, roles, limits at all three levels.

    The first member administers the platform and the first organisation.
    """
    begin = clock.now() - timedelta(days=30)
    tenants, departments, users, groups = [], [], [], []
    for tenant, (count, members) in enumerate(layout, 1):
        tenants.append({"code": f"org{tenant:04d}", "name": f"Organisation {tenant:04d}", **_stamps(tenant, begin)})
        groups.append({"tenant_id": tenant, "number": 1, "name": f"Everybody {tenant}", **_stamps(tenant, begin)})
        for number in range(1, count + 1):
            department = len(departments) + 1
            departments.append(
                {
                    "tenant_id": tenant,
                    "number": number,
                    "name": f"Department {department:04d}",
                    **_stamps(department, begin),
                }
            )
            for one in range(members):
                user = len(users) + 1
                name = f"member{user:05d}"
                users.append(
                    {
                        "tenant_id": tenant,
                        "department_id": department,
                        "number": (number - 1) * members + one + 1,
                        "name": name,
                        "name_key": name,
                        "hub_name": f"u{user}",
                        "display_name": name,
                        **_stamps(user, begin),
                    }
                )
    for table, rows in ((Tenant, tenants), (Department, departments), (User, users), (Group, groups)):
        session.execute(sa.insert(table), rows)
    inside = [{"group_id": row["tenant_id"], "user_id": number} for number, row in enumerate(users, 1)]
    session.execute(sa.insert(GroupMember), inside)
    first = [{"user_id": 1, "role": role} for role in ("Administrator", "organisation_administrator")]
    ordinary = [{"user_id": number, "role": "member"} for number in range(1, len(users) + 1)]
    session.execute(sa.insert(UserRole), first + ordinary)
    levels = (("tenant", len(tenants), 10**8), ("department", len(departments), 10**7), ("user", len(users), 10**6))
    limits = [
        {"level": level, "subject_id": subject, "resource": res.CPU, "nominal": nominal, "updated_at": begin}
        for level, count, nominal in levels
        for subject in range(1, count + 1)
    ]
    session.execute(sa.insert(QuotaLimit), limits)


def work(session: Session, live: int) -> None:
    """Workloads that run, with their reservations; every other one is the first organisation's."""
    moment = clock.now()
    rows = session.execute(sa.select(User.id, User.tenant_id, User.department_id).order_by(User.id)).all()
    first = [row for row in rows if row.tenant_id == 1]
    made, held = [], []
    for number in range(1, live + 1):
        owner = first[number % len(first)] if number % 2 else rows[number % len(rows)]
        made.append(
            {
                "tenant_id": owner.tenant_id,
                "department_id": owner.department_id,
                "owner_id": owner.id,
                "number": 10**6 + number,
                "name": "busy",
                "kind": "script",
                "object_kind": "script",
                "object_number": number,
                "section": "training",
                "phase": "running",
                "phase_since": moment,
                "spec": {},
                "cpu_millis": 10,
                "memory_bytes": 2**20,
                "accelerators": {},
                "admitted_at": moment,
                "endpoints": [],
                "steps": [],
                "last_lines": [],
                **_stamps(number, moment - timedelta(days=1)),
            }
        )
        owned = {"tenant_id": owner.tenant_id, "department_id": owner.department_id, "user_id": owner.id}
        held += [
            {"workload_id": number, "resource": name, "amount": amount, **owned}
            for name, amount in ((res.CPU, 10), (res.MEMORY, 2**20))
        ]
    session.execute(sa.insert(Workload), made)
    session.execute(sa.insert(QuotaReservation), held)


def audit(session: Session, entries: int) -> None:
    """Entries of all members in turn. Their chain is not computed: lists do not read it."""
    rows = session.execute(sa.select(User.id, User.tenant_id, User.name).order_by(User.id)).all()
    begin = clock.now() - timedelta(days=20)

    def made() -> Iterator[dict[str, Any]]:
        for number in range(1, entries + 1):
            who = rows[number % len(rows)]
            yield {
                # Away from the chains of the platform, which go on writing.
                "chain": 10**6,
                "position": number,
                "at": begin + timedelta(seconds=number),
                "category": "security" if number % 3 else "operation",
                "tenant_id": who.tenant_id,
                "actor_tenant_id": who.tenant_id,
                "user_id": who.id,
                "actor_name": who.name,
                "action": "PATCH /members/{member}" if number % 2 else "sign_in",
                "object_kind": "member",
                "object_id": str(number % 500),
                "outcome": "success" if number % 50 else "refused",
                "detail": {},
                "previous": DIGEST,
                "digest": DIGEST,
            }

    batch: list[dict[str, Any]] = []
    for row in made():
        batch.append(row)
        if len(batch) == BATCH:
            session.execute(sa.insert(AuditEntry), batch)
            batch = []
    if batch:
        session.execute(sa.insert(AuditEntry), batch)
