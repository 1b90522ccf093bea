"""The hub's pages in a real browser, as people go through them: the link, the sign-in form, a notebook, the proof."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.support.installation import Installation

PASSWORD = "Tea time 42"
STARTS_MS = 120_000
"""A notebook's start and JupyterLab's first load, on a machine that does other things too."""


def arrive(page: Page, installation: Installation, token: str, password: str = PASSWORD) -> None:
    """Open a one-time link, choose a password, accept the privacy statement; ends on the start page."""
    page.goto(installation.admin.link_address(token))
    page.locator("[name=password]").fill(password)
    page.locator("[name=repeat]").fill(password)
    accept_privacy(page)
    page.locator("form button:not([name=later])").last.click()
    page.wait_for_url("**/hub/home")


def accept_privacy(page: Page) -> None:
    """Tick the statement where the page asks for it: once for each person and edition."""
    for box in page.locator("form input[name=accept_privacy]").all():
        box.check()


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill the sign-in form that is shown and send it; where that ends is the caller's to say."""
    page.locator("#username").fill(name)
    page.locator("#password").fill(password)
    page.locator("form button[type=submit]").first.click()


def start_notebook(page: Page, name: str | None = None) -> None:
    """From the start page into JupyterLab, with the profile that is chosen there."""
    if name is not None:
        page.locator("#name").fill(name)
    page.locator("#start").click()
    lab(page)


def lab(page: Page) -> None:
    """Wait until JupyterLab shows itself and took its veil away."""
    page.wait_for_url("**/lab**", timeout=STARTS_MS)
    page.wait_for_selector(".jp-LabShell", timeout=STARTS_MS)
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=STARTS_MS)


def prove_presence(page: Page, button: Locator, password: str = PASSWORD) -> None:
    """Press what asks for the proof, and give it in the window of the hub that opens (TEN-17)."""
    with page.expect_popup() as opened:
        button.click()
    window = opened.value
    window.locator("#password").fill(password)
    window.locator("form button[type=submit]").click()


def side_panel(page: Page) -> Locator:
    """The Himalia side panel, opened where it is not, with its navigation there."""
    side = page.locator(".hm-side")
    if not side.is_visible():
        page.locator("li.lm-TabBar-tab[title*='Himalia'], li.lm-TabBar-tab[data-id*='himalia']").first.click()
    expect(side.locator(".hm-nav")).to_be_visible(timeout=STARTS_MS)
    return side
