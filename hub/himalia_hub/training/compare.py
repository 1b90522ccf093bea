"""Runs side by side: what differs. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any


def compare(runs: Sequence[dict[str, Any]], summaries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows of parameters, last metrics and data, each with one value a run and whether they differ."""
    parameters = [run["parameters"] for run in runs]
    last = [run["metrics_last"] for run in runs]
    data = [
        {one["path"]: f"{one['name']} {one['version']}" for one in run["inputs"]} | {"environment": run["environment"]}
        for run in runs
    ]
    return {
        "runs": list(summaries),
        "parameters": _rows(parameters),
        "metrics": _rows(last),
        "datasets": _rows(data),
        "code_difference": code_difference(runs[0], runs[-1]),
    }


def _rows(columns: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = []
    for name in names:
        values = [column.get(name) for column in columns]
        rows.append({"name": name, "values": values, "differs": any(value != values[0] for value in values)})
    return rows


def code_difference(first: dict[str, Any], last: dict[str, Any]) -> str | None:
    """A unified diff of the first and the last script; None when neither has code of its own."""
    if first["code"] is None and last["code"] is None:
        return None
    lines = difflib.unified_diff(
        (first["code"] or "").splitlines(),
        (last["code"] or "").splitlines(),
        f"{first['name']} {first['run_version']}",
        f"{last['name']} {last['run_version']}",
        lineterm="",
    )
    return "\n".join(lines)
