"""The language of a page: the person's choice (a cookie), else the browser's, else English."""

from __future__ import annotations

from typing import Any

COOKIE = "himalia-language"
LANGUAGES = ("en", "zh")


def language_of(request: Any) -> str:
    """``en`` or ``zh`` for a tornado request."""
    chosen = request.cookies.get(COOKIE)
    if chosen is not None and chosen.value in LANGUAGES:
        return str(chosen.value)
    return preferred(request.headers.get("Accept-Language", ""))


def preferred(header: str) -> str:
    """The best of our languages for an ``Accept-Language`` header."""
    best, best_weight = "en", 0.0
    for entry in header.split(","):
        tag, _, parameters = entry.strip().partition(";")
        language = tag.strip().lower().split("-")[0]
        if language in LANGUAGES:
            weight = _weight(parameters)
            if weight > best_weight:
                best, best_weight = language, weight
    return best


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
