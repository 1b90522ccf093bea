"""How the SDK meets a platform that restarts, refuses or is not there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from himalia.sdk import errors
from himalia.sdk.client import Client
from himalia.sdk.compute import Workload
from himalia.sdk.decode import decode
from himalia.sdk.money import Currency
from himalia.sdk.settings import normal_url


class RestartingPlatform(ThreadingHTTPServer):
    """Answers from a script of (status, body); the last one again and again. 0 breaks off."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[tuple[int, Any]] = [(200, {})]
        self.seen: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: RestartingPlatform

    def do_GET(self) -> None:
        platform = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        platform.seen.append((self.command, {k.lower(): v for k, v in self.headers.items()}, body))
        status, answer = platform.script.pop(0) if len(platform.script) > 1 else platform.script[0]
        if status == 0:
            self.close_connection = True
            return
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_POST = do_PATCH = do_DELETE = do_PUT = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def platform() -> Iterator[RestartingPlatform]:
    with RestartingPlatform() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def client(platform: RestartingPlatform) -> Iterator[Client]:
    with Client(platform.url, "hmp_secret", retry_seconds=5) as connected:
        yield connected


def test_a_write_is_repeated_with_the_same_key(client: Client, platform: RestartingPlatform) -> None:
    """GEN-6: broken connections and 503 are tried again; a second effect never happens."""
    platform.script = [(0, None), (503, {}), (502, {}), (201, {"id": 3})]
    assert client.http.post("/datasets", {"name": "a"}) == {"id": 3}
    assert len(platform.seen) == 4
    assert len({headers["idempotency-key"] for _, headers, _ in platform.seen}) == 1
    assert {body for _, _, body in platform.seen} == {b'{"name":"a"}'}
    platform.script = [(201, {"id": 4})]
    client.http.post("/datasets", {"name": "a"})
    assert len({headers["idempotency-key"] for _, headers, _ in platform.seen}) == 2


def test_a_refusal_is_not_repeated(client: Client, platform: RestartingPlatform) -> None:
    problem = {
        "code": "quota_exceeded",
        "detail": "3 CPU were asked for, 1 is left.",
        "hint": "Stop something.",
        "details": {"level": "user"},
        "request_id": "r7",
    }
    platform.script = [(409, problem)]
    with pytest.raises(errors.QuotaExceeded) as refused:
        client.http.post("/jobs")
    assert len(platform.seen) == 1
    assert str(refused.value) == "3 CPU were asked for, 1 is left.\n→ Stop something.\n  (quota_exceeded, request r7)"
    assert refused.value.details == {"level": "user"}


def test_an_unknown_code_keeps_its_status_class(client: Client, platform: RestartingPlatform) -> None:
    platform.script = [(409, {"code": "something_new", "detail": "No."})]
    with pytest.raises(errors.Conflict) as refused:
        client.http.post("/jobs")
    assert refused.value.code == "something_new"


def test_nobody_there_is_said_after_the_retry_time(platform: RestartingPlatform) -> None:
    platform.script = [(0, None)]
    with Client(platform.url, "hmp_secret", retry_seconds=0.5) as client, pytest.raises(errors.NotConnected) as away:
        client.me()
    assert "restarting" in str(away.value) and "hmp_secret" not in str(away.value)


def test_without_address_or_token_it_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in ("HIMALIA_API_URL", "HIMALIA_TOKEN", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("empty")))
    with pytest.raises(errors.NotConnected, match="himalia login"):
        Client()
    with pytest.raises(errors.NotConnected):
        Client("http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://h:8000", "http://h:8000/services/himalia/api/v1"),
        ("https://h/", "https://h/services/himalia/api/v1"),
        ("http://h/base/services/himalia/api/v1/", "http://h/base/services/himalia/api/v1"),
    ],
)
def test_addresses(given: str, url: str) -> None:
    assert normal_url(given) == url


def test_a_newer_and_an_older_platform_are_understood() -> None:
    """Unknown fields are ignored, missing ones default, null is no crash."""
    work = decode(Workload, {"id": 3, "brand_new": 1, "resources": None, "usage": {"cpu_percent": 4.5, "x": 1}})
    assert (work.id, work.phase, work.usage.cpu_percent if work.usage else 0) == (3, "", 4.5)


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (12_400_000, "¥12.40"),
        (0, "¥0.00"),
        (1_234_567_890_000, "¥1,234,567.89"),
        (4_200, "¥0.0042"),
        (-5_000_000, "-¥5.00"),
    ],
)
def test_money_is_shown_exactly(micros: int, shown: str) -> None:
    """GEN-8."""
    assert Currency("CNY", "¥", 2).show(micros) == shown
