"""The border between a sandbox's network and the machine's (NB-6, SEC-3, architecture: local backend)."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from himalia_hub.backends.local import addresses
from himalia_hub.backends.protocol import Port
from tests.contract.harness import LocalHarness

ONLY_LOCAL = "loopback relays belong to a sandbox; in a namespace NetworkPolicy rules"

ECHO = """
import socket, threading
s = socket.socket(); s.bind(('127.0.0.1', 9000)); s.listen(64)
def serve(c):
    while data := c.recv(65536): c.sendall(data)
    c.close()
while True:
    c, _ = s.accept(); c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=serve, args=(c,), daemon=True).start()
"""
TRY = """
import socket, sys
for place in sys.argv[1:]:
    host, port = place.rsplit(':', 1)
    with socket.socket() as s:
        s.settimeout(3)
        code = s.connect_ex((host, int(port)))
        try: alive = code == 0 and s.recv(1) != b''
        except OSError: alive = True
        print(place, 'open' if code == 0 and alive else 'closed')
"""
PROXY = """
import socket, sys
with socket.create_connection(('127.0.0.1', 7004), 10) as s:
    s.sendall(sys.argv[1].encode().decode('unicode_escape').encode('latin-1'))
    s.settimeout(20)
    data = b''
    while piece := s.recv(65536): data += piece
print(data.decode(errors='replace'))
"""


class Service(threading.Thread):
    """A service of the machine that greets and then echoes; remembers who asked for what."""

    def __init__(self, greeting: bytes = b"", answer: bytes | None = None) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.greeting, self.answer = greeting, answer
        self.received: list[bytes] = []
        self.start()

    def run(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            client.sendall(self.greeting)
            while data := client.recv(65536):
                self.received.append(data)
                client.sendall(self.answer if self.answer is not None else data)
                if self.answer is not None:
                    return

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service(b"hello from outside\n")
    yield made
    made.close()


def dial(address: str) -> socket.socket:
    host, port = address.rsplit(":", 1)
    sock = socket.create_connection((host, int(port)), 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def exchange(sock: socket.socket, data: bytes) -> bytes:
    sock.sendall(data)
    answer = b""
    while len(answer) < len(data):
        piece = sock.recv(65536)
        if not piece:
            break
        answer += piece
    return answer


def echo_server(harness: LocalHarness) -> tuple[object, str]:
    plan = harness.apply(harness.python(ECHO, ports=(Port("echo", 9000),)))
    address = harness.wait_running(plan).addresses["echo"]

    def answers() -> bool:
        try:
            with dial(address) as sock:
                return exchange(sock, b"x") == b"x"
        except ConnectionError:
            return False  # it does not listen yet

    harness.wait(plan, lambda _seen: answers())
    return plan, address


def test_a_port_is_reached_from_the_machine(harness: LocalHarness) -> None:
    plan, address = echo_server(harness)
    with dial(address) as first, dial(address) as second:
        assert exchange(first, b"one") == b"one"
        assert exchange(second, b"two") == b"two"
        blob = bytes(range(256)) * 40_000
        sender = threading.Thread(target=first.sendall, args=(blob,))
        sender.start()
        received = b""
        while len(received) < len(blob):
            received += first.recv(1 << 20)
        sender.join()
        assert received == blob
        second.shutdown(socket.SHUT_WR)
        assert second.recv(1) == b"", "the end of one direction comes through"
    harness.stop(plan, grace_seconds=0)  # type: ignore[arg-type]
    assert harness.wait_end(plan).addresses == {}  # type: ignore[arg-type]


def test_many_connections_at_once(harness: LocalHarness) -> None:
    plan, address = echo_server(harness)
    socks = [dial(address) for _ in range(150)]
    for number, sock in enumerate(socks):
        assert exchange(sock, str(number).encode()) == str(number).encode()
    for sock in socks:
        sock.close()
    harness.stop(plan, grace_seconds=0)  # type: ignore[arg-type]


def test_relay_adds_little_to_a_small_request(harness: LocalHarness) -> None:
    """A bound far above the aim (0.5 ms) that a copy, a poll or Nagle's delay would break."""
    plan, address = echo_server(harness)
    with dial(address) as sock:
        times = []
        for _ in range(300):
            began = time.perf_counter()
            assert exchange(sock, b"ping") == b"ping"
            times.append(time.perf_counter() - began)
    median = sorted(times)[150]
    print(f"relayed round trip: median {median * 1e6:.0f} µs")
    assert median < 0.005
    harness.stop(plan, grace_seconds=0)  # type: ignore[arg-type]


