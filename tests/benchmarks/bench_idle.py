"""PERF-3: memory and import time of an idle notebook server with our extension, against one without.

Both are ``jupyter server`` with JupyterLab in the built science environment, the same in all but the
extension; each is asked for its status once, then left alone until its memory stands still. Memory is
what the process alone occupies (its private pages), in MB of 10^6 bytes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from himalia_hub.develop.images import builder
from tests.benchmarks.rows import row
from tests.support.ports import free_port

REPETITIONS = 5
TOKEN = "benchmark"
LOADED = "himalia | extension was successfully loaded"
IMPORTS = """
import time
began = time.perf_counter()
import jupyterlab.labapp
between = time.perf_counter()
import himalia.extension
print(time.perf_counter() - began, between - began)
"""


def science() -> Path:
    """The Python of the newest science environment; built where it is missing."""
    root = builder.environments_root(Path(sys.prefix))
    builder.build_missing(root, names=("science",), report=lambda text: None)
    folders = [folder for folder in root.glob("science-*") if (folder / "himalia-environment.json").exists()]
    return max(folders, key=lambda folder: folder.stat().st_mtime) / "bin" / "python"


def private_bytes(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    lines = [line for line in text.splitlines() if line.startswith(("Private_Clean", "Private_Dirty"))]
    return 1024 * sum(int(line.split()[1]) for line in lines)


def idle_megabytes(python: Path, folder: Path, *, ours: bool) -> float:
    """Private memory of a server that nobody uses, once it no longer changes."""
    port = free_port()
    enabled = {"ServerApp": {"jpserver_extensions": {"himalia": ours, "jupyterlab": True}}}
    config = folder / "jupyter_server_config.json"
    config.write_text(json.dumps(enabled))
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "HIMALIA", "PYTHON"))
    }
    command = [
        str(python), "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}", f"--config={config}",
    ]  # fmt: skip
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**variables, "HOME": str(folder)})
    try:
        deadline = time.monotonic() + 120
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "server.log").read_text(errors="replace")[-3000:])
            time.sleep(0.1)
        before, same = 0, 0
        while same < 4:
            time.sleep(0.5)
            now = private_bytes(process.pid)
            same = same + 1 if abs(now - before) < 50_000 else 0
            before = now
        if (LOADED in (folder / "server.log").read_text(errors="replace")) != ours:
            raise RuntimeError(f"the extension is {'not ' if ours else ''}loaded: {folder / 'server.log'}")
        return before / 1e6
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/api/status"
        return httpx.get(url, headers={"Authorization": f"token {TOKEN}"}, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def import_milliseconds(python: Path) -> tuple[float, float]:
    """(JupyterLab and the extension, JupyterLab) of one fresh process, its own start not counted."""
    done = subprocess.run([str(python), "-c", IMPORTS], capture_output=True, text=True, check=True)
    whole, bare = done.stdout.split()
    return float(whole) * 1000, float(bare) * 1000


def run(workdir: Path, *, short: bool = False) -> list[dict[str, Any]]:
    """Rows for ``build/bench.json``."""
    python = science()
    memory: dict[bool, list[float]] = {True: [], False: []}
    imports: list[tuple[float, float]] = []
    import_milliseconds(python)  # read from disk once before it counts
    for number in range(1 if short else REPETITIONS):
        for ours in memory:
            folder = Path(workdir) / f"{number}-{ours}"
            folder.mkdir(parents=True)
            memory[ours].append(idle_megabytes(python, folder, ours=ours))
        imports.append(import_milliseconds(python))
    peers = ("the same server without it", "import of JupyterLab")
    with_it, without = (statistics.median(memory[ours]) for ours in (True, False))
    whole, bare = (statistics.median(one[way] for one in imports) for way in (0, 1))
    return [
        row("PERF-3", name, value, unit, peer, peer_value, target, added=round(value - peer_value, 2))
        for name, value, unit, peer, peer_value, target in (
            ("memory of an idle server with the extension", with_it, "MB", peers[0], without, "<= +10 MB"),
            ("import of JupyterLab and the extension", whole, "ms", peers[1], bare, "<= +80 ms"),
        )
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="himalia-bench-") as place:
        print(json.dumps(run(Path(place)), indent=1))
