"""Administration in JupyterLab as each role: what is shown, and the panels by mouse and keyboard (UI-3, TEN-1..21).

One person at one desk takes one role after the other. What the panels did is compared with the API asked beside them.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from himalia_hub.selfcheck.browser import Browser as Visitor
from tests.e2e.test_sources import api
from tests.support.installation import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SCREENS = Path(os.environ.get("HIMALIA_SCREENS", "build/screens"))
AXE = Path("node_modules/axe-core/axe.min.js")
PASSWORD = "Tea time 42"
PEOPLE = ["Departments", "Members", "Groups", "Roles"]
STARTS_MS = 90_000


class Desk:
    """A person's JupyterLab with the administration tab."""

    def __init__(self, installation: Installation, context: BrowserContext, made: dict[str, Any]) -> None:
        self.installation = installation
        self.context = context
        self.name = made["user"]["name"]
        self.organisation = made["tenant"]
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: dialog.accept())  # leaving a page with unsaved changes

    def sign_in(self, token: str) -> None:
        page = self.page
        page.goto(self.installation.admin.link_address(token))
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_label("Password again").fill(PASSWORD)
        page.get_by_label("I have read the privacy statement").check()
        page.get_by_role("button", name="Save and sign in").click()
        page.wait_for_url("**/hub/home")
        page.locator("#name").fill("desk")
        page.locator("#start").click()
        page.wait_for_url("**/lab**", timeout=STARTS_MS)
        page.wait_for_selector(".jp-LabShell")

    def become(self, *roles: str, department: int | None = None) -> None:
        """Hold these roles and no others, and look again."""
        query = f"?organisation={self.organisation}"
        found = api(self.installation, "GET", f"/members{query}&q={self.name}").json()["items"]
        member = next(one for one in found if one["name"] == self.name)
        body: dict[str, Any] = {"roles": list(roles)}
        if department is not None:
            body["department"] = department
        version = {"If-Match": f'"{member["version"]}"'}
        answer = api(self.installation, "PATCH", f"/members/{member['id']}{query}", body, **version)
        assert answer.status_code == 200, answer.text
        self.page.reload()
        name = self.page.get_by_label("User name")
        expect(self.page.locator(".jp-LabShell").or_(name).first).to_be_visible(timeout=120_000)
        if name.is_visible():  # changed roles ended the session
            name.fill(self.name)
            self.page.get_by_label("Password", exact=True).fill(PASSWORD)
            self.page.get_by_role("button", name="Sign in", exact=True).click()
            self.page.wait_for_selector(".jp-LabShell", timeout=120_000)

    def setting(self, plugin: str, raw: str) -> None:
        status = self.page.evaluate(
            """async ([plugin, raw]) => {
                const base = JSON.parse(document.getElementById('jupyter-config-data').textContent).baseUrl;
                const token = document.cookie.match(/_xsrf=([^;]+)/)?.[1] ?? '';
                const answer = await fetch(base + 'lab/api/settings/' + plugin, {
                    method: 'PUT', body: JSON.stringify({raw}),
                    headers: {'Content-Type': 'application/json', 'X-XSRFToken': token}});
                return answer.status;
            }""",
            [plugin, raw],
        )
        assert status == 204

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A call with the notebook's own token, as a panel without a proof of presence makes it."""
        return self.page.evaluate(
            """async ([method, path, body]) => {
                const base = JSON.parse(document.getElementById('jupyter-config-data').textContent).baseUrl;
                const token = document.cookie.match(/_xsrf=([^;]+)/)?.[1] ?? '';
                const answer = await fetch(base + 'himalia/api/v1/' + path, {
                    method, body: body === null ? undefined : JSON.stringify(body),
                    headers: {'Content-Type': 'application/json', 'X-XSRFToken': token}});
                return {status: answer.status, body: await answer.json().catch(() => null)};
            }""",
            [method, path, body],
        )

    def axe(self) -> list[str]:
        """What is seriously wrong for people who cannot see, point or tell colours apart."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("async () => (await axe.run('.hm-admin')).violations")
        return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]

    @property
    def side(self) -> Locator:
        side = self.page.locator(".hm-side")
        if not side.is_visible():
            self.page.locator("li.lm-TabBar-tab[title*='Himalia']").first.click()
        expect(side.locator(".hm-nav button").first).to_be_visible(timeout=30_000)
        return side

    @property
    def main(self) -> Locator:
        return self.page.locator(".hm-adminmain")

    def administer(self) -> None:
        """Open administration and prove presence in the hub's window (TEN-17)."""
        self.side.get_by_role("button", name="Administration", exact=True).click()
        confirm = self.main.get_by_role("button", name="Confirm identity")
        expect(confirm).to_be_visible()
        with self.context.expect_page() as opened:
            confirm.click()
        window = opened.value
        window.locator("#password").fill(PASSWORD)
        if window.locator("#repeat").count():
            window.locator("#repeat").fill(PASSWORD)
        window.locator("form button[type=submit]").click()
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
def desk(installation: Installation, browser: Browser, organisation: str, suffix: str) -> Iterator[Desk]:
    made = installation.person(f"desk{suffix}", "member", organisation=organisation)
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(60_000)
    made_desk = Desk(installation, context, made)
    made_desk.sign_in(made["token"])
    yield made_desk
    errors = made_desk.errors
    context.close()
    # Ends the notebook too, so that its resources are free for the tests after these.
    installation.admin.call("POST", f"admin/users/{made_desk.name}/change", {"enabled": False})
    assert errors == []