def test_a_stalled_reader_stops_the_sender(harness: LocalHarness) -> None:
    """Nothing is buffered without bound: the shim's memory does not follow what nobody reads."""
    plan, address = echo_server(harness)
    before = _resident_bytes(harness.shim_pid(plan))  # type: ignore[arg-type]
    with dial(address) as sock:
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                sock.sendall(bytes(1 << 20))
        grown = _resident_bytes(harness.shim_pid(plan)) - before  # type: ignore[arg-type]
    assert grown < 4 << 20
    harness.stop(plan, grace_seconds=0)  # type: ignore[arg-type]


def _resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))


def test_a_port_is_not_reached_from_another_sandbox(harness: LocalHarness, service: Service) -> None:
    plan, address = echo_server(harness)
    host_port = address.rsplit(":", 1)[1]
    text = harness.result(harness.python(TRY, "127.0.0.1:9000", f"127.0.0.1:{host_port}", f"127.0.0.1:{service.port}"))
    assert text.split() == [
        "127.0.0.1:9000",
        "closed",
        f"127.0.0.1:{host_port}",
        "closed",
        f"127.0.0.1:{service.port}",
        "closed",
    ]
    harness.stop(plan, grace_seconds=0)  # type: ignore[arg-type]


def test_there_is_no_other_way_out(harness: LocalHarness) -> None:
    text = harness.result(
        harness.python(
            "import socket, os\nprint([name for _, name in socket.if_nameindex()])\n"
            "for family, place in ((socket.AF_INET, ('192.0.2.1', 80)), (socket.AF_INET, ('10.0.0.1', 53))):\n"
            "    with socket.socket(family) as s:\n        s.settimeout(2); print(s.connect_ex(place) != 0)\n"
            "try:\n    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); print('raw')\n"
            "except OSError: print('no raw sockets')"
        )
    )
    assert text == "['lo']\nTrue\nTrue\nno raw sockets\n"


def test_services_of_the_platform_are_relayed_and_may_move(make_harness: Callable[..., LocalHarness]) -> None:
    first, second = Service(b"one\n"), Service(b"two\n")
    harness = make_harness(relay={"api": ("127.0.0.1", first.port)})
    script = (
        "import socket, sys, time\n"
        "def greet(port):\n"
        "    try:\n"
        "        with socket.create_connection(('127.0.0.1', port), 5) as s:\n"
        "            return s.recv(64).decode().strip() or 'nothing'\n"
        "    except OSError: return 'nothing'\n"
        f"print(greet({addresses.API_PORT}), greet({addresses.HUB_PORT}), flush=True)\n"
        f"while greet({addresses.API_PORT}) != 'two': time.sleep(0.05)\n"
        "print('moved', flush=True)"
    )
    plan = harness.apply(harness.python(script))
    harness.wait(plan, lambda _seen: harness.output(plan) == "one nothing\n")
    first.close()
    from dataclasses import replace

    harness.options = replace(harness.options, relay={"api": ("127.0.0.1", second.port)})
    harness.restart_platform()
    harness.wait_end(plan)
    assert harness.output(plan) == "one nothing\nmoved\n"
    second.close()


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:{port}",
        "localhost:{port}",
        "[::1]:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "[::ffff:7f00:1]:{port}",
        "[::7f00:1]:{port}",
        "[64:ff9b::7f00:1]:{port}",
        "[2002:7f00:1::]:{port}",
        "0.0.0.0:{port}",
        "0:{port}",
        "2130706433:{port}",
        "0x7f000001:{port}",
        "0177.0.0.1:{port}",
        "127.1:{port}",
        "10.0.0.1:{port}",
        "172.16.0.1:{port}",
        "192.168.0.1:{port}",
        "169.254.169.254:80",
        "100.64.0.1:{port}",
        "224.0.0.1:{port}",
        "240.0.0.1:{port}",
        "255.255.255.255:{port}",
        "[fe80::1]:{port}",
        "[fd00:ec2::254]:80",
        "[ff02::1]:{port}",
        "{own}:{port}",
    ],
)
def test_proxy_refuses_addresses_that_are_not_public(harness: LocalHarness, service: Service, target: str) -> None:
    place = target.format(port=service.port, own=_own_address())
    text = harness.result(harness.python(PROXY, f"CONNECT {place} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"))
    assert text.startswith(("HTTP/1.1 403 ", "HTTP/1.1 502 ")), text
    assert "hello from outside" not in text
    assert service.received == []


