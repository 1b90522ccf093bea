"""A running installation and a real browser, shared by the browser tests of one session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.installation import CHROMIUM, CHROMIUM_ARGUMENTS, Installation

expect.set_options(timeout=30_000)  # what is waited for comes at once; a machine that does other things is slower


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    running = os.environ.get("HIMALIA_E2E_STATE")
    if running:  # an installation that already runs, while writing tests
        known = Installation(Path(running))
        known.port = int(known.admin.settings["public"]["hub_url"].rsplit(":", 1)[1])
        yield known
        return
    folder = tmp_path_factory.mktemp("installation")
    folder.chmod(0o755)
    made = Installation(folder / "state").start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(20_000)
    made = context.new_page()
    yield made
    context.close()
