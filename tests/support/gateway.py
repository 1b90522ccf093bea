"""A real Traefik and a real key check, as the supervisor starts them, and small HTTP replicas."""

from __future__ import annotations

import contextlib
import http.server
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from himalia_hub.supervisor import traefik
from himalia_hub.supervisor.plan import program
from himalia_hub.supervisor.ports import choose_ports

_CLIENT = httpx.Client(verify=False)
PASSWORD = "traefik-password-of-the-tests"


def wait_until(condition: Callable[[], Any], seconds: float = 20.0, what: str = "the condition") -> Any:
    """The condition's value once it is true; raises when it stays false."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx.TransportError):
            value = condition()
            if value:
                return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.02)


class Replica:
    """Answers its name to everything; keeps the headers of the calls it got."""

    def __init__(self, name: str) -> None:
        seen: list[dict[str, str]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536  # one packet an answer: no waiting for delayed acknowledgements

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                seen.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
                body = name.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Set-Cookie", "stolen=1")
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _answer

            def log_message(self, *args: Any) -> None:
                return None

        self.seen = seen
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Gateway:
    """Traefik and the key check on free ports, with a directory of their own."""

    def __init__(self, platform_url: str = "http://127.0.0.1:9") -> None:
        self.root = Path(tempfile.mkdtemp(prefix="himalia-gateway-"))
        self.dynamic = self.root / "traefik" / "dyn"
        self.dynamic.mkdir(parents=True)
        self.keys = self.root / "keys.json"
        ports = choose_ports(["public", "api", "metrics", "keycheck"])
        self.port = ports["public"]
        self.keycheck_url = f"http://127.0.0.1:{ports['keycheck']}"
        self.password_file = self.root / "password"
        self.password_file.write_text(PASSWORD)
        addresses = traefik.Addresses(
            host="127.0.0.1",
            port=self.port,
            api_port=ports["api"],
            metrics_port=ports["metrics"],
            platform_url=platform_url,
            keycheck_url=self.keycheck_url,
            hub_url=f"http://himalia.localhost:{self.port}",
            api_url=f"http://127.0.0.1:{self.port}",
        )
        self.url = f"http://127.0.0.1:{self.port}"
        self.section = {
            "dynamic_dir": str(self.dynamic),
            "api_url": f"http://127.0.0.1:{ports['api']}",
            "api_user": traefik.API_USER,
            "api_password_file": str(self.password_file),
            "metrics_url": f"http://127.0.0.1:{ports['metrics']}/metrics",
        }
        (self.dynamic / "platform.yml").write_text(traefik.platform_configuration(addresses, PASSWORD))
        static = self.root / "traefik.yml"
        static.write_text(traefik.static_configuration(addresses, str(self.dynamic)))
        self._log = (self.root / "log").open("wb")
        self._processes = [
            self._start([str(program("traefik")), f"--configFile={static}"]),
            self._start(
                [
                    sys.executable,
                    "-m",
                    "himalia_hub.serving.keycheck",
                    "--file",
                    str(self.keys),
                    "--port",
                    str(ports["keycheck"]),
                ]
            ),
        ]
        wait_until(lambda: _CLIENT.get(f"{self.keycheck_url}/check").status_code == 401, what="the key check")
        wait_until(
            lambda: _CLIENT.get(f"{self.section['api_url']}/api/rawdata", auth=(traefik.API_USER, PASSWORD)).is_success,
            what="Traefik",
        )

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT, env={**os.environ})

    def log(self) -> str:
        return (self.root / "log").read_text(errors="replace")

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            if process.poll() is None:
                process.kill()
                process.wait()
        self._log.close()
        shutil.rmtree(self.root, ignore_errors=True)


def new_key() -> str:
    return f"hms_{secrets.token_urlsafe(32)}"
