"""External sources through the real hub: OIDC round trip, LDAP, and what is refused (TEN-12, TEN-21, SEC-3)."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from playwright.sync_api import Page, expect

from himalia_hub.selfcheck.browser import Browser
from tests.support.directory import LOOKUP_PASSWORD, DirectoryServer
from tests.support.installation import Installation
from tests.support.provider import Provider
from tests.support.waiting import until

# The provider of the tests lives in this process, on a library that is deprecating parts of itself.
pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
ROLES = {"claim": "groups", "values": {"research-leads": ["department_administrator"]}, "default": ["member"]}


def api(installation: Installation, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    """The public API with the machine administrator's credential."""
    settings = installation.admin.settings
    credential = Path(settings["admin"]["credential_file"]).read_text().strip()
    base = f"http://127.0.0.1:{settings['listen']['port']}/services/himalia/api/v1"
    return httpx.request(
        method, base + path, json=body, headers={"Authorization": f"Bearer {credential}", **headers}, timeout=30
    )


def make_source(installation: Installation, **body: Any) -> dict[str, Any]:
    wanted = {
        "name": f"s{secrets.token_hex(4)}",
        "title": "Harbour University",
        "auto_provision": True,
        "allow_private": True,
        "mapping": {"organisation": {"default": "harbour"}, "roles": ROLES},
        **body,
    }
    made = api(installation, "POST", "/sign-in-sources", wanted)
    assert made.status_code == 201, made.text
    page = fresh(installation).http
    until(lambda: wanted["name"] in page.get(f"{installation.hub_url}/hub/login").text, 8)
    return made.json()  # type: ignore[no-any-return]


def change_source(installation: Installation, name: str, **body: Any) -> None:
    version = api(installation, "GET", f"/sign-in-sources/{name}").json()["version"]
    answer = api(installation, "PATCH", f"/sign-in-sources/{name}", body, **{"If-Match": f'"{version}"'})
    assert answer.status_code == 200, answer.text


def people(installation: Installation) -> list[dict[str, Any]]:
    return installation.admin.call("GET", "admin/users")  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def harbour(installation: Installation) -> str:
    if "harbour" not in {row["code"] for row in installation.admin.call("GET", "admin/tenants")}:
        installation.admin.call("POST", "admin/tenants", {"code": "harbour", "name": "Harbour"})
    return "harbour"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectoryServer]:
    server = DirectoryServer(tmp_path_factory.mktemp("ldap"))
    yield server
    server.close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.close()


@pytest.fixture
def source(installation: Installation, harbour: str, provider: Provider) -> dict[str, Any]:
    return make_source(
        installation, kind="oidc", settings=provider.settings(), secrets={"client_secret": "of the tests"}
    )


def begin(browser: Browser, source: dict[str, Any], **query: str) -> httpx.Response:
    """Press the source's button and arrive at the provider's page."""
    url = f"{browser.hub_url}/hub/himalia/source/{source['name']}/login"
    return browser.http.get(url, params=query)


def consent(browser: Browser, page: httpx.Response, subject: str) -> httpx.Response:
    """Be this person at the provider; answers where the browser ends."""
    return browser.http.post(str(page.url), data={"sub": subject})


def fresh(installation: Installation) -> Browser:
    return Browser(installation.hub_url)


# -- OpenID Connect ---------------------------------------------------------------------------


