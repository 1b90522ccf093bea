"""PERF-12 at the local backend: submit to running against fork+exec, and what the relay adds to a round trip.

Both sides of a row run alternately in this process on the same machine. The PERF-12 figure of the
whole platform (admission and database included) is measured through the API, not here.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from himalia_hub.backends.protocol import Port
from tests.benchmarks.rows import fork_exec_milliseconds, percentile, row
from tests.contract.harness import LocalHarness
from tests.contract.test_network import ECHO, dial, exchange

STARTS = 60
ROUND_TRIPS = 2000


def start_milliseconds(harness: LocalHarness, times: int = STARTS) -> tuple[list[float], list[float]]:
    """(ours, fork+exec) from asking to the command's own first byte of output."""
    ours, bare = [], []
    for _ in range(times):
        plan = harness.shell("echo; exec sleep 60")
        began = time.perf_counter()
        harness.apply(plan)
        harness.wait_running(plan)
        ours.append((time.perf_counter() - began) * 1000)
        harness.stop(plan, grace_seconds=0)
        harness.wait_end(plan)
        harness.delete(plan)
        bare.append(fork_exec_milliseconds())
    return ours, bare


def round_trip_microseconds(harness: LocalHarness, times: int = ROUND_TRIPS) -> tuple[list[float], list[float]]:
    """(relayed into a sandbox, direct to the same server outside), alternating, one small message each."""
    plan = harness.apply(harness.python(ECHO, ports=(Port("echo", 9000),)))
    relayed_address = harness.wait_running(plan).addresses["echo"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    outside = subprocess.Popen([sys.executable, "-I", "-c", ECHO.replace("9000", str(port))])
    try:
        with _answering(relayed_address) as inner, _answering(f"127.0.0.1:{port}") as direct:
            took: tuple[list[float], list[float]] = ([], [])
            for _ in range(times):
                for sock, kept in zip((inner, direct), took, strict=True):
                    began = time.perf_counter()
                    exchange(sock, b"ping")
                    kept.append((time.perf_counter() - began) * 1e6)
    finally:
        outside.kill()
        outside.wait()
        harness.stop(plan, grace_seconds=0)
        harness.wait_end(plan)
    return took


def _answering(address: str, seconds: float = 20) -> socket.socket:
    end = time.monotonic() + seconds
    while True:
        try:
            sock = dial(address)
            if exchange(sock, b"x") == b"x":
                return sock
            sock.close()
        except ConnectionError:
            pass
        if time.monotonic() > end:
            raise TimeoutError(f"{address} does not answer")
        time.sleep(0.01)


def run(workdir: Path, *, starts: int = STARTS, round_trips: int = ROUND_TRIPS) -> list[dict[str, Any]]:
    """Rows for ``build/bench.json``; ``workdir`` is not used, every state has a folder of its own."""
    harness = LocalHarness()
    try:
        ours, bare = start_milliseconds(harness, starts)
        relayed, direct = round_trip_microseconds(harness, round_trips)
        shim = harness.apply(harness.shell("sleep 60"))
        harness.wait_running(shim)
        memory = _private_kib(harness.shim_pid(shim))
    finally:
        harness.close()
    return [
        *(
            row(
                "PERF-12",
                f"submit to running, local backend, {name}",
                percentile(ours, share),
                "ms",
                f"fork+exec, {name}",
                percentile(bare, share),
                "p99 <= 250 ms",
            )
            for share, name in ((0.5, "p50"), (0.99, "p99"))
        ),
        row(
            "PERF-10",
            "round trip through a sandbox's relay, p50",
            statistics.median(relayed),
            "us",
            "direct to the same server, p50",
            statistics.median(direct),
            "added <= 500 us",
        ),
        row(
            "PERF-12",
            "memory of a shim, its own pages",
            memory,
            "KiB",
            "an idle bare Python, its own pages",
            _bare_python_kib(),
            "small",
        ),
    ]


def _private_kib(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(
        int(line.split()[1]) for line in text.splitlines() if line.startswith(("Private_Clean", "Private_Dirty"))
    )


def _bare_python_kib() -> int:
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
    assert process.stdout is not None and process.stdin is not None
    process.stdout.read(1)
    kib = _private_kib(process.pid)
    process.communicate(b"\n")
    return kib


if __name__ == "__main__":
    print(json.dumps(run(Path()), indent=1))
