"""One command runs everything: two installations side by side, kills survived, an orderly end (INS-1, REL-1, REL-8)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from himalia_hub.selfcheck.browser import Browser, Notebook
from tests.support.installation import Installation, profile_with_room

pytestmark = pytest.mark.e2e


def until(look: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.1)
    return seen


def processes(state: Path) -> dict[int, tuple[int, str]]:
    """Every live process whose command line names the state directory, or whose parent's does."""
    found: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(state) in line and fields[0] != "Z":
            found[int(entry.name)] = (int(fields[1]), line)
    return found


def part(installation: Installation, name: str) -> int:
    """The process of a part: a child of the supervisor."""
    assert installation.process is not None
    for pid in _children(installation.process.pid):
        if name in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"):
            return pid
    raise AssertionError(f"no part {name}")


def _children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Installation]:
    tmp_path.chmod(0o755)
    made = Installation(tmp_path / "state").start()
    yield made
    made.stop()


def open_notebook(installation: Installation) -> tuple[Browser, Notebook, str]:
    browser = Browser(installation.hub_url)
    browser.sign_in(installation.link())
    wanted = {"name": "kept", **profile_with_room(browser)}
    server = browser.hub("POST", "himalia/api/notebooks", wanted)["server_name"]
    url = until(lambda: notebook_of(browser, server).get("url"), 120)
    return browser, browser.open_notebook(url), server


def notebook_of(browser: Browser, server: str) -> dict[str, Any]:
    rows = browser.hub("GET", "himalia/api/start")["notebooks"]
    return next(row for row in rows if row["server_name"] == server)


def test_a_second_up_on_the_same_state_is_refused_and_another_runs_beside_it(own: Installation, tmp_path: Path) -> None:
    refused = own.himalia("up", "--state-dir", str(own.state), "--port", "1")
    assert refused.returncode == 1
    assert "already runs on the state directory" in refused.stdout
    taken = own.himalia("up", "--state-dir", str(tmp_path / "third"), "--port", str(own.port))
    assert taken.returncode == 1
    assert f"Port {own.port}" in taken.stdout
    beside = Installation(tmp_path / "second").start()
    try:
        for installation in (own, beside):
            browser = Browser(installation.hub_url)
            browser.sign_in(installation.link())
            assert browser.hub("GET", "himalia/api/start")["profiles"]
            browser.close()
    finally:
        assert beside.stop() == 0
    until(lambda: not processes(beside.state))


def test_a_notebook_outlives_hub_platform_and_supervisor_and_ends_with_an_orderly_stop(own: Installation) -> None:
    browser, notebook, server = open_notebook(own)
    assert notebook.request("GET", "api/status").status_code == 200

    os.kill(part(own, "jupyterhub"), signal.SIGKILL)
    assert notebook.request("GET", "api/status").status_code == 200
    until(lambda: _phase(browser, server) == "running")

    os.kill(part(own, "himalia_hub.platform"), signal.SIGKILL)
    assert notebook.request("GET", "api/status").status_code == 200
    until(lambda: _phase(browser, server) == "running")

    assert own.process is not None
    parts = _children(own.process.pid)
    own.kill()
    until(lambda: not [pid for pid in parts if Path(f"/proc/{pid}").exists()], 10)
    assert [line for _, line in processes(own.state).values()], "the workload's shim is gone too"

    own.start()
    until(lambda: notebook_of(browser, server).get("url"))
    assert notebook.request("GET", "api/status").status_code == 200

    assert own.stop() == 0
    until(lambda: not processes(own.state), 20)


def _phase(browser: Browser, server: str) -> str | None:
    """What the start page says, or None while it cannot say anything."""
    try:
        return str(notebook_of(browser, server)["phase"])
    except Exception:
        return None
