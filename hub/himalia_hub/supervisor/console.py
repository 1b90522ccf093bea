"""What ``himalia up`` tells the person who started it: few lines, each worth reading.

Colour only on a terminal; the same lines go to ``logs/supervisor.log`` as JSON.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

ISOLATION_SENTENCES = {
    "full": "full: every person has a user id, a network and limits of their own",
    "single_user": "single-user: own network, own view of files, limits; all under this account",
    "unsafe": "NONE: code of notebooks and runs can read everything this account can",
}


class Console:
    """Prints for a person and appends the same facts to a log file."""

    def __init__(self, log_path: Path | None = None, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._colour = self._stream.isatty()
        self._log_path = log_path
        self._width = 12

    def log_to(self, path: Path) -> None:
        self._log_path = path

    def headline(self, text: str) -> None:
        self._write(self._paint("1", text))
        self._record("note", text)

    def fact(self, name: str, text: str, *, colour: str = "") -> None:
        """One aligned ``name  text`` line."""
        self._write(f"  {self._paint('2', name.ljust(self._width))} {self._paint(colour, text)}")
        self._record(name, text)

    def good(self, name: str, text: str) -> None:
        self.fact(name, text, colour="32")

    def bad(self, name: str, text: str) -> None:
        self.fact(name, text, colour="31")

    def link(self, title: str, address: str) -> None:
        """A sign-in link; the log keeps that one was made, not the link."""
        self._write(f"\n  {title}\n\n    {self._paint('1;36', address)}\n")
        self._record("link", title)

    def error(self, message: str, hint: str) -> None:
        self._write("\n" + self._paint("31", message))
        if hint:
            self._write(hint)
        self._record("error", message)

    def _write(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and code else text

    def _record(self, name: str, text: str) -> None:
        if self._log_path is None:
            return
        line = {"time": datetime.now(UTC).isoformat(), "subject": name, "message": text}
        with self._log_path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line, ensure_ascii=False) + "\n")
