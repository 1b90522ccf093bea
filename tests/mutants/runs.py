"""Runs tests without a guard, each time in a child of one process that has everything imported.

Importing the platform and parsing its guards costs more than most tests. The parent of the
children holds no thread, so that a fork of it is a whole program.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

ROOT = Path(__file__).parents[2]
OPTIONS = ["-q", "--no-header", "-p", "no:cacheprovider", "-k", "not postgresql"]
MARKS = ["-m", "not mutants and not kill and not e2e and not cluster"]
LONGEST = 300
"""Seconds for the tests of one guard."""


class Runner:
    """One such process. Not to be used by two threads at once."""

    def __init__(self) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutants.runs"],
            cwd=ROOT,
            env=inherited,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def failing(self, tests: list[str], key: str = "", seconds: float = LONGEST) -> str:
        """The first of these tests or folders that fails on SQLite without a guard; empty when none does.

        A run that does not end proves nothing and counts as green: a test that hangs has a limit of its own.
        """
        answer = self._ask({"tests": tests, "without": key, "seconds": seconds})
        failed = answer.get("failed", "")
        ended = answer["code"] in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED, None)
        assert failed or ended, f"the tests could not run without {key}: {answer}"
        return str(failed)

    def passes(self, test: str) -> bool:
        """The premise: with every guard in place the test is there and green."""
        return bool(self._ask({"tests": [test], "without": "", "seconds": LONGEST})["code"] == pytest.ExitCode.OK)

    def note(self, tests: list[str], seconds: float) -> list[dict[str, Any]]:
        """For each green test its seconds and the keys of the guards that it asks and that decide there."""
        found: list[dict[str, Any]] = self._ask({"tests": tests, "notes": True, "seconds": seconds}).get("notes", [])
        return found

    def _ask(self, what: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


# -- the process ------------------------------------------------------------------------------


class FirstFailure:
    """A plugin that tells which test failed first."""

    def __init__(self) -> None:
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


class Notes:
    """A plugin that tells which guards each green test comes by; written down test by test."""

    def __init__(self, target: Path) -> None:
        from tests.mutants import notes
        from tests.mutants.guards import find

        self._noted = notes.NOTED
        self._keys = {notes.place(guard): guard.key for guard in find() if guard.kind != "permission"}
        self._target = target.open("a", encoding="utf-8")
        self._failed = False

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._noted.clear()
        self._failed = False
        began = time.process_time()
        yield
        if self._failed:
            return
        asked = sorted(self._keys[place] for place in [*self._noted.asked])
        decided = sorted(self._keys[place] for place in [*self._noted.decided])
        line = {"test": item.nodeid, "seconds": time.process_time() - began, "asked": asked, "decided": decided}
        self._target.write(json.dumps(line) + "\n")
        self._target.flush()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed


def _child(asked: dict[str, Any], place: Path) -> None:
    """What the fork does: one run of pytest. Its words go to a file of its own."""
    from tests.mutants import notes, swap
    from tests.mutants.guards import find

    os.setsid()
    with (place / "output").open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    first = FirstFailure()
    plugins: list[Any] = [first]
    with contextlib.ExitStack() as stack:
        if asked.get("without"):
            guard = next(guard for guard in find() if guard.key == asked["without"])
            stack.enter_context(swap.without(guard))
        if asked.get("notes"):
            stack.enter_context(notes.noting())
            plugins.append(Notes(place / "notes"))
        stop = [] if asked.get("notes") else ["-x"]
        code = pytest.main([*OPTIONS, *MARKS, *stop, *asked["tests"]], plugins=plugins)
    (place / "result").write_text(json.dumps({"code": int(code), "failed": first.failed}))


def _answer(asked: dict[str, Any], place: Path) -> dict[str, Any]:
    assert threading.active_count() == 1, threading.enumerate()
    child = os.fork()
    if child == 0:
        status = 70
        try:
            _child(asked, place)
            status = 0
        finally:
            os._exit(status)
    ended = _wait(child, asked["seconds"])
    result = place / "result"
    answer: dict[str, Any] = {"code": 70 if ended else None}
    if ended and result.exists():
        answer = json.loads(result.read_text())
    if ended and answer["code"] not in (0, 1, 5):
        answer["output"] = (place / "output").read_text()[-2000:]
    if (kept := place / "notes").exists():
        answer["notes"] = [json.loads(line) for line in kept.read_text().splitlines()]
    return answer


def _wait(child: int, seconds: float) -> bool:
    """Whether the child ended by itself; if not, it and what it started are killed."""
    watched = os.pidfd_open(child)
    try:
        ended, _, _ = select.select([watched], [], [], seconds)
    finally:
        os.close(watched)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return bool(ended)


def main(source: IO[str], target: IO[str]) -> None:
    import himalia_hub.platform.service  # noqa: F401
    import tests.support.service  # noqa: F401
    from tests.mutants.guards import find

    find()
    for line in source:
        with tempfile.TemporaryDirectory() as place:
            answer = _answer(json.loads(line), Path(place))
        target.write(json.dumps(answer) + "\n")
        target.flush()


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
