"""``python -m himalia.runner -- CMD…``: the process a training workload starts with."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from himalia.runner.metrics import MetricsFile, MetricsSender
from himalia.runner.outputs import Uploader
from himalia.runner.platform import Platform


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; see docs/design/clients.md."""

    api_url: str
    token: str
    run: str
    metrics_file: Path
    output: Path
    model: Path
    grace_seconds: float
    retry_seconds: float

    @classmethod
    def from_environment(cls) -> Settings:
        def folder(name: str, default: str) -> Path:
            return Path(os.environ.get(name) or default)

        return cls(
            api_url=os.environ.get("HIMALIA_API_URL", ""),
            token=os.environ.get("HIMALIA_TOKEN", ""),
            run=os.environ.get("HIMALIA_RUN_ID", ""),
            metrics_file=folder("HIMALIA_METRICS_FILE", "/himalia/work/.himalia/metrics.jsonl"),
            output=folder("HIMALIA_OUTPUT_DIR", "/himalia/output"),
            model=folder("HIMALIA_MODEL_DIR", "/himalia/model"),
            grace_seconds=float(os.environ.get("HIMALIA_GRACE_SECONDS") or 10),
            retry_seconds=float(os.environ.get("HIMALIA_RETRY_SECONDS") or 600),
        )


def say(message: str) -> None:
    """A line of the runner in the run's log."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"himalia: {message}\n")
        sys.stderr.flush()


class Runner:
    """Runs one command; see the package's docstring for what it promises."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop_at: float | None = None
        self._ended_at: float | None = None
        self._wake = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, command: Sequence[str]) -> int:
        """Run it to its end; returns the exit code of the workload."""
        settings = self._settings
        try:
            settings.metrics_file.parent.mkdir(parents=True, exist_ok=True)
            settings.metrics_file.unlink(missing_ok=True)  # of an attempt before this one
        except OSError as error:
            say(f"{settings.metrics_file} cannot be written ({error.strerror}); there will be no metrics.")
        platform = self._platform()
        sender = None
        if platform:
            sender = MetricsSender(MetricsFile(settings.metrics_file), platform, settings.run, say)
            sender.start()
        code = self._command(command)
        self._ended_at = time.monotonic()
        if platform and sender:
            sender.finish()
            folders = [(settings.output, "output"), (settings.model, "model")]
            Uploader(platform, settings.run, say).send(folders, code)
        return code

    def _platform(self) -> Platform | None:
        settings = self._settings
        missing = [
            name
            for name, value in (
                ("HIMALIA_API_URL", settings.api_url),
                ("HIMALIA_TOKEN", settings.token),
                ("HIMALIA_RUN_ID", settings.run),
            )
            if not value
        ]
        if missing:
            say(f"{', '.join(missing)} not set: metrics and files are not sent.")
            return None
        try:
            return Platform(settings.api_url, settings.token, self._deadline, self._wake)
        except ValueError as error:
            say(f"{error} Metrics and files are not sent.")
            return None

    def _deadline(self, first_try: float) -> float:
        """Until when to try: the retry time, once for all after the end, cut short by a stop."""
        began = first_try if self._ended_at is None else min(first_try, self._ended_at)
        deadline = began + self._settings.retry_seconds
        if self._stop_at is not None:
            deadline = min(deadline, self._stop_at + self._settings.grace_seconds)
        return deadline

    def _command(self, command: Sequence[str]) -> int:
        environment = dict(os.environ)
        environment["HIMALIA_METRICS_FILE"] = str(self._settings.metrics_file)
        environment.setdefault("PYTHONUNBUFFERED", "1")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, self._on_signal)
        try:
            self._child = subprocess.Popen(command, env=environment, process_group=0)
        except FileNotFoundError:
            say(f"the command {command[0]!r} was not found.")
            return 127
        except OSError as error:
            say(f"the command {command[0]!r} could not be started: {error.strerror}.")
            return 126
        if self._stop_at is not None:  # a stop that came before the child was there
            self._signal_group(signal.SIGTERM)
        code = self._wait(self._child)
        self._signal_group(signal.SIGKILL)  # what it left running; its files are final now
        return code if code >= 0 else 128 - code

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        while True:
            patience: float | None = None
            if self._stop_at is not None:
                patience = self._stop_at + self._settings.grace_seconds / 2 - time.monotonic()
                if patience <= 0:
                    self._signal_group(signal.SIGKILL)
                    return child.wait()
            try:
                return child.wait(timeout=1.0 if patience is None else min(patience, 1.0))
            except subprocess.TimeoutExpired:
                continue

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT) and self._stop_at is None:
            self._stop_at = time.monotonic()
            self._wake.set()
        if self._ended_at is None:
            self._signal_group(number)

    def _signal_group(self, number: int) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, number)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m himalia.runner",
        description="Run a training command; send its metrics and files to the platform.",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- COMMAND ARGUMENT …")
    command = parser.parse_args(arguments).command
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        parser.error("a command is missing after --")
    return Runner(Settings.from_environment()).run(command)
