"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(look: Callable[[], T], seconds: float = 90.0, what: str = "the condition") -> T:
    """Ask ``look`` again and again until it answers something true, and answer that.

    Raises:
        AssertionError: ``what`` was not met within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what} was not met in {seconds:g} s"
        time.sleep(0.1)
    return seen
