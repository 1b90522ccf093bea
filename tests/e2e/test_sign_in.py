"""Signing in as people do it, in a real browser (TEN-13..19, UI-4)."""

from __future__ import annotations

import base64
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from himalia_hub.identity.factors import totp_at
from tests.support.installation import Installation
from tests.support.mailbox import Mailbox

pytestmark = pytest.mark.e2e
PASSWORD, NEXT = "Tea time 42", "Cake and 77 more"
SHOTS = os.environ.get("HIMALIA_E2E_SHOTS")


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def database(installation: Installation) -> sqlite3.Connection:
    return sqlite3.connect(installation.state / "himalia.sqlite3", timeout=30)


def arrive(page: Page, installation: Installation, name: str, *roles: str, password: str = PASSWORD) -> None:
    """A new person opens the link, chooses a password, accepts the privacy statement, is in."""
    made = installation.person(name, *roles)
    page.goto(installation.admin.link_address(made["token"]))
    page.get_by_label("New password").fill(password)
    page.get_by_label("Password again").fill(password)
    page.get_by_label("I have read the privacy statement").check()
    page.get_by_role("button", name="Save and sign in").click()
    expect(page.get_by_role("heading", name="Start a notebook")).to_be_visible()


def sign_in(page: Page, installation: Installation, name: str, password: str) -> None:
    page.goto(f"{installation.hub_url}/hub/login")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def home(page: Page) -> None:
    expect(page.get_by_role("heading", name="Start a notebook")).to_be_visible()


def set_sender(installation: Installation, mailbox: Mailbox) -> None:
    """What the platform's administrator sets up for e-mail."""
    settings = installation.admin.settings
    credential = Path(settings["admin"]["credential_file"]).read_text().strip()
    address = f"http://127.0.0.1:{settings['listen']['port']}/services/himalia/api/v1/message-senders/email"
    headers = {"Authorization": f"Bearer {credential}"}
    answer = httpx.put(address, json={"kind": "smtp", "settings": mailbox.settings()}, headers=headers)
    assert answer.status_code == 200, answer.text


