"""REL-4, TEN-10, TEN-17, API-1: every public route × role × object own, near, foreign or missing.

The routes come from the route table, the requests from ``requests.py``, the objects from
``shelf.py``; what is expected is ``expected.csv``, which people read. A second test derives from
the table of permissions what no file may contradict.

Everything runs on SQLite; PostgreSQL repeats a sample drawn with a printed seed, because a whole
run there takes minutes and the conditions that decide are one and the same SQL.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from himalia_hub.auth import permissions
from himalia_hub.auth.actor import Reach, TokenKind
from tests.api.matrix import cells
from tests.api.matrix.cells import Answer
from tests.api.matrix.conftest import Grid, make_grid
from tests.api.matrix.people import ADMINISTERED
from tests.api.matrix.requests import READERS, REFERENCES, REQUESTS
from tests.api.matrix.shelf import MISSING
from tests.api.matrix.three import ROLES_OF
from tests.api.matrix.undone import undone
from tests.support.data import ok
from tests.support.postgres import Postgres
from tests.support.s3 import S3Server

ROUTES = cells.public_routes()
ASKED = [name for name in ROUTES if name in REQUESTS]
WITHOUT_PERMISSION = {
    "GET /health": "probes and the supervisor ask before anybody signed in; it tells only that it works"
}
READS_MORE = {
    "POST /label-groups/{label_group}/copy": "a copy becomes one's own; the source needs to be readable, no more"
}
"""Routes whose object is looked up with a wider permission than the route's own, and why."""
REACHES_ALL = {
    "GET /audit-entries": "whoever reads the whole installation's log reads every organisation's without naming it",
    "GET /audit-entries/{entry}": "the same",
}
"""Routes that the reach *platform* opens to other organisations' objects without naming one, and why."""
LISTS = {
    "GET /tasks": "task",
    "GET /api-tokens": "api_token",
    "GET /bills": "bill",
    "GET /workloads": "workload",
    "GET /shares": "share",
    "GET /label-groups": "label_group",
    "GET /datasets": "dataset",
    "GET /notebooks": "notebook",
    "GET /jobs": "job",
    "GET /runs": "run",
    "GET /models": "model",
    "GET /inference-services": "service",
}
"""Lists of what people own → the kind on their shelves."""
OWN_ALONE = ("GET /api-tokens", "GET /shares")
"""Lists that hold one's own, whatever the permission reaches."""
NEEDED = {"own": Reach.OWN, "department": Reach.DEPARTMENT, "organisation": Reach.ORGANISATION}
RUNS_OWN = {
    "GET /workloads/{workload}/folders/{manifest}": "a folder goes to the workload that mounts it, by its own token"
}
"""Routes that answer the token of the very workload and nobody's else, its owner's included, and why."""
WRITE = bool(os.environ.get("MATRIX_WRITE"))
SAMPLE = 12
pytestmark = pytest.mark.timeout(600)  # the first test makes the world


@pytest.fixture(scope="module")
def written() -> Iterator[dict[str, dict[str, str]]]:
    """Rows as they were found; with MATRIX_WRITE they become the file."""
    rows: dict[str, dict[str, str]] = {}
    yield rows
    if WRITE:
        cells.write_expected(rows)


def owner_reads(grid: Grid, kind: str) -> None:
    """The premise of a foreign cell: its owner reads it with 2xx, and the asking tenant has no such number."""
    number = grid.foreign.ids[kind]
    administered = kind in ADMINISTERED
    with grid.world.beta.tenant_admin.api_client() if administered else grid.foreign.person.client() as client:
        found = ok(client.get(READERS[kind].format(number)))
        rows = found if isinstance(found, list) else found.get("items", [])
        assert "{}" in READERS[kind] or number in [row["id"] for row in rows], f"{kind} {number} is not its owner's"
    own = {shelf.ids[kind] for shelf in grid.shelves.values()}
    assert number not in own and all(MISSING + one not in own for one in own), own


def ask(grid: Grid, name: str, column: str) -> dict[str, Answer]:
    """The answers of one row and column, relation by relation; nothing stays."""
    route, how = ROUTES[name], REQUESTS[name]
    found = {}
    client = cells.client_of(grid, column)
    for relation in cells.relations(how):
        ids = cells.numbers(grid, column, relation, how)
        headers = {}
        if route.if_match:
            headers["If-Match"] = cells.version_of(grid, ids, next(iter(cells.kinds(how)), ""))
        with undone(grid.world.live.platform.db):
            sent = cells.send(
                client,
                route,
                cells.path_of(route, how, ids),
                how,
                cells.caller_of(grid, column),
                grid.spec,
                headers=headers,
            )
            found[relation] = cells.answer_of(sent)
    return found


