"""The one source of time, so that tests can move it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

_source: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731


def now() -> datetime:
    """The present moment, UTC, timezone-aware."""
    return _source()


def set_source(source: Callable[[], datetime] | None) -> None:
    """Replace the source of time; ``None`` restores the machine's clock."""
    global _source
    _source = source or (lambda: datetime.now(UTC))


def to_wire(moment: datetime | None) -> str | None:
    """RFC 3339 with microseconds and ``Z``, as the API writes every time."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
