"""Columns, relations, and how one cell of the matrix is asked."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from himalia_hub.api.openapi import all_routes
from himalia_hub.api.routes import Route
from himalia_hub.data.datasets.tables import Dataset
from himalia_hub.data.label_groups.tables import LabelGroup
from himalia_hub.develop.notebooks.tables import Notebook
from himalia_hub.registry.tables import RegisteredModel
from himalia_hub.serving.tables import InferenceService
from himalia_hub.tenancy.tables import CustomRole, Department, Group, User
from tests.api.matrix.conftest import Grid
from tests.api.matrix.people import OF_ORGANISATION
from tests.api.matrix.requests import INSTALLATION, NAMED, REQUESTS, Ask
from tests.api.matrix.shelf import MISSING, Shelf

EXPECTED = Path(__file__).with_name("expected.csv")
RELATIONS = ("own", "department", "organisation", "foreign", "missing")
ROLES = (
    "member",
    "department_admin",
    "tenant_admin",
    "administrator",
    "reader",
    "operator",
    "annotator",
    "auditor",
    "open_api",
    "system",
    "security",
)
"""One for each built-in role: ``test_every_role_has_a_column``."""
STEP_UPS = ("department_admin", "tenant_admin", "administrator")
COLUMNS = (
    *ROLES,
    *(f"{role}+step_up" for role in STEP_UPS),
    *(f"{role}+api" for role in ROLES),
    "workload",
)
"""A role alone is its notebook's token (reach own), ``+step_up`` the same after the step-up, ``+api`` an
API token of the widest reach, ``workload`` the member's run's own token."""

HEAD = """\
# Who gets what from every public route. Asked with a real service; written anew only by
#   MATRIX_WRITE=1 pytest tests/api/matrix/test_matrix.py
# and then read by a person: a change here is a change of who may do what.
# A cell is the answer for an object that is: own / of a colleague in the same department / of somebody else in the
# same organisation / of another organisation / not there. One value stands for all five. 2xx is any success.
# Columns: a role alone is its notebook's token (reach own); +step_up the same after the step-up; +api an API token
# of the widest reach; workload is the token of the member's own run.
# A route that never answers 2xx names its reason in the last column.
"""


@dataclass(frozen=True)
class Answer:
    """What matters of an answer: everything but its moment and its request id."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def word(self) -> str:
        return "2xx" if 200 <= self.status < 300 else str(self.status)


def public_routes() -> dict[str, Route]:
    return {f"{route.method} {route.path}": route for route in all_routes() if not route.internal}


def client_of(grid: Grid, column: str) -> httpx.Client:
    """The column's client, made once: a client's TLS set-up costs more than many requests."""
    if column not in grid.clients:
        grid.clients[column] = _make_client(grid, column)
    return grid.clients[column]


def _make_client(grid: Grid, column: str) -> httpx.Client:
    role, _, way = column.partition("+")
    if role == "workload":
        return grid.world.live.client(grid.shelves["member"].workload_token)
    person = grid.world.alpha.people[role]
    return person.api_client() if way == "api" else person.client(step_up=way == "step_up")


def caller_of(grid: Grid, column: str) -> Shelf:
    role = column.partition("+")[0]
    return grid.shelves["member" if role == "workload" else role]


def kinds(ask: Ask) -> list[str]:
    return [part for part in ask.path if not part.startswith("=")]


def relations(ask: Ask) -> tuple[str, ...]:
    """The relations that make a difference for a route."""
    found = kinds(ask)
    if not found:
        return ("own",)
    if found[0] in OF_ORGANISATION:
        return ("own", "foreign", "missing")
    return ("own", "missing") if found[0] in INSTALLATION else RELATIONS


def numbers(grid: Grid, column: str, relation: str, ask: Ask) -> dict[str, Any]:
    """Kind → number or word for a relation; only the first kind is another's or missing, the rest is inside it."""
    own = {**caller_of(grid, column).ids, "spec": grid.spec, **NAMED}
    if relation == "missing":
        first = kinds(ask)[0]
        return {**own, first: "nowhere" if first in NAMED else MISSING + own[first]}
    if relation == "own":
        return own
    if relation == "foreign":
        return grid.foreign.ids
    return grid.shelves["colleague" if relation == "department" else "outsider"].ids


def path_of(route: Route, ask: Ask, ids: Mapping[str, Any]) -> str:
    path = route.path
    for (name, _), part in zip(route.parameters, ask.path, strict=True):
        path = path.replace("{" + name + "}", part[1:] if part.startswith("=") else str(ids[part]))
    return path


def version_of(grid: Grid, ids: Mapping[str, Any], kind: str) -> str:
    """The object's present version as an ETag; that of a first version where there is none."""
    table = VERSIONED.get(kind)
    if table is None:
        return '"1"'
    with grid.world.live.platform.db.engine.connect() as db:
        mine = sa.and_(table.tenant_id == grid.world.alpha.tenant_id, table.number == ids[kind])
        found = db.execute(sa.select(table.version).where(mine)).scalar()
    return f'"{found or 1}"'


VERSIONED: dict[str, Any] = {
    "label_group": LabelGroup,
    "dataset": Dataset,
    "notebook": Notebook,
    "model": RegisteredModel,
    "service": InferenceService,
    "spare": User,
    "department_free": Department,
    "group": Group,
    "role": CustomRole,
}
"""Tables of the kinds that updates are asked about."""


def send(
    client: httpx.Client, route: Route, path: str, ask: Ask, shelf: Shelf, spec: int, **more: Any
) -> httpx.Response:
    """Ask a route once. ``more`` may hold ``json`` and ``headers``."""
    query = {name: value.format(**shelf.ids) for name, value in ask.query.items()}
    options: dict[str, Any] = {"params": query, "headers": more.get("headers", {})}
    if ask.content is not None:
        options["content"] = ask.content
        options["headers"] = {"Content-Type": ask.content_type, **options["headers"]}
    elif (body := more.get("json", ask.json(shelf, spec))) is not None:
        options["json"] = body
    with client.stream(route.method, path, **options) as answer:
        if path != "/events" or answer.status_code != 200:
            answer.read()
    return answer


def answer_of(sent: httpx.Response) -> Answer:
    headers = {name: value for name, value in sent.headers.items() if name.lower() not in ("date", "x-request-id")}
    body = sent.content if sent.is_closed and hasattr(sent, "_content") else b""
    return Answer(sent.status_code, headers, body.replace(sent.headers.get("x-request-id", "-").encode(), b""))


def cell_text(words: tuple[str, ...] | list[str]) -> str:
    return words[0] if len(set(words)) == 1 else "/".join(words)


def read_expected() -> dict[str, dict[str, str]]:
    lines = [line for line in EXPECTED.read_text().splitlines(keepends=True) if not line.startswith("#")]
    return {row["route"]: row for row in csv.DictReader(lines)}


def write_expected(rows: dict[str, dict[str, str]]) -> None:
    """Write the file anew, the routes in the order of the table; rows not given stay as they are."""
    rows = {**(read_expected() if EXPECTED.exists() else {}), **rows}
    target = io.StringIO()
    writer = csv.DictWriter(target, ["route", "permission", *COLUMNS, "no 2xx because"], lineterminator="\n")
    writer.writeheader()
    for name, route in public_routes().items():
        if name not in rows:
            continue
        row = {"route": name, "permission": route.permission or "", "no 2xx because": REQUESTS[name].no_2xx}
        writer.writerow({**rows[name], **row})
    EXPECTED.write_text(HEAD + target.getvalue())