def row_of(grid: Grid, name: str) -> dict[str, str]:
    how = REQUESTS[name]
    if "foreign" in cells.relations(how):
        owner_reads(grid, next(iter(cells.kinds(how)), ""))
    row = {}
    for column in cells.COLUMNS:
        found = ask(grid, name, column)
        if "foreign" in found and reaches_all(name, column):
            assert found["foreign"].word == "2xx", f"{name} for {column}: {found['foreign']}"
        elif "foreign" in found:
            assert found["foreign"] == found["missing"], f"{name} for {column} tells foreign from missing"
        failed = {relation: answer.body for relation, answer in found.items() if answer.status >= 500}
        assert not failed or how.no_2xx, f"{name} for {column}: {failed}"
        row[column] = cells.cell_text([answer.word for answer in found.values()])
    return row


def reaches_all(name: str, column: str) -> bool:
    return name in REACHES_ALL and reach_of(column, ROUTES[name].permission or "") is Reach.PLATFORM


def test_every_role_has_a_column() -> None:
    assert set().union(*(ROLES_OF[role] for role in cells.ROLES)) == set(permissions.BUILT_IN_ROLES)


def test_every_route_is_asked() -> None:
    """A route without a policy or without a request fails; so does a request without a route."""
    assert set(REQUESTS) == set(ROUTES)
    assert {name for name, route in ROUTES.items() if route.permission is None} == set(WITHOUT_PERMISSION)


@pytest.mark.parametrize("name", ASKED)
def test_matrix(grid: Grid, written: dict[str, dict[str, str]], name: str) -> None:
    row = written[name] = row_of(grid, name)
    if WRITE:
        return
    expected = cells.read_expected()[name]
    assert row == {column: expected[column] for column in cells.COLUMNS}


@pytest.mark.parametrize("name", ASKED)
def test_one_cell_succeeds(name: str) -> None:
    row = cells.read_expected()[name]
    succeeds = any("2xx" in row[column] for column in cells.COLUMNS)
    assert succeeds != bool(REQUESTS[name].no_2xx), row
    assert row["no 2xx because"] == REQUESTS[name].no_2xx
    assert row["permission"] == (ROUTES[name].permission or "")


def reach_of(column: str, permission: str) -> Reach | None:
    """What the table of permissions says about a column, without the service."""
    role, _, way = column.partition("+")
    if role == "workload":
        held = permissions.held_by([permissions.WORKLOAD])
        own = permissions.clip(
            permissions.held_by([permissions.MEMBER]), TokenKind.NOTEBOOK, reach=None, scopes=None, stepped_up=False
        )
        return {**own, **held}.get(permission)
    kind = TokenKind.API if way == "api" else TokenKind.NOTEBOOK
    return permissions.clip(
        permissions.held_by(ROLES_OF[role]), kind, reach=Reach.PLATFORM, scopes=None, stepped_up=way == "step_up"
    ).get(permission)


@pytest.mark.parametrize("name", ASKED)
def test_file_agrees_with_the_permissions(name: str) -> None:
    """TEN-10: no permission 403 everywhere; outside the reach 404; the other organisation always as missing."""
    route, row = ROUTES[name], cells.read_expected()[name]
    relations = cells.relations(REQUESTS[name])
    if route.permission is None:
        return
    for column in cells.COLUMNS:
        words = row[column].split("/")
        found = dict(zip(relations, words * len(relations) if len(words) == 1 else words, strict=False))
        reach = reach_of(column, route.permission)
        if reach is None:
            assert set(found.values()) == {"403"}, (column, found)
            continue
        assert found["own"] not in ("401", "403"), (column, found)
        if name in RUNS_OWN:
            assert found["own"] == ("2xx" if column == "workload" else "404"), (column, found)
            assert {word for relation, word in found.items() if relation != "own"} == {"404"}, (column, found)
            continue
        if len(relations) == 1:
            continue
        assert found["missing"] == "404", (column, found)
        if "foreign" not in relations:
            continue
        if "department" not in relations:
            assert found["foreign"] == ("2xx" if reaches_all(name, column) else "404"), (column, found)
            assert found["own"] != "404" or reach < Reach.ORGANISATION, (column, found)
            continue
        assert found["own"] != "404" and found["foreign"] == "404", (column, found)
        if name not in READS_MORE:
            assert (found["department"] != "404") == (reach >= Reach.DEPARTMENT), (column, found)
            assert (found["organisation"] != "404") == (reach >= Reach.ORGANISATION), (column, found)


