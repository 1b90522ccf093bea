"""The newcomer's walk: sign in, notebook, label, publish, train, serve, pay; by mouse and keyboard.

What the pages show is read from the pages and then compared with the API.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.support.installation import Installation
from tests.support.pictures import write_digits
from tests.support.signing_in import arrive, lab, prove_presence, start_notebook

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SCREENS = Path(os.environ.get("HIMALIA_SCREENS", "build/screens"))


class Walker:
    """A person at the browser, with the API of the same notebook beside it to compare with."""

    def __init__(self, installation: Installation, context: BrowserContext) -> None:
        self.installation = installation
        self.context = context
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def api(self, path: str, body: Any = None) -> Any:
        """What the API says, asked from the page as the panels do; with a body it is a POST."""
        answer = self.page.evaluate(
            """async ([path, body]) => {
                const base = JSON.parse(document.getElementById('jupyter-config-data').textContent).baseUrl;
                const headers = {'X-XSRFToken': document.cookie.match(/_xsrf=([^;]+)/)?.[1] ?? ''};
                const init = body === null ? {headers} : {
                    method: 'POST', body, headers: {...headers, 'Content-Type': 'application/json'}};
                const answer = await fetch(base + 'himalia/api/v1/' + path, init);
                return {status: answer.status, text: await answer.text()};
            }""",
            [path, None if body is None else json.dumps(body)],
        )
        assert answer["status"] in (200, 201, 202), answer
        return json.loads(answer["text"])

    def panel(self) -> Locator:
        """The Himalia tab in front."""
        return self.page.locator(".lm-DockPanel-widget:not(.lm-mod-hidden) .hm-page:visible").first

    def go(self, name: str) -> Locator:
        """Open a list from the side panel."""
        side = self.page.locator(".hm-side")
        if not side.is_visible():
            self.page.locator("li.lm-TabBar-tab[title*='Himalia']").first.click()
        side.get_by_text(name, exact=True).first.click()
        expect(self.panel().get_by_role("heading", level=1)).to_contain_text(name)
        return self.panel()

    def shot(self, name: str) -> None:
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENS / f"{name}.png")


@pytest.fixture(scope="module")
def walker(installation: Installation, browser: Browser) -> Iterator[Walker]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(30_000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield Walker(installation, context)
    context.close()


@pytest.fixture(scope="module")
def suffix() -> str:
    return secrets.token_hex(3)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_digits(folder / "labelled", range(90))
    (folder / "labelled" / "0" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not a picture")
    write_digits(folder / "plain", range(100, 106), by_label=False)
    write_digits(folder / "unseen", range(200, 201), by_label=False)
    return folder


def test_1_sign_in_and_start(walker: Walker, suffix: str) -> None:
    """The link opens the hub; profiles say what they use, cost and whether they fit; Lab opens."""
    installation, page = walker.installation, walker.page
    installation.himalia("admin", "prices", "set", "cpu=0.36", "memory=0.09")
    made = installation.person("walker" + suffix, display_name="Li Wei")
    installation.admin.call(
        "POST", "admin/recharges", {"tenant": made["tenant"], "amount_micros": 100_000_000, "note": "start"}
    )
    arrive(page, installation, made["token"])
    expect(page.get_by_text("starts now").first).to_be_visible()
    expect(page.locator("body")).to_contain_text("/h")
    walker.shot("start")
    page.locator("#name").fill("explore")
    page.locator("#start").click()
    expect(page.get_by_text("Admitted").first).to_be_visible()
    lab(page)
    me = walker.api("me")
    assert me["user"]["name"] == "walker" + suffix
    assert set(me["permissions"].values()) == {"own"}


def test_2_import_and_label(walker: Walker, suffix: str, pictures: Path) -> None:
    """A dataset is made, pictures are imported, damaged ones listed, labels set by key and click."""
    page = walker.page
    walker.go("Datasets").get_by_role("button", name="New dataset").first.click()
    form = walker.panel()
    form.get_by_label("Name", exact=True).fill(f"digits-{suffix}")
    labels = form.get_by_label("Label group", exact=True)
    if labels.locator("option", has_text="New labels").count():
        labels.select_option(label="New labels, typed here")
    form.get_by_label("Labels", exact=True).fill("0, 1, 2")
    form.get_by_role("button", name="Create dataset").click()
    expect(walker.panel().get_by_role("heading", level=1)).to_contain_text(f"digits-{suffix}")
    page.locator("input[type=file][webkitdirectory]").first.set_input_files(pictures / "labelled")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("91 files")
    check = dialog.get_by_label("Folder names are labels")
    if not check.is_checked():
        check.check()
    dialog.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text(re.compile("1 left out")).first).to_be_visible(timeout=60_000)
    page.locator("input[type=file]:not([webkitdirectory])").first.set_input_files(
        sorted((pictures / "plain").glob("*.png"))
    )
    dialog = page.get_by_role("dialog")
    if dialog.is_visible():
        dialog.get_by_role("button", name="Import", exact=True).click()
    expect(walker.panel()).to_contain_text("96", timeout=60_000)
    dataset = next(d for d in walker.api("datasets?limit=50")["items"] if d["name"] == f"digits-{suffix}")
    assert dataset["items"] == 96
    walker.shot("dataset")


def _dataset(walker: Walker, suffix: str) -> dict[str, Any]:
    return next(d for d in walker.api("datasets?limit=50")["items"] if d["name"] == f"digits-{suffix}")


def test_3_workbench(walker: Walker, suffix: str) -> None:
    """DAT-13: number keys and clicks label, undo and redo work, Enter finishes and opens the next open one."""
    page = walker.page
    walker.panel().get_by_role("button", name=re.compile("^(Label|Continue labelling)$")).first.click()
    expect(page.locator("canvas:visible").first).to_be_visible()
    page.wait_for_timeout(500)
    open_items = [i for i in _items(walker, suffix) if i["state"] not in ("confirmed", "nothing_to_label")]
    flat = [i for i in open_items if not i["labels"]]
    assert len(flat) == 6
    labels = _dataset(walker, suffix)["label_group"]["labels"]
    keys = {label["name"]: label["key"] or str(at + 1) for at, label in enumerate(labels)}
    for count in range(len(open_items)):
        title = page.locator("[aria-current=true], [aria-selected=true]").filter(has_text=re.compile(r"\d_\d{4}")).first
        name = (title.get_attribute("aria-label") or title.inner_text()).strip()
        digit = re.search(r"(\d)_\d{4}", name)
        assert digit, name
        page.keyboard.press(keys[digit.group(1)])
        if count == 0:
            page.keyboard.press("Control+z")
            page.keyboard.press("Control+Shift+z")
        page.keyboard.press("Enter")
        page.wait_for_timeout(60)
    walker.shot("workbench")
    expect(page.get_by_text("Saved", exact=True).first).to_be_visible()
    page.wait_for_timeout(1500)
    items = _items(walker, suffix)
    assert {item["state"] for item in items} == {"confirmed"}
    assert all(item["labels"][0]["name"] == item["name"].rsplit("/")[-1][0] for item in items)


def _items(walker: Walker, suffix: str) -> list[dict[str, Any]]:
    return walker.api(f"datasets/{_dataset(walker, suffix)['id']}/items?limit=500")["items"]  # type: ignore[no-any-return]


def test_4_publish_and_compare(walker: Walker, suffix: str) -> None:
    """DAT-21: V0001 and V0002 are frozen; comparing names what changed."""
    page = walker.page
    for version in ("V0001", "V0002"):
        walker.go("Datasets").get_by_text(f"digits-{suffix}").first.click()
        walker.panel().get_by_role("button", name="Publish").first.click()
        page.get_by_role("dialog").get_by_role("button", name=re.compile("Publish")).click()
        expect(walker.panel()).to_contain_text(version)
        if version == "V0001":
            dataset = _dataset(walker, suffix)
            item = next(i for i in _items(walker, suffix) if i["labels"][0]["name"] == "0")
            other = next(la for la in dataset["label_group"]["labels"] if la["name"] == "1")
            _relabel(walker, dataset["id"], item["id"], other["id"])
    dataset = _dataset(walker, suffix)
    seen = walker.api(f"datasets/{dataset['id']}/compare?from=V0001&to=V0002")
    assert (seen["added"], seen["removed"], seen["relabelled"]) == (0, 0, 1)
    walker.panel().get_by_role("tab", name="Versions").click()
    walker.panel().get_by_text("V0002").first.click()
    walker.shot("versions")


def _relabel(walker: Walker, dataset: int, item: int, label: int) -> None:
    """Change one label as the workbench sends it."""
    body = {
        "client": "5b8f4a56-7a4b-4a6e-9a55-0d6f1d1c7d10",
        "operations": [
            {"seq": 1, "item": item, "op": "set_labels", "labels": [label], "at": "2026-01-01T00:00:00Z"},
            {"seq": 2, "item": item, "op": "confirm", "at": "2026-01-01T00:00:00Z"},
        ],
    }
    answer = walker.api(f"datasets/{dataset}/operations", body)
    assert [row["outcome"] for row in answer["results"]] == ["applied", "applied"], answer


def test_5_train(walker: Walker, suffix: str) -> None:
    """The exact command is shown, the curves are the process's own, the model keeps its lineage."""
    page = walker.page
    walker.go("Training jobs").get_by_role("button", name="New training job").first.click()
    form = walker.panel()
    form.get_by_label("Name", exact=True).fill(f"walk-{suffix}")
    form.get_by_label("Dataset", exact=True).select_option(label=f"digits-{suffix}")
    form.get_by_label("Version", exact=True).select_option(value="V0002")
    expect(form.locator(".hm-command")).to_contain_text("himalia.algorithms.image_classification")
    expect(form.locator(".hm-verdict")).to_contain_text(re.compile("starts now|now", re.I))
    walker.shot("newjob")
    form.get_by_role("button", name="Start training").click()
    run = walker.panel()
    expect(run.get_by_role("heading", level=1)).to_contain_text(f"walk-{suffix}")
    expect(run.locator(".hm-pill").first).to_contain_text(re.compile("Finished|Failed"), timeout=180_000)
    walker.shot("run")
    expect(run.locator(".hm-pill").first).to_contain_text("Finished")
    expect(run.locator(".hm-chart").first).to_be_visible()
    job = next(j for j in walker.api("jobs?limit=50")["items"] if j["name"] == f"walk-{suffix}")
    series = walker.api(f"runs/{job['latest_run']['id']}/metrics")["series"]
    assert any("loss" in s["name"] and len(s["points"]) > 3 for s in series)
    assert any("accuracy" in s["name"] and len(s["points"]) > 3 for s in series)
    run.get_by_role("button", name="Save as model").click()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(walker.panel().get_by_role("tab", name="Versions")).to_be_visible()
    expect(walker.panel()).to_contain_text(f"digits-{suffix}")
    walker.shot("model")


