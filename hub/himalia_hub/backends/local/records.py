"""Journals of ended and forgotten attempts, for whoever recomputes what was used and charged.

``delete`` moves the lines of a replica's journal into one file per month and then forgets the
attempt; :func:`read_intervals` answers from both, so that bills can be checked against the
shims' own words at any time. It shares nothing with metering.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from himalia_hub.backends.local import journal


@dataclass(frozen=True, slots=True)
class JournalInterval:
    """One replica's occupation of its resources, half-open, as its shim wrote it down.

    ``ended_at`` is ``None`` while it runs; ``last_alive_at`` is then its newest heartbeat.
    """

    workload: str
    attempt: int
    replica: int
    tenant: str
    owner: str
    kind: str
    started_at: datetime
    ended_at: datetime | None
    last_alive_at: datetime
    reason: str | None
    cpu_millis: int
    memory_bytes: int


def archive(root: Path, replica_directory: Path) -> None:
    """Append a replica's journal to this month's file; doing it twice changes no interval."""
    lines = journal.read_journal(str(replica_directory))
    if not lines:
        return
    folder = root / "journals"
    folder.mkdir(exist_ok=True, mode=0o700)
    data = json.dumps(lines, separators=(",", ":")).encode() + b"\n"
    path = folder / f"{datetime.now(UTC):%Y-%m}.jsonl"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)


def read_intervals(root: Path) -> Iterator[JournalInterval]:
    """Every interval known under a backend's root, forgotten attempts first, each once."""
    seen: set[tuple[str, int, int]] = set()
    folder = root / "journals"
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else []:
        with open(path, "rb") as file:
            for line in file:
                try:
                    lines = json.loads(line)
                except ValueError:
                    continue  # torn by a power loss; the attempt's own folder was not yet removed
                yield from _once(_interval(lines, None), seen)
    for directory in sorted((root / "attempts").glob("*/*/r*")):
        beat = journal.read_heartbeat(str(directory))
        lines = journal.read_journal(str(directory))
        yield from _once(_interval(lines, beat.wall if beat else None), seen)


def _once(interval: JournalInterval | None, seen: set[tuple[str, int, int]]) -> Iterator[JournalInterval]:
    if interval is not None:
        key = (interval.workload, interval.attempt, interval.replica)
        if key not in seen:
            seen.add(key)
            yield interval


def _interval(lines: list[dict[str, Any]], beat: float | None) -> JournalInterval | None:
    """``None`` when the workload never started, and so never occupied anything."""
    events = {line["event"]: line for line in lines}
    accepted, start, end = events.get("accepted"), events.get("start"), events.get("exit")
    if accepted is None or start is None:
        return None
    ended = float(end["ended_at"]) if end else None
    alive = ended if ended is not None else max(beat or 0.0, float(start["t"]))
    return JournalInterval(
        workload=accepted["workload"],
        attempt=accepted["attempt"],
        replica=accepted["replica"],
        tenant=accepted["tenant"],
        owner=accepted["owner"],
        kind=accepted["kind"],
        started_at=datetime.fromtimestamp(start["started_at"], UTC),
        ended_at=datetime.fromtimestamp(ended, UTC) if ended is not None else None,
        last_alive_at=datetime.fromtimestamp(alive, UTC),
        reason=end["reason"] if end else None,
        cpu_millis=start["cpu_millis"],
        memory_bytes=start["memory_bytes"],
    )
