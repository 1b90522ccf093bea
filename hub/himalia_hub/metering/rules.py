"""How a fact changes what is known of an interval. Pure; applying a fact twice changes nothing more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from himalia_hub.core.usage import Fact


@dataclass(frozen=True, slots=True)
class Known:
    """What the facts say so far.

    ``corrected_by`` is the id of the newest correction, 0 without one: a correction replaces the
    end that ``closed`` or an earlier correction gave, whatever order they are read in.
    """

    opened_at: datetime
    until: datetime
    ended: bool = False
    corrected_by: int = 0


def apply(known: Known | None, fact_id: int, fact: str, at: datetime, opened_at: datetime) -> Known:
    """What is known after one more fact.

    Every fact carries ``opened_at``, so an interval can begin with any of them.
    """
    if known is None:
        known = Known(opened_at, opened_at)
    at = max(at, known.opened_at)
    if fact == Fact.ALIVE:
        return known if known.ended or at <= known.until else replace(known, until=at)
    if fact == Fact.CLOSED:
        return known if known.corrected_by else replace(known, until=at, ended=True)
    if fact == Fact.CORRECTED:
        return known if fact_id < known.corrected_by else replace(known, until=at, ended=True, corrected_by=fact_id)
    return known
