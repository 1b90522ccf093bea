"""Choosing ports that nobody uses.

Inner ports come from below the range the kernel gives to outgoing connections, so that none of
those takes one between the choice and the moment the part listens.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping

INNER_PORTS = range(20000, 30000)


def is_free(host: str, port: int) -> bool:
    """Whether a listener can be opened there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose_ports(
    names: Iterable[str], *, preferred: Mapping[str, int] | None = None, avoid: set[int] | None = None
) -> dict[str, int]:
    """A free loopback port for each name; the preferred one where it is still free."""
    taken = set(avoid or ())
    chosen: dict[str, int] = {}
    for name in names:
        wanted = (preferred or {}).get(name)
        if wanted is None or wanted in taken or not is_free("127.0.0.1", wanted):
            wanted = _any_free(taken)
        taken.add(wanted)
        chosen[name] = wanted
    return chosen


def _any_free(taken: set[int]) -> int:
    for candidate in random.sample(INNER_PORTS, len(INNER_PORTS)):
        if candidate not in taken and is_free("127.0.0.1", candidate):
            return candidate
    raise OSError(f"no free port between {INNER_PORTS.start} and {INNER_PORTS.stop - 1}")
