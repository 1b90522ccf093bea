"""Checks a plan before anything exists, and says which value broke which rule."""

from __future__ import annotations

import re

from himalia_hub.backends.local.addresses import RESERVED_PORTS
from himalia_hub.backends.protocol import BackendError, FileMount, FolderMount, HomeMount, WorkloadPlan

_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_RESERVED_PATHS = ("/usr", "/proc", "/dev", "/sys", "/bin", "/sbin", "/lib", "/lib64")


def check_segment(what: str, value: str) -> None:
    if not _SEGMENT.fullmatch(value):
        raise BackendError(f"{what} {value!r} is not a safe path segment", retryable=False)


def check_key(what: str, value: str) -> None:
    """A home's key: one or more safe segments joined by ``/``."""
    for part in value.split("/"):
        check_segment(what, part)


def check_plan(plan: WorkloadPlan) -> None:
    """Refuse what could never run or could leave its sandbox.

    Raises:
        BackendError: Not retryable; names the value and the rule.
    """
    for what, value in (("workload", plan.workload), ("tenant", plan.tenant), ("owner", plan.owner)):
        check_segment(what, value)
    if plan.attempt < 0 or plan.replicas < 1:
        raise BackendError("attempt must be 0 or more and replicas 1 or more", retryable=False)
    if not plan.command:
        raise BackendError("the plan has no command", retryable=False)
    if not plan.image.startswith("/"):
        raise BackendError(f"image {plan.image!r} is not the path of a runtime environment", retryable=False)
    _check_mounts(plan)
    numbers = [port.number for port in plan.ports]
    for number in numbers:
        if number in RESERVED_PORTS or not 0 < number < 65536:
            raise BackendError(f"port {number} is reserved inside the sandbox or out of range", retryable=False)
    if len(set(numbers)) != len(numbers) or len({port.name for port in plan.ports}) != len(numbers):
        raise BackendError("port names and numbers must be unique", retryable=False)
    if plan.probe is not None and plan.probe.port not in {port.name for port in plan.ports}:
        raise BackendError(f"the probe names port {plan.probe.port!r}, which the plan lacks", retryable=False)
    for name, value in (*plan.environment.items(), *plan.secrets.items()):
        if not name or "=" in name or "\0" in name + value:
            raise BackendError(f"environment variable {name!r} has a forbidden character", retryable=False)


MOUNTABLE = "/usr/local/serving/"
"""Where a served model and its script are looked for (SRV-2), although the rest of /usr is the machine's."""


def _check_mounts(plan: WorkloadPlan) -> None:
    seen: set[str] = set()
    for mount in plan.mounts:
        path = mount.path
        parts = path.split("/")
        if not path.startswith("/") or any(part in ("", ".", "..") for part in parts[1:]) or "\0" in path:
            raise BackendError(f"mount path {path!r} is not an absolute, plain path", retryable=False)
        inside = any(path == taken or path.startswith(taken + "/") for taken in _RESERVED_PATHS)
        if inside and not path.startswith(MOUNTABLE):
            raise BackendError(f"mount path {path!r} is inside a folder of the system", retryable=False)
        if path in seen:
            raise BackendError(f"two mounts at {path!r}", retryable=False)
        seen.add(path)
        match mount:
            case HomeMount(key=key):
                check_key("home key", key)
            case FolderMount(manifest=digest):
                if not _DIGEST.fullmatch(digest):
                    raise BackendError(f"manifest {digest!r} is not a SHA-256 digest", retryable=False)
            case FileMount(mode=mode):
                if mode & ~0o777:
                    raise BackendError(f"file mode {mode:o} has special bits", retryable=False)