def test_6_deploy_and_predict(walker: Walker, suffix: str, pictures: Path) -> None:
    """Running appears after a real answer; a picture that was not trained on is answered on the picture."""
    page = walker.page
    walker.panel().get_by_role("button", name=re.compile("^Deploy")).first.click()
    form = walker.panel()
    form.get_by_label("Name", exact=True).fill(f"walk-{suffix}")
    form.get_by_role("button", name="Deploy", exact=True).click()
    service = walker.panel()
    expect(service.locator(".hm-pill").first).to_contain_text(re.compile("Running|Failed"), timeout=120_000)
    expect(service.locator(".hm-pill").first).to_contain_text("Running")
    unseen = next((pictures / "unseen").glob("*.png"))
    service.locator("input[type=file]").set_input_files(unseen)
    expect(service.locator(".hm-answer")).to_contain_text(unseen.name[0])
    walker.shot("service")
    service.get_by_role("tab", name="Keys").click()
    service.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("walk")
    dialog.get_by_role("button", name="Create").click()
    expect(page.get_by_role("dialog")).to_contain_text("only once")
    key = page.get_by_role("dialog").locator("pre").inner_text().strip()
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    service.get_by_role("button", name="Call guide").click()
    curl = page.get_by_role("dialog").locator("pre").inner_text()
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    assert _paste(curl, key)["predictions"][0]["label"] in ("0", "1", "2")


