"""Reads the metrics file as it grows and sends what it holds, in batches."""

from __future__ import annotations

import math
import threading
import uuid
from datetime import UTC, datetime
from json import JSONDecodeError, dumps, loads
from pathlib import Path
from typing import Any

from himalia.runner.platform import Away, Platform, Refused

POINTS_A_CALL = 1000
READ_BYTES = 512 * 1024
LONGEST_LINE = 64 * 1024


class MetricsFile:
    """Complete lines of a growing JSON Lines file; the file is the buffer.

    ``take`` parses from the read position, ``done`` moves it on. A file that became shorter was
    begun anew and is read from its start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._next = 0
        self._warned: set[str] = set()
        self.warnings: list[str] = []

    def take(self, *, last: bool = False) -> tuple[list[dict[str, Any]], dict[str, int] | None]:
        """Points (at most a call's worth) and the newest progress; ``last`` takes an unended line."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._position:
                    self._position = 0
                file.seek(self._position)
                data = file.read(READ_BYTES)
        except FileNotFoundError:
            data = b""
        points: list[dict[str, Any]] = []
        progress: dict[str, int] | None = None
        used = 0
        while used < len(data) and len(points) < POINTS_A_CALL:
            end = data.find(b"\n", used)
            if end < 0:
                if not last and len(data) - used < LONGEST_LINE:
                    break
                end = len(data)
            point, step = self._line(data[used:end])
            used = min(end + 1, len(data))
            if point:
                points.append(point)
            progress = step or progress
        self._next = self._position + used
        return points, progress

    def done(self) -> bool:
        """What was taken is sent; True when the position moved."""
        moved = self._next != self._position
        self._position = self._next
        return moved

    def _line(self, raw: bytes) -> tuple[dict[str, Any] | None, dict[str, int] | None]:
        if not raw.strip():
            return None, None
        try:
            line = loads(raw)
            if "progress" in line:
                step, total = int(line["progress"]["step"]), int(line["progress"]["total"])
                return None, {"step": max(step, 0), "total": max(total, 0)}
            name, value = str(line["name"]), float(line["value"])
            if not math.isfinite(value):
                self._warn("value", f"{name} was not a finite number at step {line.get('step')}; left out.")
                return None, None
            at = str(line.get("at") or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
            return {"name": name, "step": int(line.get("step", 0)), "value": value, "at": at}, None
        except (
            JSONDecodeError,
            UnicodeDecodeError,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
        ):
            self._warn("line", f"a line of {self._path} is no metric: {raw[:80]!r}; left out.")
            return None, None

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self.warnings.append(message)


class MetricsSender(threading.Thread):
    """Sends what the file holds about once a second, and the rest at the end.

    A refusal (4xx) is said once and the points it concerned are given up: metrics never stop a
    training, nor each other.
    """

    def __init__(self, file: MetricsFile, platform: Platform, run: str, say: Any) -> None:
        super().__init__(name="metrics", daemon=True)
        self._file, self._platform, self._run, self._say = file, platform, run, say
        self._ended = threading.Event()
        self._said: set[str] = set()
        self._progress: dict[str, int] | None = None

    def run(self) -> None:
        while not self._ended.wait(1.0):
            self._drain(last=False)
        self._drain(last=True)

    def finish(self) -> None:
        """Send what is left; returns when it is sent or given up."""
        self._ended.set()
        self.join()

    def _drain(self, *, last: bool) -> None:
        while True:
            points, progress = self._file.take(last=last)
            for warning in self._file.warnings:
                self._say(warning)
            self._file.warnings.clear()
            try:
                if points:
                    self._send("POST", f"/runs/{self._run}/metrics", {"points": points})
                if progress and progress != self._progress:
                    self._send("PUT", f"/runs/{self._run}/progress", progress)
                    self._progress = progress
            except Away as error:
                self._once("away", f"metrics were not sent: {error}")
                return
            if not self._file.done():
                return

    def _send(self, method: str, path: str, value: dict[str, Any]) -> None:
        try:
            self._platform.send(method, path, dumps(value).encode(), key=str(uuid.uuid4()))
        except Refused as error:
            self._once(str(error.status) + error.code, f"metrics were refused: {error}")

    def _once(self, kind: str, message: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._say(message)