def test_the_whole_round_trip_signs_somebody_new_in(
    installation: Installation, source: dict[str, Any], provider: Provider, page: Page
) -> None:
    """TEN-12: by its name on the sign-in page, to the provider and back, in a real browser."""
    subject = f"s-{secrets.token_hex(4)}"
    provider.person(subject, preferred_username="Mei.Lin", name="梅琳", groups=["research-leads"])
    page.goto(f"{installation.hub_url}/hub/login")
    page.locator(f"a[href*='/source/{source['name']}/login']").click()
    page.get_by_placeholder("sub").fill(subject)
    page.get_by_role("button", name="Authorize", exact=True).click()
    expect(page).to_have_url(f"{installation.hub_url}/hub/home")
    expect(page.get_by_text("梅琳").first).to_be_visible()
    asked, exchanged = provider.asked[-1], provider.exchanged[-1]
    assert asked["code_challenge_method"] == "S256" and len(asked["state"]) >= 43 and len(asked["nonce"]) >= 43
    assert asked["redirect_uri"] == source["callback_url"]
    assert len(exchanged["code_verifier"]) >= 43
    person = next(row for row in people(installation) if row["name"] == "Mei.Lin")
    assert person["tenant"] == "harbour" and person["roles"] == ["department_administrator"]


def test_the_mapping_is_applied_again_at_each_sign_in(
    installation: Installation, source: dict[str, Any], provider: Provider
) -> None:
    """TEN-12, TEN-21: roles come and go with the directory, and the audit log says so."""
    subject, name = f"s-{secrets.token_hex(4)}", f"wu.{secrets.token_hex(3)}"

    def roles() -> list[str]:
        browser = fresh(installation)
        done = consent(browser, begin(browser, source), subject)
        assert done.url.path == "/hub/home", done.text[:2000]
        return next(row["roles"] for row in people(installation) if row["name"] == name)  # type: ignore[no-any-return]

    provider.person(subject, preferred_username=name, groups=["research-leads"])
    assert roles() == ["department_administrator"]
    provider.person(subject, preferred_username=name, groups=[])
    assert roles() == ["member"]
    audit = (installation.state / "himalia.sqlite3", "select detail from audit_entries where action='sign_in.source'")
    details = [json.loads(row[0]) for row in _rows(*audit)]
    assert any(d.get("roles_lost") == ["department_administrator"] for d in details)


def test_somebody_unknown_is_refused_unless_people_are_made(
    installation: Installation, source: dict[str, Any], provider: Provider
) -> None:
    change_source(installation, source["name"], auto_provision=False)
    provider.person("nobody-yet", preferred_username="nobody.yet")
    browser = fresh(installation)
    done = consent(browser, begin(browser, source), "nobody-yet")
    assert done.status_code == 403 and "no account here yet" in done.text
    assert browser.http.get(f"{installation.hub_url}/hub/home").url.path == "/hub/login"
    assert "nobody.yet" not in {row["name"] for row in people(installation)}


def test_an_answer_counts_only_for_the_browser_and_the_source_that_asked(
    installation: Installation, source: dict[str, Any], provider: Provider
) -> None:
    """No session is begun by somebody else's answer: state, single use, one source."""
    provider.person("victim", preferred_username="victim.one")
    attacker, victim = fresh(installation), fresh(installation)
    page = begin(attacker, source)
    attacker.http.follow_redirects = False
    answer = attacker.http.post(str(page.url), data={"sub": "victim"})
    callback = answer.headers["location"]
    assert "code=" in callback
    stolen = victim.http.get(callback)
    assert stolen.status_code == 400 and "no sign-in of this browser" in stolen.text
    # The control: the same address in the browser that asked does sign in, once.
    assert attacker.http.get(callback).status_code == 302
    assert attacker.http.get(callback).status_code == 400
    # An attempt at one source is no attempt at another.
    other = make_source(installation, kind="oidc", settings=provider.settings("other"))
    mixed = fresh(installation)
    place = str(begin(mixed, source).url)
    state = parse_qs(urlsplit(place).query)["state"][0]
    refused = mixed.http.get(
        f"{installation.hub_url}/hub/himalia/source/{other['name']}/callback", params={"code": "x", "state": state}
    )
    assert refused.status_code == 400


