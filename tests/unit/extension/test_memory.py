"""TEN-17: a kernel, which runs as its server's user, cannot look into the server's memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

NOBODY = 65534
DROP = f"""
import ctypes, os, sys
from himalia.extension.memory import PR_SET_DUMPABLE, keep_private
if os.geteuid() == 0:
    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # as a program is that was just started
"""
SERVER = DROP + "if sys.argv[1] == 'private': keep_private()\nprint('ready', flush=True); sys.stdin.read()"
KERNEL = (
    DROP
    + """
seen = []
for name in ('mem', 'environ', 'maps', 'fd'):
    path = f'/proc/{sys.argv[1]}/{name}'
    try:
        os.listdir(path) if name == 'fd' else open(path, 'rb').close()
        seen.append(name)
    except PermissionError:
        pass
print(*seen)
"""
)


@pytest.mark.parametrize(("kept", "seen"), [("private", []), ("open", ["mem", "environ", "maps", "fd"])])
def test_a_process_of_the_same_user_sees_nothing(kept: str, seen: list[str]) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, kept], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with server:
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        kernel = subprocess.run(
            [sys.executable, "-c", KERNEL, str(server.pid)], capture_output=True, text=True, check=True
        )
        assert server.stdin is not None
        server.stdin.close()
    assert kernel.stdout.split() == seen
