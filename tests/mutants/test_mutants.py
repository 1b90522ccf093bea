"""SEC-2, REL-4: deleting any single guard turns something red.

``make test-mutants`` takes out every guard, writes ``build/mutants.json`` and, beside this file,
what noticed each of them (``seen_by.json``). A sample of ten of these, drawn with a printed seed,
belongs to every run and asks first what noticed them last time.
"""

from __future__ import annotations

import ast
import json
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.api.matrix.conftest import Grid, make_grid
from tests.mutants import probes, swap
from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.guards import Guard, Walk, find, module_without, text_of
from tests.support.s3 import S3Server

SAMPLE = 10
GUARDS = find()
TEXTUAL = [guard for guard in GUARDS if guard.kind != "permission"]
REPORT = Path(__file__).parents[2] / "build" / "mutants.json"
SEEN_BY = Path(__file__).with_name("seen_by.json")


class Looking:
    """Asks whatever may notice; the world of the matrix is made when a cell is first asked."""

    def __init__(self, place: Path, s3_server: S3Server) -> None:
        self._worlds = make_grid(place, f"sqlite:///{place}/himalia.sqlite3", s3_server)
        self._grid: Grid | None = None
        self._baselines: probes.Baselines | None = None
        self.known: dict[str, str] = json.loads(SEEN_BY.read_text()) if SEEN_BY.exists() else {}

    @property
    def grid(self) -> tuple[Grid, probes.Baselines]:
        if self._grid is None or self._baselines is None:
            self._grid = next(self._worlds)
            self._baselines = probes.Baselines(self._grid)
        return self._grid, self._baselines

    def close(self) -> None:
        self._worlds.close()  # type: ignore[attr-defined]

    def by_a_cell(self, guard: Guard) -> str:
        grid, baselines = self.grid
        if guard.kind == "permission" and "/internal/" in guard.text:
            return probes.internal_of(guard, grid)
        return probes.cell_of(guard, baselines)

    def as_known(self, guard: Guard) -> str:
        """What noticed last time, asked alone."""
        known = self.known.get(guard.key, "")
        if known.startswith("tests/"):
            return probes.test_of(guard, known)
        if " as a person" in known:
            return probes.internal_of(guard, self.grid[0])
        route, _, column = known.rpartition(" as ")
        in_matrix = route in probes.cells.public_routes() and column in probes.cells.COLUMNS
        return probes.cell_of(guard, self.grid[1], only=(route, column)) if in_matrix else ""

    def seen_by(self, guard: Guard) -> str:
        """What notices that the guard is gone; empty when nothing does."""
        return self.as_known(guard) or self.by_a_cell(guard) or probes.test_of(guard)


@pytest.fixture(scope="module")
def looking(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[Looking]:
    made = Looking(tmp_path_factory.mktemp("mutants"), s3_server)
    yield made
    made.close()


def test_guards_are_found_by_their_shape() -> None:
    places = {(guard.module.removeprefix("himalia_hub."), guard.function, guard.kind) for guard in GUARDS}
    assert {
        ("core.objects", "visible", "filter"),
        ("core.objects", "find", "condition"),
        ("core.objects", "check_version", "refusal"),
        ("auth.tokens", "authenticate", "refusal"),
        ("auth.tokens", "authenticate", "step-up"),
        ("auth.tokens", "authenticate", "expiry"),
        ("auth.permissions", "clip", "clip"),
        ("api.dispatch", "ApiHandler.prepare", "check"),
        ("api.dispatch", "ApiHandler._kept", "key"),
        ("tenancy.scope", "reachable_users", "reach"),
        ("account.api_tokens", "revoke", "ended"),
    } <= places
    assert len(GUARDS) > 400 and len({guard.key for guard in GUARDS}) == len(GUARDS)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("if row is None:\n    raise NotFound()", "refusal"),
        ("select.where(Row.tenant_id == tenant)", "filter"),
        ("select.where(User.id == actor.user_id)", "filter"),
        ("check_free(session, name)", "check"),
        ("found = reach is Reach.PLATFORM", "reach"),
        ("ok = row.expires_at > clock.now()", "expiry"),
        ("select.where(Token.revoked_at.is_(None))", "ended"),
        ("select.where(Row.tenant_id == User.tenant_id)", ""),
        ("if row is None:\n    raise ValueError()", ""),
        ("select.where(Row.number == number)", ""),
    ],
)
def test_what_is_a_guard(text: str, kind: str) -> None:
    walk = Walk("himalia_hub.example")
    walk.visit(ast.parse(text))
    assert [guard.kind for guard in walk.found] == ([kind] if kind else [])


