"""Sessions end within seconds everywhere, and what the pages' headers promise (TEN-2, TEN-6, TEN-17, SEC-5)."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tornado import httpclient, websocket

from himalia_hub.selfcheck.browser import Browser, Notebook, run_apart
from tests.e2e.test_sources import api
from tests.support.installation import Installation, profile_with_room
from tests.support.waiting import until

pytestmark = pytest.mark.e2e
SOON = 10.0
"""Seconds within which an ended session must be over everywhere."""


def person(installation: Installation) -> tuple[str, dict[str, Any]]:
    name = f"sess{secrets.token_hex(4)}"
    return name, installation.person(name)


STARTED: set[str] = set()
"""Who signed in here, and may have left a notebook running."""


@pytest.fixture(scope="module", autouse=True)
def room_for_others(installation: Installation) -> Iterator[None]:
    """Ends the notebooks of these tests, so that the resources are free for the tests after them."""
    yield
    for name in sorted(STARTED):
        with contextlib.suppress(Exception):  # deleted or closed out by its own test
            installation.admin.call("POST", f"admin/users/{name}/change", {"enabled": False})


def signed_in(installation: Installation, name: str) -> Browser:
    STARTED.add(name)
    browser = Browser(installation.hub_url)
    browser.sign_in(installation.link(name))
    return browser


def at_home(browser: Browser) -> bool:
    return browser.http.get(f"{browser.hub_url}/hub/home").url.path == "/hub/home"


def running_notebook(browser: Browser) -> Notebook:
    wanted = {"name": "kept", **profile_with_room(browser)}
    made = browser.hub("POST", "himalia/api/notebooks", wanted)

    def url() -> Any:
        rows = browser.hub("GET", "himalia/api/start")["notebooks"]
        return next(row["url"] for row in rows if row["id"] == made["id"])

    until(url, 120)
    return browser.open_notebook(url())


async def connect(notebook: Notebook, kernel: str) -> websocket.WebSocketClientConnection:
    parts = urlsplit(notebook.base)
    jar = notebook.browser.http.cookies.jar
    cookies = "; ".join(f"{c.name}={c.value}" for c in jar if c.path in ("/", notebook.path) and notebook._mine(c))
    headers = {"Host": parts.netloc, "Cookie": cookies, **notebook._headers()}
    address = f"ws://127.0.0.1:{parts.port}{notebook.path}api/kernels/{kernel}/channels"
    return await websocket.websocket_connect(httpclient.HTTPRequest(address, headers=headers))


async def closed_within(connection: websocket.WebSocketClientConnection, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while await connection.read_message() is not None:
                pass
    except TimeoutError:
        return False
    return True


def test_ending_sessions_ends_every_browser_and_connection_and_leaves_the_work(installation: Installation) -> None:
    """TEN-6: both browsers are out, the kernel's socket closes, the notebook goes on for the next sign-in."""
    name, made = person(installation)
    first, second = signed_in(installation, name), signed_in(installation, name)
    assert at_home(first) and at_home(second)
    notebook = running_notebook(first)
    kernel = notebook.request("POST", "api/kernels", json={"name": "python3"}).json()["id"]

    async def scene() -> bool:
        connection = await connect(notebook, kernel)
        # The control: nothing closes it by itself.
        assert not await closed_within(connection, 2)
        await asyncio.to_thread(notebook.api, "POST", "me/sessions/end", {})
        return await closed_within(connection, SOON)

    assert run_apart(scene())
    until(lambda: not at_home(first) and not at_home(second), SOON)
    refused = notebook.request("GET", "api/kernels", follow_redirects=False)
    assert refused.status_code in (302, 403)
    again = signed_in(installation, name)
    rows = again.hub("GET", "himalia/api/start")["notebooks"]
    assert [row["phase"] for row in rows] == ["running"]
    reopened = again.open_notebook(rows[0]["url"])
    assert kernel in {row["id"] for row in reopened.request("GET", "api/kernels").json()}
    del made


def test_a_disabled_person_is_out_within_seconds(installation: Installation) -> None:
    """TEN-2, TEN-6: two browsers, and no way back in."""
    name, made = person(installation)
    first, second = signed_in(installation, name), signed_in(installation, name)
    assert at_home(first) and at_home(second)
    installation.admin.call("POST", f"admin/users/{name}/change", {"enabled": False})
    until(lambda: not at_home(first) and not at_home(second), SOON)
    hub_user = made["user"]["hub_user"]
    asked = first.http.get(f"{installation.hub_url}/hub/api/users/{hub_user}")
    assert asked.status_code in (401, 403)


