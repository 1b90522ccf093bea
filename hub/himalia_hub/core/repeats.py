"""Tells the first of something from its repetitions within a short time. One process, no I/O."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

_REMEMBERED = 20_000


@dataclass
class Repeats:
    """What was just written, to tell the first of a kind from its repetitions; one per process."""

    _seen: OrderedDict[tuple[Any, ...], list[float]] = field(default_factory=OrderedDict)

    def first(self, key: tuple[Any, ...], seconds: float) -> int | None:
        """How often this was suppressed before, when it is due now; None when it came too soon again."""
        moment = time.monotonic()
        known = self._seen.get(key)
        if known is not None and moment - known[0] < seconds:
            known[1] += 1
            return None
        repeated = int(known[1]) if known is not None else 0
        self._seen[key] = [moment, 0.0]
        self._seen.move_to_end(key)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return repeated
