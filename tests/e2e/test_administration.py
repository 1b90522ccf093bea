"""Administration in JupyterLab as each role: what is shown, and the panels by mouse and keyboard (UI-3, TEN-1..21).

What the panels did is compared with the API asked beside them.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.support.installation import Installation
from tests.support.signing_in import arrive, prove_presence, side_panel, start_notebook

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SCREENS = Path(os.environ.get("HIMALIA_SCREENS", "build/screens"))
PEOPLE = ["Departments", "Members", "Groups", "Roles"]


class Desk:
    """A person's JupyterLab with the administration tab."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def sign_in(self, installation: Installation, token: str) -> None:
        arrive(self.page, installation, token)
        start_notebook(self.page, "desk")

    @property
    def side(self) -> Locator:
        side = side_panel(self.page)
        expect(side.get_by_role("button", name=re.compile("Notebooks"))).to_be_visible()
        return side

    @property
    def main(self) -> Locator:
        return self.page.locator(".hm-adminmain")

    def administer(self) -> None:
        """Open administration and prove presence in the hub's window (TEN-17)."""
        self.side.get_by_role("button", name="Administration", exact=True).click()
        confirm = self.main.get_by_role("button", name="Confirm identity")
        expect(confirm).to_be_visible()
        prove_presence(self.page, confirm)
        expect(confirm).not_to_be_visible()

    def sections(self) -> list[str]:
        return self.page.locator(".hm-adminnav section button").all_inner_texts()

    def go(self, name: str) -> Locator:
        self.page.locator(".hm-adminnav").get_by_role("button", name=name, exact=True).click()
        expect(self.main.get_by_role("heading", level=1)).to_contain_text(name)
        return self.main

    def open_row(self, name: str) -> Locator:
        """By keyboard: focus the row, Enter."""
        row = self.main.get_by_role("row").filter(has_text=name).first
        row.focus()
        self.page.keyboard.press("Enter")
        expect(self.main.get_by_role("heading", level=1)).to_contain_text(name)
        return self.main

    def said(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.locator(".Toastify, .jp-Notification-Toast").get_by_text(text).first).to_be_visible()

    def shot(self, name: str) -> None:
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENS / f"administration-{name}.png")


@pytest.fixture(scope="module")
def suffix() -> str:
    return secrets.token_hex(3)


@pytest.fixture(scope="module")
def organisation(suffix: str) -> str:
    return f"quay{suffix}"


@pytest.fixture(scope="module")
def desk(installation: Installation, browser: Browser, organisation: str, suffix: str) -> Iterator[Callable[..., Desk]]:
    """Makes a person with these roles and puts them at their desk."""
    contexts: list[BrowserContext] = []
    desks: list[Desk] = []
    names: list[str] = []

    def make(name: str, *roles: str) -> Desk:
        made: dict[str, Any] = installation.person(name + suffix, "member", *roles, organisation=organisation)
        recharge = {"tenant": organisation, "amount_micros": 10_000_000, "note": "where prices are set already"}
        installation.admin.call("POST", "admin/recharges", recharge)
        context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
        context.set_default_timeout(30_000)
        contexts.append(context)
        names.append(made["user"]["name"])
        desks.append(Desk(context))
        desks[-1].sign_in(installation, made["token"])
        return desks[-1]

    yield make
    errors = [error for one in desks for error in one.errors]
    for context in contexts:
        context.close()
    for name in names:  # ends their notebooks, so that the resources are free for the tests after these
        installation.admin.call("POST", f"admin/users/{name}/change", {"enabled": False})
    assert errors == []


def test_a_member_sees_no_administration(desk: Callable[..., Desk]) -> None:
    """UI-3: without a permission beyond one's own things there is no entry at all."""
    side = desk("plain").side
    expect(side.get_by_role("button", name=re.compile("My bills"))).to_be_visible()
    expect(side.get_by_role("button", name="Administration", exact=True)).to_have_count(0)


