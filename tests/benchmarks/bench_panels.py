"""PERF-15: what our panels add to JupyterLab: time to load, bytes at start, time from click to panel.

One installation, one notebook, headless Chromium without a cache. With and without are the same
server behind the same proxy; "without" is the same page whose configuration does not name the
extension, so that the browser never asks for it. The two are loaded in turn. Bytes are what gzip
makes of every script and style that arrived until the launcher showed; the time of a panel is from
the click to its first content, JupyterLab's own panel of running kernels being the peer.
"""

from __future__ import annotations

import gzip
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Response, sync_playwright

from tests.benchmarks.rows import row
from tests.support.installation import CHROMIUM, CHROMIUM_ARGUMENTS, Installation
from tests.support.signing_in import arrive, start_notebook

REPETITIONS = 9
NOTEBOOK = "bench"
OURS = "/lab/extensions/@himalia/"


TAKE_OUT = """
new MutationObserver((_, observer) => {
    const element = document.getElementById('jupyter-config-data');
    if (element?.nextSibling || document.readyState !== 'loading') {
        const settings = JSON.parse(element.textContent);
        settings.federated_extensions = settings.federated_extensions.filter(one => !one.name.includes('himalia'));
        element.textContent = JSON.stringify(settings);
        observer.disconnect();
    }
}).observe(document, {childList: true, subtree: true});
"""
"""Runs before Lab's own script: the page's configuration no longer names the extension."""


class Visit:
    """One load of Lab in a browser that remembers the sign-in and nothing else."""

    def __init__(self, browser: Browser, state: Path, address: str, *, ours: bool) -> None:
        self.context = browser.new_context(
            storage_state=state, viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC"
        )
        self.context.set_default_timeout(60_000)
        self.page: Page = self.context.new_page()
        answers: list[Response] = []
        self.page.on("response", lambda answer: answers.append(answer))
        if not ours:
            self.page.add_init_script(TAKE_OUT)
        began = time.perf_counter()
        self.page.goto(address, wait_until="commit")
        self.page.wait_for_selector(".jp-LauncherCard")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")
        self.seconds = time.perf_counter() - began
        at_start = [one for one in answers if one.url.split("?")[0].endswith((".js", ".css"))]
        self.kilobytes = {
            mine: sum(len(gzip.compress(one.body(), 6)) for one in at_start if (OURS in one.url) == mine) / 1000
            for mine in (True, False)
        }

    def click(self, tab: str, content: str) -> float:
        """Milliseconds from the click on a tab of the left bar to its first content, seen in the page."""
        self.page.wait_for_load_state("networkidle")
        return float(
            self.page.evaluate(
                """async ([tab, content]) => {
                    const began = performance.now();
                    const button = document.querySelector(`.jp-SideBar.jp-mod-left li[title*="${tab}"],
                        .jp-SideBar.jp-mod-left li[data-id*="${tab}"]`);
                    const at = {bubbles: true, button: 0, clientX: 1, clientY: 1};
                    const box = button.getBoundingClientRect();
                    at.clientX = box.x + box.width / 2; at.clientY = box.y + box.height / 2;
                    for (const kind of ['pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click'])
                        button.dispatchEvent(kind.startsWith('pointer') ? new PointerEvent(kind, at)
                            : new MouseEvent(kind, at));
                    const seen = () => [...document.querySelectorAll(content)].some(one => one.checkVisibility());
                    while (!seen()) {
                        if (performance.now() - began > 30000) throw new Error(`no ${content}`);
                        await new Promise(requestAnimationFrame);
                    }
                    await new Promise(requestAnimationFrame);
                    return performance.now() - began;
                }""",
                [tab, content],
            )
        )

    def close(self) -> None:
        self.context.close()


def sign_in(browser: Browser, installation: Installation, state: Path) -> str:
    """A person with a running notebook; keeps the cookies in ``state``, answers Lab's address."""
    made = installation.person("benchmark")
    installation.admin.call(
        "POST", "admin/recharges", {"tenant": made["tenant"], "amount_micros": 100_000_000, "note": "benchmark"}
    )
    context = browser.new_context()
    page = context.new_page()
    arrive(page, installation, made["token"])
    page.locator("input[type=radio]:not([disabled])").last.check()
    start_notebook(page, NOTEBOOK)
    address = page.url.split("?")[0]
    context.storage_state(path=state)
    context.close()
    return address


def run(workdir: Path, *, short: bool = False) -> list[dict[str, Any]]:
    """Rows for ``build/bench.json``."""
    loads: dict[bool, list[float]] = {True: [], False: []}
    ours_kb: list[float] = []
    theirs_kb: list[float] = []
    panel: list[float] = []
    peer_panel: list[float] = []
    workdir.chmod(0o755)
    installation = Installation(workdir / "state").start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGUMENTS))
            state = workdir / "cookies.json"
            address = sign_in(browser, installation, state)
            Visit(browser, state, address, ours=True).close()  # read from disk once before it counts
            for _ in range(1 if short else REPETITIONS):
                for ours in loads:
                    visit = Visit(browser, state, address, ours=ours)
                    loads[ours].append(visit.seconds * 1000)
                    if ours:
                        ours_kb.append(visit.kilobytes[True])
                        panel.append(visit.click("Himalia", ".hm-side nav button"))
                    else:
                        assert not visit.kilobytes[True]
                        theirs_kb.append(visit.kilobytes[False])
                        peer_panel.append(visit.click("running", ".jp-RunningSessions-section"))
                    visit.close()
            browser.close()
    finally:
        installation.stop()
    without, theirs, own = "without our panels", "JupyterLab's own until then", "JupyterLab's panel of running kernels"
    return [
        row("PERF-15", name, statistics.median(values), unit, peer, statistics.median(peers), target)
        for name, values, unit, peer, peers, target in (
            ("load of JupyterLab until the launcher shows", loads[True], "ms", without, loads[False], "<= 1.05"),
            ("our scripts and styles at start, gzip", ours_kb, "kB", theirs, theirs_kb, "<= 150 kB"),
            ("click to the side panel's content", panel, "ms", own, peer_panel, "<= 300 ms"),
        )
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="himalia-bench-") as place:
        print(json.dumps(run(Path(place)), indent=1))
