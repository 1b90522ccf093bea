"""System calls that no workload needs, answered with EPERM: less kernel to attack.

What the sandbox already makes impossible (mounting, loading modules) is listed too, so that one
mistake is not enough. Calls that debuggers, profilers of the own process and container-unaware
programs use are left alone. Standard library only.
"""

from __future__ import annotations

import os
import struct

# Name to numbers on (x86_64, aarch64); -1 where the architecture has no such call.
_DENIED = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, -1),
    "iopl": (172, -1),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_LOAD_WORD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _EPERM = 0x7FFF0000, 0x00050001
_X32_BIT = 0x40000000


def program(machine: str | None = None) -> bytes:
    """The filter as the kernel's instructions; empty for a machine it is not written for."""
    known = _MACHINES.get(machine or os.uname().machine)
    if known is None:
        return b""
    column, architecture = known
    numbers = sorted(pair[column] for pair in _DENIED.values() if pair[column] >= 0)
    checks: list[tuple[int, int, int, int]] = []
    # Calls by another convention (32-bit, x32) have other numbers: none of them.
    guards = 5 if column == 0 else 4
    deny = guards + len(numbers)  # index of the refusing instruction; the allowing one is before it
    checks.append((_LOAD_WORD, 0, 0, 4))
    checks.append((_JUMP_EQUAL, 0, deny - 2, architecture))
    checks.append((_LOAD_WORD, 0, 0, 0))
    if column == 0:
        checks.append((_JUMP_AT_LEAST, deny - 4, 0, _X32_BIT))
    for number in numbers:
        checks.append((_JUMP_EQUAL, deny - len(checks) - 1, 0, number))
    checks.append((_RETURN, 0, 0, _ALLOW))
    checks.append((_RETURN, 0, 0, _EPERM))
    return b"".join(struct.pack("HBBI", *check) for check in checks)