@pytest.mark.parametrize("what", ["signature", "nonce", "audience", "issuer", "expired", "none"])
def test_a_manipulated_id_token_signs_nobody_in(
    installation: Installation, source: dict[str, Any], provider: Provider, what: str
) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    name = f"forged.{secrets.token_hex(4)}"
    provider.person("forged", preferred_username=name)
    own_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def tamper(answer: dict[str, Any]) -> dict[str, Any]:
        claims = jwt.decode(answer["id_token"], options={"verify_signature": False})
        header = jwt.get_unverified_header(answer["id_token"])
        kid = {"kid": header["kid"]} if header.get("kid") else None
        changed = {
            "nonce": {"nonce": "another"},
            "audience": {"aud": "somebody-else"},
            "issuer": {"iss": "https://elsewhere.example"},
            "expired": {"exp": 1_700_000_000},
        }.get(what, {})
        key: Any = own_key if what == "signature" else None
        if what == "none":
            answer["id_token"] = jwt.encode(claims, key=None, algorithm="none")
        elif what == "signature":
            answer["id_token"] = jwt.encode(claims, key=key, algorithm="RS256", headers=kid)
        else:
            answer["id_token"] = provider.sign({**claims, **changed})
        return answer

    browser = fresh(installation)
    page = begin(browser, source)
    provider.tamper = tamper
    done = consent(browser, page, "forged")
    assert done.status_code == 403, done.text[:500]
    assert name not in {row["name"] for row in people(installation)}
    provider.tamper = lambda answer: {**answer, "id_token": provider.sign(_claims(answer))}
    control = consent(browser, begin(browser, source), "forged")
    assert control.url.path == "/hub/home"


def test_where_to_go_afterwards_is_on_this_host(
    installation: Installation, source: dict[str, Any], provider: Provider
) -> None:
    """No open redirect through ``next``."""
    provider.person("goer", preferred_username="goer.one")
    for bad in (
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
    ):
        browser = fresh(installation)
        done = consent(browser, begin(browser, source, next=bad), "goer")
        assert (done.url.host, done.url.path) == ("himalia.localhost", "/hub/home")


def test_a_provider_inside_the_network_is_asked_only_when_allowed(
    installation: Installation, harbour: str, provider: Provider
) -> None:
    """SEC-3: 127.0.0.1 is a private address, and so is 169.254.169.254."""
    for issuer in (provider.issuer, "http://169.254.169.254", "https://[::ffff:127.0.0.1]"):
        made = make_source(
            installation, kind="oidc", settings={"issuer": issuer, "client_id": "x"}, allow_private=False
        )
        tried = api(installation, "POST", f"/sign-in-sources/{made['name']}/test", {}).json()
        assert not tried["passed"] and tried["steps"][-1]["name"] == "endpoints"
        browser = fresh(installation)
        assert begin(browser, made).status_code == 502
    assert provider.asked == []
    allowed = make_source(installation, kind="oidc", settings=provider.settings())
    tried = api(
        installation, "POST", f"/sign-in-sources/{allowed['name']}/test", {"claims": {"groups": ["research-leads"]}}
    ).json()
    assert tried["passed"], tried
    assert tried["mapped"]["roles"] == ["department_administrator"]


def test_a_name_that_the_provider_gave_to_somebody_else_is_refused(
    installation: Installation, source: dict[str, Any], provider: Provider
) -> None:
    provider.person("first", preferred_username="shared.name")
    provider.person("second", preferred_username="shared.name")
    browser = fresh(installation)
    assert consent(browser, begin(browser, source), "first").url.path == "/hub/home"
    second = fresh(installation)
    refused = consent(second, begin(second, source), "second")
    assert refused.status_code == 403 and "somebody else" in refused.text


def test_a_disabled_source_lets_nobody_in_and_ends_its_sessions(
    installation: Installation, source: dict[str, Any], provider: Provider
) -> None:
    provider.person("leaver", preferred_username="leaver.one")
    browser = fresh(installation)
    assert consent(browser, begin(browser, source), "leaver").url.path == "/hub/home"
    change_source(installation, source["name"], enabled=False)
    until(lambda: browser.http.get(f"{installation.hub_url}/hub/home").url.path == "/hub/login", 8)
    until(lambda: source["name"] not in browser.http.get(f"{installation.hub_url}/hub/login").text, 8)
    assert begin(browser, source).status_code == 404


