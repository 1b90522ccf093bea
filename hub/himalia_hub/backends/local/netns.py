"""A replica's own network namespace, and sockets in it for a process that stays outside.

A short-lived child enters (or makes) the user and network namespaces, makes sockets there and
hands them out through a Unix socket pair: a socket belongs for ever to the namespace it was made
in, so the shim listens and connects inside without being there. Nothing stays running; the
namespace lives as long as these descriptors and the workload. Standard library only.
"""

from __future__ import annotations

import os
import socket

from himalia_hub.backends.local import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_BATCH = 32


class NetworkSpace:
    """Descriptors of a replica's namespaces, its inner listeners, and spare inner sockets."""

    def __init__(self, user_fd: int, net_fd: int, listeners: dict[int, socket.socket]) -> None:
        self.user_fd = user_fd
        self.net_fd = net_fd
        self.listeners = listeners
        self.spare: list[socket.socket] = []


def _child(parent: int, work: Callable[[], None]) -> None:
    """Run ``work`` and end, in a forked child; never returns."""
    try:
        linux.die_with_parent(parent)
        work()
        os._exit(0)
    except BaseException as error:
        os.write(2, f"himalia: network namespace: {error}\n".encode())
        os._exit(1)


def create(host_uid: int | None, listen_on: list[int], address: str) -> NetworkSpace:
    """Make a user namespace and a network namespace in it, loopback up, listening on given ports.

    Args:
        host_uid: The machine's uid (and gid) that is uid 0 of the new user namespace; ``None``
            means the caller's own, as an unprivileged process must.

    Raises:
        OSError: The kernel refuses user or network namespaces here.
    """
    here, there = socket.socketpair()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        here.close()
        _child(parent, lambda: _make(there, host_uid, listen_on, address))
    there.close()
    try:
        if here.recv(1) != b"u":
            raise OSError("user and network namespaces are refused here")
        if host_uid is not None:
            for name in ("uid_map", "gid_map"):
                with open(f"/proc/{pid}/{name}", "w") as file:
                    file.write(f"0 {host_uid} 1")
        here.send(b"g")
        fds = _receive(here, len(listen_on) + _BATCH + 2)
        if len(fds) != len(listen_on) + _BATCH + 2:
            raise OSError("the network namespace could not be set up")
    finally:
        here.close()
        os.waitpid(pid, 0)
    sockets = [socket.socket(fileno=fd) for fd in fds[2:]]
    space = NetworkSpace(fds[0], fds[1], dict(zip(listen_on, sockets, strict=False)))
    space.spare = sockets[len(listen_on) :]
    return space


def _make(channel: socket.socket, host_uid: int | None, listen_on: list[int], address: str) -> None:
    uid, gid = os.getuid(), os.getgid()
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNET)
    channel.send(b"u")
    if channel.recv(1) != b"g":
        return
    if host_uid is None:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    else:
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    listeners = []
    with socket.socket() as control:
        linux.raise_loopback(control.fileno())
    for port in listen_on:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(128)
        listeners.append(listener)
    spaces = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in ("user", "net")]
    spare = [socket.socket() for _ in range(_BATCH)]
    socket.send_fds(channel, [b"f"], spaces + [item.fileno() for item in listeners + spare])


def request_sockets(space: NetworkSpace) -> tuple[int, socket.socket]:
    """Start a child that makes more inner sockets; answers its pid and where they will arrive."""
    here, there = socket.socketpair()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        here.close()

        def make() -> None:
            linux.setns(space.user_fd, linux.CLONE_NEWUSER)
            linux.setns(space.net_fd, linux.CLONE_NEWNET)
            made = [socket.socket() for _ in range(_BATCH)]
            socket.send_fds(there, [b"f"], [item.fileno() for item in made])

        _child(parent, make)
    there.close()
    return pid, here


def receive_sockets(channel: socket.socket) -> list[socket.socket]:
    return [socket.socket(fileno=fd) for fd in _receive(channel, _BATCH)]


def _receive(channel: socket.socket, count: int) -> list[int]:
    """Descriptors sent over the channel; no workload inherits them (``recv_fds`` alone would let it)."""
    _, fds, _, _ = socket.recv_fds(channel, 1, count)
    for fd in fds:
        os.set_inheritable(fd, False)
    return fds
