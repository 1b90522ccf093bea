"""The extension inside a real jupyter-server process, between browsers and a stand-in platform."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from standin import PICTURE, PREFIX, StandIn, standin

TOKEN = "notebook-secret-token"
XSRF = "0123456789abcdef"
CONFIG = """
from jupyter_server.auth import IdentityProvider, User

class Visitors(IdentityProvider):
    # As a hub would: the visitor's name from outside, checked elsewhere.
    async def get_user(self, handler):
        name = handler.request.headers.get("X-Visitor")
        return User(username=name) if name else None
    def is_token_authenticated(self, handler):
        return "X-Token-Authenticated" in handler.request.headers

c.ServerApp.identity_provider_class = Visitors
c.ServerApp.log_level = 10
c.HimaliaExtension.retry_seconds = 3
"""


class Notebook:
    """A running jupyter-server of the person ``u7``."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process, self.url, self.log = process, url, log

    @contextlib.contextmanager
    def browser(self, visitor: str | None = "u7") -> Iterator[httpx.Client]:
        headers = {"X-Visitor": visitor} if visitor else {}
        with httpx.Client(base_url=self.url, headers=headers, timeout=30) as client:
            client.cookies.set("_xsrf", XSRF)
            client.headers["X-XSRFToken"] = XSRF
            yield client

    def peak_memory_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1])  # type: ignore[index]