def test_a_notebook_of_somebody_who_never_signed_in_reports_to_the_hub(installation: Installation) -> None:
    """The platform starts notebooks for people whom the hub has never seen; their servers' reports count."""
    name = f"never{secrets.token_hex(4)}"
    installation.person(name)
    log = installation.state / "logs" / "hub.log"
    before = log.stat().st_size
    token = installation.admin.call("POST", "admin/links", {"user": name})
    assert token["user"]["name"] == name
    hub_user = next(row["hub_user"] for row in [installation.person(f"other{secrets.token_hex(4)}")["user"]])
    answer = _hub_api(installation, "POST", f"users/{hub_user}")
    assert answer.status_code in (201, 409)
    made = _hub_api(installation, "POST", f"users/{hub_user}/tokens", {"note": "a server's", "expires_in": 60})
    assert made.status_code in (201, 403), made.text
    if made.status_code == 201:
        report = httpx.post(
            f"{installation.admin.settings['hub']['api_url']}/users/{hub_user}/activity",
            headers={"Authorization": f"token {made.json()['token']}"},
            json={"last_activity": "2026-01-01T00:00:00Z"},
        )
        assert report.status_code == 200
    assert "stale auth info" not in log.read_text()[before:]


def _hub_api(installation: Installation, method: str, path: str, body: Any = None) -> httpx.Response:
    from pathlib import Path

    hub = installation.admin.settings["hub"]
    token = Path(hub["token_file"]).read_text().strip()
    return httpx.request(method, f"{hub['api_url']}/{path}", headers={"Authorization": f"token {token}"}, json=body)


# -- headers and cookies ----------------------------------------------------------------------


def test_the_hubs_pages_send_strict_headers(installation: Installation) -> None:
    """SEC-5: no framing, no foreign code, no sniffing, no caching of pages about a person."""
    name, _ = person(installation)
    browser = signed_in(installation, name)
    for path in ("/hub/login", "/hub/home", "/hub/himalia/step-up", "/hub/himalia/link?token=x", "/hub/nowhere"):
        client = Browser(installation.hub_url) if path == "/hub/login" else browser
        page = client.http.get(installation.hub_url + path)
        policy = page.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy or "frame-ancestors 'self'" in policy, (path, policy)
        assert page.headers["x-content-type-options"] == "nosniff", path
        assert page.headers["referrer-policy"] in ("same-origin", "no-referrer"), path
        if path != "/hub/nowhere":
            assert "default-src 'none'" in policy and "script-src 'self'" in policy, (path, policy)
            assert "unsafe-inline" not in policy and page.headers["cache-control"] == "no-store", path
        assert "<script>" not in page.text and "onclick=" not in page.text


def test_session_cookies_stay_with_their_host_and_out_of_scripts(installation: Installation) -> None:
    name, _ = person(installation)
    browser = Browser(installation.hub_url)
    given: list[str] = []
    browser.http.event_hooks["response"].append(lambda r: given.extend(r.headers.get_list("set-cookie")))
    browser.sign_in(installation.link(name))
    login = [line for line in given if line.startswith("jupyterhub-hub-login=")]
    assert login
    for line in login:
        words = line.lower()
        assert "httponly" in words and "domain=" not in words and "path=/hub/" in words
        assert "samesite=lax" in words


def test_a_change_without_the_pages_own_token_is_refused(installation: Installation) -> None:
    """XSRF: a form of another site carries cookies, not the token. The control carries it and is accepted."""
    name, _ = person(installation)
    browser = signed_in(installation, name)
    page = browser.hub("GET", "himalia/api/start")
    wanted = {
        "name": "by-xsrf",
        "spec_id": page["profiles"][0]["spec"]["id"],
        "environment": page["default_environment"],
    }
    url = f"{installation.hub_url}/hub/himalia/api/notebooks"
    for headers in ({}, {"Origin": "http://evil.example"}, {"X-XSRFToken": "x" * 40}):
        assert browser.http.post(url, json=wanted, headers=headers).status_code == 403
    assert browser.hub("GET", "himalia/api/start")["notebooks"] == []
    assert browser.hub("POST", "himalia/api/notebooks", wanted)["name"] == "by-xsrf"


def test_programs_have_a_host_of_their_own_without_the_hub(installation: Installation) -> None:
    """SEC-5: nobody can sign in on the programs' host, and it neither takes nor gives cookies."""
    base = f"http://127.0.0.1:{installation.port}"
    assert httpx.get(f"{base}/hub/login").status_code == 404
    health = httpx.get(f"{base}/services/himalia/api/v1/health", headers={"Cookie": "jupyterhub-hub-login=x"})
    assert health.status_code == 200 and "set-cookie" not in health.headers
    assert "sandbox" in health.headers["content-security-policy"]
    assert httpx.get(f"{base}/services/himalia/internal/v1/admin/status").status_code == 404
    assert api(installation, "GET", "/sign-in-sources").status_code == 200
