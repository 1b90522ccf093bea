"""A machine with one small runtime environment, and a hub whose spawner the tests play."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.api.compute.conftest import Machine, make_machine
from tests.support.environments import lay_environment
from tests.support.ports import free_port

ANSWERING = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == os.environ["JUPYTERHUB_SERVICE_PREFIX"] + "api" else 404)
        self.end_headers()
    def log_message(self, *args):
        pass
print("home:", sorted(os.listdir("/home/jovyan")), flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", 8888), Handler).serve_forever()
"""
"""Stands where jupyterhub-singleuser would: answers the probe of the plan."""


class Hub:
    """The part of JupyterHub's REST API that the platform uses; remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.options: dict[str, Any] = {}
        """What each server was last asked to start with."""
        self.users: set[str] = set()
        self.profiles: Callable[[str], tuple[int, Any]] = lambda _user: (200, {"profiles": []})
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"null")
                hub.calls.append((self.command, self.path))
                parts = self.path.removeprefix("/hub/api/").removeprefix("himalia/").split("/")
                known, answer = parts[1] in hub.users, b""
                if self.command == "POST" and len(parts) == 2:
                    hub.users.add(parts[1])
                    status = 201
                elif self.command == "POST":
                    status = 202 if known else 404
                    hub.options[parts[-1]] = body["user_options"]
                elif self.command == "GET":
                    status, told = hub.profiles(parts[1]) if known else (404, None)
                    answer = json.dumps(told).encode()
                else:
                    status = 204
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_DELETE = _answer

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hub/api"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    found = Hub()
    yield found
    found.close()


@pytest.fixture(scope="session")
def environments_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("environments")
    return lay_environment(root, "notebook", "training", "inference", interpreter=True)


@pytest.fixture
def machine(database_url: str, tmp_path: Path, hub: Hub, environments_root: Path) -> Iterator[Machine]:
    token = tmp_path / "platform.token"
    token.write_text("of-the-platform")
    yield from make_machine(
        tmp_path,
        database_url,
        environments_root=str(environments_root),
        hub={"api_url": hub.url, "token_file": str(token)},
        listen={"port": free_port()},
    )
