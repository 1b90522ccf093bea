"""PERF-4 at size: lists and admission at 100 organisations, 1,000 departments, 10,000 members.

The same installation twice on this machine, once with one organisation of ten members and once
whole, asked in turn: an admission (locked, assessed, reserved, committed), a verdict, a page of
quotas of members and of organisations. The peer of each row is the small installation, so the ratio
is growth; the last row compares a page of fifty members' quotas with the bare SQLAlchemy select of
the same fifty members.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth import tokens
from himalia_hub.auth.actor import Actor
from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.compute import resources as res
from himalia_hub.compute import sheets
from himalia_hub.compute.schemas import SheetQuery
from himalia_hub.compute.tables import QuotaLimit, QuotaReservation, Workload
from himalia_hub.core import clock
from himalia_hub.migrations import migrate
from himalia_hub.tenancy.tables import Department, Tenant, User, UserRole
from tests.api.compute.test_admission import Installation

SMALL, WHOLE = (1, 1, 10), (100, 10, 10)
"""Organisations, departments of each, members of each department."""
REPETITIONS, CALLS = 7, 20
BUSY = 400
"""Live workloads in each installation, all of the organisation that is asked about at most 200."""
NODES = (NodeCapacity("big", Resources(10**9, 2**50, 2**50), Resources(0, 0)),)
MANAGE = "compute.quota.manage"


def _tenants(session: Session, size: tuple[int, int, int]) -> None:
    organisations, departments, members = size
    moment = clock.now()
    stamps = {"created_at": moment, "updated_at": moment}
    count = organisations * departments * members
    session.execute(
        sa.insert(Tenant), [{"code": f"org{n}", "name": f"Organisation {n}", **stamps} for n in range(organisations)]
    )
    session.execute(
        sa.insert(Department),
        [
            {"tenant_id": n // departments + 1, "number": n % departments + 1, "name": f"Department {n}", **stamps}
            for n in range(organisations * departments)
        ],
    )
    people = [
        {
            "tenant_id": n // (departments * members) + 1,
            "department_id": n // members + 1,
            "number": n % (departments * members) + 1,
            "name": f"member{n:05d}",
            "name_key": f"member{n:05d}",
            "hub_name": f"u{n}",
            "display_name": f"member{n:05d}",
            **stamps,
        }
        for n in range(count)
    ]
    session.execute(sa.insert(User), people)
    administrators = ("Administrator", "organisation_administrator", "member")
    session.execute(
        sa.insert(UserRole),
        [
            {"user_id": n + 1, "role": role}
            for n in range(count)
            for role in (administrators if n == 0 else ("member",))
        ],
    )
    limits = [("tenant", n, 10**8) for n in range(1, organisations + 1)]
    limits += [("department", n, 10**7) for n in range(1, organisations * departments + 1)]
    limits += [("user", n, 10**6) for n in range(1, count + 1)]
    session.execute(
        sa.insert(QuotaLimit),
        [
            {"level": level, "subject_id": subject, "resource": res.CPU, "nominal": nominal, "updated_at": moment}
            for level, subject, nominal in limits
        ],
    )


def _busy(session: Session, members: int) -> None:
    """Live workloads with their reservations, half of them the first organisation's."""
    moment = clock.now()
    owners = [n % min(members, 100) + 1 if n % 2 == 0 else n % members + 1 for n in range(BUSY)]
    rows = {row.id: row for row in session.execute(sa.select(User.id, User.tenant_id, User.department_id))}
    made = [
        {
            "tenant_id": rows[owner].tenant_id,
            "department_id": rows[owner].department_id,
            "owner_id": owner,
            "number": 10**6 + n,
            "name": "busy",
            "kind": "script",
            "object_kind": "script",
            "object_number": n,
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
            "created_at": moment,
            "updated_at": moment,
        }
        for n, owner in enumerate(owners)
    ]
    session.execute(sa.insert(Workload), made)
    session.execute(
        sa.insert(QuotaReservation),
        [
            {
                "workload_id": n + 1,
                "resource": name,
                "amount": amount,
                "tenant_id": row["tenant_id"],
                "department_id": row["department_id"],
                "user_id": row["owner_id"],
            }
            for n, row in enumerate(made)
            for name, amount in ((res.CPU, 10), (res.MEMORY, 2**20))
        ],
    )


