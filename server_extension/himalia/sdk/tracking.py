"""Metrics and progress of the running program: :func:`log`, :func:`progress`, :func:`logged`.

In a run the lines go to ``$HIMALIA_METRICS_FILE`` and the runner sends them on; elsewhere (a
notebook, a laptop) they are kept in memory, so the same code works in both. Standard library
only: a training script imports nothing heavy for a curve. Nothing here talks to the platform.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, SupportsFloat

FILE_VARIABLE = "HIMALIA_METRICS_FILE"

_lock = threading.Lock()
_next_step: dict[str, int] = {}
_kept: list[dict[str, Any]] = []
_said = False


def log(
    metrics: Mapping[str, SupportsFloat] | None = None,
    /,
    *,
    step: int | None = None,
    **more: SupportsFloat,
) -> None:
    """Record metrics of the running program.

    Args:
        metrics: Names that are no Python identifiers, ``{"val/loss": 0.2}``.
        step: Where on the x axis; without it each name counts on from its last step.
        more: ``loss=0.2, accuracy=0.9``: numbers, or what ``float()`` takes (a 0-d tensor).

    Values that are not finite are left out, because a plot cannot show them; the same name and
    step again replaces the value.

    Raises:
        TypeError: A value is no number.
    """
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    values = {**(metrics or {}), **more}
    numbers = {}
    for name, value in values.items():
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"himalia.log: {name} is {value!r}; it takes numbers.") from None
    lines = []
    with _lock:
        for name, number in numbers.items():
            at_step = _next_step.get(name, 0) if step is None else int(step)
            _next_step[name] = at_step + 1
            if math.isfinite(number):
                lines.append({"name": name, "step": at_step, "value": number, "at": at})
        _append(lines)


def progress(step: int, total: int) -> None:
    """Say how far the program is, for the progress bar of the run: ``progress(epoch, epochs)``."""
    with _lock:
        _append([{"progress": {"step": int(step), "total": int(total)}}])


def logged() -> list[dict[str, Any]]:
    """What was logged outside a run: ``[{"name", "step", "value", "at"}]``, oldest first.

    ``pandas.DataFrame(himalia.logged())`` makes a table of it. Empty inside a run, where the
    platform has the metrics (``himalia.Client().run(id).metrics()``).
    """
    with _lock:
        return [dict(line) for line in _kept if "name" in line]


def _append(lines: list[dict[str, Any]]) -> None:
    if not lines:
        return
    path = os.environ.get(FILE_VARIABLE)
    if not path:
        _kept.extend(lines)
        return
    data = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    try:
        # One write to a file opened for appending: lines of several processes never mix.
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, data.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        _say_once(f"himalia: metrics cannot be written ({error.strerror}); the program goes on without them.")


def _say_once(message: str) -> None:
    """A full disk costs the curve, not the training."""
    global _said
    if not _said:
        _said = True
        sys.stderr.write(message + "\n")
