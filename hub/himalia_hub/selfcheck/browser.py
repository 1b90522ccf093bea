"""A person's browser without a window: cookies, XSRF, the hub's pages, a notebook and its kernel.

Every name under ``localhost`` is connected to the loopback address, as browsers do (RFC 6761).
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from tornado import httpclient, websocket

T = TypeVar("T")


class Unexpected(Exception):
    """Something was not as it must be; the sentence says what was seen."""


class _Loopback(httpx.HTTPTransport):
    """Sends requests for ``*.localhost`` to 127.0.0.1 under their own Host header."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host.endswith(".localhost"):
            original = request.url
            request.url = original.copy_with(host="127.0.0.1")
            try:
                return super().handle_request(request)
            finally:
                request.url = original
        return super().handle_request(request)


class Browser:
    """One signed-in session.

    Args:
        hub_url: ``http://himalia.localhost:8000``, without a trailing slash.
    """

    def __init__(self, hub_url: str) -> None:
        self.hub_url = hub_url
        self.http = httpx.Client(transport=_Loopback(), follow_redirects=True, timeout=60, trust_env=False)

    # -- the hub's pages ---------------------------------------------------------------------

    def sign_in(self, link: str) -> None:
        """Open a one-time link and press its button; ends on the start page."""
        page = self.http.get(link)
        expect(page, 200, "the sign-in link")
        form = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text))
        form.setdefault("token", link.partition("token=")[2])
        form["_xsrf"] = self.http.cookies.get("_xsrf", domain=self._host()) or form.get("_xsrf", "")
        done = self.http.post(str(page.url).partition("?")[0], data={**form, "later": "1", "accept_privacy": "1"})
        expect(done, 200, "signing in")
        if "/hub/home" not in str(done.url):
            raise Unexpected(f"signing in ended at {done.url.path}, not on the start page")

    def _host(self) -> str:
        return urlsplit(self.hub_url).hostname or ""

    def hub(self, method: str, path: str, body: Any = None) -> Any:
        """A call that the start page's script makes."""
        xsrf = self._cookie("_xsrf", "/hub/")
        answer = self.http.request(
            method,
            f"{self.hub_url}/hub/{path}",
            json=body,
            headers={"X-XSRFToken": xsrf or "", "Sec-Fetch-Site": "same-origin", "Origin": self.hub_url},
        )
        expect(answer, (200, 201, 202, 204), f"{method} /hub/{path}")
        return answer.json() if answer.content else None

    def _cookie(self, name: str, path: str, host: str | None = None) -> str | None:
        wanted = host or self._host()
        for cookie in self.http.cookies.jar:
            if cookie.name == name and cookie.path == path and wanted in (cookie.domain, cookie.domain.lstrip(".")):
                return cookie.value
        for cookie in self.http.cookies.jar:
            if cookie.name == name and cookie.path == path:
                return cookie.value
        return None

    # -- the notebook ------------------------------------------------------------------------

    def open_notebook(self, url: str) -> Notebook:
        """Follow the address of a running notebook through the hub's consent-free OAuth."""
        page = self.http.get(url)
        expect(page, 200, "opening Lab")
        if "jupyter-config-data" not in page.text:
            raise Unexpected(f"{page.url.path} is not JupyterLab's page")
        return Notebook(self, url.rpartition("/lab")[0])

    def close(self) -> None:
        self.http.close()


class Notebook:
    """A running notebook server as its owner's browser sees it."""

    def __init__(self, browser: Browser, base: str) -> None:
        self.browser = browser
        self.base = base.rstrip("/")
        self.path = urlsplit(self.base).path + "/"
        self.host = urlsplit(self.base).hostname or ""

    def _headers(self) -> dict[str, str]:
        token = self.browser._cookie("_xsrf", self.path, self.host) or ""
        return {"X-XSRFToken": token, "Origin": self.base.partition("/user/")[0]}

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self._headers(), **options.pop("headers", {})}
        return self.browser.http.request(method, f"{self.base}/{path}", headers=headers, **options)

    def api(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """A call of a panel: through the server extension to the platform."""
        if body is not None:
            options["json"] = body
        answer = self.request(method, f"himalia/api/v1/{path}", **options)
        expect(answer, (200, 201, 202, 204), f"{method} {path}")
        return answer.json() if answer.content and "json" in answer.headers.get("Content-Type", "") else answer.content

    async def run_cell(self, code: str, *, timeout_seconds: float = 120.0) -> str:
        """Run code in a fresh kernel; answers what it printed. Raises when the cell failed."""
        answer = self.request("POST", "api/kernels", json={"name": "python3"})
        expect(answer, 201, "starting a kernel")
        kernel = answer.json()["id"]
        try:
            return await self._execute(kernel, code, timeout_seconds)
        finally:
            self.request("DELETE", f"api/kernels/{kernel}")

    async def _execute(self, kernel: str, code: str, timeout_seconds: float) -> str:
        parts = urlsplit(self.base)
        cookies = "; ".join(
            f"{c.name}={c.value}" for c in self.browser.http.cookies.jar if c.path in ("/", self.path) and self._mine(c)
        )
        request = httpclient.HTTPRequest(
            f"ws://127.0.0.1:{parts.port or 80}{self.path}api/kernels/{kernel}/channels",
            headers={"Host": parts.netloc, "Cookie": cookies, **self._headers()},
            request_timeout=timeout_seconds,
        )
        connection = await websocket.websocket_connect(request)
        session, message_id = uuid.uuid4().hex, uuid.uuid4().hex
        await connection.write_message(json.dumps(_execute_request(code, session, message_id)))
        output: list[str] = []
        while True:
            raw = await connection.read_message()
            if raw is None:
                raise Unexpected("the kernel's connection ended before the cell did")
            message = json.loads(raw)
            if message.get("parent_header", {}).get("msg_id") != message_id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                output.append(content["text"])
            elif kind in ("execute_result", "display_data"):
                output.append(str(content["data"].get("text/plain", "")))
            elif kind == "error":
                raise Unexpected(f"the cell failed: {content['ename']}: {content['evalue']}")
            elif kind == "status" and content["execution_state"] == "idle":
                connection.close()
                return "".join(output)

    def _mine(self, cookie: Any) -> bool:
        domain = str(cookie.domain).lstrip(".")
        return self.host == domain or self.host.endswith("." + domain) or domain in ("", "himalia.localhost.local")


def _execute_request(code: str, session: str, message_id: str) -> dict[str, Any]:
    return {
        "header": {
            "msg_id": message_id,
            "username": "",
            "session": session,
            "msg_type": "execute_request",
            "version": "5.3",
            "date": "2026-01-01T00:00:00Z",
        },
        "parent_header": {},
        "metadata": {},
        "content": {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        },
        "channel": "shell",
        "buffers": [],
    }


def expect(answer: httpx.Response, status: int | tuple[int, ...], what: str) -> None:
    """The answer has one of these statuses, or :class:`Unexpected` quotes its problem document."""
    wanted = (status,) if isinstance(status, int) else status
    if answer.status_code in wanted:
        return
    said = answer.text[:400]
    try:
        problem = answer.json()
        said = f"{problem.get('code')}: {problem.get('detail') or problem.get('message')} {problem.get('hint') or ''}"
    except ValueError:
        pass
    raise Unexpected(f"{what} answered {answer.status_code}: {said.strip()}")


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, on a loop of its own in a thread: the caller may stand in a running loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
