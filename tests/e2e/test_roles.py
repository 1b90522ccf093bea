"""JupyterLab as each role: the panels it opens, what it may do there, and what stays closed (TEN-9, TEN-11, UI-3).

One person at one notebook takes one role after the other. A change of roles ends the sessions, so each
role begins as a person begins: at the sign-in page, on the way to a tab that was kept from before and
that this role does not open.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from himalia_hub.selfcheck.browser import Browser as Visitor
from himalia_hub.selfcheck.browser import run_apart
from tests.e2e.test_sources import api
from tests.support.installation import Installation
from tests.support.signing_in import arrive, lab, prove_presence, side_panel, start_notebook

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SCREENS = Path(os.environ.get("HIMALIA_SCREENS", "build/screens"))
WORK = {"Datasets", "Notebooks", "Training jobs", "Models", "Online services", "My bills"}
PEOPLE = {"Departments", "Members", "Groups", "Roles"}
PLATFORM = {"Organisations", "Resource specs", "Prices", "Security policy", "Sign-in sources", "Senders"}
CHINESE = {
    "Administration": "管理",
    "Audit log": "审计日志",
    "Confirm identity": "确认身份",
    "Departments": "部门",
    "Getting started": "开始使用",
    "Groups": "用户组",
    "Members": "成员",
    "New department": "新建部门",
    "New member": "新建成员",
    "Not open to your roles": "您的角色无法打开此页",
    "Nothing to administer": "没有可管理的内容",
    "Quotas": "配额",
    "Roles": "角色",
    "Datasets": "数据集",
    "Notebooks": "笔记本",
    "Training jobs": "训练任务",
    "Models": "模型",
    "Online services": "在线服务",
    "My bills": "我的账单",
}


@dataclass(frozen=True)
class Case:
    """What a role is shown. ``may`` and ``may_not`` are a section and a button of it."""

    roles: tuple[str, ...]
    entries: set[str]
    absent: set[str]
    sections: set[str] = field(default_factory=set)
    closed: str = "policy"
    """The section of the kept tab."""
    may: tuple[str, str] | None = None
    may_not: tuple[str, str] | None = None
    chinese: bool = False
    dark: bool = False

    def words(self, english: str) -> str:
        return CHINESE[english] if self.chinese else english


CASES = {
    "member": Case(("member",), WORK, {"Administration"}),
    "annotator": Case(("annotator",), {"Datasets"}, {*WORK - {"Datasets"}, "Administration"}, chinese=True),
    "guest": Case(("ReadOnly",), WORK, {"Administration"}, dark=True),
    "auditor": Case(
        ("auditor",), {"Administration"}, WORK, {"Audit log"}, closed="members", may=("Audit log", "Export")
    ),
    "finance": Case(
        ("finance",), {"Administration"}, {"Datasets", "Notebooks"}, {"Prices"}, may=("Prices", "New price")
    ),
    "department administrator": Case(
        ("member", "department_administrator"),
        {*WORK, "Administration"},
        set(),
        {"Departments", "Members", "Roles", "Quotas"},
        closed="audit",
        may_not=("Members", "New member"),
        chinese=True,
        dark=True,
    ),
    "organisation administrator": Case(
        ("member", "organisation_administrator"),
        {*WORK, "Administration"},
        set(),
        {*PEOPLE, "Getting started", "Quotas", "Audit log"},
        may=("Departments", "New department"),
        chinese=True,
    ),
    "platform administrator": Case(
        ("member", "Administrator"),
        {*WORK, "Administration"},
        set(),
        {*PEOPLE, *PLATFORM, "Getting started", "Quotas", "Audit log"},
        closed="",
        may=("Organisations", "New organisation"),
        dark=True,
    ),
}


class Desk:
    """One person's JupyterLab, seen with other roles after each :meth:`become`."""

    def __init__(self, installation: Installation, page: Page, made: dict[str, Any], roles: dict[str, str]) -> None:
        self.installation, self.page = installation, page
        self.name, self.organisation = made["user"]["name"], made["tenant"]
        self.custom = roles
        self.department = 0
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def ask(self, method: str, path: str, body: Any = None) -> int:
        """The status of a request that JupyterLab's page makes of its server."""
        status = self.page.evaluate(
            """async ([method, path, body]) => {
                const base = JSON.parse(document.getElementById('jupyter-config-data').textContent).baseUrl;
                const token = document.cookie.match(/_xsrf=([^;]+)/)?.[1] ?? '';
                const answer = await fetch(base + path, {method, body: body === null ? undefined : JSON.stringify(body),
                    headers: {'Content-Type': 'application/json', 'X-XSRFToken': token}});
                return answer.status;
            }""",
            [method, path, body],
        )
        return int(status)

    def put(self, path: str, body: Any) -> None:
        """Keep a setting or a workspace, as JupyterLab itself does."""
        assert self.ask("PUT", f"lab/api/{path}", body) == 204, path

    def keep(self, case: Case) -> None:
        """Leave a tab of the administration open, and the language and the theme of the next look."""
        self.put(
            "settings/@jupyterlab/apputils-extension:themes",
            {"raw": json.dumps({"theme": f"JupyterLab {'Dark' if case.dark else 'Light'}"})},
        )
        self.put(
            "settings/@jupyterlab/translation-extension:plugin",
            {"raw": json.dumps({"locale": "zh_CN" if case.chinese else "default"})},
        )
        tab = "himalia:himalia-administration"
        area = {"type": "tab-area", "currentIndex": 0, "widgets": [tab]}
        data = {
            tab: {"data": {"panel": "administration", "view.section": case.closed or None}},
            "layout-restorer:data": {"main": {"dock": area, "current": tab}},
        }
        self.put("workspaces/kept", {"data": data, "metadata": {"id": "kept"}})

    def become(self, case: Case) -> None:
        """Hold these roles and no others, in the same session; then open the kept tab anew."""
        self.keep(case)
        base = re.sub(r"/lab.*", "", self.page.url)
        query = f"?organisation={self.organisation}"
        rows = api(self.installation, "GET", f"/members{query}&q={self.name}").json()["items"]
        member = next(one for one in rows if one["name"] == self.name)
        body: dict[str, Any] = {"roles": [self.custom.get(role, role) for role in case.roles]}
        if "department_administrator" in case.roles:
            body["department"] = self.department
        version = {"If-Match": f'"{member["version"]}"'}
        answer = api(self.installation, "PATCH", f"/members/{member['id']}{query}", body, **version)
        assert answer.status_code == 200, answer.text
        assert self.ask("GET", "api/status") == 200
        self.page.goto(f"{base}/lab/workspaces/kept")
        lab(self.page)

    @property
    def main(self) -> Locator:
        return self.page.locator(".hm-adminmain")

    def shot(self, name: str) -> None:
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENS / f"role-{name.replace(' ', '-')}.png")


