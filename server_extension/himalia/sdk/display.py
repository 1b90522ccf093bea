"""Progress and tables in notebooks and terminals, in the colours of either; no decisions.

In a notebook one display is updated in place with HTML that takes Lab's own colours, so it reads
well in light and dark. In a terminal one line on stderr is redrawn. Elsewhere nothing is drawn.
"""

from __future__ import annotations

import dataclasses
import html
import importlib
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any

STYLE = (
    "font:13px var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color1,inherit);"
    "font-variant-numeric:tabular-nums"
)
COLOURS = {
    "succeeded": "#2e7d32",
    "running": "#1976d2",
    "ready": "#2e7d32",
    "failed": "#c62828",
    "timed_out": "#c62828",
    "stopped": "#757575",
}


def notebook() -> Any:
    """IPython's shell when it shows rich output, else None; never imports IPython itself."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    return shell if shell is not None and hasattr(shell, "kernel") else None


def show(text: str, handle: Any = None) -> Any:
    """Show HTML in a notebook, or put it in the place of what ``handle`` shows; returns the handle."""
    shown: Any = importlib.import_module("IPython.display")
    if handle is None:
        return shown.display(shown.HTML(text), display_id=True)
    handle.update(shown.HTML(text))
    return handle


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def size(value: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"


def cell(value: Any) -> str:
    """A value as people read it, plain text."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return f"{len(value)}"
    name = getattr(value, "name", None)
    return str(name if name is not None and dataclasses.is_dataclass(value) else value)


class Table:
    """Rows that show as HTML in notebooks and as aligned text elsewhere."""

    def __init__(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "", empty: str = ""
    ) -> None:
        self.columns, self.rows = list(columns), [[cell(value) for value in row] for row in rows]
        self.caption, self.empty = caption, empty or "Nothing here yet."

    def __str__(self) -> str:
        if not self.rows:
            return self.empty
        widths = [max(_width(row[i]) for row in [self.columns, *self.rows]) for i in range(len(self.columns))]
        lines = [
            "  ".join(value + " " * (width - _width(value)) for value, width in zip(row, widths, strict=True)).rstrip()
            for row in [self.columns, *self.rows]
        ]
        return "\n".join([*([self.caption] if self.caption else []), *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        caption = (
            f"<div style='font-weight:600;margin:2px 0 4px'>{html.escape(self.caption)}</div>" if self.caption else ""
        )
        if not self.rows:
            return f"<div style='{STYLE}'>{caption}{html.escape(self.empty)}</div>"
        line = "border-bottom:1px solid var(--jp-border-color2,#8884);padding:3px 12px 3px 0;text-align:left"
        head = "".join(
            f"<th style='{line};color:var(--jp-ui-font-color2,inherit);font-weight:500'>{html.escape(c)}</th>"
            for c in self.columns
        )
        body = "".join(
            "<tr style='background:none'>" + "".join(f"<td style='{line}'>{_pill(v)}</td>" for v in row) + "</tr>"
            for row in self.rows
        )
        look = "border-collapse:collapse;margin:0;color:inherit;font:inherit"
        table = f"<table style='{look}'><tr style='background:none'>{head}</tr>{body}</table>"
        return f"<div style='{STYLE}'>{caption}{table}</div>"


def _pill(value: str) -> str:
    colour = COLOURS.get(value)
    text = html.escape(value.replace("_", " ") if colour else value)
    return f"<span style='color:{colour}'>●</span> {text}" if colour else text


def _width(text: str) -> int:
    """Columns of a terminal; Chinese characters take two."""
    return sum(2 if 0x2E80 <= ord(letter) <= 0xFFEF else 1 for letter in text)


def facts(thing: Any) -> str:
    """HTML of a dataclass: what it is and its plain values."""
    pairs = [
        (field.name.replace("_", " "), cell(getattr(thing, field.name)))
        for field in dataclasses.fields(thing)
        if not field.name.startswith("_") and not isinstance(getattr(thing, field.name), dict)
    ]
    rows = [(name, value) for name, value in pairs if value not in ("–", "")]
    return Table(["", ""], rows, caption=type(thing).__name__)._repr_html_()


class Progress:
    """A bar that is redrawn in place: ``with Progress("Upload", total=9) as bar: bar.at(3)``.

    Args:
        title: What is going on.
        total: In ``unit``; None while it is not known.
        unit: ``items`` or ``bytes``.
        show: False draws nothing.
    """

    def __init__(self, title: str, total: float | None = None, unit: str = "items", *, show: bool = True) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done, self.note, self.lines = 0.0, "", ""
        self._began, self._drawn = time.monotonic(), 0.0
        self._handle: Any = None
        self._notebook = show and notebook() is not None
        self._terminal = show and not self._notebook and sys.stderr.isatty()

    def __enter__(self) -> Progress:
        self.draw()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _t: TracebackType | None) -> None:
        self.draw(last=True)

    def at(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """Now ``done`` of ``total``; drawn at most four times a second."""
        self.done, self.total = done, total if total is not None else self.total
        self.note = self.note if note is None else note
        if time.monotonic() - self._drawn > 0.25:
            self.draw()

    def draw(self, *, last: bool = False) -> None:
        self._drawn = time.monotonic()
        if self._notebook:
            self._show(self._html())
        elif self._terminal:
            sys.stderr.write("\r\x1b[K" + self._text() + ("\n" if last else ""))
            sys.stderr.flush()

    def _counts(self) -> str:
        shown = size if self.unit == "bytes" else number
        seconds = max(time.monotonic() - self._began, 1e-3)
        parts = [f"{shown(self.done)} of {shown(self.total)}" if self.total else shown(self.done) if self.done else ""]
        rate = self.done / seconds
        if rate and seconds > 1 and self.total:
            parts += (
                [f"{shown(rate)}/s", f"{duration((self.total - self.done) / rate)} left"]
                if self.done < self.total
                else []
            )
        return " · ".join(part for part in [*parts, self.note] if part)

    def _text(self) -> str:
        share = min(self.done / self.total, 1.0) if self.total else 0.0
        bar = "█" * int(share * 24) + "░" * (24 - int(share * 24)) if self.total else ""
        return f"{self.title} {bar} {duration(time.monotonic() - self._began)} {self._counts()}"

    def _html(self) -> str:
        share = min(self.done / self.total, 1.0) * 100 if self.total else 0
        shape = "height:4px;border-radius:2px"
        bar = (
            f"<div style='{shape};background:var(--jp-border-color2,#8884);margin:4px 0;max-width:480px'>"
            f"<div style='{shape};width:{share:.1f}%;background:var(--jp-brand-color1,#1976d2)'></div></div>"
        )
        log = (
            f"<pre style='max-height:240px;overflow:auto;margin:4px 0;font-size:12px'>{html.escape(self.lines)}</pre>"
            if self.lines
            else ""
        )
        head = f"{html.escape(self.title)} · {duration(time.monotonic() - self._began)} · {html.escape(self._counts())}"
        return f"<div style='{STYLE}'>{head}{bar if self.total else ''}{log}</div>"

    def _show(self, text: str) -> None:
        self._handle = show(text, self._handle)
