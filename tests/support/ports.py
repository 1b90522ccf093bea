"""Ports for servers that tests start."""

from __future__ import annotations

import itertools
import os
import re
import socket

FIRST, EACH, WORKERS = 12_000, 1_500, 12
"""Below the range from which a kernel takes ports by itself (32768 on Linux), a part for each worker."""
_next = itertools.count(os.getpid() % EACH)


def free_port() -> int:
    """A port of the loopback that nothing listens on, and that no other worker of this run gives out.

    Asked for any port, a kernel may give the same one to two processes that let it go before their
    server binds it; the later server then dies, and its test talks to the other's.
    """
    worker = re.search(r"\d+$", os.environ.get("PYTEST_XDIST_WORKER", ""))
    start = FIRST + (int(worker[0]) + 1 if worker else 0) % WORKERS * EACH
    for _ in range(EACH):
        port = start + next(_next) % EACH
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError(f"no free port from {start} on")
