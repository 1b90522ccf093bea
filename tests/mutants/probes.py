"""What looks for a missing guard: requests compared with the intact program, and focused tests.

A comparison asks the routes of the guard's noun as several roles, for objects of every relation,
with the guard and without it. Whatever differs is what the matrix would have shown.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from himalia_hub.auth import tokens
from himalia_hub.auth.actor import Reach, TokenKind
from himalia_hub.core import clock
from himalia_hub.tenancy.tables import Department, StepUp, Tenant, Token, User
from tests.api.matrix import cells, test_matrix
from tests.api.matrix.conftest import Grid
from tests.api.matrix.requests import REQUESTS
from tests.api.matrix.undone import undone
from tests.api.roles import test_roles
from tests.mutants.guards import Guard
from tests.support.data import ok

COLUMNS = ("member", "department_admin+api", "tenant_admin+step_up", "administrator+api", "annotator", "workload")
CENTRAL = (
    "GET /datasets/{dataset}",
    "GET /datasets",
    "PATCH /datasets/{dataset}",
    "GET /members/{member}",
    "POST /specs",
    "GET /bills/{bill}",
)
"""Routes that show a guard of what all routes share."""
SHARED = ("auth", "api", "core", "platform", "audit")
MOST_ROUTES = 14
Found = dict[str, Any]


def routes_for(guard: Guard) -> list[str]:
    """The routes whose handlers lie beside the guard, those with an object first."""
    parts = guard.module.split(".")
    known = cells.read_expected()
    if parts[1] in SHARED:
        return [name for name in CENTRAL if name in known]
    beside = ".".join(parts[:-1])
    near = [n for n, r in cells.public_routes().items() if r.handler.__module__.startswith(beside) and n in known]
    exact = [n for n in near if cells.public_routes()[n].handler.__module__ == guard.module]
    handler = [n for n in exact if cells.public_routes()[n].handler.__name__ == guard.function]
    ordered = dict.fromkeys([*handler, *exact, *near])
    return sorted(ordered, key=lambda name: (name not in handler, not REQUESTS[name].path))[:MOST_ROUTES]


def observe(grid: Grid, name: str, column: str) -> Found:
    """What a row and column answer, without what changes by itself."""
    found: Found = {}
    for relation, answer in test_matrix.ask(grid, name, column).items():
        ids = sorted(re.findall(rb'"id":(\d+)', answer.body)) if name.startswith("GET") else []
        found[relation] = (answer.word if answer.status < 500 else "500", b",".join(ids[:500]).decode())
    grid.world.live.platform.roles._held.clear()
    return found


class Baselines:
    """Observations of the intact program, made when first needed."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._kept: dict[tuple[str, str], Found] = {}

    def get(self, name: str, column: str) -> Found:
        key = (name, column)
        if key not in self._kept:
            self._kept[key] = observe(self.grid, name, column)
        return self._kept[key]


def differing(grid: Grid, baselines: Baselines, guard: Guard) -> Iterator[Callable[[], str]]:
    """One comparison after the other, each answering what it saw or nothing."""
    for name in routes_for(guard):
        for column in COLUMNS:
            before = baselines.get(name, column)

            def compare(name: str = name, column: str = column, before: Found = before) -> str:
                now = observe(grid, name, column)
                return "" if now == before else f"{name} as {column}: {json.dumps(now)[:160]}"

            yield compare


# -- focused tests ----------------------------------------------------------------------------


def tokens_end(grid: Grid) -> None:
    """Revoked, expired, somebody else's name, and people who may not go on: none of them is let in."""
    world, person = grid.world, grid.world.alpha.member

    def status(**headers: str) -> int:
        with world.live.client(person.api_token, **headers) as client:
            return client.get("/me").status_code

    def changed(statement: Any) -> int:
        with undone(world.live.platform.db):
            world.live.write(lambda session: session.execute(statement))
            return status()

    mine = Token.digest == tokens.digest_of(person.api_token)
    past = clock.now() - timedelta(seconds=1)
    assert status() == 200
    assert changed(sa.update(Token).where(mine).values(revoked_at=past)) == 401
    assert changed(sa.update(Token).where(mine).values(expires_at=past)) == 401
    assert changed(sa.update(User).where(User.id == person.user_id).values(enabled=False)) == 401
    assert changed(sa.update(Tenant).where(Tenant.id == world.alpha.tenant_id).values(enabled=False)) == 401
    assert changed(sa.update(Department).where(Department.id == world.alpha.department_id).values(enabled=False)) == 401
    with world.live.client() as client:
        assert client.get("/me", auth=("alphamember", person.api_token)).status_code == 200
        assert client.get("/me", auth=("betamember", person.api_token)).status_code == 401


