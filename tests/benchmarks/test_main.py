"""The benches' own rule: a row whose peer was not measured is no measurement."""

from __future__ import annotations

import importlib

from tests.benchmarks.__main__ import MODULES, complaints

ROW = {
    "id": "PERF-4",
    "value": 2.0,
    "unit": "ms",
    "peer": "p",
    "peer_value": 1.0,
    "ratio": 2.0,
    "target": "<= 2x",
    "better": "lower",
}


def test_a_row_without_its_peer_is_complained_about() -> None:
    assert complaints([ROW]) == []
    assert complaints([{**ROW, "peer_value": None}]) == ["PERF-4 None: no peer_value"]


def test_every_module_can_be_imported() -> None:
    for name in MODULES:
        assert callable(importlib.import_module(f"tests.benchmarks.bench_{name}").run)
