"""The local backend without root: the same sandbox under the installer's own uid (INS-1).

As root the suite cannot be unprivileged itself, so a driver runs as another uid, with the
system's Python and a copy of the package, and reports what it saw.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import himalia_hub
from himalia_hub.backends.local.isolation import bwrap_path

_UID = 60_123
DRIVER = '''
import asyncio, dataclasses, json, os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from himalia_hub.backends.local import backend as module, isolation
from himalia_hub.backends.local.cgroups import Layout
from himalia_hub.backends.local.options import LocalOptions
from himalia_hub.backends.protocol import HomeMount, HttpProbe, Port, Resources, WorkloadPlan
isolation.bwrap_path = module.bwrap_path = lambda: sys.argv[2]
LOOK = """
import os, socket
print(os.getuid(), sorted(n for _, n in socket.if_nameindex()), os.path.exists(os.environ['ROOT']))
print(len([n for n in os.listdir('/proc') if n.isdigit()]))
open('/home/jovyan/kept', 'w').write('x')
"""
SERVE = """
import http.server
http.server.HTTPServer(('127.0.0.1', 8888), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
EAT = "import time\\nheld = []\\nwhile True: held.append(bytearray(b'x') * (8 << 20)); time.sleep(0.02)"
BURN = "import time\\nwhile time.process_time() < 1.5: pass"

async def main():
    root = Path(sys.argv[3])
    report = {}
    backend = module.LocalBackend(root, LocalOptions(node_name="here", disk_reserve_bytes=0))
    found = await backend.start()
    report["level"], report["findings"] = found.level, dict(found.findings)
    report["limits"] = backend.limits.version
    base = WorkloadPlan("w", 1, "run", "acme", "ada", "/usr", (), Resources(1000, 100 << 20), grace_seconds=1)
    def plan(name, *command, **changes):
        return dataclasses.replace(base, workload=name, command=command, **changes)
    async def until(name, good):
        end = time.monotonic() + 25
        while time.monotonic() < end:
            for item in await backend.observe():
                if item.workload == name and good(item.replicas[0]): return item.replicas[0]
            await asyncio.sleep(0.02)
        raise SystemExit(f"{name} never got there: {await backend.observe()}")
    async def output(name):
        return b"".join([piece async for _, piece in backend.logs(name, 1)]).decode()
    ended = lambda seen: seen.exit_reason is not None
    home = (HomeMount("ada/n", "/home/jovyan"),)
    await backend.apply(plan("look", "python3", "-I", "-c", LOOK, mounts=home, environment={"ROOT": str(root)}))
    seen = await until("look", ended)
    report["look"] = [seen.exit_reason, await output("look")]
    report["kept"] = (root / "homes/acme/ada/n/kept").read_text()
    probe = HttpProbe("http", "/")
    await backend.apply(plan("serve", "python3", "-I", "-c", SERVE, ports=(Port("http", 8888),), probe=probe))
    seen = await until("serve", lambda item: item.ready)
    reader, writer = await asyncio.open_connection(*seen.addresses["http"].split(":"))
    writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
    report["answer"] = (await reader.readline()).decode().strip()
    writer.close()
    report["execute"] = list(map(str, await backend.execute("serve", 1, ["/bin/sh", "-c", "id -u; exit 3"])))
    for _ in range(40):
        reader, writer = await asyncio.open_connection(*seen.addresses["http"].split(":"))
        writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n"); assert await reader.readline(); writer.close()
    await backend.stop("serve", 1, grace_seconds=1)
    report["stopped"] = (await until("serve", ended)).exit_reason
    await backend.apply(plan("code", "/bin/sh", "-c", "exit 7"))
    report["code"] = (await until("code", ended)).exit_code
    await backend.apply(plan("missing", "nothing-there"))
    report["missing"] = (await until("missing", ended)).exit_reason
    await backend.apply(plan("eat", "python3", "-I", "-c", EAT))
    seen = await until("eat", ended)
    report["eat"] = [seen.exit_reason, seen.message]
    await backend.apply(plan("burn", "python3", "-I", "-c", BURN))
    report["cpu"] = (await until("burn", ended)).usage.cpu_seconds
    for name in ("look", "serve", "code", "missing", "eat", "burn"):
        await backend.delete(name, 1)
    report["left"] = [item.workload for item in await backend.observe()]
    await backend.close()
    print(json.dumps(report))
asyncio.run(main())
'''


@pytest.fixture(scope="module")
def report() -> Iterator[dict[str, Any]]:
    """What an unprivileged platform sees; where this process is unprivileged itself, it is the same uid."""
    base = Path(tempfile.mkdtemp(prefix="himalia-single-user-"))
    try:
        code = base / "code"
        package = Path(himalia_hub.__file__).parent
        for part in ("__init__.py", *(f"backends/{name}.py" for name in ("__init__", "cards", "checks", "protocol"))):
            (code / "himalia_hub" / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(package / part, code / "himalia_hub" / part)
        shutil.copytree(package / "backends" / "local", code / "himalia_hub" / "backends" / "local")
        bwrap = bwrap_path()
        assert bwrap is not None
        folder = Path(bwrap).parent.parent
        for source in (folder, folder.with_name(folder.name + ".libs")):
            if source.is_dir() and not bwrap.startswith("/usr/"):
                shutil.copytree(source, base / source.name)
        if not bwrap.startswith("/usr/"):
            bwrap = str(base / folder.name / Path(bwrap).relative_to(folder))
        root = base / "root"
        root.mkdir()
        base.chmod(0o755)
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            for path in (base, *base.rglob("*")):
                os.chown(path, _UID, _UID)
            as_user = {"user": _UID, "group": _UID, "extra_groups": []}
        (base / "driver.py").write_text(DRIVER)
        done = subprocess.run(
            ["/usr/bin/python3", "-I", "-W", "error", str(base / "driver.py"), str(code), bwrap, str(root)],
            capture_output=True,
            text=True,
            timeout=120,
            cwd="/",
            **as_user,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield json.loads(done.stdout.splitlines()[-1])
    finally:
        shutil.rmtree(base)


def test_level_and_what_it_hides(report: dict[str, Any]) -> None:
    assert report["level"] == "single-user"
    assert len(report["findings"]) >= 6 and all(report["findings"].values())


def test_inside_it_looks_the_same(report: dict[str, Any]) -> None:
    reason, text = report["look"]
    assert reason == "completed", text
    first, second = text.splitlines()
    assert first == "1000 ['lo'] False"
    assert int(second) <= 3
    assert report["kept"] == "x"


def test_ports_probe_and_execute(report: dict[str, Any]) -> None:
    assert report["answer"].endswith("200 OK")
    assert report["execute"] == ["3", "b'1000\\n'"]
    assert report["stopped"] == "stopped"


def test_ends_are_told_apart(report: dict[str, Any]) -> None:
    assert (report["code"], report["missing"]) == (7, "start_failed")


def test_memory_limit_holds_without_control_groups(report: dict[str, Any]) -> None:
    reason, message = report["eat"]
    assert reason == "out_of_memory"
    assert "the limit is 100.0 MiB" in message


def test_cpu_is_metered_without_control_groups(report: dict[str, Any]) -> None:
    assert 1.0 < report["cpu"] < 2.0


def test_nothing_is_left(report: dict[str, Any]) -> None:
    assert report["left"] == []
