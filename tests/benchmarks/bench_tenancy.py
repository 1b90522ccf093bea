"""PERF-4 at size: every list and admission at 100 organisations, 1,000 departments, 10,000 members.

The same installation twice on this machine, once with fifty members and once whole, asked in turn: an
admission (locked, assessed, reserved, committed), a verdict, and over HTTP every list that
administrators read, a full page of fifty on both sides. The peer of such a row is the small
installation, so the ratio is growth. Two peers are somebody else's: JupyterHub's own list of users,
of as many users, and the bare SQLAlchemy select of the members whose quotas a page shows.

A row's value is the median; ``p99`` and ``peer_p99`` stand beside it.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from himalia_hub.auth import tokens
from himalia_hub.auth.actor import Actor, Reach, TokenKind
from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.migrations import migrate
from himalia_hub.tenancy.tables import User
from tests.api.compute.test_admission import Installation
from tests.benchmarks import populate
from tests.benchmarks.bench_api import jupyterhub
from tests.benchmarks.rows import milliseconds, percentile, row
from tests.support.service import LiveService, make_config

SMALL: populate.Layout = ((50, 1), *(((0, 0),) * 49))
WHOLE: populate.Layout = ((10, 10),) * 100
SHORT: populate.Layout = ((10, 10), *(((2, 2),) * 59))
CALLS = 100
BUSY = 400
"""Live workloads in each installation, at least half of them of the organisation that is asked about."""
ENTRIES = 10
"""Audit entries per member."""
NODES = (NodeCapacity("big", Resources(10**9, 2**50, 2**50), Resources(0, 0)),)
LISTS = (
    ("organisations", "/organisations?sort=name"),
    ("organisations found by text", "/organisations?q=org00"),
    ("departments of all organisations", "/departments?organisation=*&sort=name"),
    ("departments found by text", "/departments?organisation=*&q=ent%2000"),
    ("members of all organisations, latest first", "/members?organisation=*"),
    ("members of all organisations by name", "/members?organisation=*&sort=name"),
    ("members of one organisation", "/members?sort=name"),
    ("members found by text", "/members?organisation=*&q=ember000"),
    ("members of a role", "/members?organisation=*&role=member&sort=name"),
    ("members of a group", "/members?group=1&sort=name"),
    ("groups of all organisations", "/groups?organisation=*&sort=name"),
    ("roles", "/roles"),
    ("quotas of members", "/quota-sheets?level=user&sort=name"),
    ("quotas of organisations", "/quota-sheets?level=tenant&sort=name"),
    ("workloads", "/workloads"),
    ("audit entries", "/audit-entries"),
    ("audit entries of one organisation", "/audit-entries?organisation=org0001"),
    ("audit entries of one action", "/audit-entries?action=sign_in"),
    ("audit entries found by text", "/audit-entries?q=MEMBER"),
)
"""What is asked through the API: a page of fifty in both installations."""


class Place:
    """One installation with people in it, and what is measured of it without a network."""

    def __init__(self, folder: Path, layout: populate.Layout) -> None:
        folder.mkdir()
        self.url, self.state = f"sqlite:///{folder}/himalia.sqlite3", folder / "state"
        self.found = Installation(self.url, self.state, NODES)
        migrate.upgrade(self.found.db)
        self.found.write(lambda session: populate.people(session, layout))
        self.found.write(lambda session: populate.work(session, BUSY))
        self.found.write(lambda session: populate.audit(session, ENTRIES * populate.size(layout)[2]))
        with self.found.db.engine.connect() as db:
            self.member: Actor = tokens.actor_of_user(db, 2)

    def admission(self) -> None:
        self.found.submit(self.member, cpu=1)

    def verdict(self) -> None:
        with self.found.db.read() as db:
            self.found.engine.verdict(db, self.member, Resources(1, 2**20), 1, "training")

    def plain(self) -> None:
        columns = (User.id, User.number, User.display_name, User.department_id)
        statement = sa.select(*columns).where(User.tenant_id == 1).order_by(User.display_name, User.id).limit(50)
        with self.found.db.read() as db:
            db.execute(statement).all()


def _turns(one: Callable[[], object], other: Callable[[], object], calls: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each call of both, in turn, so that what else the machine does falls on both."""
    one(), other()
    pairs = [(milliseconds(one), milliseconds(other)) for _ in range(calls)]
    return [first for first, _ in pairs], [second for _, second in pairs]