@contextlib.contextmanager
def notebook(root: Path, api_url: str, **environment: str) -> Iterator[Notebook]:
    (root / "config.py").write_text(CONFIG)
    log = root / "server.log"
    places = {name: str(root / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR")}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "HIMALIA_API_URL": api_url,
        "HIMALIA_TOKEN": TOKEN,
        "HIMALIA_WORKLOAD_ID": "12",
        "JUPYTERHUB_USER": "u7",
        **places,
        **environment,
    }
    command = [sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser", "--port=0", "--ip=127.0.0.1"]
    command += [f"--config={root / 'config.py'}", "--ServerApp.base_url=/user/u7/lab1/", f"--ServerApp.root_dir={root}"]
    command += ["--ServerApp.jpserver_extensions=himalia=True", "--ServerApp.allow_remote_access=True"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        url = wait_for(lambda: re.search(r"http://127\.0\.0\.1:\d+/user/u7/lab1/", log.read_text()))
        yield Notebook(process, url[0], log)
    finally:
        process.kill()
        process.wait()


def wait_for(check: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)
    return value


@pytest.fixture(scope="module")
def platform() -> Iterator[StandIn]:
    with standin() as running:
        yield running


@pytest.fixture(scope="module")
def server(platform: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    with notebook(tmp_path_factory.mktemp("jupyter"), platform.url) as running:
        yield running


@pytest.fixture
def browser(server: Notebook) -> Iterator[httpx.Client]:
    with server.browser() as client:
        yield client


API = "himalia/api/v1"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_reaches_the_platform_as_the_notebook(
    browser: httpx.Client, platform: StandIn, method: str
) -> None:
    """Tokens in, cookies neither way, what matters passed on."""
    sent = {
        "Accept-Language": "zh-CN",
        "If-Match": '"6"',
        "Idempotency-Key": "k1",
        "Himalia-Step-Up": "grant",
        "X-Forwarded-For": "6.6.6.6",
    }
    browser.cookies.set("secret", "1")
    path = f"{API}/echo/%E6%95%B0%2Fx?q=a%20b&token=leak&limit=5"
    answer = browser.request(method, path, headers=sent, content=None if method in ("GET", "DELETE") else b"body")
    assert answer.status_code == (201 if method == "POST" else 200), answer.text
    seen = platform.seen[-1]
    assert (seen["method"], seen["uri"]) == (method, f"{PREFIX}/echo/%E6%95%B0%2Fx?q=a%20b&limit=5")
    assert seen["headers"]["authorization"] == f"Bearer {TOKEN}"
    assert {name: seen["headers"][name.lower()] for name in list(sent)[:4]} == dict(list(sent.items())[:4])
    assert not {"cookie", "x-forwarded-for", "x-visitor", "x-xsrftoken"} & set(seen["headers"])
    assert "himalia=" not in answer.headers.get("set-cookie", "")
    assert "access-control-allow-origin" not in answer.headers
    assert (answer.headers["etag"], answer.headers["link"]) == ('"7"', "<a>; rel=next")


def test_only_the_owner_may_use_it(server: Notebook, platform: StandIn) -> None:
    """SEC-5: another hub user, an administrator too, gets 403; nobody at all as well."""
    before = len(platform.seen)
    for visitor in ("u8", "admin", None):
        with server.browser(visitor) as client:
            for path in (f"{API}/echo", "himalia/events", "himalia/context"):
                assert client.get(path).status_code == 403, (visitor, path)
            assert client.post(f"{API}/echo", content=b"x").status_code == 403
    with server.browser("u8") as client:
        answer = client.get(f"{API}/echo", headers={"Accept-Language": "zh"})
        assert (answer.json()["code"], answer.headers["content-type"]) == ("owner_only", "application/problem+json")
        assert "所有者" in answer.json()["detail"]
    assert len(platform.seen) == before


def test_writes_need_the_xsrf_token(browser: httpx.Client, platform: StandIn) -> None:
    """SEC-5."""
    before = len(platform.seen)
    del browser.headers["X-XSRFToken"]
    assert browser.post(f"{API}/echo", content=b"x").status_code == 403
    assert len(platform.seen) == before


@pytest.mark.parametrize(
    "path", ["/../internal", "/echo/..%2f..%2finternal", "/echo/%2e%2e/x", "/echo/%252e%252e/x", "//other", "/a%5cb"]
)
def test_nothing_leaves_the_api(server: Notebook, platform: StandIn, path: str) -> None:
    """REL-5: no spelling of a path gets out of the API's base."""
    before = len(platform.seen)
    with server.browser() as client:
        raw = httpx.URL(server.url).copy_with(raw_path=f"/user/u7/lab1/{API}{path}".encode())
        answer = client.send(httpx.Request("GET", raw, headers=client.headers))
    assert (answer.status_code, len(platform.seen)) == (404, before)


def test_uploads_stream(server: Notebook, browser: httpx.Client, platform: StandIn) -> None:
    """DAT-2: 192 MiB pass while the server holds no more than a chunk."""
    block = os.urandom(1 << 20)
    before = server.peak_memory_kib()
    answer = browser.post(
        f"{API}/echo", content=(block for _ in range(192)), headers={"Content-Length": str(192 << 20)}
    )
    assert answer.status_code == 201
    assert platform.seen[-1]["size"] == 192 << 20
    assert platform.seen[-1]["sha256"] == hashlib.sha256(block * 192).hexdigest()
    assert platform.seen[-1]["headers"]["content-length"] == str(192 << 20)
    assert server.peak_memory_kib() - before < 12 * 1024


def test_a_refusal_in_the_middle_of_an_upload_arrives(browser: httpx.Client) -> None:
    def body() -> Iterator[bytes]:
        for _ in range(64):
            yield b"x" * (1 << 20)

    answer = browser.post(f"{API}/refuse", content=body(), headers={"Content-Length": str(64 << 20)})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_pictures_keep_ranges_validators_and_their_cage(browser: httpx.Client) -> None:
    whole = browser.get(f"{API}/picture")
    assert whole.content == PICTURE
    assert whole.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert whole.headers["content-security-policy"] == "sandbox"
    assert whole.headers["content-length"] == str(len(PICTURE))
    part = browser.get(f"{API}/picture", headers={"Range": "bytes=300-999"})
    assert (part.status_code, part.content) == (206, PICTURE[300:1000])
    assert part.headers["content-range"] == f"bytes 300-999/{len(PICTURE)}"
    same = browser.get(f"{API}/picture", headers={"If-None-Match": '"abc"'})
    assert (same.status_code, same.content) == (304, b"")
    head = browser.head(f"{API}/picture")
    assert (head.headers["content-length"], head.content) == (str(len(PICTURE)), b"")


def test_reading_is_no_activity_and_writing_is(browser: httpx.Client) -> None:
    """NB-4, BEY-4: polling and streams keep nothing alive; labelling does."""

    def last_activity() -> str:
        return str(browser.get("api/status?no_track_activity=1").json()["last_activity"])

    before = last_activity()
    browser.get(f"{API}/echo")
    browser.get("himalia/context")
    with browser.stream("GET", "himalia/events") as events:
        assert events.status_code == 200
    assert last_activity() == before
    browser.post(f"{API}/echo", content=b"label")
    assert last_activity() > before


def test_reading_waits_for_a_platform_that_restarts(browser: httpx.Client, platform: StandIn) -> None:
    """REL-1: a GET goes through a restart; so does a write that was not sent yet."""
    for request in (lambda: browser.get(f"{API}/echo"), lambda: browser.post(f"{API}/echo", content=b"x")):
        platform.close()
        threading.Timer(0.6, platform.open).start()
        assert request().status_code in (200, 201)


def test_a_platform_that_stays_away_is_a_clear_503(browser: httpx.Client, platform: StandIn) -> None:
    platform.close()
    try:
        answer = browser.get(f"{API}/echo")
        chinese = browser.get(f"{API}/echo", headers={"Accept-Language": "zh-CN"})
        assert (answer.status_code, answer.json()["code"]) == (503, "platform_unavailable")
        assert answer.headers["retry-after"] == "2"
        assert "平台" in chinese.json()["detail"]
        assert browser.get("himalia/context").json()["api_ready"] is True
    finally:
        platform.open()


def test_an_answer_that_breaks_off_never_looks_whole(browser: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        browser.get(f"{API}/half")
    answer = browser.post(f"{API}/half", content=b"x")
    assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")


def test_context_says_where_the_server_stands(browser: httpx.Client) -> None:
    assert browser.get("himalia/context").json() == {
        "api_ready": True,
        "hub_url": None,
        "user": "u7",
        "server_name": None,
        "workload_id": 12,
        "language": None,
    }


class Listener:
    """A browser's EventSource, read in a thread."""

    def __init__(self, server: Notebook, last: int | None = None) -> None:
        self.events: queue.Queue[str | None] = queue.Queue()
        self._open = contextlib.ExitStack()
        self._client = self._open.enter_context(server.browser())
        self._last = {} if last is None else {"Last-Event-ID": str(last)}
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self.take() == "retry: 1000"

    def _read(self) -> None:
        source = self._client.stream("GET", "himalia/events", headers=self._last)
        with contextlib.suppress(httpx.HTTPError), source as answer:
            block = ""
            for line in answer.iter_lines():
                if line:
                    block += ("\n" if block else "") + line
                elif block:
                    self.events.put(block)
                    block = ""
        self.events.put(None)

    def take(self) -> str | None:
        return self.events.get(timeout=15)

    def close(self) -> None:
        self._open.close()


def event(number: int) -> str:
    return f'id: {number}\nevent: change\ndata: {{"n": {number}}}'


def test_one_stream_serves_all_browsers_and_resumes(platform: StandIn, tmp_path: Path) -> None:
    """UI-2: one upstream per server; a browser that comes back gets what it missed."""
    platform.stream_heads.clear()
    with notebook(tmp_path, platform.url) as server:
        first, second = Listener(server), Listener(server)
        wait_for(lambda: len(platform.streams) == 1)
        platform.event(101)
        assert first.take() == second.take() == event(101)
        assert platform.stream_heads == [""]
        first.close()
        platform.event(102)
        platform.event(103)
        assert [second.take(), second.take()] == [event(102), event(103)]
        back = Listener(server, last=101)
        assert [back.take(), back.take()] == [event(102), event(103)]
        long_gone = Listener(server, last=50)
        assert long_gone.take() == "event: reset\ndata: {}"

        platform.close()  # every browser sees that the platform is lost …
        assert second.take() is None
        platform.open()
        again = Listener(server, last=103)  # … and comes back to the same place
        assert platform.stream_heads[-1] == "103"
        wait_for(lambda: len(platform.streams) == 1)
        platform.event(104)
        assert again.take() == event(104)
        again.close()


def test_secrets_are_never_logged(server: Notebook, browser: httpx.Client) -> None:
    """SEC-4: with the log at its most talkative."""
    browser.post(f"{API}/half", content=b"x", headers={"Himalia-Step-Up": "grant-4711"})
    log = server.log.read_text()
    assert "half" in log
    assert TOKEN not in log and "grant-4711" not in log


def test_the_extension_is_light() -> None:
    """PERF-3: what it adds to a server that is there anyway; no HTTP client, no SDK."""
    code = """
import sys, time
import jupyter_server.serverapp, jupyter_server.base.handlers
before = set(sys.modules)
began = time.perf_counter()
import himalia, himalia.extension, himalia.extension.handlers, himalia.extension.events
print(time.perf_counter() - began, *sorted(set(sys.modules) - before))
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    foreign = [name for name in out[1:] if not name.startswith("himalia")]
    assert not {"httpx", "numpy", "pandas", "himalia.sdk.client"} & set(out)
    assert len(foreign) <= 12, foreign
