"""What stands in red above every page (NB-6, NB-7)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

from himalia_hub.config.pages import TEMPLATES, page_namespace

FOLDER = "/usr/local/Ascend/driver"


def frame(language: str, **settings: Any) -> str:
    request = SimpleNamespace(path="/hub/home", cookies={}, headers={"Accept-Language": language})
    known = {"isolation": "full", "backend": {"kind": "kubernetes"}} | settings
    environment = Environment(loader=FileSystemLoader(str(Path(TEMPLATES))), autoescape=True)
    page = environment.get_template("frame.html")
    return page.render(**page_namespace(request, SimpleNamespace(**known)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("language", "words"), [("en", "Pods may mount folders"), ("zh-CN", "允许 Pod 挂载节点目录")])
def test_excepted_host_folders_stand_in_red(language: str, words: str) -> None:
    shown = frame(language, backend={"kind": "kubernetes", "host_path_exceptions": [FOLDER]})
    (line,) = [line for line in shown.splitlines() if 'role="alert"' in line]
    assert words in line and FOLDER in line and 'class="unsafe"' in line


@pytest.mark.parametrize("backend", [{"kind": "local"}, {"kind": "kubernetes", "host_path_exceptions": []}])
def test_nothing_stands_there_otherwise(backend: dict[str, Any]) -> None:
    assert 'role="alert"' not in frame("en", backend=backend)
