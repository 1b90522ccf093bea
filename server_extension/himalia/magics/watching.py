"""A run, live below its cell: phase, progress, cost, curves, log. And the answer of a service."""

from __future__ import annotations

import base64
import contextlib
import html
import io
import threading
import time
from typing import Any

from himalia.sdk.display import STYLE, Table, duration, notebook, show
from himalia.sdk.errors import HimaliaError
from himalia.sdk.serving import Prediction
from himalia.sdk.training import Run

LINES = 200
POLL_SECONDS = 1.0
SERIES_COLOURS = ("#2b8cd6", "#d55e00", "#009e73", "#cc79a7")  # Okabe and Ito: safe for colour-blind people


class View:
    """What is shown of a run; ``update`` asks the platform and draws anew."""

    def __init__(self, run: Run) -> None:
        self.run, self._offset, self._lines = run, 0, [""]
        self._series: list[dict[str, Any]] = []
        self._began = time.monotonic()
        self._handle: Any = None

    def update(self) -> bool:
        """Returns whether the run has ended and everything of it was shown."""
        run = self.run.refresh()
        text = self._new_text()
        with contextlib.suppress(HimaliaError):
            self._series = run.series()
        self._show(text)
        return run.ended

    def _new_text(self) -> str:
        workload = self.run.workload
        if workload is None or self.run.phase in ("waiting", "queued"):
            return ""
        try:
            query = {"offset": self._offset, "limit": 1 << 20}
            answer = workload.client.http.request("GET", f"{workload.path}/log", query=query)
        except HimaliaError:
            return ""
        self._offset = int(answer.headers.get("Himalia-Log-Next") or self._offset + len(answer.content))
        text = answer.content.decode("utf-8", "replace")
        joined = (self._lines[-1] + text).split("\n")
        self._lines = [*self._lines[:-1], *(line.rpartition("\r")[2] for line in joined)][-LINES:]
        return text

    def _show(self, text: str) -> None:
        if notebook() is None:
            if text:
                print(text, end="", flush=True)
            return
        self._handle = show(self.html(), self._handle)

    def html(self) -> str:
        run = self.run
        progress = run.progress
        share = progress.step / progress.total * 100 if progress and progress.total else 0
        charts = curves(self._series)
        head = [run.title, run.phase.replace("_", " "), run.waits, duration(time.monotonic() - self._began)]
        if progress and progress.total:
            head.insert(3, f"{progress.step}/{progress.total}")
        if not charts:  # else their legends say it
            head += [f"{name} {value:.4g}" for name, value in list(run.metrics_last.items())[:4]]
        if run.cost_micros:
            head.append(run.client.currency.show(run.cost_micros))
        message = f"<div style='margin:2px 0'>{html.escape(run.message)}</div>" if run.message else ""
        bar = "<div style='height:3px;background:var(--jp-border-color2,#8884);max-width:640px;margin:4px 0'>"
        bar += f"<div style='height:3px;width:{share:.1f}%;background:var(--jp-brand-color1,#1976d2)'></div></div>"
        log = html.escape("\n".join(self._lines).strip("\n"))
        shown = f"<pre style='max-height:260px;overflow:auto;margin:4px 0;font-size:12px'>{log}</pre>" if log else ""
        title = html.escape(" · ".join(dict.fromkeys(part for part in head if part)))
        return f"<div style='{STYLE}'>{title}{bar if share else ''}{message}{charts}{shown}</div>"


def watch(run: Run, *, wait: bool) -> None:
    """Show it until it ends: in the background, or here when ``wait``.

    Raises:
        WorkFailed: With ``wait``, when it did not succeed.
    """
    view = View(run)
    ended = view.update()
    if not wait:
        if not ended and notebook() is not None:
            threading.Thread(target=_follow, args=(view,), daemon=True, name=f"himalia-run-{run.id}").start()
        elif not ended:
            waits = f" ({run.waits})" if run.waits else ""
            print(f"{run.title} is {run.phase}{waits}; run.wait() waits for it.")
        return
    try:
        while not ended:
            time.sleep(POLL_SECONDS)
            ended = view.update()
    except KeyboardInterrupt:
        print(f"{run.title} goes on; stop it with client.runs.get({run.id}).stop().")
        raise
    if run.phase != "succeeded":
        raise run.failure()


