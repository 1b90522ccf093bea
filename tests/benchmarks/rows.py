"""What every benchmark shares: the form of a row of ``build/bench.json``, percentiles, and the peer fork+exec."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

IDS = frozenset(f"PERF-{number}" for number in range(1, 18))
"""What the quality specification names; a row belongs to one of them."""
NEEDED = ("id", "name", "value", "unit", "peer", "peer_value", "ratio", "target", "better")
"""A row without one of these is no measurement."""


def row(
    identifier: str,
    name: str,
    value: float,
    unit: str,
    peer: str,
    peer_value: float,
    target: str,
    *,
    better: Literal["lower", "higher"] = "lower",
    **more: Any,
) -> dict[str, Any]:
    """One row: what was measured, its peer in the same run, and value over peer.

    Args:
        identifier: One of :data:`IDS`.
        value: In ``unit``, as is ``peer_value``.
        target: What the specification asks, for people to read.
        better: Whether a lower or a higher value is the better one.
        more: Further figures of the row, such as ``added``.

    Raises:
        ValueError: The specification has no such identifier.
    """
    if identifier not in IDS:
        raise ValueError(f"{identifier} is no benchmark of the specification")
    return {
        "id": identifier,
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "peer": peer,
        "peer_value": round(peer_value, 3),
        "ratio": round(value / peer_value, 3) if peer_value else None,
        "target": target,
        "better": better,
        **more,
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of the values lie below; the largest at most."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def milliseconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def fork_exec_milliseconds() -> float:
    """The peer of every start: from fork+exec of a shell to the first byte that it writes."""
    began = time.perf_counter()
    process = subprocess.Popen(["/bin/sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    os.read(process.stdout.fileno(), 1)
    took = (time.perf_counter() - began) * 1000
    process.kill()
    process.wait()
    process.stdout.close()
    return took