@pytest.mark.parametrize("name", list(REFERENCES))
def test_references(grid: Grid, name: str) -> None:
    """REL-4 for objects named in bodies: another's is as missing, another organisation's too."""
    kind, body = REFERENCES[name]
    owner_reads(grid, kind)
    route, shelf = ROUTES[name], grid.shelves["member"]
    others = {
        "department": grid.shelves["colleague"].ids[kind],
        "organisation": grid.shelves["outsider"].ids[kind],
        "foreign": grid.foreign.ids[kind],
        "missing": MISSING + shelf.ids[kind],
    }
    client = cells.client_of(grid, "member")
    found = {}
    for relation, number in {"own": shelf.ids[kind], **others}.items():
        with undone(grid.world.live.platform.db):
            sent = cells.send(
                client, route, route.path, REQUESTS[name], shelf, grid.spec, json=body(shelf, grid.spec, number)
            )
        answer = cells.answer_of(sent)
        # A refusal may repeat the number that was sent, never more.
        text = re.sub(rb"\b%d\b" % number, b"N", answer.body)
        headers = {key: value for key, value in answer.headers.items() if key != "content-length"}
        found[relation] = (answer.status, headers, text)
    assert 200 <= found["own"][0] < 300, found["own"]
    assert found["missing"][0] in (404, 422), found["missing"]
    for relation in ("department", "organisation", "foreign"):
        assert found[relation] == found["missing"], relation


def test_compared_runs_of_others_are_missing(grid: Grid) -> None:
    owner_reads(grid, "run")
    own = grid.shelves["member"].ids["run"]
    with grid.world.alpha.member.client() as client:
        answers = [
            cells.answer_of(client.get("/runs/compare", params={"ids": f"{own},{other}"}))
            for other in (grid.shelves["colleague"].ids["run"], grid.foreign.ids["run"], MISSING + own)
        ]
        both = f"{own},{grid.shelves['member'].ids['run_ended']}"
        assert client.get("/runs/compare", params={"ids": both}).status_code == 200
    assert answers[0].status == 404 and answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("name", [name for name in ASKED if name.startswith("GET") and not REQUESTS[name].path])
def test_lists_hold_nothing_foreign(grid: Grid, name: str) -> None:
    """No list or search of any role shows a number that only the other organisation has."""
    for column in cells.COLUMNS:
        if not reaches_all(name, column):
            assert not foreign_in(grid, ask(grid, name, column)["own"]), column


def foreign_in(grid: Grid, answer: Answer) -> list[int | str]:
    """What of the other organisation an answer holds: numbers that only it has, its member's name."""
    foreign = {number for number in grid.foreign.ids.values() if isinstance(number, int) and number > 100_000}
    assert foreign
    if answer.headers.get("content-type") != "application/json" or answer.status != 200:
        return []
    numbers = [number for number in foreign if f'"id":{number}'.encode() in answer.body]
    return [*numbers, *(["betamember"] if b"betamember" in answer.body else [])]


def whose(grid: Grid, name: str, column: str, answer: Answer) -> set[str]:
    """The relations to the asking person of the objects that a list holds."""
    if answer.status != 200:
        return set()
    kind, found = LISTS[name], json.loads(answer.body)
    shown = {row["id"] for row in (found if isinstance(found, list) else found["items"])}
    shelves = {
        "own": cells.caller_of(grid, column),
        "department": grid.shelves["colleague"],
        "organisation": grid.shelves["outsider"],
    }
    return {relation for relation, shelf in shelves.items() if shelf.ids[kind] in shown}


@pytest.mark.parametrize("name", list(LISTS))
def test_lists_show_what_the_reach_reaches(grid: Grid, name: str) -> None:
    """TEN-10, GEN-1: a list holds one's own, the department's or the organisation's, as the permission reaches."""
    for column in cells.COLUMNS:
        reach = reach_of(column, ROUTES[name].permission or "")
        expected = {
            relation
            for relation, needed in NEEDED.items()
            if reach is not None and reach >= needed and (relation == "own" or name not in OWN_ALONE)
        }
        assert whose(grid, name, column, ask(grid, name, column)["own"]) == expected, column


def test_postgresql_answers_the_same(tmp_path: Path, postgres: Postgres, s3_server: S3Server) -> None:
    """A sample on PostgreSQL, drawn anew at each run; the seed is in the failure's message."""
    seed = int(os.environ.get("MATRIX_SEED") or random.SystemRandom().randrange(10**6))
    names = random.Random(seed).sample(ASKED, SAMPLE)
    url = postgres.create()
    try:
        for grid in make_grid(tmp_path, url, s3_server):
            expected = cells.read_expected()
            for name in names:
                row = row_of(grid, name)
                assert row == {column: expected[name][column] for column in cells.COLUMNS}, f"seed {seed}: {name}"
    finally:
        postgres.drop(url)
