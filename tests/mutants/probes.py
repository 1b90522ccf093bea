"""What looks for a missing guard: cells of the matrix compared with the intact program, then the suite itself.

A comparison asks the routes that run the guard's function as several roles, for objects of every
relation, with the guard and without it; whatever differs is what the matrix would have shown. What no cell
shows is looked for by the tests of the noun, run in a process of their own without the guard.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.api.matrix import cells, test_matrix
from tests.api.matrix.conftest import Grid
from tests.mutants import swap
from tests.mutants.guards import PACKAGE, Guard, sources

ROOT = Path(__file__).parents[2]
COLUMNS = ("member", "tenant_admin+step_up", "department_admin+api", "administrator+api")
OTHERS = ("annotator", "auditor+api", "workload")
"""Columns that hold little: they show a route that lost its permission."""
MOST_CELLS, MOST_ROUTES = 12, 24
SHARED = ("api", "auth", "core", "platform")
"""Packages that all nouns use, so that any route may show their guards."""
SECONDS = 300
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
HERE = str(PACKAGE)
Found = dict[str, Any]
Cell = tuple[str, str]
"""A route and a column of the matrix."""


class Baselines:
    """What the intact program answers, cell by cell, and which of its functions each cell runs."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._kept: dict[Cell, Found] = {}
        self._ran: dict[Cell, frozenset[tuple[str, str]]] = {}

    def get(self, cell: Cell) -> Found:
        if cell not in self._kept:
            with running(self.grid) as ran:
                self._kept[cell] = observe(self.grid, cell)
            self._ran[cell] = frozenset(ran)
        return self._kept[cell]

    def running(self, guard: Guard) -> list[Cell]:
        """The cells whose requests run the guard's function, in a fixed order that mixes routes and columns."""
        place = (str(sources()[guard.module]), guard.function)
        found = []
        for cell in near(guard):
            self.get(cell)
            if not guard.function or place in self._ran[cell]:
                found.append(cell)
            if len(found) == MOST_CELLS:
                break
        return found


def near(guard: Guard) -> list[Cell]:
    """Cells in the order in which they are likely to run a guard's function: its module's, its noun's, all others."""
    routes = cells.public_routes()
    beside = guard.module.rpartition(".")[0]
    shuffled = sorted(routes)
    random.Random(guard.function).shuffle(shuffled)

    def distance(name: str) -> int:
        handler = routes[name].handler
        if handler.__module__ == guard.module:
            return 0 if handler.__name__ == guard.function else 1
        return 2 if handler.__module__.startswith(beside) else 3

    names = sorted(shuffled, key=distance)
    if guard.package not in SHARED:
        names = [name for name in names if distance(name) < 3] or names
    return [(name, column) for name in names[:MOST_ROUTES] for column in COLUMNS]


@contextlib.contextmanager
def running(grid: Grid) -> Iterator[set[tuple[str, str]]]:
    """Collects file and name of every function of ours that the service runs meanwhile."""
    ran: set[tuple[str, str]] = set()

    def note(frame: Any, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(HERE):
            ran.add((frame.f_code.co_filename, frame.f_code.co_qualname.replace(".<locals>", "")))

    async def profile(what: Any) -> None:
        sys.setprofile(what)

    live = grid.world.live
    writer = live.platform.db._writer
    live.run(profile(note))
    writer.submit(sys.setprofile, note).result()
    try:
        yield ran
    finally:
        live.run(profile(None))
        writer.submit(sys.setprofile, None).result()


def observe(grid: Grid, cell: Cell) -> Found:
    """What a row and column answer, without what changes by itself."""
    name, column = cell
    found: Found = {}
    for relation, answer in test_matrix.ask(grid, name, column).items():
        ids = sorted(re.findall(rb'"id":(\d+)', answer.body)) if name.startswith("GET") else []
        word = answer.word if answer.status < 500 else "500"
        code = re.search(rb'"code":"(\w+)"', answer.body) if answer.status >= 400 else None
        found[relation] = (word, code[1] if code else b"", b",".join(ids[:500]))
    grid.world.live.platform.roles._held.clear()
    return found


def cells_for(guard: Guard, baselines: Baselines) -> list[Cell]:
    if guard.kind == "permission":
        routes = cells.public_routes().items()
        asked = [name for name, route in routes if guard.text.endswith(f" for {route.method} {route.full_path}")]
        return [(name, column) for name in asked for column in (*OTHERS, *COLUMNS)]
    return baselines.running(guard)


def cell_of(guard: Guard, baselines: Baselines, only: Cell | None = None) -> str:
    """``route as column`` of the first cell that answers otherwise without the guard; empty without one."""
    for cell in [only] if only else cells_for(guard, baselines):
        before = baselines.get(cell)
        with swap.without(guard):
            try:
                differs = observe(baselines.grid, cell) != before
            except AssertionError:
                differs = True
        baselines.grid.world.live.platform.roles._held.clear()
        # An answer that also differs with the guard in place says nothing about the guard.
        if differs and observe(baselines.grid, cell) == before:
            return f"{cell[0]} as {cell[1]}"
    return ""


def folders_for(guard: Guard) -> list[str]:
    """The tests that concern a guard's package, those of its very noun first."""
    parts = guard.module.split(".")[1:]
    words = [*reversed(parts), *ALSO.get(parts[0], ()), "guards", "attacks"]
    places = dict.fromkeys(ROOT / "tests" / "api" / word for word in words)
    return [str(place.relative_to(ROOT)) for place in places if place.is_dir()]


def test_of(guard: Guard, only: str = "") -> str:
    """The first test of the suite that fails without the guard and passes with it; empty when there is none."""
    found = failing([only] if only else folders_for(guard), guard.key)
    return found if found and passes(found) else ""


@cache
def passes(test: str) -> bool:
    """The premise: with every guard in place the test is green."""
    return not failing([test])


def failing(what: list[str], key: str = "") -> str:
    """Run tests on SQLite in a process of their own, without a guard; answers the first that fails.

    A run that does not end proves nothing and counts as green: a test that hangs has a limit of its own.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "tests.mutants.swap"]
    command += ["-p", "no:cacheprovider", "-k", "not postgresql", "-m", "not mutants and not kill and not e2e", "-rfE"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {**inherited, swap.MUTANT: key}
    process = subprocess.Popen(
        [*command, *what],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        text, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return ""
    if process.returncode in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return ""
    named = re.search(r"^(?:FAILED|ERROR) (\S+(?:\[[^\n]*?\])?)(?: - |$)", text, re.MULTILINE)
    assert named is not None, f"the tests could not run without {key}:\n{text[-2000:]}"
    return named[1]


def internal_of(guard: Guard, grid: Grid) -> str:
    """For an internal route: whether a person reaches it."""
    method, path = guard.text.split(" for ")[1].split(" ")
    path = re.sub(r"\{[^}]*\}", "1", path)
    with swap.without(guard), grid.world.live.client(grid.world.alpha.member.api_token) as client:
        answer = client.request(method, f"{grid.world.live.base_url}{path}", json={} if method != "GET" else None)
    problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    reached = answer.status_code != 404 or "No such address" not in problem.get("detail", "")
    return f"{method} {path} as a person" if reached else ""