PLATFORM = {"Organisations", "Resource specs", "Prices", "Security policy", "Senders"}


def test_each_role_is_shown_what_it_permits_and_nothing_else(
    desk: Desk, installation: Installation, organisation: str
) -> None:
    """UI-3, TEN-9: without a permission beyond one's own things there is no entry at all."""
    body = {"name": "Wardens", "organisation": organisation}
    department = api(installation, "POST", "/departments", body)
    assert department.status_code == 201, department.text
    for role, present, absent in (
        ("member", {"Datasets", "Notebooks", "My bills"}, {"Administration"}),
        ("annotator", {"Datasets"}, {"Training jobs", "Online services", "Administration"}),
        ("ServiceOperator", {"Online services"}, {"Administration"}),
        ("auditor", {"Administration"}, {"Training jobs", "Online services"}),
    ):
        desk.become(role)
        entries = {words.split("\n")[0] for words in desk.side.locator(".hm-nav button").all_inner_texts()}
        assert present <= entries and not absent & entries, (role, entries)
    desk.side.get_by_role("button", name="Administration", exact=True).click()
    assert desk.sections() == ["Audit log"]
    desk.become("member", "department_administrator", department=department.json()["id"])
    desk.administer()
    seen = set(desk.sections())
    assert {"Members", "Quotas"} <= seen
    assert not (PLATFORM | {"Groups", "Audit log"}) & seen
    main = desk.go("Members")
    expect(main.get_by_role("button", name="New member")).to_have_count(0)


def test_the_organisations_administrator(desk: Desk, suffix: str, tmp_path: Path) -> None:
    """TEN-5, TEN-6, TEN-9, TEN-21: departments, members with a one-time link, import, groups and roles."""
    at = desk
    at.become("member", "organisation_administrator")
    at.administer()
    assert [name for name in at.sections() if name in PEOPLE] == PEOPLE
    assert not PLATFORM & set(at.sections())

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
    expect(main.get_by_role("button", name="Save")).to_be_disabled()
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
    main.get_by_label("Name", exact=True).fill(f"night {suffix}")
    main.get_by_label(f"readers {suffix}").check()
    main.get_by_role("button", name="Create group").click()
    expect(main.get_by_role("heading", level=1)).to_contain_text(f"night {suffix}")
    main.get_by_role("tab", name="Members").click()
    main.get_by_role("button", name="Add members").click()
    dialog = at.page.get_by_role("dialog")
    dialog.get_by_role("combobox").fill(f"import{suffix}1")
    expect(dialog.get_by_role("option", name=re.compile(f"import{suffix}1")).first).to_be_visible()
    at.page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Add members").click()
    expect(main.get_by_text(f"import{suffix}1").first).to_be_visible()

    at.go("Members")
    at.page.reload()
    at.page.wait_for_selector(".hm-adminnav")
    expect(at.page.locator(".hm-adminnav [aria-current=page]")).to_have_text("Members")


def test_the_platforms_administrator(desk: Desk, suffix: str) -> None:
    """TEN-1, TEN-3, TEN-20, CON-1, SEC-1: organisation, quota, spec, policy; the log names what was changed."""
    at = desk
    at.become("member", "Administrator")
    at.administer()
    assert PLATFORM | {"Quotas"} <= set(at.sections())

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

    main = at.go("Audit log")
    expect(main.get_by_role("row").filter(has_text="policy").first).to_be_visible()
    at.shot("audit")
    main.get_by_role("row").filter(has_text="replace_policy").first.click()
    expect(main).to_contain_text("password minimum")
    expect(main).to_contain_text("After")


CELL = """
import himalia
from himalia.sdk.errors import HimaliaError
try:
    himalia.admin.members.list()
    print("read members")
except HimaliaError as error:
    print(type(error).__name__, getattr(error, "code", ""))
try:
    print(himalia.connect().me().user.name)
except HimaliaError as error:
    print("no account", error)
"""


