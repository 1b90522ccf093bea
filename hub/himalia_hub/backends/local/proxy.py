"""The HTTP proxy by which a sandbox reaches the outside: public addresses, nothing else.

A name is resolved first and the connection goes to the address that was judged, so a name that
resolves differently a moment later gains nothing. Private, loopback, link-local, shared (CGNAT),
multicast, reserved and unspecified addresses are refused, in whatever notation or tunnel they
hide, and so are the machine's own. An administrator may allow networks. Standard library only.
"""

from __future__ import annotations

import socket
import threading

from himalia_hub.backends.local.loop import BROKEN, IN, Loop
from himalia_hub.backends.local.relay import Connections, Pair, connect, listen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from ipaddress import IPv4Address, IPv6Address

_HEAD_BYTES = 32768
_HEAD_SECONDS = 30.0
_LOOKUPS = 32


class Refused(Exception):
    """The destination may not be reached; the message goes to the workload."""


def allowed_address(text: str, allow: Sequence[str] = ()) -> bool:
    """Whether an IP address, as the resolver wrote it, is public or explicitly allowed."""
    import ipaddress  # 5 ms and 1 MB that only replicas which use the proxy pay

    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    for network in allow:
        # A network of the other family contains nothing of this one.
        if address in ipaddress.ip_network(network, strict=False):
            return True
    return all(_is_public(candidate) for candidate in _readings(address))


