"""What one replica's directory says: read cheaply, again and again, by the platform.

Nothing here starts anything. A shim that is gone without having written an end is found here and
its end is written down, at the last proof of life.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from himalia_hub.backends.local import cgroups, journal
from himalia_hub.backends.protocol import (
    ExitReason,
    ObservedReplica,
    ReplicaState,
    ReplicaUsage,
    StartStep,
)

_STEP_ORDER = ("scheduled", "image", "mounts", "server")
_LOST = (
    "The process that runs it disappeared (it was killed, or the machine went down); "
    "the time since its last sign of life is not counted."
)


def moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


class ReplicaFiles:
    """A replica as its files tell it; keeps the last status so that unchanged files cost one stat."""

    def __init__(self, directory: Path, index: int, node: str) -> None:
        self.directory = directory
        self.index = index
        self._node = node
        self._seen: tuple[int, int] | None = None
        self._status: dict[str, Any] = {}
        self._final: ObservedReplica | None = None
        self._unwritten = False

    def status(self) -> dict[str, Any] | None:
        """The newest status, ``None`` before the shim accepted the attempt."""
        try:
            facts = os.stat(self.directory / journal.STATUS)
        except FileNotFoundError:
            return None
        seen = (facts.st_mtime_ns, facts.st_ino)
        if seen != self._seen:
            status = journal.read_status(str(self.directory))
            if status is None:
                return None
            self._status, self._seen = status, seen
        return self._status

    def accepted(self) -> bool:
        return (self.directory / journal.JOURNAL).exists()

    def ended(self) -> bool:
        status = self.status()
        return status is not None and status["phase"] == "exited"

    def shim_pid(self) -> int:
        return journal.lock_holder(str(self.directory))

    def observe(self) -> ObservedReplica | None:
        """The replica now; ``None`` when no shim ever accepted it."""
        if self._final is not None:
            return self._final
        status = self.status()
        if status is None:
            if not self.accepted() or self.shim_pid():
                return None
            # It died between accepting and its first status: it occupied nothing.
            status = self._write_lost({"started_at": None, "steps": [], "cgroups": [], "addresses": {}})
        elif status["phase"] != "exited" and not self.shim_pid():
            self._seen = None  # it may have written its end between the two looks
            status = self.status() or status
            if status["phase"] != "exited":
                status = self._write_lost(status)
        beat = journal.read_heartbeat(str(self.directory))
        replica = _observed(self.index, self._node, status, beat)
        if status["phase"] == "exited" and not self._unwritten:
            self._final = replica
        return replica

    def _write_lost(self, status: dict[str, Any]) -> dict[str, Any]:
        """The end of a replica whose shim is gone, once and for all."""
        layout_paths = status.get("cgroups", [])
        remove_groups(layout_paths, seconds=2.0)
        beat = journal.read_heartbeat(str(self.directory))
        started = status.get("started_at")
        ended = max(beat.wall if beat else 0.0, started or 0.0) or None
        facts = {
            "reason": ExitReason.RUNNER_LOST.value,
            "exit_code": None,
            "signal": None,
            "message": _LOST,
            "ended_at": ended,
        }
        try:
            self.write_end(status, facts)
        except OSError:  # the disk is full: the end is known, and written down at a later look
            self._unwritten = True
            return {**status, "phase": "exited", "ready": False, "exit": facts}
        self._unwritten = False
        return self._status

    def write_end(self, status: dict[str, Any], facts: dict[str, Any]) -> None:
        """Append an end to the journal on the shim's behalf and publish it."""
        line = {"event": "exit", "t": facts["ended_at"], "b": None, "written_by": "platform", **facts}
        fd = os.open(self.directory / journal.JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, json.dumps(line, separators=(",", ":")).encode() + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)
        for step in status["steps"]:
            if step["state"] in ("active", "waiting"):
                step.update(state="failed", ended_at=facts["ended_at"])
        status = {**status, "phase": "exited", "ready": False, "exit": facts}
        journal.write_atomically(str(self.directory / journal.STATUS), json.dumps(status).encode(), sync=True)
        self._status, self._seen = status, None


def remove_groups(paths: list[str], *, seconds: float) -> bool:
    """Kill what is left in control groups and remove them."""
    group = cgroups.Group(cgroups.Layout(0, {}), "")
    group.paths = {str(index): path for index, path in enumerate(paths)}
    return group.kill_and_remove(seconds)


def _observed(index: int, node: str, status: dict[str, Any], beat: journal.Heartbeat | None) -> ObservedReplica:
    end = status.get("exit")
    state = {"accepted": ReplicaState.PENDING, "running": ReplicaState.RUNNING}.get(
        status["phase"], ReplicaState.EXITED
    )
    reason = ExitReason(end["reason"]) if end else None
    if reason is ExitReason.RUNNER_LOST:
        state = ReplicaState.LOST
    ended_at = end["ended_at"] if end else None
    alive = beat.wall if beat else None
    if alive is not None and ended_at is not None:
        alive = min(alive, ended_at)
    return ObservedReplica(
        index=index,
        state=state,
        node=node,
        ready=bool(status.get("ready")) and end is None,
        addresses=dict(status["addresses"]) if end is None else {},
        started_at=moment(status["started_at"]),
        last_alive_at=moment(alive),
        ended_at=moment(ended_at),
        exit_reason=reason,
        exit_code=end["exit_code"] if end else None,
        signal=end["signal"] if end else None,
        message=end["message"] if end else "",
        usage=_usage(beat),
        steps=_steps(status["steps"]),
    )


def _usage(beat: journal.Heartbeat | None) -> ReplicaUsage | None:
    if beat is None:
        return None
    return ReplicaUsage(
        sampled_at=datetime.fromtimestamp(beat.wall, UTC),
        cpu_seconds=beat.cpu_seconds,
        memory_bytes=beat.memory_bytes,
        disk_bytes=beat.disk_bytes,
        memory_peak_bytes=beat.memory_peak_bytes,
        memory_kills=beat.oom_kills,
    )


def _steps(steps: list[dict[str, Any]]) -> tuple[StartStep, ...]:
    """In the order of the start-up tree, whoever wrote them first."""
    ordered = sorted(steps, key=lambda step: _STEP_ORDER.index(step["name"]))
    return tuple(
        StartStep(
            name=step["name"],
            state=step["state"],
            detail=step["detail"],
            started_at=moment(step["started_at"]),
            ended_at=moment(step["ended_at"]),
        )
        for step in ordered
    )
