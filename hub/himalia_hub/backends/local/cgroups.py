"""Limits and meters for a replica: cgroup v1, cgroup v2, or what is left without either.

``detect`` runs once in the platform and answers a :class:`Layout` that says where replicas'
groups go; shims create their own group below it, join it before the workload starts and remove it
at the end. A controller that is missing is simply not enforced, and ``Layout.missing`` says so.
Groups are made below the platform's own, so limits an administrator put on it keep holding.
Standard library only: shims load this.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_V1 = ("memory", "cpu", "cpuacct", "pids")
_PERIOD_MICROS = 100_000


class Layout:
    """Where groups may be made: ``roots`` maps a controller (v1) or ``unified`` (v2) to a directory."""

    def __init__(self, version: int, roots: dict[str, str]) -> None:
        self.version = version
        self.roots = roots

    @property
    def missing(self) -> tuple[str, ...]:
        """Controllers that are not available: their limits are enforced by weaker means or not."""
        if self.version == 2:
            return ()
        return tuple(name for name in _V1 if name not in self.roots)

    def to_json(self) -> dict[str, Any]:
        return {"version": self.version, "roots": self.roots}


def layout_from_json(data: dict[str, Any]) -> Layout:
    return Layout(int(data["version"]), dict(data["roots"]))


def detect(name: str, mounts: str | None = None, own: str | None = None) -> Layout:
    """Find where groups can really be made, by making and removing one called ``name``.

    Args:
        mounts, own: The texts of ``/proc/self/mountinfo`` and ``/proc/self/cgroup``.
    """
    if mounts is None:
        mounts = _read("/proc/self/mountinfo")
    if own is None:
        own = _read("/proc/self/cgroup")
    paths = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(",") if controllers else ("",):
            paths[controller] = path
    roots: dict[str, str] = {}
    for kind, options, root, point in _cgroup_mounts(mounts):
        if kind == "cgroup2":
            base = _unified_base(_below(point, root, paths.get("", "/")), point, name)
            if base is not None:
                return Layout(2, {"unified": base})
            continue
        for controller in _V1:
            if controller in options and controller not in roots:
                for base in (_below(point, root, paths.get(controller, "/")), point):
                    if _can_make(base, name):
                        roots[controller] = base
                        break
    return Layout(1 if roots else 0, roots)


def _cgroup_mounts(mounts: str) -> list[tuple[str, list[str], str, str]]:
    """(kind, super options, root within the hierarchy, mount point) of each cgroup mount."""
    found = []
    for line in mounts.splitlines():
        front, _, back = line.partition(" - ")
        fields, tail = front.split(), back.split()
        if len(fields) > 4 and len(tail) > 2 and tail[0] in ("cgroup", "cgroup2"):
            found.append((tail[0], tail[2].split(","), fields[3], fields[4]))
    return found


def _below(point: str, root: str, path: str) -> str:
    """The directory of cgroup ``path`` under a mount whose root is ``root``."""
    inside = os.path.relpath(path, root)
    return point if inside.startswith("..") or inside == "." else os.path.join(point, inside)


def _can_make(base: str, name: str) -> bool:
    trial = os.path.join(base, f"{name}-trial-{os.getpid()}")
    try:
        os.mkdir(trial)
        os.rmdir(trial)
    except OSError:
        return False
    return True


def _unified_base(own: str, point: str, name: str) -> str | None:
    """A v2 group whose children have memory, cpu and pids controllers, or ``None``.

    The platform's own group cannot be it while processes live there (v2 forbids processes in a
    group that distributes controllers). Where the group was delegated to us its processes move
    into a leaf; otherwise its parent and the mount's root are tried.
    """
    for base in dict.fromkeys((own, os.path.dirname(own), point)):
        if not base.startswith(point):
            continue
        available = _read(os.path.join(base, "cgroup.controllers")).split()
        if not {"memory", "cpu", "pids"} <= set(available):
            continue
        if base == own and _is_ours(own, point):
            _move_processes(own, os.path.join(own, f"{name}-platform"))
        group = os.path.join(base, name)
        try:
            _write(os.path.join(base, "cgroup.subtree_control"), "+memory +cpu +pids")
            os.makedirs(group, exist_ok=True)
            _write(os.path.join(group, "cgroup.subtree_control"), "+memory +cpu +pids")
        except OSError:
            continue
        return group
    return None


def _is_ours(group: str, point: str) -> bool:
    """Whether a group's inside is ours to arrange: delegated by systemd, or a container's own root."""
    if group == point:
        return os.path.exists(os.path.join(group, "cgroup.type"))  # the machine's real root has no type
    for attribute in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(group, attribute) == b"1":
                return True
    return False


def _move_processes(group: str, leaf: str) -> None:
    with contextlib.suppress(OSError):
        os.makedirs(leaf, exist_ok=True)
        for pid in _read(os.path.join(group, "cgroup.procs")).split():
            with contextlib.suppress(OSError):  # kernel threads stay, ended ones are gone
                _write(os.path.join(leaf, "cgroup.procs"), pid)


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _read_number(path: str) -> int:
    text = _read(path).strip()
    return int(text) if text.isdigit() else 0


def _read_fields(path: str) -> dict[str, int]:
    fields = {}
    for line in _read(path).splitlines():
        key, _, value = line.partition(" ")
        if value.strip().isdigit():
            fields[key] = int(value)
    return fields


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


class Group:
    """One replica's group. Every method is safe when the group, or all of cgroups, is missing."""

    def __init__(self, layout: Layout, name: str) -> None:
        self.version = layout.version
        self.paths = {key: os.path.join(base, name) for key, base in layout.roots.items()}

    def create(self, *, cpu_millis: int, memory_bytes: int, pids: int) -> None:
        """Make the group with its limits; 0 means no limit.

        Raises:
            OSError: A limit could not be set: the workload must not start without it.
        """
        for path in self.paths.values():
            os.makedirs(path, exist_ok=True)
        quota = cpu_millis * _PERIOD_MICROS // 1000
        if self.version == 2:
            base = self.paths["unified"]
            if memory_bytes:
                _write(f"{base}/memory.max", str(memory_bytes))
                with contextlib.suppress(OSError):  # no swap accounting on this kernel
                    _write(f"{base}/memory.swap.max", "0")
            if quota:
                _write(f"{base}/cpu.max", f"{quota} {_PERIOD_MICROS}")
            _write(f"{base}/pids.max", str(pids) if pids else "max")
            return
        if "memory" in self.paths and memory_bytes:
            base = self.paths["memory"]
            _write(f"{base}/memory.limit_in_bytes", str(memory_bytes))
            with contextlib.suppress(OSError):
                _write(f"{base}/memory.memsw.limit_in_bytes", str(memory_bytes))
        if "cpu" in self.paths and quota:
            _write(f"{self.paths['cpu']}/cpu.cfs_period_us", str(_PERIOD_MICROS))
            _write(f"{self.paths['cpu']}/cpu.cfs_quota_us", str(quota))
        if "pids" in self.paths and pids:
            _write(f"{self.paths['pids']}/pids.max", str(pids))

    def join(self) -> None:
        """Move the calling process in."""
        for path in self.paths.values():
            _write(f"{path}/cgroup.procs", "0")

    @property
    def limits_memory(self) -> bool:
        return self.version == 2 or "memory" in self.paths

    @property
    def meters_cpu(self) -> bool:
        return self.version == 2 or "cpuacct" in self.paths

    def cpu_seconds(self) -> float:
        if self.version == 2:
            return _read_fields(f"{self.paths['unified']}/cpu.stat").get("usage_usec", 0) / 1e6
        if "cpuacct" in self.paths:
            return _read_number(f"{self.paths['cpuacct']}/cpuacct.usage") / 1e9
        return 0.0

    def memory_bytes(self) -> int:
        """What is in use and could not be dropped at once: without inactive page cache."""
        if self.version == 2:
            base = self.paths["unified"]
            used, stat = _read_number(f"{base}/memory.current"), _read_fields(f"{base}/memory.stat")
            return max(0, used - stat.get("inactive_file", 0))
        if "memory" in self.paths:
            base = self.paths["memory"]
            used, stat = _read_number(f"{base}/memory.usage_in_bytes"), _read_fields(f"{base}/memory.stat")
            return max(0, used - stat.get("total_inactive_file", 0))
        return 0

    def memory_peak_bytes(self) -> int:
        if self.version == 2:
            return _read_number(f"{self.paths['unified']}/memory.peak")
        if "memory" in self.paths:
            return _read_number(f"{self.paths['memory']}/memory.max_usage_in_bytes")
        return 0

    def oom_kills(self) -> int:
        """How many processes of the group the kernel has killed for its memory limit."""
        if self.version == 2:
            return _read_fields(f"{self.paths['unified']}/memory.events").get("oom_kill", 0)
        if "memory" in self.paths:
            return _read_fields(f"{self.paths['memory']}/memory.oom_control").get("oom_kill", 0)
        return 0

    def processes(self) -> list[int]:
        pids: set[int] = set()
        for path in self.paths.values():
            pids.update(int(line) for line in _read(f"{path}/cgroup.procs").split())
        return sorted(pids)

    def kill_and_remove(self, seconds: float = 5.0) -> bool:
        """Kill what is left inside and remove the group; whether it is gone."""
        end = time.monotonic() + seconds
        while True:
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            gone = True
            for path in self.paths.values():
                try:
                    os.rmdir(path)
                except FileNotFoundError:
                    pass
                except OSError:
                    gone = False
            if gone or time.monotonic() > end:
                return gone
            time.sleep(0.01)
