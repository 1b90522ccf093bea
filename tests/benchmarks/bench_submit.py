"""PERF-12 of the whole platform: from asking the API for a run to its process running, against fork+exec.

One installation with its sandboxes and a running notebook. The clock starts before the request is
sent and stops when the run itself shows "running"; it is read every two milliseconds. Admission,
the quota, the hold on the balance, the database and the backend are all in it. Runs follow each
other, so that none waits for the resources of another.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from himalia_hub.selfcheck.walk import Walk
from tests.benchmarks.rows import fork_exec_milliseconds, percentile, row
from tests.support.installation import Installation

RUNS = 100
SCRIPT = "import time\ntime.sleep(60)\n"


def _wait(client: httpx.Client, number: int, phases: tuple[str, ...], seconds: float = 60) -> str:
    end = time.monotonic() + seconds
    while True:
        run = client.get(f"/runs/{number}").raise_for_status().json()
        if run["phase"] in phases:
            return str(run["phase"])
        if time.monotonic() > end:
            raise TimeoutError(f"run {number} is {run['phase']} after {seconds:.0f} s: {run['message']}")
        time.sleep(0.002)


def run(workdir: Path, *, short: bool = False) -> list[dict[str, Any]]:
    """Rows for ``build/bench.json``."""
    workdir.chmod(0o755)
    installation = Installation(workdir / "state").start()
    ours, bare = [], []
    try:
        person = Walk(installation.admin, installation.hub_url, say=print)
        person.sign_in()
        person.start_notebook()
        token = person.api("POST", "api-tokens", {"name": "benchmark"})["token"]
        with httpx.Client(
            base_url=f"{installation.hub_url}/services/himalia/api/v1".replace("himalia.localhost", "127.0.0.1"),
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=30,
        ) as client:
            spec = client.get("/specs").raise_for_status().json()[0]["id"]
            for number in range(3 if short else RUNS):
                began = time.perf_counter()
                asked = {"name": f"submit-{number}", "code": SCRIPT, "spec_id": spec}
                run_id = client.post("/scripts", json=asked).raise_for_status().json()["id"]
                phase = _wait(client, run_id, ("running", "succeeded", "failed", "stopped"))
                ours.append((time.perf_counter() - began) * 1000)
                if phase != "running":
                    raise RuntimeError(client.get(f"/runs/{run_id}").text)
                client.post(f"/runs/{run_id}/stop").raise_for_status()
                _wait(client, run_id, ("stopped",))
                bare.append(fork_exec_milliseconds())
    finally:
        installation.stop()
    return [
        row(
            "PERF-12",
            f"submit to running, through the API, {name}",
            percentile(ours, share),
            "ms",
            f"fork+exec, {name}",
            percentile(bare, share),
            "p99 <= 250 ms",
        )
        for share, name in ((0.5, "p50"), (0.99, "p99"))
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="himalia-bench-") as place:
        print(json.dumps(run(Path(place), short=True), indent=1))
