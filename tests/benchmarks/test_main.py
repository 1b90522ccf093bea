"""The benches' own rules: a row whose peer was not measured is no measurement; ids are the specification's."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import MODULES, complaints
from tests.benchmarks.rows import IDS, fork_exec_milliseconds, percentile, row

ROW = row("PERF-4", "a read", 2, "ms", "p", 1, "<= 2x")
BENCHES = sorted(Path(__file__).parent.glob("bench_*.py"))


def test_a_row_without_its_peer_is_complained_about() -> None:
    assert complaints([ROW]) == []
    assert complaints([{**ROW, "peer_value": None}]) == ["PERF-4 a read: no peer_value"]
    assert complaints([row("PERF-4", "a read", 2, "ms", "p", 0, "<= 2x")]) == ["PERF-4 a read: no ratio"]


def test_a_row_of_no_benchmark_is_complained_about() -> None:
    assert complaints([{**ROW, "id": "PERF-18"}]) == ["PERF-18 a read: lower is better"]
    assert complaints([{**ROW, "better": "faster"}]) == ["PERF-4 a read: faster is better"]
    with pytest.raises(ValueError, match="PERF-18"):
        row("PERF-18", "a read", 2, "ms", "p", 1, "<= 2x")


def test_a_row_says_what_is_better_whatever_its_target_looks_like() -> None:
    assert ROW["better"] == "lower" and ROW["ratio"] == 2
    assert row("PERF-4", "a read", 1, "1/s", "p", 3, "15x", better="higher", added=1) == {
        "id": "PERF-4",
        "name": "a read",
        "value": 1,
        "unit": "1/s",
        "peer": "p",
        "peer_value": 3,
        "ratio": 0.333,
        "target": "15x",
        "better": "higher",
        "added": 1,
    }


def test_percentiles() -> None:
    hundred = [float(n) for n in range(100, 0, -1)]
    assert (percentile(hundred, 0.5), percentile(hundred, 0.99), percentile(hundred, 1)) == (51, 100, 100)
    assert percentile([7.0], 0.99) == 7


def test_the_peer_of_starts_starts_something() -> None:
    assert 0 < fork_exec_milliseconds() < 60_000


def test_every_module_is_run_and_can_be_imported() -> None:
    assert {f"bench_{name}" for name in MODULES} == {path.stem for path in BENCHES}
    for name in MODULES:
        assert callable(importlib.import_module(f"tests.benchmarks.bench_{name}").run)


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_a_module_names_benchmarks_of_the_specification(path: Path) -> None:
    named = set(re.findall(r"PERF-\d+", path.read_text()))
    assert named and named <= IDS
