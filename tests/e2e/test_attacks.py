"""REL-5 on the hub's own pages: open redirects, planted cookies, fixed sessions. What the API answers is tried apart.

Each attack has its control: the honest form of the same request gets through.
"""

from __future__ import annotations

from typing import Any

import pytest

from himalia_hub.selfcheck.browser import Browser
from tests.api.attacks import probes
from tests.e2e.test_sessions import at_home, person, signed_in
from tests.support.installation import Installation

pytestmark = pytest.mark.e2e
PLANTED = "planted-by-a-neighbour"


@pytest.mark.parametrize("page", ["/hub/login?next=", "/hub/himalia/language?to=en&next=", "/hub/logout?next="])
def test_no_page_sends_the_browser_elsewhere(installation: Installation, page: str) -> None:
    name, _ = person(installation)
    browser = signed_in(installation, name)
    address, _, parameter = page.rpartition("?")
    fields = dict(part.split("=") for part in parameter.split("&"))

    def target_of(evil: str) -> str:
        query = {**fields, "next": evil}
        answer = browser.http.get(installation.hub_url + address, params=query, follow_redirects=False)
        target = answer.headers.get("location", "")
        return target.removeprefix(installation.hub_url)

    assert not probes.open_redirect(target_of)
    if "logout" not in page:
        assert target_of("/hub/himalia/account").endswith("/hub/himalia/account"), "the honest form goes on"


def test_a_planted_xsrf_cookie_proves_nothing(installation: Installation) -> None:
    """Cookie tossing: a neighbouring host sets ``_xsrf`` for the parent domain and sends the same value."""
    name, _ = person(installation)
    browser = signed_in(installation, name)
    url = f"{installation.hub_url}/hub/himalia/api/account/language"
    login = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies.jar if cookie.name != "_xsrf")
    own = browser._cookie("_xsrf", "/hub/") or ""

    def send(planted: str, header: str) -> int:
        browser.http.cookies.clear()
        headers = {"Cookie": f"_xsrf={planted}; {login}", "X-XSRFToken": header, "Origin": installation.hub_url}
        return browser.http.post(url, json={"language": "en"}, headers=headers).status_code

    assert send(PLANTED, PLANTED) == 403
    other = signed_in(installation, person(installation)[0])
    theirs = other._cookie("_xsrf", "/hub/") or ""
    assert theirs and theirs != own
    assert send(theirs, theirs) == 403, "the token of the attacker's own session"
    assert send(own, own) == 200


def test_a_session_from_before_signing_in_is_worth_nothing(installation: Installation) -> None:
    """Session fixation: whatever the attacker planted before, the session after signing in is another."""
    name, _ = person(installation)
    victim, attacker = Browser(installation.hub_url), Browser(installation.hub_url)
    attacker.http.get(f"{installation.hub_url}/hub/login")
    planted: dict[str, Any] = {cookie.name: cookie.value for cookie in attacker.http.cookies.jar}
    planted["jupyterhub-session-id"] = PLANTED
    for key, value in planted.items():
        if key != "_xsrf":
            victim.http.cookies.set(key, value, domain=victim._host(), path="/")
    victim.sign_in(installation.link(name))
    assert at_home(victim)
    for key, value in planted.items():
        attacker.http.cookies.set(key, value, domain=attacker._host(), path="/")
    assert not at_home(attacker)
    # The control: with the victim's own cookie the attacker would be in.
    login = next(cookie for cookie in victim.http.cookies.jar if cookie.name == "jupyterhub-hub-login")
    attacker.http.cookies.set(login.name, login.value or "", domain=attacker._host(), path="/hub/")
    assert at_home(attacker)
