"""Parts are kept running, given up with their reason, ended, and never outlive the supervisor (INS-1, REL-8)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from himalia_hub.supervisor.errors import SupervisorError
from himalia_hub.supervisor.part import NotReady, Part, PartPlan, PartState, backoff_seconds, readable

READY_FILE = "ready"


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def make(
    root: Path,
    command: Sequence[str],
    *,
    ready_seconds: float = 10.0,
    stop_seconds: float = 5.0,
    limits: tuple[int, int] = (4, 8),
) -> tuple[Part, list[tuple[PartState, str]]]:
    """A part that counts as ready once the file ``ready`` exists in its working directory."""
    (root / "logs").mkdir(exist_ok=True)

    async def probe() -> None:
        if not (root / READY_FILE).exists():
            raise NotReady("the file is missing")

    seen: list[tuple[PartState, str]] = []
    plan = PartPlan("worker", command, probe, ready_seconds=ready_seconds, stop_seconds=stop_seconds)
    part = Part(
        plan,
        root / "logs",
        lambda changed, message: seen.append((changed.state, message)),
        give_up_first_after=limits[0],
        give_up_after=limits[1],
    )
    return part, seen


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (50, 30.0)])
def test_the_pause_doubles_up_to_half_a_minute(failures: int, seconds: float) -> None:
    assert backoff_seconds(failures) == seconds


def test_ready_only_after_the_probe_and_started_again_after_a_kill(tmp_path: Path) -> None:
    part, seen = make(tmp_path, python("import time; open('ready', 'w'); time.sleep(60)"))

    async def walk() -> None:
        keeper = asyncio.create_task(part.keep())
        await asyncio.wait_for(part.became_ready.wait(), 20)
        assert part.process is not None
        first = part.process.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: part.restarts == 1 and part.became_ready.is_set())
        assert part.process.pid != first
        await part.stop()
        await keeper

    asyncio.run(walk())
    assert [state for state, _ in seen] == ["starting", "ready", "waiting", "starting", "ready", "stopped"]
    assert "SIGKILL" in seen[2][1]


def test_given_up_with_what_it_said_last(tmp_path: Path) -> None:
    part, seen = make(tmp_path, python("raise SystemExit('the port is taken')"), limits=(2, 8))
    with pytest.raises(SupervisorError, match="the port is taken") as end:
        asyncio.run(part.keep())
    assert str(part.log_path) in end.value.hint
    assert [state for state, _ in seen] == ["starting", "waiting", "starting", "stopped"]


def test_a_broken_configuration_is_not_tried_twice(tmp_path: Path) -> None:
    part, _ = make(tmp_path, python("import sys; print('no such key: porrt'); sys.exit(78)"))
    with pytest.raises(SupervisorError, match="no such key: porrt"):
        asyncio.run(part.keep())
    assert part.restarts == 0


def test_one_that_never_answers_is_ended_and_says_what_was_missing(tmp_path: Path) -> None:
    part, seen = make(tmp_path, python("import time; time.sleep(60)"), ready_seconds=0.5, limits=(1, 1))
    with pytest.raises(SupervisorError):
        asyncio.run(part.keep())
    assert any("the file is missing" in message for _, message in seen)
    assert part.process is not None and part.process.returncode is not None


def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('ready', 'w'); time.sleep(60)"
    part, _ = make(tmp_path, python(code), stop_seconds=0.3)

    async def walk() -> None:
        keeper = asyncio.create_task(part.keep())
        await asyncio.wait_for(part.became_ready.wait(), 20)
        await part.stop()
        await keeper

    asyncio.run(walk())
    assert part.process is not None and part.process.returncode == -signal.SIGKILL


def test_a_part_dies_with_a_killed_supervisor(tmp_path: Path) -> None:
    code = f"""
import asyncio
from pathlib import Path
from himalia_hub.supervisor.part import Part, PartPlan
root = Path({str(tmp_path)!r})
(root / "logs").mkdir()
async def probe(): pass
plan = PartPlan("worker", [{sys.executable!r}, "-c", "import time; time.sleep(60)"], probe)
part = Part(plan, root / "logs", lambda *_: part.process and print(part.process.pid, flush=True))
asyncio.run(part.keep())
"""
    supervisor = subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    child = int(supervisor.stdout.readline())
    supervisor.kill()
    supervisor.communicate()

    async def gone() -> None:
        await until(lambda: not _alive(child), 5)

    asyncio.run(gone())


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain words", "plain words"),
        ('{"message": "no room", "level": "error"}', "no room"),
        (
            '{"message": "", "traceback": "Traceback\\n  File\\nOSError: [Errno 98] in use"}',
            "OSError: [Errno 98] in use",
        ),
        ('{"message": "Command error", "error": "field not found"}', "Command error field not found"),
        ("[1, 2]", "[1, 2]"),
    ],
    ids=["plain", "message", "traceback", "traefik", "other JSON"],
)
def test_log_lines_are_shown_as_sentences(line: str, shown: str) -> None:
    assert readable(line) == shown
