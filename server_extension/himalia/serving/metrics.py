"""Counts and latencies of a replica in the Prometheus text format."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Requests by route and status, and a latency histogram per route."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()

    def observe(self, route: str, status: int, seconds: float) -> None:
        self._requests[route, status] += 1
        buckets = self._buckets.setdefault(route, [0] * (len(BUCKETS_SECONDS) + 1))
        buckets[bisect_left(BUCKETS_SECONDS, seconds)] += 1
        self._seconds[route] += seconds  # type: ignore[assignment]

    def text(self, extra: dict[str, tuple[str, float]]) -> str:
        """All series; ``extra`` adds ``{name: (type, value)}``."""
        lines = ["# TYPE himalia_serving_requests_total counter"]
        for (route, status), count in sorted(self._requests.items()):
            lines.append(f'himalia_serving_requests_total{{route="{route}",status="{status}"}} {count}')
        lines.append("# TYPE himalia_serving_errors_total counter")
        for route in sorted(self._buckets):
            errors = sum(n for (name, status), n in self._requests.items() if name == route and status >= 400)
            lines.append(f'himalia_serving_errors_total{{route="{route}"}} {errors}')
        lines.append("# TYPE himalia_serving_request_seconds histogram")
        for route, buckets in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*map(str, BUCKETS_SECONDS), "+Inf"), buckets, strict=True):
                total += count
                lines.append(f'himalia_serving_request_seconds_bucket{{route="{route}",le="{bound}"}} {total}')
            lines.append(f'himalia_serving_request_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}')
            lines.append(f'himalia_serving_request_seconds_count{{route="{route}"}} {total}')
        for name, (kind, value) in extra.items():
            lines += [f"# TYPE {name} {kind}", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"
