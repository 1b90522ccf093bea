"""SEC-2, REL-4: deleting any single guard turns something red.

A sample drawn with a printed seed belongs to every run; ``make test-mutants`` takes out every guard
and writes ``build/mutants.json``.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.matrix.conftest import Grid, make_grid
from tests.mutants import probes, swap
from tests.mutants.guards import Guard, find, module_without
from tests.support.s3 import S3Server

SAMPLE = 10
GUARDS = find()
PROVEN = ("himalia_hub.auth", "himalia_hub.api", "himalia_hub.core", "himalia_hub.data", "himalia_hub.training")
"""Packages of which every guard's absence is seen; the sample is drawn from them."""
REPORT = Path(__file__).parents[2] / "build" / "mutants.json"


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[Grid]:
    place = tmp_path_factory.mktemp("mutants")
    yield from make_grid(place, f"sqlite:///{place}/himalia.sqlite3", s3_server)


@pytest.fixture(scope="module")
def baselines(grid: Grid) -> probes.Baselines:
    return probes.Baselines(grid)


def seen_by(grid: Grid, baselines: probes.Baselines, guard: Guard) -> str:
    """What notices that the guard is gone; empty when nothing does."""
    comparisons = probes.differing(grid, baselines, guard)
    for test in probes.focused(guard):
        try:
            with swap.without(guard):
                test(grid)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return f"{test.__name__}: {type(error).__name__}"
        finally:
            grid.world.live.platform.roles._held.clear()
    for compare in comparisons:
        with swap.without(guard):
            try:
                found = compare()
            except AssertionError as error:
                found = str(error)[:200] or "an assertion"
        grid.world.live.platform.roles._held.clear()
        if found:
            return found
    return ""


def test_guards_are_found_by_their_shape() -> None:
    keys = {guard.key.rsplit(":", 1)[0] for guard in GUARDS}
    assert {"core.objects:visible", "core.objects:find", "auth.tokens:authenticate", "auth.permissions:clip"} <= keys
    assert len(GUARDS) > 100 and len({guard.key for guard in GUARDS}) == len(GUARDS)


@pytest.mark.parametrize("guard", [pytest.param(guard, id=guard.key) for guard in GUARDS])
def test_a_mutant_differs_in_one_guard(guard: Guard) -> None:
    assert len(find_in(guard)) < len([one for one in GUARDS if one.module == guard.module])


def find_in(guard: Guard) -> list[str]:
    from tests.mutants.guards import _Walk

    walk = _Walk(guard.module)
    walk.visit(module_without(guard))
    return [one.text for one in walk.found if one.text != "False"]


@pytest.mark.timeout(600)
def test_a_sample_of_guards_is_missed_when_gone(grid: Grid, baselines: probes.Baselines) -> None:
    seed = int(os.environ.get("MUTANTS_SEED") or random.SystemRandom().randrange(10**6))
    proven = [guard for guard in GUARDS if guard.module.startswith(PROVEN)]
    chosen = random.Random(seed).sample(proven, SAMPLE)
    for guard in chosen:
        for test in probes.focused(guard):
            test(grid)  # the premise: with the guard in place it passes
        assert seen_by(grid, baselines, guard), f"seed {seed}: nothing notices that {guard.key} is gone: {guard.text}"


@pytest.mark.mutants
@pytest.mark.timeout(7200)
def test_every_guard_is_missed_when_gone(grid: Grid, baselines: probes.Baselines) -> None:
    """All guards, or those whose key contains ``MUTANTS_ONLY``; survivors are listed with their place."""
    only = os.environ.get("MUTANTS_ONLY", "")
    report: dict[str, str] = {}
    for guard in GUARDS:
        if only in guard.key:
            report[guard.key] = seen_by(grid, baselines, guard)
            print(
                f"{'caught  ' if report[guard.key] else 'SURVIVED'} {guard.key} {guard.kind}: {guard.text}", flush=True
            )
    survivors = {guard.key: guard.text for guard in GUARDS if report.get(guard.key) == ""}
    summary = {"guards": len(report), "caught": len(report) - len(survivors), "survivors": survivors, "seen_by": report}
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(summary, indent=1, ensure_ascii=False))
    print(f"{summary['caught']} of {summary['guards']} guards are missed when they are gone")
    assert not survivors, survivors
