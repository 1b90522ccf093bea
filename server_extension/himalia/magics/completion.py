"""Completion of names after the magics. Never slow: names are kept for some seconds, and an
answer that does not come within one and a half is left out."""

from __future__ import annotations

import threading
import time
from typing import Any

KEPT_SECONDS = 15.0
PATIENCE_SECONDS = 1.5
OPTIONS = {
    "train": ("--name", "--spec", "--environment", "--dataset", "--param", "--wait", "--into"),
    "deploy": ("--name", "--spec", "--replicas", "--no-wait", "--into"),
}
VALUES = {"--spec": "specs", "-s": "specs", "--dataset": "datasets", "-d": "datasets", "--environment": "environments"}
FIRST = {"dataset": "datasets", "deploy": "models", "predict": "services"}

_kept: dict[str, tuple[float, list[str]]] = {}


def install(shell: Any) -> None:
    """Complete after ``%himalia``, ``%dataset``, ``%%train``, ``%deploy``, ``%predict``."""
    for magic in ("himalia", "dataset", "train", "deploy", "predict"):
        shell.set_hook("complete_command", complete, re_key=rf"^\s*%%?{magic}\b")


def complete(_shell: Any, event: Any) -> list[str]:
    """Candidates for the word under the cursor."""
    line = event.text_until_cursor
    words = line.lstrip().lstrip("%").split()
    if not words:
        return []
    magic = words[0]
    before = words[1:] if line[-1:].isspace() else words[1:-1]
    word = "" if line[-1:].isspace() else words[-1]
    if magic == "himalia":
        from himalia.sdk.overview import VIEWS

        found = list(VIEWS) if not before else []
    elif before and before[-1] in VALUES:
        found = names(VALUES[before[-1]])
    elif magic in FIRST and not before and not word.startswith("-"):
        found = names(FIRST[magic])
    else:
        found = list(OPTIONS.get(magic, ()))
    # IPython replaces the symbol only, which leaves out the dashes of an option.
    ahead = len(word) - len(event.symbol) if word.endswith(event.symbol) else 0
    return [name[ahead:] for name in found if name.startswith(word)]


def names(kind: str) -> list[str]:
    """Names of a kind, at most some seconds old; empty when the platform does not answer."""
    at, found = _kept.get(kind, (0.0, []))
    if time.monotonic() - at < KEPT_SECONDS:
        return found
    answer: list[str] = []

    def ask() -> None:
        try:
            from himalia.sdk.client import connect

            client = connect()
            items = client.environments() if kind == "environments" else getattr(client, kind).list(limit=100)
            answer.extend(item.name for item in items)
            _kept[kind] = (time.monotonic(), answer)
        except Exception:  # a completion must never raise into the editor
            answer.clear()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE_SECONDS)
    return list(answer) if not asking.is_alive() else found