def _follow(view: View) -> None:
    failures = 0
    while failures < 30:
        time.sleep(POLL_SECONDS)
        try:
            if view.update():
                return
            failures = 0
        except HimaliaError:
            failures += 1


def curves(series: list[dict[str, Any]]) -> str:
    """Small line charts, those of one measure together (``train_loss`` with ``validation_loss``)."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in series:
        if len(one["points"]) > 1:
            groups.setdefault(str(one["name"]).rpartition("_")[2].rpartition("/")[2], []).append(one)
    charts = [_chart(group[: len(SERIES_COLOURS)]) for group in list(groups.values())[:4]]
    return f"<div style='display:flex;flex-wrap:wrap;gap:16px;margin:6px 0'>{''.join(charts)}</div>" if charts else ""


def _chart(group: list[dict[str, Any]], width: int = 300, height: int = 110) -> str:
    steps = [point[0] for one in group for point in one["points"]]
    values = [point[1] for one in group for point in one["points"]]
    low, high, first, last = min(values), max(values), min(steps), max(steps)
    across, up = (last - first) or 1, (high - low) or 1
    lines, legend = [], []
    for colour, one in zip(SERIES_COLOURS, group, strict=False):
        points = " ".join(
            f"{(step - first) / across * width:.1f},{height - (value - low) / up * height:.1f}"
            for step, value, *_ in one["points"]
        )
        lines.append(f"<polyline fill='none' stroke='{colour}' stroke-width='1.5' points='{points}'/>")
        name, value = html.escape(str(one["name"])), one["points"][-1][1]
        legend.append(f"<span><span style='color:{colour}'>━</span> {name} {value:.4g}</span>")
    box = f"viewBox='-46 -4 {width + 50} {height + 8}' width='{width + 50}' height='{height + 8}' role='img'"
    frame = f"<path d='M0 0V{height}H{width}' fill='none' stroke='currentColor' opacity='.25'/>"
    title = html.escape(", ".join(str(one["name"]) for one in group))
    scale = "fill='currentColor' opacity='.65' font-size='10' text-anchor='end'"
    ends = f"<text x='-4' y='8' {scale}>{high:.4g}</text><text x='-4' y='{height}' {scale}>{low:.4g}</text>"
    svg = f"<svg {box} aria-label='{title}'>{frame}{''.join(lines)}{ends}</svg>"
    return f"<div>{svg}<div style='display:flex;gap:10px;font-size:12px'>{''.join(legend)}</div></div>"


class Answer:
    """A prediction with the picture it is about."""

    def __init__(self, prediction: Prediction, value: Any) -> None:
        self.prediction, self._value = prediction, value

    @property
    def label(self) -> str:
        return self.prediction.label

    @property
    def score(self) -> float:
        return self.prediction.score

    def __repr__(self) -> str:
        return str(self.prediction) if self.prediction.all else repr(self.prediction.raw)

    def _repr_html_(self) -> str:
        told = self.prediction
        if not told.all:
            return f"<pre>{html.escape(repr(told.raw))}</pre>"
        rows = [(entry.get("label"), f"{float(entry.get('score') or 0):.1%}") for entry in told.all]
        table = Table(["Label", "Score"], rows, caption=f"{told.model} {told.version}".strip())._repr_html_()
        return f"<div style='display:flex;gap:16px;align-items:flex-start'>{self._picture()}{table}</div>"

    def _picture(self) -> str:
        from himalia.sdk.serving import _payload

        try:
            from PIL import Image

            with Image.open(io.BytesIO(_payload(self._value)[0])) as opened:
                small = opened.convert("RGB")
            factor = 128 / max(small.size)
            small = small.resize([max(1, round(side * factor)) for side in small.size])
            out = io.BytesIO()
            small.save(out, "PNG")
        except (ImportError, OSError, HimaliaError):
            return ""
        data = base64.b64encode(out.getvalue()).decode()
        label = html.escape(self.label)
        tag = "position:absolute;left:0;bottom:0;background:#000a;color:#fff;padding:0 6px;font:13px sans-serif"
        image = f"<img alt='{label}' src='data:image/png;base64,{data}'>"
        return f"<div style='position:relative'>{image}<span style='{tag}'>{label}</span></div>"
