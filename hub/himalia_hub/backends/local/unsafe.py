"""What stands in for a sandbox when one person asked for none. Standard library only.

There are no private paths: where a plan says ``/himalia/input/input0`` in its command or
environment, the folder's real place is written instead. There is no private network: the
platform's services are offered on the machine's own loopback at the ports a sandbox has, shared by
all shims, and a workload's port must be free. Nothing is hidden from anybody.
"""

from __future__ import annotations

import os
import re
import socket

from himalia_hub.backends.local import addresses
from himalia_hub.backends.local.sandbox import Bind

_SOCKETS = "/tmp/himalia-"
_LINK = "sockets"
_NOT_SHOWN = ("/etc/", "/tmp", "/var/tmp", "/dev/")


class PathView:
    """Rewrites paths that a sandbox would show to the places they really have."""

    def __init__(self, binds: list[Bind]) -> None:
        shown = [bind for bind in binds if not bind.dest.startswith(_NOT_SHOWN)]
        self._places = {bind.dest: bind.source for bind in shown}
        longest_first = sorted(self._places, key=len, reverse=True)
        names = "|".join(re.escape(dest) for dest in longest_first)
        self._pattern = re.compile(rf"(?<![\w.\-/])({names})(?![\w.\-])") if names else None

    def __call__(self, text: str) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._places[match.group(1)], text)


def socket_folder(directory: str) -> str:
    """A new folder of this account's with a path short enough for sockets in it; the replica's folder names it.

    The address of a Unix socket has 107 bytes; a home inside a state directory leaves none of them
    for a kernel's.
    """
    path = f"{_SOCKETS}{os.urandom(8).hex()}"
    os.symlink(path, os.path.join(directory, _LINK))  # first, so that a killed shim leaves none that nobody knows
    os.mkdir(path, 0o700)
    return path


def remove_socket_folder(directory: str) -> None:
    """Remove what a replica's folder names, and the sockets left in it.

    By hand, because ``shutil`` would stay in every shim's memory.
    """
    try:
        path = os.readlink(os.path.join(directory, _LINK))
        if not path.startswith(_SOCKETS):
            return
        for entry in os.scandir(path):
            os.unlink(entry.path)
        os.rmdir(path)
    except OSError:
        pass  # there is none, or the person put a folder there, which is theirs


def shared_listener(port: int) -> socket.socket | None:
    """A listener that every shim has at once; ``None`` when another program holds the port."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((addresses.LOOPBACK, port))
        listener.listen(128)
    except OSError:
        listener.close()
        return None
    return listener


def check_free(port: int) -> None:
    """Refuse a port that somebody listens on.

    Raises:
        OSError: It is taken; the message says what that means without a sandbox.
    """
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((addresses.LOOPBACK, port))
        except OSError as error:
            raise OSError(
                error.errno, f"port {port} is in use, and without a sandbox every server shares the machine's ports"
            ) from error