def _row(name: str, took: tuple[list[float], list[float]], peer: str, target: str) -> dict[str, Any]:
    (value, ninety_nine), (peer_value, peer_ninety_nine) = (
        (percentile(values, 0.5), percentile(values, 0.99)) for values in took
    )
    tail = {"p99": round(ninety_nine, 3), "peer_p99": round(peer_ninety_nine, 3)}
    return row("PERF-4", name, value, "ms", peer, peer_value, target, **tail)


def run(workdir: Path, *, short: bool = False) -> list[dict[str, Any]]:
    """Rows for ``build/bench.json``; the short form has 336 members and asks three times."""
    layout, calls = (SHORT, 3) if short else (WHOLE, CALLS)
    small, large = Place(workdir / "small", SMALL), Place(workdir / "large", layout)
    members, few = (populate.size(one)[2] for one in (layout, SMALL))
    peer, at = f"itself with {few} members", f"at {members} members"
    try:
        rows = [
            _row(f"admission {at}", _turns(large.admission, small.admission, calls), peer, "<= 1.3"),
            _row(f"verdict {at}", _turns(large.verdict, small.verdict, calls), peer, "<= 1.3"),
        ]
        with contextlib.ExitStack() as stack:
            ours, theirs = (_client(place, stack) for place in (large, small))
            rows += _lists(ours, theirs, calls, peer, at)
            quotas = _turns(lambda: ours.get("/quota-sheets?level=user&sort=name"), large.plain, calls)
            plain = "plain SQLAlchemy select of the same members"
            rows.append(_row(f"page of 50 quotas of members {at}", quotas, plain, "six figures at three levels each"))
            rows.append(_users(workdir / "hub", ours, members, calls, stack))
    finally:
        for one in (small, large):
            one.found.db.close()
    return rows


def _client(place: Place, stack: contextlib.ExitStack) -> httpx.Client:
    """The platform itself on the installation's database, with its administrator's API token."""
    live = LiveService(make_config(place.state, place.url), controllers=False)
    stack.callback(live.close)
    _, token = live.write(
        lambda session: tokens.issue(session, user_id=1, kind=TokenKind.API, reach=Reach.PLATFORM, name="benchmark")
    )
    return stack.enter_context(live.client(token))


def _lists(ours: httpx.Client, theirs: httpx.Client, calls: int, peer: str, at: str) -> list[dict[str, Any]]:
    rows = []
    for name, path in LISTS:
        shown = [len(client.get(path).raise_for_status().json()["items"]) for client in (ours, theirs)]
        if shown[0] != shown[1]:
            raise AssertionError(f"{name}: {shown[0]} are compared with {shown[1]}")
        took = _turns(lambda: ours.get(path), lambda: theirs.get(path), calls)  # noqa: B023
        rows.append(_row(f"list of {name} {at}", took, peer, "<= 1.5"))
    return rows


def _users(folder: Path, ours: httpx.Client, count: int, calls: int, stack: contextlib.ExitStack) -> dict[str, Any]:
    """A page of fifty members against JupyterHub's page of fifty users, of as many."""
    user, token = stack.enter_context(jupyterhub(folder))
    url = user.rpartition("/")[0]
    hub = stack.enter_context(httpx.Client(headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=300))
    for start in range(0, count, 500):
        hub.post(
            url, json={"usernames": [f"member{n:05d}" for n in range(start, min(start + 500, count))]}
        ).raise_for_status()
    page = {"Accept": "application/jupyterhub-pagination+json"}

    def theirs() -> None:
        items = hub.get(url, params={"limit": 50}, headers=page).raise_for_status().json()["items"]
        assert len(items) == 50, len(items)

    took = _turns(lambda: ours.get("/members?organisation=*&sort=name"), theirs, calls)
    return _row(f"page of 50 of {count} members", took, f"JupyterHub GET /users, 50 of {count}", "<= 1")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="himalia-bench-") as place:
        print(json.dumps(run(Path(place)), indent=1))