def finance(installation: Installation, organisation: str, name: str) -> str:
    """A custom role of the platform: prices and what organisations spend. Answers its key."""
    permissions = {
        "account.self.read": "own",
        "account.event.read": "own",
        "money.price.manage": "platform",
        "money.ledger.read": "platform",
        "money.bill.read": "organisation",
    }
    body = {"name": name, "description": "Money", "scope": "platform", "permissions": permissions}
    made = api(installation, "POST", f"/roles?organisation={organisation}", body)
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


@pytest.fixture(scope="module")
def desk(installation: Installation, browser: Browser) -> Iterator[Desk]:
    suffix = secrets.token_hex(3)
    organisation = f"roles{suffix}"
    made = installation.person(f"many{suffix}", "member", organisation=organisation)
    made = {**made, "tenant": organisation}
    recharge = {"tenant": organisation, "amount_micros": 10_000_000, "note": "where prices are set already"}
    installation.admin.call("POST", "admin/recharges", recharge)
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(60_000)
    page = context.new_page()
    at = Desk(installation, page, made, {"finance": finance(installation, organisation, f"finance {suffix}")})
    department = api(installation, "POST", "/departments", {"name": "Vision", "organisation": organisation})
    assert department.status_code == 201, department.text
    at.department = department.json()["id"]
    arrive(page, installation, made["token"])
    start_notebook(page, "desk")
    yield at
    context.close()
    # Ends the notebook, so that the resources are free for the tests after these.
    installation.admin.call("POST", f"admin/users/{at.name}/change", {"enabled": False})
    assert at.errors == []