def test_the_organisations_administrator(desk: Callable[..., Desk], suffix: str, tmp_path: Path) -> None:
    """TEN-5, TEN-6, TEN-9, TEN-21: departments, members with a one-time link, import, groups and roles."""
    at = desk("keeper", "organisation_administrator")
    at.administer()
    assert [name for name in at.sections() if name in PEOPLE] == PEOPLE
    assert not {"Organisations", "Prices", "Resource specs", "Security policy", "Senders"} & set(at.sections())

    main = at.go("Departments")
    main.get_by_role("button", name="New department").first.click()
    main.get_by_label("Name", exact=True).fill("ab")
    main.get_by_role("button", name="Create department").click()
    expect(main.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
    main.get_by_label("Name", exact=True).fill("Vision 视觉")
    at.page.keyboard.press("Control+Enter")
    expect(main.get_by_role("heading", level=1)).to_contain_text("Vision 视觉")
    at.shot("department")

    main = at.go("Members")
    main.get_by_role("button", name="New member").first.click()
    main.get_by_label("User name").fill(f"newbie{suffix}")
    main.get_by_label("Department", exact=True).select_option(label="Vision 视觉")
    main.get_by_role("button", name="Create member").click()
    once = at.page.get_by_role("dialog")
    expect(once).to_contain_text("/hub/himalia/link?token=")
    at.shot("link")
    once.get_by_role("button", name="I have kept it").click()
    expect(main.get_by_role("row").filter(has_text=f"newbie{suffix}")).to_contain_text("Vision 视觉")
    expect(at.page.get_by_text("/hub/himalia/link?token=")).to_have_count(0)

    main = at.open_row(f"newbie{suffix}")
    main.get_by_label("Annotator").check()
    main.get_by_role("button", name="Save").click()
    at.said(f"newbie{suffix} is saved")
    main.get_by_role("button", name="Disable").click()
    at.page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(main.get_by_text("Disabled", exact=True).first).to_be_visible()

    main = at.go("Members")
    file = tmp_path / "people.csv"
    main.get_by_role("button", name="CSV").click()
    with at.page.expect_download() as got:
        main.get_by_role("menuitem", name="Template").click()
    heads = Path(got.value.path()).read_text("utf-8-sig").splitlines()[0]
    width = heads.count(",")
    lines = [f"import{suffix}{number}" + "," * width for number in range(3)]
    file.write_text("\n".join([heads, *lines, "x" + "," * width]) + "\n", "utf-8")
    main.get_by_role("button", name="CSV").click()
    main.get_by_role("menuitem", name="Import from CSV").click()
    main.locator("input[type=file]").set_input_files(file)
    expect(main).to_contain_text("Tried, nothing changed yet")
    expect(main).to_contain_text("Refused 1")
    main.get_by_role("button", name="Import 3 members").click()
    expect(main).to_contain_text("Imported")
    at.shot("import")
    main.get_by_role("button", name="To the members").click()
    expect(main.get_by_role("row").filter(has_text=f"import{suffix}2")).to_be_visible()

    main = at.go("Roles")
    main.get_by_role("button", name="New role").first.click()
    main.get_by_label("Name", exact=True).fill(f"readers {suffix}")
    main.get_by_label("See datasets, their items").check()
    main.get_by_role("button", name="Create role").click()
    expect(main.get_by_role("row").filter(has_text=f"readers {suffix}")).to_be_visible()

    main = at.go("Groups")
    main.get_by_role("button", name="New group").first.click()
    main.get_by_label("Name", exact=True).fill(f"night-{suffix}")
    main.get_by_label(f"readers {suffix}").check()
    main.get_by_role("button", name="Create group").click()
    expect(main.get_by_role("heading", level=1)).to_contain_text(f"night-{suffix}")
    main.get_by_role("tab", name="Members").click()
    main.get_by_role("button", name="Add members").click()
    dialog = at.page.get_by_role("dialog")
    dialog.get_by_role("combobox").fill(f"import{suffix}1")
    expect(dialog.get_by_role("option", name=re.compile(f"import{suffix}1")).first).to_be_visible()
    at.page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Add members").click()
    expect(main.get_by_text(f"import{suffix}1").first).to_be_visible()

    with at.page.expect_response(lambda one: "api/workspaces" in one.url and one.request.method == "PUT"):
        at.go("Members")
    at.page.reload()
    at.page.wait_for_selector(".hm-adminnav")
    expect(at.page.locator(".hm-adminnav [aria-current=page]")).to_have_text("Members")


def test_the_departments_administrator(desk: Callable[..., Desk]) -> None:
    """TEN-6: a department administrator sees departments, members and quotas within reach, and changes no roles."""
    at = desk("warden", "department_administrator")
    at.administer()
    seen = set(at.sections())
    assert {"Members", "Quotas"} <= seen
    assert not {"Organisations", "Groups", "Prices", "Security policy", "Audit log"} & seen
    main = at.go("Members")
    expect(main.get_by_role("button", name="New member")).to_have_count(0)


def test_the_platforms_administrator(desk: Callable[..., Desk], suffix: str, organisation: str) -> None:
    """TEN-1, TEN-3, TEN-12, TEN-20, CON-1, SEC-1: organisation, quota, spec, policy, source; the log names changes."""
    at = desk("pilot", "Administrator")
    at.administer()
    assert {"Organisations", "Quotas", "Resource specs", "Prices", "Security policy", "Senders"} <= set(at.sections())

    main = at.go("Organisations")
    main.get_by_role("button", name="New organisation").click()
    main.get_by_label("Code").fill("-bad-")
    main.get_by_label("Name", exact=True).fill(f"pier-{suffix}")
    main.get_by_label("User name").fill(f"first{suffix}")
    main.get_by_role("button", name="Create organisation").click()
    expect(main.get_by_label("Code")).to_have_attribute("aria-invalid", "true")
    main.get_by_label("Code").fill(f"pier{suffix}")
    main.get_by_role("button", name="Create organisation").click()
    expect(at.page.get_by_role("dialog")).to_contain_text("/hub/himalia/link?token=")
    at.page.get_by_role("dialog").get_by_role("button", name="I have kept it").click()
    expect(main.get_by_role("heading", level=1)).to_contain_text(f"pier-{suffix}")
    main.get_by_role("tab", name="Quota").click()
    main.get_by_label("CPU limit").fill("3")
    main.get_by_role("button", name="Save").click()
    expect(main.get_by_role("button", name="Save")).to_be_disabled()
    expect(main.get_by_text(re.compile(r"/ 3\b"))).to_be_visible()
    at.shot("quota")

    main = at.go("Resource specs")
    main.get_by_role("button", name="New spec").click()
    main.get_by_label("Name", exact=True).fill(f"spec {suffix}")
    main.get_by_label("CPU", exact=True).fill("5000")
    main.get_by_role("button", name="Create spec").click()
    expect(main.get_by_label("CPU", exact=True)).to_have_attribute("aria-invalid", "true")
    main.get_by_label("CPU", exact=True).fill("0.5")
    main.get_by_role("button", name="Create spec").click()
    expect(main.get_by_role("row").filter(has_text=f"spec {suffix}")).to_be_visible()

    main = at.go("Security policy")
    main.get_by_label("Shortest password").fill("9")
    at.page.locator(".hm-adminnav").get_by_role("button", name="Senders").click()
    expect(at.page.get_by_role("dialog")).to_contain_text("not saved yet")
    at.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    main.get_by_role("button", name="Save").click()
    expect(main.get_by_role("button", name="Save")).to_be_disabled()
    main.get_by_label("Shortest password").fill("8")
    main.get_by_role("button", name="Save").click()
    expect(main.get_by_role("button", name="Save")).to_be_disabled()

    a_source_is_tried(at, suffix)

    main = at.go("Audit log")
    expect(main.get_by_role("row").filter(has_text="policy").first).to_be_visible()
    at.shot("audit")
    main.get_by_role("row").filter(has_text="Change the security policy").first.click()
    expect(main).to_contain_text("security.replace_policy")
    expect(main).to_contain_text("password minimum")
    expect(main).to_contain_text("After")


def a_source_is_tried(at: Desk, suffix: str) -> None:
    """Set up a source without offering it to anybody yet, try it, take it away (TEN-12)."""
    main = at.go("Sign-in sources")
    main.get_by_role("button", name="New source").first.click()
    main.get_by_label("Kind").select_option("pam")
    main.get_by_label("Code").fill(f"Not {suffix}")
    main.get_by_label("Name", exact=True).fill(f"Machine {suffix}")
    main.get_by_label("Enabled").uncheck()
    main.get_by_label("PAM service").fill("nowhere")
    main.get_by_role("button", name="Create source").click()
    expect(main.get_by_label("Code")).to_have_attribute("aria-invalid", "true")
    main.get_by_label("Code").fill(f"m-{suffix}")
    main.get_by_role("button", name="Create source").click()
    expect(main.get_by_role("heading", level=1)).to_contain_text(f"Machine {suffix}")
    tried = at.page.get_by_role("dialog")
    for service, answer in (("nowhere", "/etc/pam.d/nowhere does not exist"), ("login", "/etc/pam.d/login")):
        main.get_by_label("PAM service").fill(service)
        if service != "nowhere":
            main.get_by_role("button", name="Save").click()
            expect(main.get_by_role("button", name="Save")).to_be_disabled()
        main.get_by_role("button", name="Test", exact=True).click()
        tried.get_by_label("Somebody's claims").fill('{"groups": []}')
        tried.get_by_role("button", name="Test now").click()
        expect(tried.get_by_role("listitem").filter(has_text="Service")).to_contain_text(answer)
        at.shot(f"source-{service}")
        tried.get_by_role("button", name="Cancel").click()
    main.get_by_role("button", name="More actions").click()
    main.get_by_role("menuitem", name="Delete").click()
    tried.get_by_role("button", name="Delete").click()
    expect(main.get_by_role("heading", level=1)).to_contain_text("Sign-in sources")
    expect(main.get_by_role("row").filter(has_text=suffix)).to_have_count(0)
