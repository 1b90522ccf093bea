"""PERF-4: an authenticated read against JupyterHub's ``GET /users/{name}`` and a bare tornado handler.

Three servers, each a process of its own on this machine: the platform answering ``GET /me`` to a
notebook's token, JupyterHub with SQLite answering to an API token, and tornado writing a constant
JSON body. Sixteen connections stay open; the servers are asked in turn, so that what else the
machine does falls on all alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks.bench_import import BASE, PlatformProcess
from tests.benchmarks.rows import row
from tests.support.ports import free_port
from tests.support.s3 import S3Server

CONNECTIONS = 16
SECONDS, REPETITIONS = 3.0, 5
TORNADO = """
import sys, tornado.httpserver, tornado.ioloop, tornado.web
class Handler(tornado.web.RequestHandler):
    def get(self):
        self.set_header("Content-Type", "application/json")
        self.finish(b'{"status": "ok"}')
tornado.web.Application([("/", Handler)], log_function=lambda handler: None).listen(int(sys.argv[1]), "127.0.0.1")
tornado.ioloop.IOLoop.current().start()
"""
HUB = """
import os
c.JupyterHub.bind_url = "http://127.0.0.1:" + os.environ["BENCH_PORT"]
c.JupyterHub.hub_bind_url = "http://127.0.0.1:" + os.environ["BENCH_HUB_PORT"]
c.JupyterHub.proxy_class = "tests.benchmarks.bench_api.NoProxy"
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.log_level = "ERROR"
c.JupyterHub.services = [{"name": "bench", "api_token": os.environ["BENCH_TOKEN"]}]
c.JupyterHub.load_roles = [{"name": "bench", "scopes": ["admin:users", "read:users"], "services": ["bench"]}]
c.Authenticator.allow_all = True
"""


def __getattr__(name: str) -> Any:
    """``NoProxy``, made when the hub asks for it: the hub is asked directly, as the platform is."""
    if name != "NoProxy":
        raise AttributeError(name)
    from jupyterhub.proxy import Proxy

    class NoProxy(Proxy):
        should_start = False

        async def add_route(self, routespec: str, target: str, data: Any) -> None: ...

        async def delete_route(self, routespec: str) -> None: ...

        async def get_all_routes(self) -> dict[str, Any]:
            return {"/": {"routespec": "/", "target": self.app.hub.host, "data": {"hub": True}}}

    return NoProxy


async def _worker(url: str, token: str, until: float) -> int:
    """One connection that asks again and again; answers how often it was answered."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    request = (
        f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    count = 0
    while time.perf_counter() < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{url}: {head.decode()}")
        length = next(int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        count += 1
    writer.close()
    return count


async def _rate(url: str, token: str, seconds: float) -> float:
    began = time.perf_counter()
    counts = await asyncio.gather(*(_worker(url, token, began + seconds) for _ in range(CONNECTIONS)))
    return sum(counts) / (time.perf_counter() - began)


def rate(url: str, token: str, seconds: float) -> float:
    """Answers a second over all connections."""
    return asyncio.run(_rate(url, token, seconds))


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 300
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text(errors="replace")[-3000:])
        time.sleep(0.05)


@contextlib.contextmanager
def _process(
    folder: Path, name: str, command: list[str], port: int, environment: dict[str, str] | None = None
) -> Iterator[None]:
    log = folder / f"{name}.log"
    with log.open("wb") as target:
        process = subprocess.Popen(
            command, cwd=folder, stdout=target, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
        )
        try:
            _wait(port, process, log)
            yield
        finally:
            process.terminate()
            process.wait(20)


@contextlib.contextmanager
def jupyterhub(folder: Path) -> Iterator[tuple[str, str]]:
    """(URL of a user, token) of a JupyterHub without a proxy in front."""
    folder.mkdir()
    (folder / "config.py").write_text(HUB)
    port, token = free_port(), secrets.token_hex(16)
    environment = {
        "BENCH_PORT": str(free_port()),
        "BENCH_HUB_PORT": str(port),
        "BENCH_TOKEN": token,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with _process(folder, "hub", [sys.executable, "-m", "jupyterhub", "-f", "config.py"], port, environment):
        import httpx

        url = f"http://127.0.0.1:{port}/hub/api/users/somebody"
        answer = httpx.post(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30)
        if answer.status_code != 201:
            raise RuntimeError(answer.text)
        yield url, token


def measure(workdir: Path, *, seconds: float, repetitions: int) -> dict[str, float]:
    """Medians of answers a second: ``platform``, ``hub``, ``tornado``."""
    folder = Path(workdir) / "api"
    folder.mkdir(parents=True)
    server = S3Server()
    with contextlib.ExitStack() as stack:
        stack.callback(server.close)
        platform = PlatformProcess(folder, server)
        stack.callback(platform.close)
        bare = free_port()
        stack.enter_context(_process(folder, "tornado", [sys.executable, "-c", TORNADO, str(bare)], bare))
        hub, hub_token = stack.enter_context(jupyterhub(folder / "hub"))
        token = platform.client.headers["Authorization"].removeprefix("Bearer ")
        ways = {
            "platform": (f"http://127.0.0.1:{platform.config.listen.port}{BASE}/me", token),
            "hub": (hub, hub_token),
            "tornado": (f"http://127.0.0.1:{bare}/", "none"),
        }
        found: dict[str, list[float]] = {name: [] for name in ways}
        for url, one in ways.values():
            rate(url, one, seconds / 5)
        for _ in range(repetitions):
            for name, (url, one) in ways.items():
                found[name].append(rate(url, one, seconds))
    return {name: statistics.median(rates) for name, rates in found.items()}


def run(workdir: Path, *, short: bool = False) -> list[dict[str, Any]]:
    """Rows for ``build/bench.json``."""
    found = measure(workdir, seconds=0.5 if short else SECONDS, repetitions=1 if short else REPETITIONS)
    peers = (
        ("hub", "JupyterHub GET /users/{name}", 15.0),
        ("tornado", "a bare tornado handler", 0.35),
    )
    title = f"authenticated read, {CONNECTIONS} connections"
    return [
        row("PERF-4", title, found["platform"], "answers/s", peer, found[name], f">= {target}x", better="higher")
        for name, peer, target in peers
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="himalia-bench-") as place:
        print(json.dumps(run(Path(place)), indent=1))