def _own_address() -> str:
    """The machine's address towards the outside; loopback where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(sock.getsockname()[0])


@pytest.mark.parametrize(
    "request_text",
    [
        "nonsense\\r\\n\\r\\n",
        "GET / HTTP/1.1\\r\\n\\r\\n",
        "CONNECT x HTTP/1.1\\r\\n\\r\\n",
        "CONNECT x:99999 HTTP/1.1\\r\\n\\r\\n",
    ],
)
def test_proxy_answers_bad_requests(harness: LocalHarness, request_text: str) -> None:
    assert harness.result(harness.python(PROXY, request_text)).startswith("HTTP/1.1 400 ")


def test_proxy_serves_what_an_administrator_allowed(make_harness: Callable[..., LocalHarness]) -> None:
    """The tunnel and the plain form really work: shown with a network that is allowed on purpose."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    tunnelled, plain = Service(b"hello from outside\n", b"bye"), Service(b"", answer)
    harness = make_harness(egress_allow=("127.0.0.0/8",))
    text = harness.result(harness.python(PROXY, f"CONNECT 127.0.0.1:{tunnelled.port} HTTP/1.1\\r\\n\\r\\nfirst"))
    assert text.split("\n")[0].startswith("HTTP/1.1 200 ") and "hello from outside" in text and "bye" in text
    assert tunnelled.received == [b"first"]
    head = (
        f"GET http://localhost:{plain.port}/a?b=c HTTP/1.1\\r\\nHost: localhost\\r\\n"
        "Proxy-Authorization: Basic eA==\\r\\nConnection: keep-alive\\r\\nX-Kept: 1\\r\\n\\r\\n"
    )
    assert harness.result(harness.python(PROXY, head)).endswith("hi\n")
    (received,) = plain.received
    assert received.split(b"\r\n") == [
        b"GET /a?b=c HTTP/1.1",
        b"Host: localhost",
        b"X-Kept: 1",
        b"Connection: close",
        b"",
        b"",
    ]
    tunnelled.close()
    plain.close()


def test_egress_may_be_closed(make_harness: Callable[..., LocalHarness]) -> None:
    harness = make_harness(egress="none", egress_allow=("0.0.0.0/0",))
    text = harness.result(harness.python(PROXY, "CONNECT 93.184.215.14:443 HTTP/1.1\\r\\n\\r\\n"))
    assert text.startswith("HTTP/1.1 403 ")


def test_connections_beyond_the_limit_are_closed_and_later_ones_served(
    make_harness: Callable[..., LocalHarness],
) -> None:
    harness = make_harness(connections_max=12)
    plan, address = echo_server(harness)
    shim = harness.shim_pid(plan)  # type: ignore[arg-type]
    limits = Path(f"/proc/{shim}/limits").read_text().splitlines()
    soft, hard = next(line for line in limits if line.startswith("Max open files")).split()[3:5]
    assert soft == hard, "all descriptors that the system allows"
    socks: list[socket.socket] = []

    def all_served() -> bool:
        """The probe of the start may still hold a connection for a moment."""
        socks[:] = [dial(address) for _ in range(12)]
        with contextlib.suppress(ConnectionError):
            if all(exchange(sock, b"x") == b"x" for sock in socks):
                return True
        for sock in socks:
            sock.close()
        return False

    harness.wait(plan, lambda _seen: all_served())  # type: ignore[arg-type]
    assert not _echoes(address)
    for sock in socks:
        sock.close()
    harness.wait(plan, lambda _seen: _echoes(address))  # type: ignore[arg-type]
    harness.stop(plan, grace_seconds=0)  # type: ignore[arg-type]


def _echoes(address: str) -> bool:
    try:
        with dial(address) as sock:
            return exchange(sock, b"x") == b"x"
    except OSError:
        return False
