"""What a replica uses: CPU, memory and disk. Standard library only: shims load this."""

from __future__ import annotations

import os
import time

from himalia_hub.backends.local import cgroups, disk, journal
from himalia_hub.backends.local.ending import size
from himalia_hub.backends.local.loop import IN, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from resource import struct_rusage

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_START_SLACK = 16 << 20
_RESERVE_GROWTH = 16 << 20
_SCAN_DUTY = 20
_SCAN_AT_LEAST_EVERY = 30.0


class Meter:
    """Reads the control group; without one, adds up the process tree below the sandbox."""

    def __init__(self, group: cgroups.Group) -> None:
        self._group = group
        self.root_pid = 0
        self.usage_at_exit: struct_rusage | None = None
        self.peak = 0
        self.oom_kills = 0
        self.last_oom_at = float("-inf")
        self._cpu_seconds = 0.0

    def sample(self, now: float, disk_bytes: int) -> journal.Heartbeat:
        tree_cpu, tree_memory = (0.0, 0)
        if self.root_pid and not (self._group.meters_cpu and self._group.limits_memory):
            tree_cpu, tree_memory = _tree(self.root_pid)
        cpu = self._group.cpu_seconds() if self._group.meters_cpu else tree_cpu
        if self.usage_at_exit is not None and not self._group.meters_cpu:
            cpu = self.usage_at_exit.ru_utime + self.usage_at_exit.ru_stime
        # A process that ended takes its share out of the tree's sum; what was used stays used.
        self._cpu_seconds = max(self._cpu_seconds, cpu)
        memory = self._group.memory_bytes() if self._group.limits_memory else tree_memory
        self.peak = max(self.peak, memory, self._group.memory_peak_bytes())
        kills = self._group.oom_kills()
        if kills > self.oom_kills:
            self.oom_kills, self.last_oom_at = kills, now
        return journal.Heartbeat(
            now, journal.boottime(), self._cpu_seconds, memory, self.peak, disk_bytes, self.oom_kills
        )


def _tree(root: int) -> tuple[float, int]:
    """(CPU seconds, resident bytes) of a process and all below it."""
    cpu, memory, pending = 0.0, 0, [root]
    while pending:
        pid = pending.pop()
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as file:
                pending.extend(int(word) for word in file.read().split())
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        # Fields 14-17 of proc(5): own time and that of ended, waited-for children.
        cpu += sum(int(value) for value in fields[11:15]) / _TICKS
        memory += int(fields[21]) * _PAGE
    return cpu, memory


class DiskWatch:
    """Measures home and scratch in a child process, as often as their growth makes it worth.

    What a folder gained since the last measure is at most what the file system lost in free
    space, so between measures one ``statvfs`` a second is enough. A measure never takes more than
    a twentieth of the time.
    """

    def __init__(self, loop: Loop, paths: list[str], limit: int, reserve: int) -> None:
        self._loop = loop
        self._paths = paths
        self._limit = limit
        self._reserve = reserve
        self.used = 0
        self.problem: str | None = None
        self._first: int | None = None
        self._grown_to = 0
        self._free_then = 0
        self._measured_at = float("-inf")
        self._took = 0.0
        self._scanning = False

    def look(self) -> None:
        if self._scanning or not self._paths or self.problem is not None:
            return
        now = time.monotonic()
        since = now - self._measured_at
        if since < max(0.9, self._took * _SCAN_DUTY):
            return
        free = disk.free_bytes(self._paths[0])
        lost = self._free_then - free
        room = self._limit - self.used if self._limit else 1 << 62
        scarce = self._reserve and free < self._reserve
        if since >= _SCAN_AT_LEAST_EVERY or lost > room // 2 or scarce:
            self._measure(now, free)

    def _measure(self, now: float, free: int) -> None:
        self._scanning = True
        self._free_then = free
        pid, fd = disk.start_scan(self._paths)

        def arrived(_events: int) -> None:
            self._loop.forget(fd)
            self._scanning = False
            self._took = time.monotonic() - now
            self._measured_at = time.monotonic()
            used = disk.finish_scan(pid, fd)
            if used is not None:
                self._judge(used, free)

        self._loop.watch(fd, IN, arrived)

    def _judge(self, used: int, free: int) -> None:
        grown = used - self.used if self._first is not None else 0
        if self._first is None:
            self._first = used
        self.used = used
        if self._limit and used > self._effective_limit():
            self.problem = self._message(used)
        elif self._reserve and free < self._reserve and grown > _RESERVE_GROWTH:
            self.problem = (
                f"The machine has only {size(free)} of disk left, less than its reserve of "
                f"{size(self._reserve)}, and this work kept writing."
            )

    def _effective_limit(self) -> int:
        """The limit, or a little above what was there at the start: people must be able to tidy up."""
        return max(self._limit, (self._first or 0) + _START_SLACK if (self._first or 0) > self._limit else 0)

    def _message(self, used: int) -> str:
        return f"It used {size(used)} of disk; the limit is {size(self._limit)}."

    def final_problem(self) -> str | None:
        """After a failure: whether the disk limit is what it met (a file that could not grow)."""
        if not self._limit:
            return None
        self.used = disk.used_bytes(self._paths)
        if self._first is None:
            self._first = 0
        return self._message(self.used) if self.used > self._effective_limit() else None
