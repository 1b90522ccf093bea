"""The few kernel calls Python 3.11 lacks. Standard library only: shims load this.

Each function raises ``OSError`` with the kernel's error number and the name of the call.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_BIND = 0x1000
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_SIOCSIFFLAGS = 0x8914
_IFF_UP_RUNNING = 0x1 | 0x40
_NS_GET_USERNS = 0xB701
# PIDFD_GET_INFO, Linux 6.13; exit codes since 6.15. The struct's first published size is 64.
_PIDFD_INFO_SIZE = 64
_PIDFD_GET_INFO = (3 << 30) | (_PIDFD_INFO_SIZE << 16) | (0xFF << 8) | 11
_PIDFD_INFO_EXIT = 1 << 3

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    _check(_libc.setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    _check(
        _libc.mount(
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            data.encode() if data else None,
        ),
        f"mount {target}",
    )


def die_with_parent(parent: int, signal_number: int = 9) -> None:
    """Ask for a signal when the parent dies; ends at once if it has died already."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")
    if os.getppid() != parent:
        os._exit(1)


def die_with_parent_namespace(signal_number: int = 9) -> None:
    """As :func:`die_with_parent`, where the parent is outside this process' pid namespace."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")


def no_new_privileges() -> None:
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def filter_system_calls(instructions: bytes) -> None:
    """Install a seccomp filter for this process and all it starts; nothing for empty instructions."""
    if not instructions:
        return
    code = ctypes.create_string_buffer(instructions, len(instructions))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(instructions) // 8, ctypes.addressof(code)))
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0), "seccomp")


def raise_loopback(fd: int) -> None:
    """Bring up ``lo`` of the network namespace that the socket ``fd`` belongs to."""
    fcntl.ioctl(fd, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP_RUNNING))


def owning_user_namespace(namespace_fd: int) -> int:
    """A descriptor of the user namespace that owns a namespace."""
    return fcntl.ioctl(namespace_fd, _NS_GET_USERNS)


def exit_status(pidfd: int) -> int | None:
    """The wait status of an ended process, also once another process has reaped it.

    ``None`` where the kernel cannot tell (before Linux 6.15) or the process still runs.
    """
    buffer = bytearray(_PIDFD_INFO_SIZE)
    struct.pack_into("Q", buffer, 0, _PIDFD_INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, buffer)
    except OSError:
        return None
    mask = struct.unpack_from("Q", buffer, 0)[0]
    if not mask & _PIDFD_INFO_EXIT:
        return None
    # mask, cgroupid (8 bytes each), then eleven 4-byte ids (pid … fsgid), then exit_code.
    status: int = struct.unpack_from("i", buffer, 16 + 11 * 4)[0]
    return status