@pytest.mark.parametrize("module", sorted({guard.module for guard in TEXTUAL}))
def test_a_mutant_differs_from_its_module_and_can_be_put_in(module: str) -> None:
    guard = random.choice([guard for guard in TEXTUAL if guard.module == module])
    assert ast.unparse(module_without(guard)) != ast.unparse(ast.parse(text_of(module))), guard.key
    with swap.without(guard):
        pass


def test_whatever_is_listed_as_equivalent_is_there_and_has_a_reason() -> None:
    assert set(EQUIVALENT) <= {guard.key for guard in GUARDS}
    assert all(len(reason) > 20 for reason in EQUIVALENT.values())


@pytest.mark.timeout(900)
def test_a_sample_of_guards_is_missed_when_gone(looking: Looking) -> None:
    seed = int(os.environ.get("MUTANTS_SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}; MUTANTS_SEED={seed} takes out the same guards")
    proven = [guard for guard in GUARDS if guard.key in looking.known]
    chosen = random.Random(seed).sample(proven, min(SAMPLE, len(proven)))
    for guard in chosen:
        seen = looking.seen_by(guard)
        print(f"{seen or 'NOTHING'} misses {guard.key}")
        assert seen, f"seed {seed}: nothing notices that this guard is gone: {guard.key}"


@pytest.mark.mutants
@pytest.mark.timeout(14400)
def test_every_guard_is_missed_when_gone(looking: Looking) -> None:
    """All guards, or those whose key contains ``MUTANTS_ONLY``; survivors are listed with their place."""
    only = os.environ.get("MUTANTS_ONLY", "")
    wanted = [guard for guard in GUARDS if only in guard.key and guard.key not in EQUIVALENT]
    seen: dict[str, str] = {}

    def tell(guard: Guard, by: str, last: bool) -> None:
        seen[guard.key] = by
        if by or last:
            print(f"{'caught  ' if by else 'SURVIVED'} {guard.key} <- {by}", flush=True)

    for guard in wanted:
        tell(guard, looking.by_a_cell(guard), last=False)
    left = [guard for guard in wanted if not seen[guard.key]]
    with ThreadPoolExecutor(int(os.environ.get("MUTANTS_PROCESSES", "2"))) as pool:
        for guard, by in zip(left, pool.map(_by_the_tests(looking), left), strict=True):
            tell(guard, by, last=True)
    survivors = [key for key, by in seen.items() if not by]
    caught = len(seen) - len(survivors)
    summary = {"guards": len(seen), "caught": caught, "survivors": survivors, "equivalent": EQUIVALENT}
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps({**summary, "seen_by": seen}, indent=1, ensure_ascii=False))
    present = {guard.key for guard in GUARDS}
    kept = {key: by for key, by in {**looking.known, **seen}.items() if by and key in present}
    SEEN_BY.write_text(json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n")
    print(f"{caught} of {len(seen)} guards are missed when they are gone; {len(EQUIVALENT)} are listed as equivalent")
    assert not survivors, survivors


def _by_the_tests(looking: Looking):  # type: ignore[no-untyped-def]
    def work(guard: Guard) -> str:
        known = looking.known.get(guard.key, "")
        return (probes.test_of(guard, known) if known.startswith("tests/") else "") or probes.test_of(guard)

    return work
