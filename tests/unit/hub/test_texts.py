"""Every sentence of the hub's pages exists in both languages and is used (GEN-9)."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, parse_cookie

from himalia_hub.config.language import language_of, preferred
from himalia_hub.config.pages import STATIC, TEMPLATES
from himalia_hub.config.texts import TEXTS, script_texts, text

SAME_IN_BOTH = {"account.none", "brand", "start.cpu", "start.cores"}
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def test_only_names_and_units_are_equal_in_both_languages() -> None:
    assert {key for key, (english, chinese) in TEXTS.items() if english == chinese} == SAME_IN_BOTH


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_fill_the_same_places(key: str) -> None:
    english, chinese = TEXTS[key]
    assert set(PLACEHOLDER.findall(english)) == set(PLACEHOLDER.findall(chinese))
    assert english.strip() and chinese.strip()


def test_templates_name_known_texts_and_hold_no_words_of_their_own() -> None:
    unknown, words = set(), []
    for path in sorted(TEMPLATES.glob("*.html")):
        source = path.read_text(encoding="utf-8")
        unknown |= set(re.findall(r"""["']((?:[a-z_]+\.)+[a-z0-9_]+)["']""", _without_links(source))) - set(TEXTS)
        bare = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", " ", source, flags=re.S)
        words += [f"{path.name}: {word}" for word in re.findall(r"[A-Za-z一-鿿]{3,}", bare)]
    assert unknown == set()
    assert words == []


def _without_links(source: str) -> str:
    return re.sub(r"""(?:extends|include)\s+"[^"]+"|href="[^"]*"|src="[^"]*"|id="[^"]*\"""", "", source)


def test_the_scripts_ask_for_known_texts_only() -> None:
    known = set(script_texts("en"))
    for name in ("start.js", "step_up.js"):
        source = (STATIC / name).read_text(encoding="utf-8")
        asked = set(re.findall(r"\bt\('([a-z_.]+)'", source)) | set(re.findall(r"texts\['([a-z_.]+)'\]", source))
        asked |= set(re.findall(r"'((?:nb|start|nav)\.[a-z_]+)'", source))
        assert asked and asked <= known, name


def test_scripts_and_pages_keep_to_the_policy() -> None:
    for path in TEMPLATES.glob("*.html"):
        source = path.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|\son[a-z]+=", source), path.name
        inline = re.findall(r"<script(?![^>]*(?:src=|application/json))[^>]*>", source)
        assert inline == [], path.name
    for path in STATIC.glob("*.js"):
        assert "innerHTML" not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("fr,de;q=0.7", "en"),
        ("fr, zh-TW;q=0.3", "zh"),
        ("zh;q=nonsense", "en"),
        ("zh;q=0", "en"),
    ],
)
def test_the_browsers_language_is_the_best_of_ours(header: str, language: str) -> None:
    assert preferred(header) == language


def request(header: str, cookie: str = "") -> Any:
    cookies = {name: SimpleNamespace(value=value) for name, value in parse_cookie(cookie).items()}
    return SimpleNamespace(headers=HTTPHeaders({"Accept-Language": header}), cookies=cookies)


def test_the_persons_choice_wins_over_the_browser() -> None:
    assert language_of(request("en", "himalia-language=zh")) == "zh"
    assert language_of(request("zh", "himalia-language=klingon")) == "zh"


def test_text_fills_its_places() -> None:
    assert text("start.go", "en", name="a {b}") == "Start a {b}"
    assert text("start.go", "zh", name="甲") == "启动 甲"
