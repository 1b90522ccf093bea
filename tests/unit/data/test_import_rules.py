"""DAT-3, DAT-8: which paths and sizes an import takes, with a value on each side of each limit."""

from __future__ import annotations

import unicodedata

import pytest

from himalia_hub.data.imports import rules
from himalia_hub.data.imports.rules import Refusal


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("a.png", id="plain"),
        pytest.param("猫/图片 (1).png", id="Chinese, spaces, brackets"),
        pytest.param("a" * 255, id="255 bytes"),
        pytest.param("图" * 85, id="255 bytes of Chinese"),
        pytest.param("/".join(["d" * 199] * 5), id="999 bytes in all"),
        pytest.param("...", id="three dots are a name"),
        pytest.param("..a/b..", id="dots inside names"),
        pytest.param("a\u202eb.png", id="a format character"),
    ],
)
def test_paths_that_are_taken(path: str) -> None:
    assert rules.check_path(path) == path


def test_a_path_is_brought_to_one_form() -> None:
    sent = unicodedata.normalize("NFD", "é.png")
    assert rules.check_path(sent) == "é.png" != sent


@pytest.mark.parametrize(
    ("path", "code", "rule"),
    [
        pytest.param("", "invalid_name", "a name", id="empty"),
        pytest.param(7, "invalid_name", "a name", id="a number"),
        pytest.param("a" * 256, "invalid_name", "names of at most 255 bytes", id="256 bytes"),
        pytest.param("图" * 86, "invalid_name", "names of at most 255 bytes", id="258 bytes of Chinese"),
        pytest.param("/".join(["d" * 199] * 5) + "/d", "invalid_name", "at most 1000 bytes in all", id="1001 bytes"),
        pytest.param("a//b", "invalid_name", "no empty part", id="an empty part"),
        pytest.param("a/", "invalid_name", "no empty part", id="a folder"),
        pytest.param("a\tb", "invalid_name", "no control characters", id="a tab"),
        pytest.param("a\x00b", "invalid_name", "no control characters", id="NUL"),
        pytest.param("a\u0085b", "invalid_name", "no control characters", id="C1 control"),
        pytest.param("\ud800.png", "invalid_name", "valid Unicode", id="a lone surrogate"),
        pytest.param("../a", "path_escape", "no . or .. in the path", id="parent"),
        pytest.param("a/../../b", "path_escape", "no . or .. in the path", id="parent inside"),
        pytest.param("./a", "path_escape", "no . or .. in the path", id="dot"),
        pytest.param("/etc/passwd", "path_escape", "a relative path with /", id="absolute"),
        pytest.param("a\\b", "path_escape", "a relative path with /", id="backslash"),
        pytest.param("C:/a", "path_escape", "a relative path with /", id="drive"),
    ],
)
def test_paths_that_are_refused(path: object, code: str, rule: str) -> None:
    found = rules.check_path(path)
    assert isinstance(found, Refusal)
    assert (found.code, found.rule) == (code, rule)
    assert found.reason and found.reason_zh and found.reason != found.reason_zh


@pytest.mark.parametrize(
    ("size", "code"),
    [(0, "empty"), (1, None), (rules.MOST_FILE_BYTES, None), (rules.MOST_FILE_BYTES + 1, "too_large")],
)
def test_sizes(size: int, code: str | None) -> None:
    found = rules.check_size(size)
    assert (found.code if found else None) == code


@pytest.mark.parametrize(
    ("expanded", "packed", "expected"),
    [
        pytest.param(1024**3, 1, False, id="1 GiB from one byte"),
        pytest.param(1024**3 + 1, 1, True, id="a byte more"),
        pytest.param(100 * 20 * 1024**2, 20 * 1024**2, False, id="100 to 1 beyond 1 GiB"),
        pytest.param(100 * 20 * 1024**2 + 1, 20 * 1024**2, True, id="more than 100 to 1"),
    ],
)
def test_bombs(expanded: int, packed: int, expected: bool) -> None:
    assert rules.bomb(expanded, packed) is expected


def test_labels_and_clutter_of_folders() -> None:
    assert rules.folder_label("train/cat/1.png") == "cat"
    assert rules.folder_label("1.png") is None
    assert rules.is_clutter("__MACOSX/cat/._1.png") and rules.is_clutter("cat/.DS_Store")
    assert not rules.is_clutter("cat/1.png")