def tokens_stay_clipped(grid: Grid) -> None:
    """A notebook holds no administration, an API token of reach own neither, a scoped one only its scope."""
    world, person = grid.world, grid.world.alpha.administrator
    with person.client() as client:
        granted = ok(client.get("/me"))["permissions"]
        assert "tenancy.user.manage" not in granted and set(granted.values()) == {"own"}
        assert client.post("/specs", json={}).json()["code"] == "step_up_required"
    with undone(world.live.platform.db):
        for reach, scopes in ((Reach.OWN, None), (Reach.PLATFORM, ["account.self.read"])):

            def make(session: Any, reach: Reach = reach, scopes: list[str] | None = scopes) -> str:
                made = tokens.issue(session, user_id=person.user_id, kind=TokenKind.API, reach=reach, scopes=scopes)
                return made[1]

            with world.live.client(world.live.write(make)) as client:
                granted = ok(client.get("/me"))["permissions"]
                assert "tenancy.user.manage" not in granted
                assert scopes is None or set(granted) == set(scopes)


def step_ups_are_ones_own_and_end(grid: Grid) -> None:
    world = grid.world
    admin, other = world.alpha.administrator, world.beta.administrator
    with admin.client(**{"Himalia-Step-Up": other.step_up_grant}) as client:
        assert ok(client.get("/me"))["step_up"] is None
    with undone(world.live.platform.db):
        past = clock.now() - timedelta(seconds=1)
        world.live.write(
            lambda session: session.execute(
                sa.update(StepUp).where(StepUp.user_id == admin.user_id).values(expires_at=past)
            )
        )
        with admin.client(step_up=True) as client:
            assert ok(client.get("/me"))["step_up"] is None


def ended_work_revokes_its_token(grid: Grid) -> None:
    """A workload's end takes its token away, and leaves the moment of an earlier end as it was."""
    world, shelf = grid.world, grid.shelves["member"]
    digest = tokens.digest_of(shelf.workload_token)
    with undone(world.live.platform.db) as db:
        row = db.execute(sa.select(Token.id, Token.workload_id).where(Token.digest == digest)).one()
        world.live.write(lambda session: tokens.revoke_for_workload(session, row.workload_id))
        first = db.execute(sa.select(Token.revoked_at).where(Token.id == row.id)).scalar_one()
        assert first is not None
        world.live.write(lambda session: tokens.revoke_for_workload(session, row.workload_id))
        assert db.execute(sa.select(Token.revoked_at).where(Token.id == row.id)).scalar_one() == first


@lru_cache
def _tests_of_roles() -> tuple[Callable[..., None], ...]:
    return tuple(
        function
        for name, function in vars(test_roles).items()
        if name.startswith("test_") and list(inspect.signature(function).parameters) == ["world"]
    )


def focused(guard: Guard) -> tuple[Callable[[Grid], None], ...]:
    """Tests beyond the matrix that concern a guard's module."""
    if guard.module.startswith("himalia_hub.auth") or guard.module.startswith("himalia_hub.api"):
        return (tokens_end, tokens_stay_clipped, step_ups_are_ones_own_and_end, ended_work_revokes_its_token)
    if guard.module.startswith("himalia_hub.tenancy.roles"):
        return tuple(_in_this_world(function) for function in _tests_of_roles())
    return ()


def _in_this_world(function: Callable[..., None]) -> Callable[[Grid], None]:
    def run(grid: Grid) -> None:
        with undone(grid.world.live.platform.db):
            function(grid.world)

    run.__name__ = function.__name__
    return run
