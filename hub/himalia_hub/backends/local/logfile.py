"""A replica's output in files that can be cut at the front while somebody reads them.

Standard library only: shims write with :class:`LogWriter`; the platform reads with :func:`read`.
Each file ``log.<n>`` starts at byte ``n`` of the whole output; when the whole grows beyond its
limit the oldest file goes, and offsets of what remains do not change.
"""

from __future__ import annotations

import contextlib
import os

from himalia_hub.backends.local.journal import LOG_PREFIX

_SEGMENTS = 8


def segments(directory: str) -> list[int]:
    """Offsets at which the present files start, ascending."""
    with contextlib.suppress(FileNotFoundError):
        names = os.listdir(directory)
        return sorted(int(name[len(LOG_PREFIX) :]) for name in names if name.startswith(LOG_PREFIX))
    return []


class LogWriter:
    def __init__(self, directory: str, bytes_max: int) -> None:
        self._directory = directory
        self._segment_bytes = max(65536, bytes_max // _SEGMENTS)
        self._starts: list[int] = []
        self._fd = -1
        self.offset = 0
        self.tail = b""
        """The last 4 KiB, for messages about how it ended."""
        self._open()

    def _open(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        path = os.path.join(self._directory, f"{LOG_PREFIX}{self.offset}")
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._starts.append(self.offset)
        if len(self._starts) > _SEGMENTS:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._directory, f"{LOG_PREFIX}{self._starts.pop(0)}"))

    def write(self, data: bytes) -> None:
        self.tail = (self.tail + data)[-4096:]
        while data:
            room = self._segment_bytes - (self.offset - self._starts[-1])
            if room <= 0:
                self._open()
                continue
            try:
                written = os.write(self._fd, data[:room])
            except OSError:  # the machine's disk is full: output is lost, the work goes on
                return
            self.offset += written
            data = data[written:]


def read(directory: str, offset: int, bytes_max: int = 65536) -> tuple[int, bytes]:
    """The next bytes at or after ``offset`` and where they begin; empty when there are none yet.

    An answer that begins after ``offset`` says that what was between is no longer kept.
    """
    while True:
        starts = segments(directory)
        if not starts:
            return offset, b""
        start = max((item for item in starts if item <= offset), default=starts[0])
        begin = max(offset, start)
        try:
            with open(os.path.join(directory, f"{LOG_PREFIX}{start}"), "rb", buffering=0) as file:
                file.seek(begin - start)
                data = file.read(bytes_max) or b""
        except FileNotFoundError:
            continue  # it was the oldest and went between the listing and the opening
        if data or start == starts[-1]:
            return begin, data
        following = starts[starts.index(start) + 1]
        if begin >= following:
            return begin, b""
        offset = following