def _readings(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address and every IPv4 address that it carries inside (mapped, 6to4, Teredo, NAT64)."""
    import ipaddress

    readings = [address]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            readings = [address.ipv4_mapped]
        if address.sixtofour:
            readings.append(address.sixtofour)
        if address.teredo:
            readings.extend(address.teredo)
        if address in ipaddress.ip_network("64:ff9b::/96"):
            readings.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if int(address) >> 32 == 0:  # the deprecated IPv4-compatible form, ::a.b.c.d
            readings.append(ipaddress.IPv4Address(int(address)))
    return readings


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not (
        address.is_multicast
        or address.is_loopback
        or address.is_link_local
        or address.is_reserved
        or address.is_unspecified
        or getattr(address, "is_site_local", False)  # IPv6's first private range, given up but still routed
    )


def is_own_address(family: int, address: str) -> bool:
    """Whether an address is one of this machine's: asked of the routing table, nothing is sent."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
            return bool(probe.getsockname()[0] == address)
        except OSError:
            return False


def resolve(host: str, port: int, allow: Sequence[str]) -> list[tuple[int, str]]:
    """(family, address) pairs that may be connected to, in the resolver's order. Blocks.

    Raises:
        Refused: Every address of the name is one that workloads may not reach.
        OSError: The name does not resolve.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    usable: list[tuple[int, str]] = []
    for family, _, _, _, where in found:
        address = str(where[0])
        permitted = allowed_address(address, allow)
        if permitted and (allowed_address(address) is False or not is_own_address(family, address)):
            usable.append((family, address))
    if not usable:
        raise Refused(f"{host} is not a public address; workloads reach only public addresses")
    return usable


def parse_target(line: str) -> tuple[str, str, int, str]:
    """(method, host, port, origin-form target or empty for CONNECT) of a proxy request line.

    Raises:
        ValueError: It is not a request that a proxy can serve.
    """
    method, target, version = line.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError("only HTTP/1.0 and HTTP/1.1 are served")
    if method == "CONNECT":
        authority, path, default = target, "", ""
    else:
        scheme, separator, rest = target.partition("://")
        if not separator or scheme.lower() != "http":
            raise ValueError("the request target must be an http:// URL, or use CONNECT")
        authority, slash, path = rest.partition("/")
        path = "/" + path if slash else "/"
        authority = authority.rpartition("@")[2]
        default = "80"
    host, port = _split_authority(authority, default)
    if not host or not 0 < port < 65536:
        raise ValueError(f"{authority!r} is not host:port")
    return method, host, port, path


def _split_authority(authority: str, default: str) -> tuple[str, int]:
    if authority.startswith("["):
        host, _, rest = authority[1:].partition("]")
        return host, int(rest.removeprefix(":") or default)
    host, _, port = authority.partition(":")
    return host, int(port or default)


def rewrite_head(head: bytes, method: str, path: str) -> bytes:
    """The request head for the origin server: origin-form, no proxy headers, one request only."""
    lines = head.split(b"\r\n")
    version = lines[0].rsplit(b" ", 1)[1]
    kept = [b" ".join((method.encode(), path.encode("latin-1"), version))]
    for line in lines[1:]:
        name = line.partition(b":")[0].strip().lower()
        if line and not name.startswith(b"proxy-") and name not in (b"connection", b"keep-alive"):
            kept.append(line)
    return b"\r\n".join([*kept, b"Connection: close", b"", b""])


class Proxy:
    def __init__(self, loop: Loop, count: Connections, *, enabled: bool, allow: Sequence[str]) -> None:
        self._loop = loop
        self._count = count
        self._enabled = enabled
        self._allow = tuple(allow)
        self._lookups = 0

    def serve(self, listener: socket.socket) -> None:
        listen(self._loop, listener, self._count, lambda client: _Request(self, client).start())

    @property
    def loop(self) -> Loop:
        return self._loop

    @property
    def count(self) -> Connections:
        return self._count

    def look_up(self, host: str, port: int, done: Callable[[list[tuple[int, str]] | Exception], None]) -> None:
        """Resolve in a thread; ``done`` runs in the loop."""
        if not self._enabled:
            done(Refused("this installation gives workloads no way to the outside"))
            return
        if self._lookups >= _LOOKUPS:
            done(OSError("too many names are being resolved at once"))
            return
        self._lookups += 1

        def work() -> None:
            answer: list[tuple[int, str]] | Exception
            try:
                answer = resolve(host, port, self._allow)
            except (Refused, OSError, UnicodeError) as error:
                answer = error

            def finish() -> None:
                self._lookups -= 1
                done(answer)

            self._loop.post(finish)

        threading.Thread(target=work, daemon=True).start()


class _Request:
    """One client connection from its first byte to the joined pair."""

    def __init__(self, proxy: Proxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._data = b""

    def start(self) -> None:
        self._proxy.count.open += 1
        self._client.setblocking(False)
        self._timer = self._proxy.loop.later(_HEAD_SECONDS, lambda: self._answer(408, "the request did not come"))
        self._proxy.loop.watch(self._client.fileno(), IN, self._readable)

    def _readable(self, events: int) -> None:
        try:
            data = self._client.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._data += data
        if not data or (events & BROKEN and not events & IN):
            self._release()
            self._client.close()
        elif b"\r\n\r\n" in self._data:
            self._begin()
        elif len(self._data) > _HEAD_BYTES:
            self._answer(431, "the request head is longer than 32 KiB")

    def _release(self) -> None:
        self._timer.cancel()
        self._proxy.loop.forget(self._client.fileno())
        self._proxy.count.open -= 1

    def _begin(self) -> None:
        self._timer.cancel()
        self._proxy.loop.forget(self._client.fileno())
        head, _, rest = self._data.partition(b"\r\n\r\n")
        try:
            line = head.split(b"\r\n", 1)[0].decode("ascii")
            method, host, port, path = parse_target(line)
        except ValueError as error:
            self._answer(400, str(error))
            return
        first = rest if method == "CONNECT" else rewrite_head(head, method, path) + rest

        def resolved(answer: list[tuple[int, str]] | Exception) -> None:
            if isinstance(answer, Refused):
                self._answer(403, str(answer))
            elif isinstance(answer, Exception):
                self._answer(502, f"{host} does not resolve: {answer}")
            else:
                self._try(answer, host, port, method == "CONNECT", first)

        self._proxy.look_up(host, port, resolved)

    def _try(self, places: list[tuple[int, str]], host: str, port: int, tunnel: bool, first: bytes) -> None:
        if not places:
            self._answer(502, f"{host}:{port} does not answer")
            return
        family, address = places[0]

        def connected(server: socket.socket | None) -> None:
            if server is None:
                self._try(places[1:], host, port, tunnel, first)
                return
            try:
                if tunnel:
                    self._client.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self._release()
                Pair(self._proxy.loop, self._client, server, self._proxy.count, first)
            except OSError:
                self._client.close()
                server.close()

        connect(self._proxy.loop, socket.socket(family), (address, port), connected)

    def _answer(self, status: int, message: str) -> None:
        reasons = {400: "Bad Request", 403: "Forbidden", 408: "Request Timeout", 502: "Bad Gateway"}
        body = f"himalia: {message}\n".encode()
        head = (
            f"HTTP/1.1 {status} {reasons.get(status, 'Refused')}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._release()
        try:
            self._client.send(head.encode() + body)
            self._client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self._client.close()
