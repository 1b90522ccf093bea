"""PERF-10, PERF-11: what the gateway and its key check add to a replica's answer; how exact the split is.

A real Traefik and key check as the supervisor starts them, a real replica with a model of the
built-in algorithm. The three ways (direct, through the gateway, with the key check) are measured
turn by turn over connections that stay open, so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from himalia_hub.backends.protocol import RouteTarget, ServiceRoute
from himalia_hub.platform.config import Traefik
from himalia_hub.serving.gateway.traefik import TraefikGateway
from tests.benchmarks.rows import row
from tests.support.gateway import Gateway, Replica, new_key, wait_until
from tests.support.models import train
from tests.support.pieces import digits
from tests.support.ports import free_port

CALLS = 1500
UNCHECKED = """
http:
  routers:
    bench: {rule: "PathPrefix(`/bench/`)", entryPoints: [http], service: bench, middlewares: [bench]}
  middlewares:
    bench: {stripPrefix: {prefixes: ["/bench"]}}
  services:
    bench: {loadBalancer: {servers: [{url: "http://ADDRESS"}]}}
"""
"""The same replica behind the same proxy without a key check, for the first of the two targets."""


class Way:
    """One way to the replica: an open connection, and its latencies in milliseconds."""

    def __init__(self, address: str, path: str, key: str = "") -> None:
        self._connection = http.client.HTTPConnection(address, timeout=30)
        self._path = path
        self._headers = {"Content-Type": "image/png", **({"Authorization": f"Bearer {key}"} if key else {})}
        self.milliseconds: list[float] = []

    def call(self, picture: bytes, *, keep: bool = True) -> int:
        began = time.perf_counter()
        self._connection.request("POST", self._path, body=picture, headers=self._headers)
        answer = self._connection.getresponse()
        answer.read()
        if keep:
            self.milliseconds.append((time.perf_counter() - began) * 1000)
        return answer.status

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)


def apply(gateway: Gateway, *routes: ServiceRoute) -> None:
    asyncio.run(TraefikGateway(Traefik.model_validate(gateway.section), "127.0.0.1").apply_routes(routes))


def write_key(gateway: Gateway, service: str) -> str:
    key = new_key()
    digest = hashlib.sha256(key.encode()).hexdigest()
    entry = {"tenant": "alpha", "owner": "1", "keys": {digest: {"caller": "key:1"}}}
    document = {"schema": 1, "services": {service: entry}, "people": {}}
    temporary = gateway.keys.with_suffix(".new")
    temporary.write_text(json.dumps(document))
    temporary.replace(gateway.keys)
    return key


def start_replica(folder: Path) -> tuple[subprocess.Popen[bytes], str, bytes]:
    """A serving process on a trained model: the process, its address, a picture."""
    pictures = digits(200, classes=4)
    model = train(folder, pictures)
    directory = folder / "served"
    directory.mkdir()
    for name, data in model.items():
        (directory / name).write_bytes(data)
    port = free_port()
    command = [sys.executable, "-m", "himalia.serving", "--model-dir", str(directory), "--port", str(port)]
    process = subprocess.Popen([*command, "--address", "127.0.0.1"], stdout=subprocess.DEVNULL)
    address = f"127.0.0.1:{port}"

    def ready() -> bool:
        connection = http.client.HTTPConnection(address, timeout=5)
        try:
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False

    wait_until(ready, what="the replica")
    return process, address, next(iter(pictures.values()))


def latencies(gateway: Gateway, folder: Path, calls: int) -> dict[str, Way]:
    process, address, picture = start_replica(folder)
    try:
        apply(gateway, ServiceRoute("alpha", "digits", (RouteTarget("v1", (address,), 100),)))
        (gateway.dynamic / "bench.yml").write_text(UNCHECKED.replace("ADDRESS", address))
        key = write_key(gateway, "alpha/digits")
        public = gateway.url.removeprefix("http://")
        ways = {
            "direct": Way(address, "/infer"),
            "gateway": Way(public, "/bench/infer"),
            "key check": Way(public, "/serving/alpha/digits/infer", key),
        }
        for name, way in ways.items():
            wait_until(lambda way=way: way.call(picture, keep=False) == 200, what=name)
        _turns(ways, picture, 100, keep=False)
        _turns(ways, picture, calls, keep=True)
        return ways
    finally:
        process.terminate()
        process.wait(15)


def _turns(ways: dict[str, Way], picture: bytes, calls: int, *, keep: bool) -> None:
    for _ in range(calls):
        for name, way in ways.items():
            status = way.call(picture, keep=keep)
            if status != 200:
                raise AssertionError(f"{name} answered {status}")


def split_error(gateway: Gateway, calls: int = 2000) -> float:
    """By how many percent points a split of 90/10 misses over 2,000 calls."""
    replicas = [Replica("stable"), Replica("canary")]
    try:
        targets = tuple(
            RouteTarget(f"v{n}", (one.address,), w)
            for n, (one, w) in enumerate(zip(replicas, (90, 10), strict=True), 1)
        )
        apply(gateway, ServiceRoute("alpha", "digits", targets))
        key = write_key(gateway, "alpha/digits")
        connection = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=30)

        def ask() -> str:
            connection.request("GET", "/serving/alpha/digits/", headers={"Authorization": f"Bearer {key}"})
            return connection.getresponse().read().decode()

        wait_until(lambda: ask() in ("stable", "canary"))
        found = Counter(ask() for _ in range(calls))
        return abs(100 * found["canary"] / calls - 10)
    finally:
        for one in replicas:
            one.close()


def run(workdir: Path, *, calls: int = CALLS) -> list[dict[str, Any]]:
    """Rows for ``build/bench.json``."""
    folder = workdir / "gateway"
    folder.mkdir(parents=True, exist_ok=True)
    gateway = Gateway()
    try:
        ways = latencies(gateway, folder, calls)
        missed = split_error(gateway)
    finally:
        gateway.close()
    direct = ways["direct"].median
    peer = "direct to the replica, p50"

    def added(way: str, target: str) -> dict[str, Any]:
        value = ways[way].median
        extra = round(value - direct, 3)
        return row("PERF-10", f"inference through {way}, p50", value, "ms", peer, direct, target, added=extra)

    return [
        added("gateway", "added <= 0.5 ms"),
        added("key check", "added <= 1.2 ms"),
        row(
            "PERF-11",
            "a split of 90/10 over 2,000 calls, missed by",
            missed,
            "percent points",
            "random splitting, expected",
            _random_miss(2000, 0.1),
            "within 1",
        ),
    ]


def _random_miss(calls: int, share: float) -> float:
    """The mean absolute deviation of a binomial share, percent points."""
    return float(100 * math.sqrt(2 * share * (1 - share) / (math.pi * calls)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(run(Path(place)), indent=1))
