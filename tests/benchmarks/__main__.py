"""All benchmarks in one run: ``python -m tests.benchmarks --output build/bench.json [--short] [--only NAME]``.

Each module measures itself and its peers in the same run on the same machine. A row without a
peer's value, or a module that fails, fails the run; what was measured until then is written anyway.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.rows import IDS, NEEDED

Rows = list[dict[str, Any]]

MODULES: dict[str, Callable[[Path, bool], Rows]] = {
    "api": lambda place, short: _module("bench_api").run(place, short=short),
    "backend": lambda place, short: _module("bench_backend").run(
        place, **({"starts": 3, "round_trips": 50} if short else {})
    ),
    "gateway": lambda place, short: _module("bench_gateway").run(place, **({"calls": 50} if short else {})),
    "idle": lambda place, short: _module("bench_idle").run(place, short=short),
    "import": lambda place, short: _module("bench_import").run(
        place, **({"files": 500, "large": 5_000} if short else {})
    ),
    "kubernetes": lambda place, short: _module("bench_kubernetes").run(place, short=short),
    "panels": lambda place, short: _module("bench_panels").run(place, short=short),
    "submit": lambda place, short: _module("bench_submit").run(place, short=short),
    "tenancy": lambda place, short: _module("bench_tenancy").run(place, short=short),
}
"""What measures: a folder of its own, and whether the short form is asked for."""


def _module(name: str) -> Any:
    return importlib.import_module(f"tests.benchmarks.{name}")


def complaints(rows: Rows) -> list[str]:
    """What is wrong with rows: a peer that was not measured is no measurement."""
    found = []
    for row in rows:
        missing = [key for key in NEEDED if row.get(key) is None]
        if missing:
            found.append(f"{row.get('id')} {row.get('name')}: no {', '.join(missing)}")
        elif row["id"] not in IDS or row["better"] not in ("lower", "higher"):
            found.append(f"{row['id']} {row['name']}: {row['better']} is better")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--short", action="store_true", help="one small repetition: does it work at all")
    parser.add_argument("--only", action="append", choices=sorted(MODULES), help="measure only these")
    arguments = parser.parse_args()
    rows: Rows = []
    failed: list[str] = []
    for name in arguments.only or MODULES:
        began = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            with tempfile.TemporaryDirectory(prefix=f"himalia-bench-{name}-") as place:
                rows += MODULES[name](Path(place), arguments.short)
        except Exception:
            failed.append(f"{name}: {traceback.format_exc()}")
        print(f"{name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    failed += complaints(rows)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(rows, indent=1) + "\n")
    for row in rows:
        print(
            f"{row['id']:8} {row.get('name', '')}: {row['value']} {row['unit']}; "
            f"{row['peer']}: {row['peer_value']}; ratio {row['ratio']} (target {row['target']})"
        )
    print("\n".join(failed), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
