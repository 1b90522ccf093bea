"""The files by which a shim tells what happened, and how they are read. Standard library only.

A replica's directory holds

    lock         held (POSIX record lock) by the shim for as long as it lives
    journal      JSON Lines, appended; fsynced at ``accepted``, ``start`` and ``exit``
    status       JSON, the newest whole picture, replaced by rename
    heartbeat    one fixed-size record, overwritten each second
    log.<n>      output, ``n`` is the offset of the file's first byte
    stop         written once when somebody asked for an end

Wall-clock times in these files are ``wall at acceptance + CLOCK_BOOTTIME since``, so that a jump
of the machine's clock changes no duration.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
import threading
import time
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOCK = "lock"
JOURNAL = "journal"
STATUS = "status"
HEARTBEAT = "heartbeat"
STOP = "stop"
PLAN = "plan.json"
CONTROL = "control"
LOG_PREFIX = "log."

_FLOCK = struct.Struct("hhqqi4x")
_BEAT = struct.Struct("<dddQQQQI")


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


class Clock:
    """Wall time that moves with CLOCK_BOOTTIME from the moment it was made."""

    def __init__(self) -> None:
        self.wall = time.time()
        self.boot = boottime()

    def now(self) -> float:
        return self.wall + (boottime() - self.boot)


def write_atomically(path: str, data: bytes, *, sync: bool = False, mode: int = 0o600) -> None:
    temporary = f"{path}.{os.getpid()}.{threading.get_native_id()}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        write_whole(fd, data)
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)


def write_whole(fd: int, data: bytes) -> None:
    """All of it or ``OSError``: a disk that fills up takes a part and says nothing."""
    if os.write(fd, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def take_lock(directory: str) -> int | None:
    """Take a replica's lock for this process; ``None`` when another process holds it.

    Record locks belong to the process: a forked child holds nothing, and closing any descriptor of
    the file drops it, so callers open the file nowhere else.
    """
    fd = os.open(os.path.join(directory, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def lock_holder(directory: str) -> int:
    """The process id that holds a replica's lock, 0 when nobody does. Takes nothing itself."""
    try:
        fd = os.open(os.path.join(directory, LOCK), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, question))
        return 0 if kind == fcntl.F_UNLCK else int(pid)
    finally:
        os.close(fd)


class Journal:
    """Appends one JSON object a line, each with its moment ``t`` and CLOCK_BOOTTIME ``b``."""

    def __init__(self, directory: str, clock: Clock) -> None:
        self._fd = os.open(
            os.path.join(directory, JOURNAL), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        self._clock = clock
        self._cut = False

    def append(self, event: str, *, sync: bool = False, **facts: Any) -> None:
        """Write a line down, for good when ``sync``.

        Raises:
            OSError: A line that must not be missing (``sync``) could not be written. Others are
                left out on a full disk: the work matters more.
        """
        line = {"event": event, "t": round(self._clock.now(), 6), "b": round(boottime(), 6), **facts}
        # A line cut short by a full disk is closed, so that the next one stands by itself.
        cut = b"\n" if self._cut else b""
        self._cut = True
        try:
            write_whole(self._fd, cut + json.dumps(line, separators=(",", ":")).encode() + b"\n")
            self._cut = False
            if sync:
                os.fsync(self._fd)
        except OSError:
            if sync:
                raise


def read_journal(directory: str) -> list[dict[str, Any]]:
    """All whole lines; a torn last line (power loss) is left out."""
    try:
        with open(os.path.join(directory, JOURNAL), "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    lines = []
    for line in data.split(b"\n"):
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def read_status(directory: str) -> dict[str, Any] | None:
    try:
        with open(os.path.join(directory, STATUS), "rb") as file:
            status: dict[str, Any] = json.loads(file.read())
            return status
    except (FileNotFoundError, ValueError):
        return None


class Heartbeat:
    """The newest proof of life and sample of use."""

    __slots__ = (
        "boot",
        "cpu_seconds",
        "disk_bytes",
        "memory_bytes",
        "memory_peak_bytes",
        "oom_kills",
        "wall",
    )

    def __init__(
        self,
        wall: float,
        boot: float,
        cpu_seconds: float = 0.0,
        memory_bytes: int = 0,
        memory_peak_bytes: int = 0,
        disk_bytes: int = 0,
        oom_kills: int = 0,
    ) -> None:
        self.wall = wall
        self.boot = boot
        self.cpu_seconds = cpu_seconds
        self.memory_bytes = memory_bytes
        self.memory_peak_bytes = memory_peak_bytes
        self.disk_bytes = disk_bytes
        self.oom_kills = oom_kills

    def pack(self) -> bytes:
        body = _BEAT.pack(
            self.wall,
            self.boot,
            self.cpu_seconds,
            self.memory_bytes,
            self.memory_peak_bytes,
            self.disk_bytes,
            self.oom_kills,
            0,
        )
        return body + struct.pack("<I", zlib.crc32(body))


def read_heartbeat(directory: str) -> Heartbeat | None:
    """The newest heartbeat, ``None`` before the first; a torn read is read again."""
    path = os.path.join(directory, HEARTBEAT)
    for _ in range(5):
        try:
            with open(path, "rb", buffering=0) as file:
                data = file.read(_BEAT.size + 4)
        except FileNotFoundError:
            return None
        if len(data) == _BEAT.size + 4:
            body, checksum = data[:-4], struct.unpack("<I", data[-4:])[0]
            if zlib.crc32(body) == checksum:
                wall, boot, cpu, memory, peak, disk, kills, _ = _BEAT.unpack(body)
                return Heartbeat(wall, boot, cpu, memory, peak, disk, kills)
    return None
