"""The SDK says in words where work waits and when it probably starts (BEY-3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from himalia.cli.objects import _rows
from himalia.sdk.compute import Notebook, Workload


def waiting(half: float | None, latest: float | None, **more: object) -> Workload:
    now = datetime.now(UTC)
    moments = [None if minutes is None else now + timedelta(minutes=minutes) for minutes in (half, latest)]
    values = {"phase": "queued", "queue_position": 3, **more}
    return Workload(expected_start_at=moments[0], expected_start_latest_at=moments[1], **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("half", "latest", "words"),
    [
        (12, 40, "place 3, likely in 12 min, within 40 min in nine of ten cases"),
        (0.5, None, "place 3, likely in 30 s"),
        (None, 180, "place 3, within 3 h at the latest"),
        (-5, 4000, "place 3, likely in 0 s, within 3 d in nine of ten cases"),
        (None, None, "place 3"),
    ],
)
def test_words(half: float | None, latest: float | None, words: str) -> None:
    assert waiting(half, latest).waits == words


def test_what_runs_waits_for_nothing() -> None:
    assert waiting(12, 40, phase="running", queue_position=None).waits == ""
    assert Notebook().waits == ""


def test_lists_show_it_while_something_waits() -> None:
    assert "place 3, likely in 12 min" in _rows([Notebook(name="n", phase="queued", workload=waiting(12, 40))])
    assert "waits" not in _rows([Notebook(name="n", phase="running", workload=Workload(phase="running"))])
