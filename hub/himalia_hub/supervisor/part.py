"""One part of an installation: a child process that is kept running until told otherwise.

A part dies with the supervisor (``PR_SET_PDEATHSIG``), writes to a log file of its own that the
supervisor opens for it, and counts as ready only when it has done its real work once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from himalia_hub.supervisor.errors import SupervisorError

LOG_LIMIT_BYTES = 16 * 1024 * 1024
STEADY_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class NotReady(Exception):
    """A probe's answer while the part is still on its way; the text says what is missing."""


Probe = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PartPlan:
    """How a part is started and when it is ready.

    Attributes:
        name: Short name, also of the log file.
        command: What is executed, without a shell.
        probe: Returns once the part has done real work; raises :class:`NotReady` until then.
        environment: Added to (or, with ``None``, removed from) the supervisor's own.
        ready_seconds: How long a start may take before it counts as failed.
        stop_seconds: How long SIGTERM is given before SIGKILL.
        fatal_codes: Exit codes that no restart can cure, such as a broken configuration.
    """

    name: str
    command: Sequence[str]
    probe: Probe
    environment: Mapping[str, str | None] = field(default_factory=dict)
    ready_seconds: float = 180.0
    stop_seconds: float = 10.0
    fatal_codes: frozenset[int] = frozenset({78})


class PartState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    STOPPED = "stopped"


def backoff_seconds(failures: int) -> float:
    """0.5, 1, 2, 4 … at most 30 seconds, for the first, second … failure in a row."""
    return float(min(30.0, 0.5 * 2 ** max(0, failures - 1)))


def _die_with_parent() -> None:
    """Runs in the child between fork and exec."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Part:
    """Keeps one process running; reports every change of state to ``on_change``.

    A part that has never been ready is given up sooner: waiting would not tell the person more.
    """

    def __init__(
        self,
        plan: PartPlan,
        log_directory: Path,
        on_change: Callable[[Part, str], None],
        *,
        give_up_after: int = 8,
        give_up_first_after: int = 4,
    ) -> None:
        self.plan = plan
        self.state = PartState.STOPPED
        self.failures = 0
        self.restarts = 0
        self.ready_at: float | None = None
        self.started_at: float | None = None
        self.process: asyncio.subprocess.Process | None = None
        self.log_path = log_directory / f"{plan.name}.log"
        self.became_ready = asyncio.Event()
        self._on_change = on_change
        self._limit = (give_up_first_after, give_up_after)
        self._was_ready = False
        self._stopping = asyncio.Event()

    async def keep(self) -> None:
        """Run until :meth:`stop`.

        Raises:
            SupervisorError: it failed too often in a row, or in a way no restart cures.
        """
        while not self._stopping.is_set():
            code = await self._run_once()
            if self._stopping.is_set():
                break
            steady = self.ready_at is not None and time.monotonic() - self.ready_at >= STEADY_SECONDS
            self.failures = 1 if steady else self.failures + 1
            reason = describe_exit(code)
            if code in self.plan.fatal_codes or self.failures >= self._limit[self._was_ready]:
                self._set(PartState.STOPPED, reason)
                raise SupervisorError(
                    f"The {self.plan.name} part ended ({reason}) and is not started again.\n{self.log_tail()}",
                    f"The whole log is {self.log_path}.",
                )
            delay = backoff_seconds(self.failures)
            self.restarts += 1
            self._set(PartState.WAITING, f"{reason}; starting again in {delay:g} s")
            await asyncio.sleep(delay)
        self._set(PartState.STOPPED, "")

    async def _run_once(self) -> int:
        self._set(PartState.STARTING, "")
        self.ready_at = None
        process = self.process = await self._spawn()
        self.started_at = time.monotonic()
        exit_task = asyncio.ensure_future(process.wait())
        probe_task = asyncio.ensure_future(self._wait_ready())
        try:
            await asyncio.wait({exit_task, probe_task}, return_when=asyncio.FIRST_COMPLETED)
            if not exit_task.done():
                missing = probe_task.result()
                if missing is None:
                    self.ready_at = time.monotonic()
                    self._was_ready = True
                    self.became_ready.set()
                    self._set(PartState.READY, "")
                else:
                    await self._end(process)
                    self._note(f"not ready after {self.plan.ready_seconds:g} s: {missing}")
            code = await exit_task
            self.became_ready.clear()
            return code
        finally:
            probe_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await probe_task

    async def _spawn(self) -> asyncio.subprocess.Process:
        environment = dict(os.environ)
        for name, value in self.plan.environment.items():
            if value is None:
                environment.pop(name, None)
            else:
                environment[name] = value
        rotate_log(self.log_path)
        with self.log_path.open("ab") as log:
            os.fchmod(log.fileno(), 0o600)
            return await asyncio.create_subprocess_exec(
                *self.plan.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.log_path.parent.parent,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    async def _wait_ready(self) -> str | None:
        """None once ready, else what was still missing when the time ran out."""
        deadline = time.monotonic() + self.plan.ready_seconds
        missing = "no answer yet"
        pause = 0.1
        while time.monotonic() < deadline:
            try:
                await self.plan.probe()
            except NotReady as error:
                missing = str(error)
            else:
                return None
            await asyncio.sleep(pause)
            pause = min(0.5, pause * 1.3)
        return missing

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL; returns once the process is gone."""
        self._stopping.set()
        if self.process is not None and self.process.returncode is None:
            await self._end(self.process)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(process.wait()), self.plan.stop_seconds)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _set(self, state: PartState, message: str) -> None:
        self.state = state
        self._on_change(self, message)

    def _note(self, message: str) -> None:
        self._on_change(self, message)

    def log_tail(self, lines: int = 12) -> str:
        """The last lines of the log, indented for the console."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 16384))
                tail = log.read().decode("utf-8", "replace").splitlines()[-lines:]
        except OSError:
            return ""
        return "\n".join(f"    {readable(line)[:400]}" for line in tail)


def describe_exit(code: int) -> str:
    if code < 0:
        try:
            return f"ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"ended by signal {-code}"
    return f"exit code {code}"


def readable(line: str) -> str:
    """A JSON log line as a person reads it: the message and how a traceback ended."""
    try:
        entry = json.loads(line)
        text = str(entry["message"])
    except (ValueError, KeyError, TypeError):
        return line
    trace = str(entry.get("traceback") or entry.get("exception") or entry.get("error") or "").strip()
    return " ".join(filter(None, (text, trace.splitlines()[-1] if trace else "")))


def rotate_log(path: Path) -> None:
    """Keep one earlier log once the present one is large."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
