"""What looks for a missing guard: cells of the matrix first, then single tests of the suite.

A cell shows a guard when what the matrix asserts of it differs without the guard and not with it:
the statuses, whether a foreign object is as a missing one, whose objects a list holds. Which
cells and which tests are worth asking is known from one run of each that notes the guards it comes by
(:mod:`tests.mutants.notes`).
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.api.matrix import cells, test_matrix
from tests.api.matrix.conftest import Grid
from tests.mutants import notes, swap
from tests.mutants.guards import Guard
from tests.mutants.runs import ROOT, Runner

COLUMNS = ("member", "tenant_admin+step_up", "department_admin+api", "administrator+api", "workload")
OTHERS = ("annotator", "auditor+api")
"""Columns that hold little: they show a route that lost its permission."""
OWNERS = ("member", "department_admin", "tenant_admin", "administrator", "annotator", "auditor")
MOST_CELLS, MOST_TESTS = 12, 40
ALSO = {
    "account": ("identity", "audit"),
    "api": ("account", "attacks", "audit", "tenancy"),
    "auth": ("account", "roles"),
    "billing": ("money",),
    "core": ("sharing", "tenancy", "data"),
    "develop": ("notebooks",),
    "presence": ("account", "identity"),
    "sign_in_sources": ("sign_in",),
    "identity": ("account", "tenancy"),
    "tenancy": ("roles", "identity", "account"),
}
"""Folders of tests that concern a package beside the folder of its own name."""
Cell = tuple[str, str]
"""A route and a column of the matrix."""


class Baselines:
    """What the intact program answers, cell by cell, and which guards each cell comes by."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._kept: dict[Cell, dict[str, Any]] = {}
        self._asked: dict[tuple[str, int], list[Cell]] = {}
        self._decided: dict[tuple[str, int], list[Cell]] = {}

    def get(self, cell: Cell) -> dict[str, Any]:
        if cell not in self._kept:
            self._kept[cell] = observe(self.grid, cell)
        return self._kept[cell]

    def columns(self) -> list[str]:
        """Those whose people have something in this world."""
        return [column for column in COLUMNS if column.partition("+")[0] in {"workload", *self.grid.shelves}]

    def look(self) -> None:
        """Ask every cell once."""
        with notes.noting() as noted:
            for name in cells.public_routes():
                for column in self.columns():
                    noted.clear()
                    self._kept[name, column] = observe(self.grid, (name, column))
                    for kept, places in ((self._asked, noted.asked), (self._decided, noted.decided)):
                        for place in places:
                            kept.setdefault(place, []).append((name, column))

    def cells_for(self, guard: Guard) -> list[Cell]:
        """Those in which it decides before those that come by it, mixing routes and columns."""
        if guard.kind == "permission":
            routes = cells.public_routes().items()
            asked = [name for name, route in routes if guard.text.endswith(f" for {route.method} {route.full_path}")]
            columns = [column for column in OTHERS if column.partition("+")[0] in self.grid.shelves]
            return [(name, column) for name in asked for column in (*columns, *self.columns())]
        if not self._kept or not self._asked:
            self.look()
        if not guard.function:
            return mixed(self._kept, guard)[:MOST_CELLS]
        decided = mixed(self._decided.get(notes.place(guard), ()), guard)
        if guard.kind in notes.DECIDE and not about_columns(guard):
            return decided[:MOST_CELLS]
        return mixed(self._asked.get(notes.place(guard), ()), guard)[:MOST_CELLS]


def about_columns(guard: Guard) -> bool:
    """Whether a comparison is made by the database, so that nobody sees how it ends."""
    return guard.kind == "expiry" and bool(re.match(r"[A-Z]\w*\.", guard.text))


def mixed(found: Iterable[Cell], guard: Guard) -> list[Cell]:
    """Cells in a fixed order: one of each route first."""
    shuffled = sorted(set(found))
    random.Random(guard.function).shuffle(shuffled)
    turn: dict[str, int] = {}
    ranked = []
    for cell in shuffled:
        turn[cell[0]] = turn.get(cell[0], 0) + 1
        ranked.append((turn[cell[0]], cell))
    return [cell for _, cell in sorted(ranked, key=lambda pair: pair[0])]


