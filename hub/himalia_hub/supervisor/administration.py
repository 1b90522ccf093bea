"""The machine administrator's way to the platform: the internal API with the state directory's key.

Used by the supervisor and by ``himalia admin``. Whoever can read the state directory administers
the installation; nobody else can.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from himalia.sdk.client import Client
from himalia_hub.supervisor.errors import SupervisorError

INTERNAL_PATH = "/services/himalia/internal/v1"


class Administration:
    """Calls ``/services/himalia/internal/v1/admin/…`` of one installation.

    Args:
        state_directory: The installation's directory.
        timeout_seconds: For one call.

    Raises:
        SupervisorError: no installation there, it does not run, or it refused; with the reason.
    """

    def __init__(self, state_directory: Path, *, timeout_seconds: float = 30.0) -> None:
        try:
            settings = json.loads((state_directory / "platform.json").read_text(encoding="utf-8"))
            credential = Path(settings["admin"]["credential_file"]).read_text(encoding="ascii").strip()
        except FileNotFoundError as error:
            raise SupervisorError(
                f"There is no installation in {state_directory}.",
                "Name the directory of a started one with --state-dir.",
            ) from error
        except PermissionError as error:
            raise SupervisorError(
                f"The installation in {state_directory} belongs to somebody else.",
                "Run this as the person who started it.",
            ) from error
        listen = settings["listen"]
        self.settings: dict[str, Any] = settings
        self.state_directory = state_directory
        self._address = f"http://{listen['host']}:{listen['port']}"
        self._base = self._address + INTERNAL_PATH
        self._headers = {"Authorization": f"Bearer {credential}"}
        self._timeout = timeout_seconds

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request; answers the decoded JSON, or None without content."""
        try:
            answer = httpx.request(
                method,
                f"{self._base}/{path.lstrip('/')}",
                json=body,
                headers=self._headers,
                timeout=self._timeout,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            raise SupervisorError(
                f"The platform of {self.state_directory} does not answer ({type(error).__name__}).",
                "Start it with `himalia up`, or look into its logs.",
            ) from error
        if answer.status_code >= 400:
            raise SupervisorError(*_problem(answer))
        return answer.json() if answer.content else None

    def client(self) -> Client:
        """The SDK as the machine's administrator, who reaches the whole platform; close it after use."""
        return Client(self._address, self._headers["Authorization"].removeprefix("Bearer "), retry_seconds=2.0)

    def link(self, user: str | None = None) -> str:
        """A new one-time sign-in address."""
        answer = self.call("POST", "admin/links", {"user": user} if user else {})
        return self.link_address(answer["token"])

    def first_links(self) -> list[tuple[str, str]]:
        """The administrators who have not signed in yet, or the one of an installation: (title, address)."""
        answer = self.call("POST", "admin/first-links", {})
        return [(row["title"], self.link_address(row["token"])) for row in answer["links"]]

    def link_address(self, token: str) -> str:
        return f"{self.settings['public']['hub_url']}/hub/himalia/link?token={token}"


def _problem(answer: httpx.Response) -> tuple[str, str]:
    try:
        problem = answer.json()
    except ValueError:
        return f"The platform answered {answer.status_code}.", ""
    return str(problem.get("detail") or problem.get("title")), str(problem.get("hint") or "")