@pytest.mark.parametrize("role", CASES)
def test_a_role_is_shown_what_it_permits_and_nothing_else(desk: Desk, role: str) -> None:
    case = CASES[role]
    desk.become(case)
    refused = "Not open to your roles" if case.sections else "Nothing to administer"
    if case.closed:
        expect(desk.page.get_by_text(case.words(refused))).to_be_visible()
    side = side_panel(desk.page)
    expect(side.locator(".hm-nav button").first).to_be_visible()
    entries = {line.split("\n")[0] for line in side.locator(".hm-nav button").all_inner_texts()}
    assert {case.words(one) for one in case.entries} <= entries
    assert not {case.words(one) for one in case.absent} & entries
    expect(side.get_by_role("alert")).to_have_count(0)  # nothing was asked that these roles do not permit
    sections = set(desk.page.locator(".hm-adminnav section button").all_inner_texts())
    assert sections == {case.words(one) for one in case.sections}
    dark = desk.page.evaluate("document.body.dataset.jpThemeLight") == "false"
    assert dark is case.dark
    desk.shot(role)
    for wanted, there in ((case.may, True), (case.may_not, False)):
        if wanted is not None:
            look_at(desk, case, *wanted, there=there)
            desk.shot(f"{role}-{wanted[0]}")


def look_at(desk: Desk, case: Case, section: str, action: str, *, there: bool) -> None:
    """Open a section by its entry, with the proof where it is asked, and look for a button."""
    desk.page.locator(".hm-adminnav").get_by_role("button", name=case.words(section), exact=True).click()
    heading = desk.main.get_by_role("heading", level=1)
    confirm = desk.main.get_by_role("button", name=case.words("Confirm identity"))
    expect(heading.or_(confirm).first).to_be_visible()
    if confirm.is_visible():
        prove_presence(desk.page, confirm)
    expect(heading).to_contain_text(case.words(section))
    button = desk.main.get_by_role("button", name=CHINESE.get(action, action) if case.chinese else action).first
    if there:
        expect(button).to_be_enabled()
    else:
        expect(desk.main.get_by_role("row").nth(1)).to_be_visible()  # what may be seen is there, the button is not
        expect(button).to_have_count(0)


CELL = """
import himalia
from himalia.sdk.errors import HimaliaError
try:
    print("members:", [one.name for one in himalia.admin.members.list()])
except HimaliaError as error:
    print("refused:", error.code)
print("account:", himalia.connect().me().user.name)
"""


def test_no_cell_acts_as_the_administrator_while_the_proof_holds(desk: Desk, installation: Installation) -> None:
    """TEN-17: the panel administers after the step-up; a cell of the same notebook, at the same time, does not."""
    case = CASES["organisation administrator"]
    desk.become(case)
    look_at(desk, case, "Members", "New member", there=True)
    expect(desk.main.get_by_role("row").filter(has_text=desk.name)).to_be_visible()  # the control: the panel may
    visitor = Visitor(installation.hub_url)
    visitor.sign_in(installation.link(desk.name))
    row = visitor.hub("GET", "himalia/api/start")["notebooks"][0]
    printed = run_apart(visitor.open_notebook(row["url"]).run_cell(CELL))
    visitor.close()
    assert "refused: step_up_required" in printed and "members:" not in printed, printed
    assert f"account: {desk.name}" in printed, printed
    desk.main.get_by_role("button", name="CSV").click()
    expect(desk.page.get_by_role("menuitem").first).to_be_visible()  # the proof still held meanwhile
