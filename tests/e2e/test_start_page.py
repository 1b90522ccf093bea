"""The start page's own script and policy over answers of the platform that one machine does not give (NB-3)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader
from playwright.sync_api import Browser, Page, Route, expect

from himalia_hub.config.pages import STATIC, TEMPLATES, page_namespace, policy
from himalia_hub.config.texts import script_texts

pytestmark = pytest.mark.e2e
ORIGIN = "http://hub.test"
GIB = 1 << 30
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def size(number: int, name: str, verdict: str = "starts_now") -> dict[str, Any]:
    resources = {"cpu_millis": 1000 * number, "memory_bytes": number * GIB, "accelerators": {}}
    told = {"verdict": verdict, "sentence": "", "sentence_zh": "", "price_per_hour_micros": 0, "levels": []}
    spec = {"id": number, "name": name, "resources": resources, "price_per_hour_micros": 0, "accelerator_label": None}
    return {"spec": spec, "verdict": told}


PLAIN = {"slug": "plain", "name": "Plain", "description": "", "default": False, "options": []}
SHARED = {
    "slug": "shm",
    "name": "Shared memory",
    "description": "For loaders with many workers",
    "default": True,
    "options": [
        {
            "name": "size",
            "title": "Its size",
            "choices": [
                {"value": "small", "name": "1 GiB", "default": True},
                {"value": "large", "name": "8 GiB", "default": False},
            ],
            "other": {"title": "In GiB", "choice": "Other...", "pattern": r"^\d+$", "message": "a number of GiB"},
        }
    ],
}
NOTEBOOK = {
    "id": 1,
    "name": "earlier",
    "server_name": "n1",
    "description": "",
    "spec": {"id": 1, "name": "CPU 1", "resources": size(1, "")["spec"]["resources"]},
    "environment": "science",
    "profile": {"slug": "gone", "name": "Retired", "options": {}},
    "phase": "stopped",
    "reason": None,
    "message": "",
    "queue_position": None,
    "expected_start_at": None,
    "price_per_hour_micros": 0,
    "cost_micros": 0,
    "steps": [],
    "last_lines": [],
    "url": None,
}
START: dict[str, Any] = {
    "identity": {"user": {"name": "ada", "display_name": "Ada"}, "tenant": {"name": "Harbour"}, "department": None},
    "currency": {"code": "EUR", "symbol": "€", "digits": 2},
    "isolation": "full",
    "balance": None,
    "profiles": [size(1, "CPU 1"), size(2, "CPU 2"), size(4, "CPU 4", "over_quota")],
    "accelerators": [],
    "accelerator": None,
    "environments": [
        {"name": name, "title": name.title(), "state": "ready", "python": "3.11", "packages": {}, "size_bytes": GIB}
        for name in ("science", "vision")
    ],
    "default_environment": "science",
    "suggested_name": "notebook-2",
    "last": None,
    "notebooks": [],
    "spawn_profiles": [SHARED, PLAIN],
    "spawn_profiles_problem": "",
}


class Hub:
    """Serves the page as the hub does; remembers what the script sends."""

    def __init__(self, start: dict[str, Any], language: str) -> None:
        self.start, self.language = start, language
        self.sent: list[tuple[str, Any]] = []
        self.answers: list[tuple[int, Any]] = []

    def __call__(self, route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN).partition("?")[0]
        if path == "/hub/home":
            headers = {"Content-Type": "text/html", "Content-Security-Policy": policy(None)}
            route.fulfill(body=self.page(), headers=headers)
        elif path.startswith("/hub/himalia/static/"):
            file = Path(STATIC) / path.rpartition("/")[2]
            route.fulfill(body=file.read_bytes(), headers={"Content-Type": TYPES[file.suffix]})
        elif route.request.method == "POST":
            self.sent.append((path, json.loads(route.request.post_data or "null")))
            status, told = self.answers.pop(0)
            route.fulfill(status=status, json=told)
        else:
            route.fulfill(json=self.start)

    def page(self) -> str:
        request = SimpleNamespace(path="/hub/home", cookies={}, headers={"Accept-Language": self.language})
        environment = Environment(loader=FileSystemLoader(str(TEMPLATES)), autoescape=True)
        data = {"page": self.start, "texts": script_texts(self.language[:2]), "language": self.language[:2]}
        settings: Any = SimpleNamespace(isolation="full", backend={"kind": "kubernetes"})
        values = page_namespace(request, settings) | {"identity": self.start["identity"], "data": data, "xsrf": "x"}
        return environment.get_template("home.html").render(**values, version_hash="1")


Opens = Callable[..., tuple[Page, Hub]]


@pytest.fixture
def opened(browser: Browser, request: pytest.FixtureRequest) -> Opens:
    def show(language: str = "en", **change: Any) -> tuple[Page, Hub]:
        context = browser.new_context(locale="zh-CN" if language == "zh" else "en-GB")
        request.addfinalizer(context.close)
        page, hub = context.new_page(), Hub({**copy.deepcopy(START), **change}, language)
        page.route(f"{ORIGIN}/**", hub)
        page.goto(f"{ORIGIN}/hub/home")
        return page, hub

    return show


def test_a_profile_and_its_options_are_chosen_in_the_form(opened: Opens) -> None:
    page, hub = opened()
    profile, option = page.get_by_label("Server profile"), page.get_by_label("Its size")
    expect(profile).to_have_value("shm")
    expect(page.get_by_text("For loaders with many workers")).to_be_visible()
    expect(option).to_have_value("small")
    option.select_option(label="Other...")
    own = page.get_by_label("In GiB")
    page.get_by_role("button", name="Start notebook-2").click()
    expect(own).to_be_focused()
    assert hub.sent == [], "a value of one's own is needed"
    own.fill("64")
    refusal = {"status": 422, "code": "invalid_input", "field": "profile_options.size", "detail": "64 is too much."}
    hub.answers = [(422, refusal), (201, {**NOTEBOOK, "server_name": "n2"})]
    page.get_by_role("button", name="Start notebook-2").click()
    expect(page.get_by_role("alert")).to_have_text("64 is too much.")
    expect(option).to_be_focused()
    profile.select_option("plain")
    expect(option).to_be_hidden()
    page.get_by_role("button", name="Start notebook-2").click()
    expect(page.get_by_role("alert")).to_be_hidden()
    sent = [{key: body[key] for key in ("profile", "profile_options")} for _, body in hub.sent]
    assert sent == [
        {"profile": "shm", "profile_options": {"size": "64"}},
        {"profile": "plain", "profile_options": {}},
    ]


def test_the_form_begins_with_what_was_started_last(opened: Opens) -> None:
    kept = {"slug": "shm", "name": "Shared memory", "options": {"size": "12"}}
    page, _ = opened(last={"spec_id": 2, "environment": "vision", "profile": kept})
    expect(page.get_by_role("radio", name="CPU 2")).to_be_checked()
    expect(page.get_by_label("Environment")).to_have_value("vision")
    expect(page.get_by_label("In GiB")).to_have_value("12")
    full, _ = opened(last={"spec_id": 4, "environment": "retired", "profile": NOTEBOOK["profile"]})
    expect(full.get_by_role("radio", name="CPU 1")).to_be_checked()
    expect(full.get_by_label("Environment")).to_have_value("science")
    expect(full.get_by_label("Server profile")).to_have_value("shm")


def test_a_notebook_whose_profile_is_gone_is_started_with_another(opened: Opens) -> None:
    page, hub = opened("zh", notebooks=[NOTEBOOK])
    card = page.locator("[data-notebook=n1]")
    expect(card).to_contain_text("其配置方案“Retired”已不再提供。")
    card.get_by_role("button", name="选择其他配置方案").click()
    card.get_by_label("配置方案").select_option("plain")
    hub.answers = [(202, NOTEBOOK)]
    card.get_by_role("button", name="启动 earlier").click()
    expect(card.get_by_role("button", name="选择其他配置方案")).to_be_visible()
    path = "/hub/himalia/api/notebooks/n1/start"
    assert hub.sent == [(path, {"profile": "plain", "profile_options": {}})]


def test_a_start_refused_for_its_profile_offers_another(opened: Opens) -> None:
    """Also where the page does not know yet: a choice of the profile has gone."""
    kept = {"slug": "shm", "name": "Shared memory", "options": {"size": "huge"}}
    page, hub = opened(notebooks=[{**NOTEBOOK, "profile": kept}])
    card = page.locator("[data-notebook=n1]")
    hub.answers = [(409, {"status": 409, "code": "profile_gone", "field": "profile", "detail": "It is gone."})]
    card.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#problem")).to_have_text("It is gone.")
    expect(card.get_by_label("Server profile")).to_have_value("shm")
    expect(card.get_by_role("button", name="Start earlier")).to_be_visible()


def test_without_profiles_nothing_is_shown_and_a_broken_list_is_said(opened: Opens) -> None:
    page, hub = opened(spawn_profiles=[], notebooks=[NOTEBOOK])
    expect(page.get_by_role("button", name="Start notebook-2")).to_be_enabled()
    expect(page.get_by_text("Server profile")).to_have_count(0)
    expect(page.locator("[data-notebook=n1]")).not_to_contain_text("not offered")
    hub.answers = [(201, NOTEBOOK)]
    page.get_by_role("button", name="Start notebook-2").click()
    expect(page.get_by_label("Description")).to_have_value("")
    assert "profile" not in hub.sent[0][1]
    broken, _ = opened(spawn_profiles=[], spawn_profiles_problem="KeyError: 'display_name'")
    expect(broken.get_by_text("KeyError: 'display_name'")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "number 3 in line · likely in 12 min, within 40 min in nine of ten cases"),
        ("zh", "排队第 3 位 · 预计 12 分钟后启动，十次中有九次在 40 分钟内"),
    ],
)
def test_a_waiting_notebook_says_when_it_probably_starts(opened: Opens, language: str, words: str) -> None:
    """BEY-3; and with too little history no more than what deadlines bound."""
    half, latest = (
        (datetime.now(UTC) + timedelta(minutes=minutes - 0.5)).isoformat() for minutes in (12, 40)
    )  # rounded up, and half a minute for the page to open
    waiting = {**NOTEBOOK, "profile": None, "phase": "queued", "queue_position": 3, "expected_start_latest_at": latest}
    page, hub = opened(language, notebooks=[{**waiting, "expected_start_at": half}])
    expect(page.locator("[data-notebook=n1]")).to_contain_text(words)
    hub.start["notebooks"] = [{**waiting, "expected_start_at": None}]
    page.reload()
    bound = {"en": "number 3 in line · within 40 min at the latest", "zh": "排队第 3 位 · 最迟 40 分钟内启动"}
    expect(page.locator("[data-notebook=n1]")).to_contain_text(bound[language])