def observe(grid: Grid, cell: Cell) -> dict[str, Any]:
    """What the matrix asserts of a row and column."""
    name, column = cell
    answers = test_matrix.ask(grid, name, column)
    found: dict[str, Any] = {relation: answer.word for relation, answer in answers.items()}
    if "foreign" in answers and not test_matrix.reaches_all(name, column):
        found["foreign as missing"] = answers["foreign"] == answers["missing"]
    if name.startswith("GET") and "{" not in name:
        found["foreign numbers"] = test_matrix.foreign_in(grid, answers["own"])
        if name in test_matrix.LISTS:
            found["whose"] = test_matrix.whose(grid, name, column, answers["own"])
    grid.world.live.platform.roles._held.clear()
    return found


def cell_of(guard: Guard, baselines: Baselines, only: Cell | None = None) -> str:
    """``route as column`` of the first cell that shows that the guard is gone; empty without one."""
    grid = baselines.grid
    for cell in [only] if only else baselines.cells_for(guard):
        before = baselines.get(cell)
        with swap.without(guard):
            try:
                differs = observe(grid, cell) != before
            except AssertionError:
                differs = True
        grid.world.live.platform.roles._held.clear()
        # An answer that also differs with the guard in place says nothing about the guard.
        if differs and observe(grid, cell) == before:
            return f"{cell[0]} as {cell[1]}"
    return ""


def internal_of(guard: Guard, grid: Grid) -> str:
    """For an internal route: whether a person reaches it."""
    method, path = guard.text.split(" for ")[1].split(" ")
    path = re.sub(r"\{[^}]*\}", "1", path)
    with swap.without(guard), grid.world.live.client(grid.world.alpha.member.api_token) as client:
        answer = client.request(method, f"{grid.world.live.base_url}{path}", json={} if method != "GET" else None)
    problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    reached = answer.status_code != 404 or "No such address" not in problem.get("detail", "")
    return f"{method} {path} as a person" if reached else ""


# -- tests ------------------------------------------------------------------------------------


class Candidates:
    """Which tests come by which guards; taken folder by folder and kept, so that a run can be continued."""

    def __init__(self, kept: Path) -> None:
        self._kept = kept
        self._asked: dict[str, list[tuple[float, str]]] = {}
        self._decided: dict[str, list[tuple[float, str]]] = {}

    def take(self, runner: Runner, *, again: bool, tell: Callable[[str], None]) -> None:
        done: dict[str, list[dict[str, Any]]] = {}
        if self._kept.exists() and not again:
            done = json.loads(self._kept.read_text())
        for folder in folders():
            if folder not in done:
                done[folder] = runner.note([folder], 3600)
                tell(f"{len(done[folder])} tests of {folder} noted")
                self._kept.parent.mkdir(exist_ok=True)
                self._kept.write_text(json.dumps(done))
        for noted in (row for rows in done.values() for row in rows):
            for found, keys in ((self._asked, noted["asked"]), (self._decided, noted["decided"])):
                for key in keys:
                    found.setdefault(key, []).append((noted["seconds"], noted["test"]))

    def tests_for(self, guard: Guard) -> list[str]:
        """The cheapest of those in which it decides; of a filter those that come by it, its noun's first."""
        if guard.kind in notes.DECIDE and not about_columns(guard):
            return [test for _, test in sorted(self._decided.get(guard.key, ()))][:MOST_TESTS]
        near = folders_for(guard)

        def rank(test: str) -> int:
            return next((place for place, folder in enumerate(near) if test.startswith(folder)), len(near))

        found = sorted(self._asked.get(guard.key, ()), key=lambda pair: (rank(pair[1]), pair[0]))
        return [test for _, test in found][:MOST_TESTS]


def folders() -> list[str]:
    """The folders of tests of the API, without the matrix."""
    found = sorted((ROOT / "tests" / "api").glob("*/test_*.py"))
    return sorted({str(path.parent.relative_to(ROOT)) for path in found} - {"tests/api/matrix"})


def folders_for(guard: Guard) -> list[str]:
    """The tests that concern a guard's package, those of its very noun first."""
    parts = guard.module.split(".")[1:]
    words = [*reversed(parts), *ALSO.get(parts[0], ()), "guards", "attacks"]
    places = dict.fromkeys(ROOT / "tests" / "api" / word for word in words)
    return [str(place.relative_to(ROOT)) for place in places if place.is_dir()]


def missed_by(guard: Guard, runner: Runner, tests: list[str]) -> str:
    """The first of these tests that fails without the guard and passes with it; empty when there is none."""
    left = list(tests)
    while left and (found := runner.failing(left, guard.key)):
        if runner.passes(found):
            return found
        if found not in left:
            return ""
        left = left[left.index(found) + 1 :]
    return ""