def _paste(curl: str, key: str) -> dict[str, Any]:
    """Run the guide's curl as pasted, with the key in its place."""
    done = subprocess.run(
        ["bash", "-c", curl.replace("YOUR_KEY", key)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_7_bills_and_recharge(walker: Walker, suffix: str) -> None:
    """Each piece of work has a bill; the balance falls; an administrator recharges after a step-up."""
    page = walker.page
    panel = walker.go("My bills")
    expect(panel.get_by_text(f"walk-{suffix}").first).to_be_visible(timeout=30_000)
    expect(panel.get_by_text("explore").first).to_be_visible()
    walker.shot("bills")
    bills = walker.api("bills?limit=50")["items"]
    assert {"notebook", "run", "service_variant"} <= {bill["kind"] for bill in bills}
    settled = [bill for bill in bills if bill["state"] == "settled"]
    assert settled
    for bill in settled:
        assert bill["total_micros"] == sum(line["amount_micros"] for line in bill["lines"]) > 0
    assert walker.api("balance")["available_micros"] < 100_000_000
    panel.get_by_text(f"walk-{suffix}").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("Total")
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    assert walker.errors == []


def test_8_an_administrator_recharges(installation: Installation, browser: Browser, suffix: str) -> None:
    """TEN-4, TEN-17: the panel asks for the password on the hub's own origin, then the balance rises."""
    made = installation.person("admin" + suffix, "Administrator", "member", organisation="harbour")
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(30_000)
    admin = Walker(installation, context)
    page = admin.page
    arrive(page, installation, made["token"])
    start_notebook(page)
    before = admin.api("balance")["balance_micros"]
    panel = admin.go("My bills")
    panel.get_by_role("button", name="Recharge").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Amount", exact=True).fill("25.5")
    prove_presence(page, dialog.get_by_role("button", name="Recharge"))
    expect(page.get_by_text("was added to the balance").first).to_be_visible()
    assert admin.api("balance")["balance_micros"] >= before + 25_000_000
    context.close()


SETTINGS = {
    "dark": ("@jupyterlab/apputils-extension:themes", {"theme": "JupyterLab Dark"}),
    "zh": ("@jupyterlab/translation-extension:plugin", {"locale": "zh_CN"}),
}


@pytest.mark.parametrize("look", ["dark", "zh"])
def test_9_other_looks(walker: Walker, suffix: str, look: str) -> None:
    """UI-1, GEN-9: the same pages in the dark theme and in Chinese, with nothing of the other language left."""
    page = walker.page
    plugin, values = SETTINGS[look]
    saved = page.evaluate(
        """async ([plugin, raw]) => {
            const base = JSON.parse(document.getElementById('jupyter-config-data').textContent).baseUrl;
            const token = document.cookie.match(/_xsrf=([^;]+)/)?.[1] ?? '';
            const answer = await fetch(base + 'lab/api/settings/' + plugin, {
                method: 'PUT', body: JSON.stringify({raw}),
                headers: {'Content-Type': 'application/json', 'X-XSRFToken': token}});
            return answer.status;
        }""",
        [plugin, json.dumps(values)],
    )
    assert saved == 204
    page.reload()
    page.wait_for_selector(".jp-LabShell")
    # The tabs that were open are still there (UI-1).
    expect(page.locator(".lm-TabBar-tabLabel", has_text=f"walk-{suffix}").first).to_be_visible()
    side = page.locator(".hm-side")
    if not side.is_visible():
        page.locator("li.lm-TabBar-tab[title*='Himalia']").first.click()
    page.locator(".lm-TabBar-tabLabel", has_text=f"walk-{suffix} #1").first.click()
    expect(walker.panel().get_by_role("heading", level=1)).to_contain_text(f"walk-{suffix}")
    if look == "zh":
        expect(side).to_contain_text("数据集")
        expect(walker.panel().locator(".hm-pill").first).not_to_contain_text("Finished")
    page.wait_for_timeout(800)
    walker.shot(f"run.{look}")
    side.locator(".hm-nav button, .hm-nav a").filter(has_text=re.compile("My bills|我的账单")).first.click()
    expect(walker.panel().get_by_role("heading", level=1)).to_contain_text(re.compile("My bills|我的账单"))
    page.wait_for_timeout(800)
    walker.shot(f"bills.{look}")