def test_no_cell_acts_as_the_administrator_while_the_proof_holds(desk: Desk, installation: Installation) -> None:
    """TEN-17: the panel administers after the step-up; a cell of the same notebook at the same time does not."""
    at = desk
    at.become("member", "organisation_administrator")
    at.administer()
    main = at.go("Members")
    expect(main.get_by_role("row").filter(has_text=at.name).first).to_be_visible()  # the control: the panel may
    refused = at.call("GET", "members")
    assert (refused["status"], refused["body"]["code"]) == (403, "step_up_required")
    visitor = Visitor(installation.hub_url)
    visitor.sign_in(installation.link(at.name))
    row = visitor.hub("GET", "himalia/api/start")["notebooks"][0]
    printed = asyncio.run(visitor.open_notebook(row["url"]).run_cell(CELL))
    visitor.close()
    assert "step_up_required" in printed and "read members" not in printed, printed
    assert at.name in printed, printed


def test_a_dataset_is_shared_and_taken_back(
    desk: Desk, installation: Installation, organisation: str, suffix: str
) -> None:
    """GEN-10: from its page, by user name; the list of receivers; a name nobody has is refused beside the field."""
    at = desk
    at.become("member")
    receiver = f"friend{suffix}"
    installation.person(receiver, organisation=organisation, display_name="Friend")
    group = at.call("POST", "label-groups", {"name": f"g-{suffix}", "labels": [{"name": "round"}]})["body"]
    made = at.call("POST", "datasets", {"name": f"d-{suffix}", "label_group_id": group["id"]})
    assert made["status"] == 201, made
    at.side.get_by_role("button", name=re.compile("^Datasets")).click()
    at.page.get_by_role("row").filter(has_text=f"d-{suffix}").first.dblclick()
    at.page.get_by_role("button", name="Share", exact=True).click()
    dialog = at.page.get_by_role("dialog")
    dialog.get_by_label("User name").fill("nobodyofthis")
    dialog.get_by_role("button", name="Share", exact=True).click()
    expect(dialog.get_by_label("User name")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("User name").fill(receiver)
    dialog.get_by_label("May", exact=True).select_option("use")
    at.page.keyboard.press("Tab")
    dialog.get_by_role("button", name="Share", exact=True).click()
    expect(dialog.get_by_label("What Friend may do")).to_have_value("use")
    at.shot("share")
    given = at.call("GET", "shares?direction=given")["body"]["items"]
    assert [(one["receiver"]["name"], one["access"]) for one in given] == [("Friend", "use")]
    dialog.get_by_role("button", name="Take back from Friend").click()
    expect(dialog).to_contain_text("It is yours alone.")
    assert at.call("GET", "shares?direction=given")["body"]["items"] == []
    at.page.keyboard.press("Escape")


SECTIONS = ["Departments", "Members", "Roles", "Quotas", "Resource specs", "Security policy", "Audit log"]


def test_the_panels_are_usable_by_everybody_in_chinese_and_the_dark(desk: Desk) -> None:
    """UI-1, UI-3, GEN-9: no serious finding of axe, no horizontal scrolling, no English left."""
    at = desk
    at.become("member", "organisation_administrator", "Administrator")
    at.administer()
    found: dict[str, list[str]] = {}
    for section in SECTIONS:
        at.go(section)
        found[section] = at.axe()
    assert not any(found.values()), found
    at.setting("@jupyterlab/apputils-extension:themes", '{"theme": "JupyterLab Dark"}')
    at.setting("@jupyterlab/translation-extension:plugin", '{"locale": "zh_CN"}')
    at.page.reload()
    at.page.wait_for_selector(".hm-adminnav")
    confirm = at.main.get_by_role("button", name="确认身份")
    with at.context.expect_page() as opened:
        confirm.click()
    opened.value.locator("#password").fill(PASSWORD)
    opened.value.locator("form button[type=submit]").click()
    expect(confirm).not_to_be_visible()
    buttons = at.page.locator(".hm-adminnav section button")
    for place in range(buttons.count()):
        buttons.nth(place).click()
        expect(at.main.get_by_role("heading", level=1)).to_have_text(re.compile("[一-鿿]"))
        assert at.main.evaluate("main => main.scrollWidth <= main.clientWidth + 1")
        heads = at.main.locator("[role=columnheader], label, th").all_inner_texts()
        english = [words for words in heads if re.fullmatch(r"[A-Za-z][a-z ]{3,}", words.strip())]
        assert english == [], english
        at.shot(f"zh-{place:02d}")
    assert at.axe() == []
