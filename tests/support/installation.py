"""A whole installation started by ``himalia up`` in a directory of its own, on free ports."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from himalia_hub.selfcheck.browser import Browser
from himalia_hub.supervisor.administration import Administration
from tests.support.ports import free_port

HIMALIA = Path(sys.executable).with_name("himalia")
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
START_SECONDS = 180.0


class Installation:
    """One ``himalia up``; ``stop`` ends it in order, ``kill`` does not."""

    def __init__(self, state: Path, *, port: int | None = None, arguments: tuple[str, ...] = ()) -> None:
        self.state = state
        self.port = port or free_port()
        self.arguments = arguments
        self.log = state.parent / f"{state.name}.up.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Installation:
        """Start and wait until the sign-in link is printed."""
        command = [str(HIMALIA), "up", "--state-dir", str(self.state), "--port", str(self.port), *self.arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        until = time.monotonic() + START_SECONDS
        while not re.search(r"/hub/himalia/link\?token=\S+", self.printed()):
            if self.process.poll() is not None:
                raise AssertionError(f"himalia up ended with {self.process.returncode}:\n{self.printed()}")
            if time.monotonic() > until:
                self.kill()
                raise AssertionError(f"himalia up printed no link in {START_SECONDS:.0f} s:\n{self.printed()}")
            time.sleep(0.1)
        return self

    def printed(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def hub_url(self) -> str:
        return f"http://himalia.localhost:{self.port}"

    @property
    def admin(self) -> Administration:
        return Administration(self.state)

    def link(self, user: str | None = None) -> str:
        return self.admin.link(user)

    def person(self, name: str, *roles: str, organisation: str = "harbour", display_name: str = "") -> dict[str, Any]:
        """Make a person (and the organisation); answers ``{user, tenant, token}``."""
        if organisation not in {row["code"] for row in self.admin.call("GET", "admin/tenants")}:
            body = {"code": organisation, "name": organisation.title()}
            self.admin.call("POST", "admin/tenants", body)
        body = {"tenant": organisation, "name": name, "roles": list(roles) or ["member"], "display_name": display_name}
        return self.admin.call("POST", "admin/users", body)  # type: ignore[no-any-return]

    def himalia(self, *arguments: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
        """Run the command line against this installation."""
        environment = {**os.environ, "HIMALIA_STATE_DIR": str(self.state)}
        return subprocess.run(
            [str(HIMALIA), *arguments], capture_output=True, text=True, timeout=timeout, env=environment, check=False
        )

    def stop(self, seconds: float = 60.0) -> int:
        """SIGTERM; answers the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


def profile_with_room(browser: Browser, seconds: float = 60) -> dict[str, Any]:
    """``spec_id`` and ``environment`` of a profile that starts now; notebooks of earlier tests may still be ending."""
    deadline = time.monotonic() + seconds
    while True:
        page = browser.hub("GET", "himalia/api/start")
        for one in page["profiles"]:
            if one["verdict"]["verdict"] == "starts_now":
                return {"spec_id": one["spec"]["id"], "environment": page["default_environment"]}
        assert time.monotonic() < deadline, [one["verdict"]["sentence"] for one in page["profiles"]]
        time.sleep(0.2)