# -- LDAP -------------------------------------------------------------------------------------


@pytest.fixture
def ldap(installation: Installation, harbour: str, directory: DirectoryServer) -> dict[str, Any]:
    return make_source(
        installation,
        kind="ldap",
        title="Staff directory",
        settings=directory.settings(),
        secrets={"lookup_dn_search_password": LOOKUP_PASSWORD},
        mapping={
            "organisation": {"claim": "o", "values": {"Harbour": "harbour"}},
            "roles": {"claim": "employeeType", "values": {"lead": ["department_administrator"]}},
            "display_name": {"claim": "displayName"},
        },
    )


def type_in(browser: Browser, source: str, name: str, password: str) -> httpx.Response:
    page = browser.http.get(f"{browser.hub_url}/hub/login")
    token = re.search(r'name="_xsrf" value="([^"]*)"', page.text)
    assert token is not None
    form = {"_xsrf": token.group(1), "source": source, "username": name, "password": password}
    return browser.http.post(f"{browser.hub_url}/hub/login", data=form, headers={"Sec-Fetch-Mode": "navigate"})


def test_people_of_a_directory_sign_in_with_their_own_password(
    installation: Installation, ldap: dict[str, Any], page: Page
) -> None:
    """TEN-12: chosen by name in the form; one person however the name is typed."""
    tried = api(installation, "POST", f"/sign-in-sources/{ldap['name']}/test", {}).json()
    assert tried["passed"], tried
    page.goto(f"{installation.hub_url}/hub/login")
    page.get_by_label("Account of").select_option(ldap["name"])
    page.get_by_label("User name").fill("anna.berg")
    page.get_by_label("Password").fill("Kräuter 77!")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(f"{installation.hub_url}/hub/home")
    again = fresh(installation)
    assert type_in(again, ldap["name"], "ANNA.BERG", "Kräuter 77!").url.path == "/hub/home"
    found = [row for row in people(installation) if row["name"].casefold() == "anna.berg"]
    assert [(row["name"], row["display_name"], row["roles"]) for row in found][-1:] == [
        ("Anna.Berg", "Anna Berg", ["department_administrator"])
    ]
    sources = api(installation, "GET", f"/sign-in-sources/{ldap['name']}").json()
    assert sources["users"] == 1


def test_what_the_directory_refuses_is_refused(
    installation: Installation, ldap: dict[str, Any], directory: DirectoryServer
) -> None:
    for name, password in (
        ("zhaolei", "wrong"),
        ("zhaolei", ""),
        ("nobody.here", "Hafen 2026"),
        ("*", "Hafen 2026"),
        ("zhaolei)(uid=*", "Hafen 2026"),
    ):
        refused = type_in(fresh(installation), ldap["name"], name, password)
        assert refused.status_code in (400, 403), (name, password)
    right = fresh(installation)
    assert type_in(right, ldap["name"], "zhaolei", "Hafen 2026").url.path == "/hub/home"
    directory.remove("zhaolei")
    assert type_in(fresh(installation), ldap["name"], "zhaolei", "Hafen 2026").status_code == 403


def test_equal_names_of_two_sources_are_two_people(
    installation: Installation, ldap: dict[str, Any], source: dict[str, Any], provider: Provider
) -> None:
    provider.person("other-anna", preferred_username="Anna.Berg", name="Another Anna")
    browser = fresh(installation)
    assert consent(browser, begin(browser, source), "other-anna").url.path == "/hub/home"
    assert type_in(fresh(installation), ldap["name"], "anna.berg", "Kräuter 77!").url.path == "/hub/home"
    shown = {row["display_name"] for row in people(installation) if row["name"] == "Anna.Berg"}
    assert {"Another Anna", "Anna Berg"} <= shown


def _claims(answer: dict[str, Any]) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(answer["id_token"], options={"verify_signature": False})
    return claims


def _rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    import sqlite3

    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()
