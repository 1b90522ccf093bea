"""What a plan must be for every backend; each says which value broke which rule.

Names, homes and images differ: those are the backends' own.

Raises:
    BackendError: Everywhere here; not retryable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from himalia_hub.backends.protocol import BackendError, FileMount, FolderMount, HomeMount, WorkloadPlan

_DIGEST = re.compile(r"[0-9a-f]{64}")
_VARIABLE = re.compile(r"[^=\0]+")
_RESERVED_PATHS = ("/usr", "/proc", "/dev", "/sys", "/bin", "/sbin", "/lib", "/lib64")
MOUNTABLE = "/usr/local/serving/"
"""Where a served model and its script are looked for (SRV-2), although the rest of /usr is the machine's."""


def check_work(plan: WorkloadPlan) -> None:
    """The command, how often, and what is set around it."""
    if plan.attempt < 0 or plan.replicas < 1:
        raise BackendError("attempt must be 0 or more and replicas 1 or more", retryable=False)
    if not plan.command:
        raise BackendError("the plan has no command", retryable=False)
    for name, value in (*plan.environment.items(), *plan.secrets.items()):
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            raise BackendError(f"environment variable {name!r} has a forbidden character", retryable=False)


def check_ports(plan: WorkloadPlan, reserved: Collection[int] = ()) -> None:
    """Ports that exist, are free where it runs, have one name each, and hold what the probe asks."""
    numbers = [port.number for port in plan.ports]
    for number in numbers:
        if number in reserved or not 0 < number < 65536:
            raise BackendError(f"port {number} is reserved where it runs or out of range", retryable=False)
    names = {port.name for port in plan.ports}
    if len(set(numbers)) != len(numbers) or len(names) != len(numbers):
        raise BackendError("port names and numbers must be unique", retryable=False)
    if plan.probe is not None and plan.probe.port not in names:
        raise BackendError(f"the probe names port {plan.probe.port!r}, which the plan lacks", retryable=False)


def check_mounts(plan: WorkloadPlan, check_home: Callable[[str], object], forbidden: str = "\0") -> None:
    """Plain paths outside the system's folders, one mount each.

    Args:
        check_home: Refuses a home's key that the backend could not keep.
        forbidden: Characters that the backend cannot have in a path.
    """
    seen: set[str] = set()
    for mount in plan.mounts:
        path = mount.path
        parts = path.split("/")
        plain = path.startswith("/") and not any(part in ("", ".", "..") for part in parts[1:])
        if not plain or any(character in path for character in forbidden):
            raise BackendError(f"mount path {path!r} is not an absolute, plain path", retryable=False)
        inside = any(path == taken or path.startswith(taken + "/") for taken in _RESERVED_PATHS)
        if inside and not path.startswith(MOUNTABLE):
            raise BackendError(f"mount path {path!r} is inside a folder of the system", retryable=False)
        if path in seen:
            raise BackendError(f"two mounts at {path!r}", retryable=False)
        seen.add(path)
        match mount:
            case HomeMount(key=key):
                check_home(key)
            case FolderMount(manifest=digest):
                if not _DIGEST.fullmatch(digest):
                    raise BackendError(f"manifest {digest!r} is not a SHA-256 digest", retryable=False)
            case FileMount(mode=mode):
                if mode & ~0o777:
                    raise BackendError(f"file mode {mode:o} has special bits", retryable=False)
