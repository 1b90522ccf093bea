"""Keeps the server's memory out of the reach of its kernels, which run as the same user.

Requests of panels carry step-up grants through this process (TEN-17); a cell that could read its
memory or attach to it would find one. ``PR_SET_DUMPABLE`` (prctl(2)) gives ``/proc/<pid>`` to root and
refuses ptrace by everybody without ``CAP_SYS_PTRACE``. Kernels are new programs and stay as they were.
"""

from __future__ import annotations

import ctypes
import logging
import sys

PR_SET_DUMPABLE = 4
log = logging.getLogger("himalia.memory")


def keep_private() -> None:
    """Refuse other processes of this user a look into this one; elsewhere than on Linux nothing happens."""
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("the memory of this server stays readable to its kernels: %s", ctypes.get_errno())
