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
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from pathlib import Path

import pytest

from tests.api.matrix.conftest import OWNERS, make_grid
from tests.mutants import probes, swap
from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.guards import Guard, Walk, find, module_without, text_of
from tests.mutants.runs import Runner
from tests.support.s3 import S3Server

SAMPLE = 10
GUARDS = find()
TEXTUAL = [guard for guard in GUARDS if guard.kind != "permission"]
REPORT = Path(__file__).parents[2] / "build" / "mutants.json"
NOTES = REPORT.with_name("mutants-notes.json")
SEEN_BY = Path(__file__).with_name("seen_by.json")


class Looking:
    """Asks whatever may notice; the world of the matrix and the process of tests are made when first asked."""

    def __init__(self, place: Path, s3_server: S3Server) -> None:
        self._place, self._s3_server = place, s3_server
        self.owners = probes.OWNERS
        self.known: dict[str, str] = json.loads(SEEN_BY.read_text()) if SEEN_BY.exists() else {}
        self._open = ExitStack()

    @cached_property
    def baselines(self) -> probes.Baselines:
        database = f"sqlite:///{self._place}/himalia.sqlite3"
        world = contextmanager(make_grid)(self._place, database, self._s3_server, self.owners)
        return probes.Baselines(self._open.enter_context(world))

    @cached_property
    def runner(self) -> Runner:
        return self._open.enter_context(closing(Runner()))

    def close(self) -> None:
        self._open.close()

    def by_a_cell(self, guard: Guard) -> str:
        if guard.kind == "permission" and "/internal/" in guard.text:
            return probes.internal_of(guard, self.baselines.grid)
        return probes.cell_of(guard, self.baselines)

    def as_known(self, guard: Guard) -> str:
        """What noticed last time, asked alone."""
        known = self.known.get(guard.key, "")
        if known.startswith("tests/"):
            return probes.missed_by(guard, self.runner, [known])
        return self.as_known_cell(guard)

    def as_known_cell(self, guard: Guard) -> str:
        known = self.known.get(guard.key, "")
        if known.endswith(" as a person"):
            return probes.internal_of(guard, self.baselines.grid)
        route, _, column = known.rpartition(" as ")
        in_matrix = route in probes.cells.public_routes() and column in probes.cells.COLUMNS
        return probes.cell_of(guard, self.baselines, only=(route, column)) if in_matrix else ""

    def seen_by(self, guard: Guard) -> str:
        """What notices that the guard is gone; empty when nothing does."""
        return (
            self.as_known(guard)
            or self.by_a_cell(guard)
            or probes.missed_by(guard, self.runner, probes.folders_for(guard))
        )

    def needed_by(self, chosen: list[Guard]) -> tuple[str, ...]:
        """The people whose columns are known to show these guards."""
        columns = {self.known.get(guard.key, "").rpartition(" as ")[2].partition("+")[0] for guard in chosen}
        return tuple(word for word in OWNERS if word in {*columns, "member", "annotator"})


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
        ("api.once", "find", "key"),
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
    looking.owners = looking.needed_by(chosen)
    for guard in chosen:
        seen = looking.seen_by(guard)
        print(f"{seen or 'NOTHING'} misses {guard.key}")
        assert seen, f"seed {seed}: nothing notices that this guard is gone: {guard.key}"


@pytest.mark.mutants
@pytest.mark.timeout(14400)
def test_every_guard_is_missed_when_gone(looking: Looking) -> None:
    """All guards, or those whose key contains ``MUTANTS_ONLY``; survivors are listed with their place.

    With ``MUTANTS_LEFT=1`` an interrupted run goes on: what was noticed already is not asked again.
    """
    only, going_on = os.environ.get("MUTANTS_ONLY", ""), bool(os.environ.get("MUTANTS_LEFT"))
    wanted = [guard for guard in GUARDS if only in guard.key and guard.key not in EQUIVALENT]
    seen = {guard.key: looking.known.get(guard.key, "") if going_on else "" for guard in wanted}

    def tell(guard: Guard, by: str, last: bool) -> None:
        seen[guard.key] = by
        if by:
            looking.known[guard.key] = by
            write_known(looking.known)
        if by or last:
            print(f"{'caught  ' if by else 'SURVIVED'} {guard.key} <- {by}", flush=True)

    def left() -> list[Guard]:
        return [guard for guard in wanted if not seen[guard.key]]

    for guard in left():
        tell(guard, looking.as_known_cell(guard) or looking.by_a_cell(guard), last=False)
    candidates = probes.Candidates(NOTES)
    if left():
        candidates.take(looking.runner, again=not going_on, tell=lambda text: print(text, flush=True))
    queue = left()
    with ExitStack() as open_, ThreadPoolExecutor(int(os.environ.get("MUTANTS_PROCESSES", "2"))) as pool:
        mine = threading.local()
        lock = threading.Lock()

        def work(guard: Guard) -> str:
            if not hasattr(mine, "runner"):
                with lock:
                    mine.runner = open_.enter_context(closing(Runner()))
            known = looking.known.get(guard.key, "")
            tests = [known] if known.startswith("tests/") else []
            return probes.missed_by(guard, mine.runner, [*tests, *candidates.tests_for(guard)])

        for guard, by in zip(queue, pool.map(work, queue), strict=True):
            tell(guard, by, last=True)
    report(wanted, seen)
    survivors = [key for key, by in seen.items() if not by]
    assert not survivors, survivors


def write_known(known: dict[str, str]) -> None:
    """Keep what noticed each guard; guards that are gone are forgotten."""
    present = {guard.key for guard in GUARDS}
    kept = {key: by for key, by in known.items() if by and key in present}
    SEEN_BY.write_text(json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n")


def report(wanted: list[Guard], seen: dict[str, str]) -> None:
    """Write ``build/mutants.json`` and print the table of ``docs/design/access.md``."""
    equivalent = Counter(guard.kind for guard in GUARDS if guard.key in EQUIVALENT)
    rows = []
    for kind in sorted({guard.kind for guard in wanted}):
        of_kind = [guard for guard in wanted if guard.kind == kind]
        cell = sum(bool(seen[guard.key]) and not seen[guard.key].startswith("tests/") for guard in of_kind)
        test = sum(seen[guard.key].startswith("tests/") for guard in of_kind)
        found = len(of_kind) + equivalent[kind]
        rows.append((kind, found, cell, test, equivalent[kind], len(of_kind) - cell - test))
    rows.append(("all", *(sum(row[place] for row in rows) for place in range(1, 6))))  # type: ignore[arg-type]
    print("| guard | found | missed by a cell | missed by a test | equivalent | unnoticed |\n| --- |" + " ---: |" * 5)
    for row in rows:
        print("| " + " | ".join(str(value) for value in row) + " |")
    survivors = [key for key, by in seen.items() if not by]
    summary = {"guards": len(seen), "caught": len(seen) - len(survivors), "survivors": survivors}
    REPORT.parent.mkdir(exist_ok=True)
    whole = {**summary, "equivalent": EQUIVALENT, "kinds": rows, "seen_by": seen}
    REPORT.write_text(json.dumps(whole, indent=1, ensure_ascii=False))