@pytest.fixture
def other(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def test_the_first_sign_in_ticks_the_rules_and_asks_for_the_privacy_statement(
    page: Page, installation: Installation
) -> None:
    """TEN-13, TEN-14."""
    made = installation.person("firstone1")
    page.goto(installation.admin.link_address(made["token"]))
    rules = page.locator("#rules li")
    page.get_by_label("New password").fill("ab")
    expect(rules.filter(has_text="8-32 characters")).to_have_class("broken")
    page.get_by_label("New password").fill(PASSWORD)
    for words in ("8-32 characters", "special character", "two of lower case", "not the user name"):
        expect(rules.filter(has_text=words)).to_have_class("kept")
    shot(page, "link")
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Save and sign in").click()
    expect(page).to_have_url(re.compile("/hub/himalia/link"))  # the browser holds the form back: not accepted
    page.get_by_label("I have read the privacy statement").check()
    page.get_by_role("button", name="Save and sign in").click()
    home(page)
    with database(installation) as db:
        accepted = db.execute(
            "SELECT p.edition FROM privacy_acceptances p JOIN users u ON u.id = p.user_id WHERE u.name = 'firstone1'"
        ).fetchall()
    assert accepted == [(1,)]


def test_an_expired_password_is_changed_before_anything_else(
    page: Page, other: Page, installation: Installation
) -> None:
    """TEN-13, TEN-14: the forced change, by a person whose password must be changed."""
    arrive(page, installation, "mustchange")
    with database(installation) as db:
        db.execute("UPDATE users SET must_change_password = 1 WHERE name = 'mustchange'")
    sign_in(other, installation, "mustchange", PASSWORD)
    expect(other.get_by_role("heading", name="Set a new password")).to_be_visible()
    shot(other, "forced_change")
    other.get_by_label("Present password").fill(PASSWORD)
    other.get_by_label("New password").fill(PASSWORD + "!")
    other.get_by_label("Password again").fill(PASSWORD + "!")
    other.get_by_role("button", name="Continue").click()
    expect(other.get_by_role("alert")).to_contain_text("2 positions")
    other.get_by_label("Present password").fill(PASSWORD)
    other.get_by_label("New password").fill(NEXT)
    other.get_by_label("Password again").fill(NEXT)
    other.get_by_role("button", name="Continue").click()
    home(other)
    page.goto(f"{installation.hub_url}/hub/home")  # the session from before has ended
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible(timeout=20_000)


def captcha_of(page: Page, installation: Installation) -> str:
    number = page.locator("input[name=captcha_id]").get_attribute("value")
    with database(installation) as db:
        return str(db.execute("SELECT answer FROM captchas WHERE id = ?", (number,)).fetchone()[0])


def test_wrong_passwords_bring_a_captcha_and_then_a_lock(page: Page, other: Page, installation: Installation) -> None:
    """TEN-15."""
    arrive(page, installation, "lockedout")
    sign_in(other, installation, "lockedout", "not it at all 1")
    expect(other.get_by_role("alert")).to_contain_text("Name or password is wrong.")
    picture = other.get_by_role("img", name="A picture with five letters")
    expect(picture).to_be_visible()
    shot(other, "captcha")
    other.get_by_label("Password", exact=True).fill(PASSWORD)
    other.get_by_label("Letters of the picture").fill("?????")
    other.get_by_role("button", name="Sign in", exact=True).click()
    expect(other.get_by_role("alert")).to_contain_text("not the letters")
    for _ in range(2):
        other.get_by_label("Password", exact=True).fill("not it at all 1")
        other.get_by_label("Letters of the picture").fill(captcha_of(other, installation))
        other.get_by_role("button", name="Sign in", exact=True).click()
        expect(other.get_by_role("alert")).to_contain_text("Name or password is wrong.")
    other.get_by_label("Password", exact=True).fill(PASSWORD)
    other.get_by_label("Letters of the picture").fill(captcha_of(other, installation))
    other.get_by_role("button", name="Sign in", exact=True).click()
    expect(other.get_by_role("alert")).to_contain_text("Too many wrong tries")
    with database(installation) as db:  # leave nothing behind for the tests after this one
        db.execute("UPDATE sign_in_locks SET released_at = until")
        db.execute("DELETE FROM sign_in_attempts")


def code_for(secret: str, *, after: str = "") -> str:
    """The app's code; waits for the next time step where the present one was used."""
    key = base64.b32decode(secret.replace(" ", ""))
    while (code := totp_at(key, time.time())) == after:
        time.sleep(0.5)
    return code


def test_a_second_factor_is_set_up_asked_for_and_recovered(page: Page, other: Page, installation: Installation) -> None:
    """TEN-16, UI-4."""
    arrive(page, installation, "twofactor")
    page.get_by_role("link", name="twofactor").click()
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.locator("[data-method=totp]").click()
    page.get_by_label("Your password, to be sure").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    secret = page.locator("#totp-secret").inner_text()
    shot(page, "totp")
    used = code_for(secret)
    page.get_by_label("Code", exact=True).fill(used)
    page.get_by_role("button", name="Verify").click()
    codes = page.locator("#recovery-codes li")
    expect(codes).to_have_count(10)
    recovery = codes.first.inner_text()
    shot(page, "recovery_codes")
    page.get_by_role("button", name="I have kept them").click()
    expect(page.locator("#factor")).to_contain_text("10 of 10 left")

    sign_in(other, installation, "twofactor", PASSWORD)
    expect(other.get_by_role("heading", name="Second step")).to_be_visible()
    shot(other, "second_step")
    other.get_by_label("Code", exact=True).fill(used)
    other.get_by_role("button", name="Continue").click()
    expect(other.get_by_role("alert")).to_contain_text("used before")
    other.get_by_label("Code", exact=True).fill(code_for(secret, after=used))
    other.get_by_role("button", name="Continue").click()
    home(other)

    other.goto(f"{installation.hub_url}/hub/logout")
    sign_in(other, installation, "twofactor", PASSWORD)
    other.get_by_text("Another way").click()
    other.get_by_role("button", name="Recovery code").click()
    other.get_by_label("Code", exact=True).fill(recovery)
    other.get_by_role("button", name="Continue").click()
    home(other)
    page.reload()
    expect(page.locator("#factor")).to_contain_text("9 of 10 left")


def test_an_api_token_is_made_and_revoked_on_the_account_page(page: Page, installation: Installation) -> None:
    """TEN-18, UI-4."""
    arrive(page, installation, "tokenmaker")
    page.goto(f"{installation.hub_url}/hub/himalia/account")
    shot(page, "account")
    page.get_by_role("button", name="New token").click()
    page.get_by_role("textbox", name="Name").fill("nightly")
    page.locator("#tokens form").get_by_role("button", name="New token").click()
    secret = page.locator("#token-secret").inner_text()
    assert secret.startswith("hmp_")
    api = f"http://127.0.0.1:{installation.port}/services/himalia/api/v1/me"
    bearer = {"Authorization": f"Bearer {secret}"}
    assert page.request.get(api, headers=bearer).json()["user"]["name"] == "tokenmaker"
    page.get_by_role("button", name="I have kept them").click()
    expect(page.locator("#tokens")).to_contain_text("nightly")
    assert secret not in page.content()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator("#tokens")).to_contain_text("No token yet")
    assert page.request.get(api, headers=bearer).status == 401