class Place:
    """One installation with people in it, and what is measured of it."""

    def __init__(self, folder: Path, size: tuple[int, int, int]) -> None:
        folder.mkdir()
        self.found = Installation(f"sqlite:///{folder}/himalia.sqlite3", folder / "state", NODES)
        migrate.upgrade(self.found.db)
        self.found.write(lambda session: _tenants(session, size))
        self.found.write(lambda session: _busy(session, size[0] * size[1] * size[2]))
        with self.found.db.engine.connect() as db:
            self.administrator: Actor = tokens.actor_of_user(db, 1)
            self.member: Actor = tokens.actor_of_user(db, 2)

    def read(self, work: Callable[[Any], Any]) -> Any:
        with self.found.db.read() as db:
            return work(db)

    def admission(self) -> None:
        self.found.submit(self.member, cpu=1)

    def verdict(self) -> None:
        one = Resources(1, 2**20)
        self.read(lambda db: self.found.engine.verdict(db, self.member, one, 1, "training"))

    def sheets(self, level: str) -> int:
        query = SheetQuery.model_validate({"level": level, "limit": 50})
        page = self.read(lambda db: sheets.page(self.found.engine, db, self.administrator, MANAGE, query))
        return len(page["items"])

    def plain(self) -> int:
        columns = (User.id, User.number, User.display_name, User.department_id)
        statement = sa.select(*columns).where(User.tenant_id == 1).order_by(User.display_name, User.id).limit(50)
        return len(self.read(lambda db: db.execute(statement).all()))


def _milliseconds(work: Callable[[], Any], calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - began) * 1000 / calls


def _turns(one: Callable[[], Any], other: Callable[[], Any], repetitions: int, calls: int) -> tuple[float, float]:
    """Medians of alternating repetitions, in milliseconds."""
    one(), other()
    pairs = [(_milliseconds(one, calls), _milliseconds(other, calls)) for _ in range(repetitions)]
    return statistics.median(first for first, _ in pairs), statistics.median(second for _, second in pairs)


def _row(name: str, value: float, peer: str, peer_value: float, target: str) -> dict[str, Any]:
    return {
        "id": "PERF-4",
        "name": name,
        "value": round(value, 3),
        "unit": "ms",
        "peer": peer,
        "peer_value": round(peer_value, 3),
        "ratio": round(value / peer_value, 2),
        "target": target,
        "better": "lower",
    }


def run(place: Path, *, short: bool = False) -> list[dict[str, Any]]:
    """The rows; the short form makes a tenth of the organisations and measures once."""
    whole = (10, *WHOLE[1:]) if short else WHOLE
    repetitions, calls = (1, 3) if short else (REPETITIONS, CALLS)
    small, large = Place(place / "small", SMALL), Place(place / "large", whole)
    people = whole[0] * whole[1] * whole[2]
    peer = "itself with 10 members"
    rows = []
    for name, work, target in (
        (f"admission at {people} members", lambda one: one.admission(), "<= 1.3"),
        (f"verdict at {people} members", lambda one: one.verdict(), "<= 1.3"),
    ):
        value, other = _turns(lambda: work(large), lambda: work(small), repetitions, calls)  # noqa: B023
        rows.append(_row(name, value, peer, other, target))
    value, other = _turns(lambda: large.sheets("user"), lambda: small.sheets("user"), repetitions, calls)
    shown, few = large.sheets("user"), small.sheets("user")
    rows.append(_row(f"one of a page of {shown} quotas of members", value / shown, peer, other / few, "<= 1.3"))
    value, other = _turns(lambda: large.sheets("user"), large.plain, repetitions, calls)
    rows.append(
        _row(
            f"page of {shown} quotas of members",
            value,
            "plain SQLAlchemy select of the members",
            other,
            "<= 300 (six figures of each at three levels)",
        )
    )
    value, other = _turns(lambda: large.sheets("tenant"), lambda: large.sheets("user"), repetitions, calls)
    shown = large.sheets("tenant")
    rows.append(_row(f"page of {shown} quotas of organisations", value, "page of members", other, "<= 2"))
    for one in (small, large):
        one.found.db.close()
    return rows
