"""When work that waits probably starts, as people are told (BEY-3). Pure; found by ``outlook``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Expected:
    """When work has room: by ``start_at`` in half of the cases, by ``latest_at`` in nine of ten.

    Without enough history ``start_at`` is None and ``latest_at`` is when deadlines alone make room, if they do.
    """

    start_at: datetime | None = None
    latest_at: datetime | None = None

    def words(self, now: datetime) -> tuple[str, str]:
        """Part of a sentence in English and in Chinese; empty where nothing can be said."""
        latest = None if self.latest_at is None else span((self.latest_at - now).total_seconds())
        if self.start_at is None:
            return ("", "") if latest is None else (f"within {latest[0]} at the latest", f"最迟 {latest[1]}内启动")
        likely = span((self.start_at - now).total_seconds())
        if latest is None:
            return f"likely in {likely[0]}", f"预计 {likely[1]}后启动"
        return (
            f"likely in {likely[0]}, within {latest[0]} in nine of ten cases",
            f"预计 {likely[1]}后启动，十次中有九次在 {latest[1]}内",
        )


UNKNOWN = Expected()


def span(seconds: float) -> tuple[str, str]:
    """A length of time to one unit, rounded up: ``12 min`` and ``12 分钟``."""
    seconds = max(0.0, seconds)
    for size, until, english, chinese in ((1, 90, "s", "秒"), (60, 90, "min", "分钟"), (3600, 48, "h", "小时")):
        amount = -int(-seconds // size)
        if amount < until:
            return f"{amount} {english}", f"{amount} {chinese}"
    days = -int(-seconds // 86400)
    return f"{days} d", f"{days} 天"