def test_a_forgotten_password_is_reset_by_mail(page: Page, other: Page, installation: Installation) -> None:
    """TEN-16, TEN-19: a confirmed address, the link by a real mail server, other sessions end."""
    mailbox = Mailbox()
    try:
        set_sender(installation, mailbox)
        arrive(page, installation, "forgetful")
        page.goto(f"{installation.hub_url}/hub/himalia/account")
        page.get_by_role("button", name="Confirm an address").click()
        page.get_by_role("textbox", name="E-mail").fill("forgetful@example.org")
        page.get_by_label("Your password, to be sure").fill(PASSWORD)
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("Code", exact=True).fill(mailbox.code("forgetful@example.org"))
        page.get_by_role("button", name="Verify").click()
        expect(page.locator("#email")).to_contain_text("f•••@example.org")

        other.goto(f"{installation.hub_url}/hub/login")
        other.get_by_role("link", name="Forgotten your password?").click()
        other.get_by_label("User name").fill("forgetful")
        other.get_by_label("Letters of the picture").fill(captcha_of(other, installation))
        shot(other, "forgotten")
        other.get_by_role("button", name="Send the link").click()
        expect(other.get_by_role("heading", name="Look into your mail")).to_be_visible()
        link = re.search(r"http://\S+", mailbox.next("forgetful@example.org"))
        assert link is not None
        other.goto(link.group())
        other.get_by_text("Set a new password").click()
        other.get_by_label("New password").fill(NEXT)
        other.get_by_label("Password again").fill(NEXT)
        other.get_by_role("button", name="Save and sign in").click()
        home(other)
        page.goto(f"{installation.hub_url}/hub/himalia/account")
        expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    finally:
        mailbox.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_speak_chinese_and_know_the_dark(browser: Browser, installation: Installation, scheme: str) -> None:
    """GEN-9, UI-1: no horizontal scrolling, no English left, in either theme."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, locale="zh-CN", timezone_id="UTC", color_scheme=scheme
    )
    page = context.new_page()
    made = installation.person(f"chinese{scheme}", "organisation_administrator", "member")
    page.goto(installation.admin.link_address(made["token"]))
    page.get_by_label("我已阅读并接受隐私声明").check()
    shot(page, f"link.zh.{scheme}")
    page.get_by_role("button", name="先登录").click()
    page.goto(f"{installation.hub_url}/hub/himalia/account")
    page.locator("summary").first.click()
    expect(page.get_by_role("heading", name="账户")).to_be_visible()
    shot(page, f"account.zh.{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.goto(f"{installation.hub_url}/hub/himalia/privacy")
    shot(page, f"privacy.zh.{scheme}")
    assert not re.search(r"\b(the|your|password)\b", page.inner_text("main"))
    context.close()
