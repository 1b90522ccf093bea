"""Counters of the gateway to calls, errors and percentiles. Pure.

Traefik counts per service and status code, and the duration in cumulative buckets. A successful
gRPC call is counted as code 2 (it cannot see the trailer), so only HTTP codes from 500, 429 aside,
and 0 of broken connections count as errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

_LINE = re.compile(r"^(traefik_service_requests_total|traefik_service_request_duration_seconds_bucket)\{(.*)\} (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
Buckets = dict[float, float]
"""Upper bound in seconds (infinity for the last) to calls within."""


@dataclass(slots=True)
class Counters:
    """What one variant counted so far, or within an interval."""

    requests: float = 0
    errors: float = 0
    cumulative: Buckets = field(default_factory=dict)


def parse(text: str) -> dict[int, Counters]:
    """The counters of all variants in a metrics page, by the variant's row id."""
    found: dict[int, Counters] = {}
    for line in text.splitlines():
        matched = _LINE.match(line)
        if matched is None:
            continue
        labels = dict(_LABEL.findall(matched[2]))
        variant = variant_of(labels.get("service", ""))
        if variant is None:
            continue
        counters = found.setdefault(variant, Counters())
        value = float(matched[3])
        if matched[1].endswith("_total"):
            counters.requests += value
            if is_error(labels.get("code", ""), labels.get("protocol", "http")):
                counters.errors += value
        else:
            bound = float(labels["le"].replace("+Inf", "inf"))
            counters.cumulative[bound] = counters.cumulative.get(bound, 0) + value
    return found


def variant_of(service: str) -> int | None:
    """12 of ``serving-v12@file``."""
    matched = re.fullmatch(r"serving-v(\d{1,15})@file", service)
    return int(matched[1]) if matched else None


def is_error(code: str, protocol: str) -> bool:
    if protocol == "grpc":
        return code not in ("0", "2")
    if protocol == "websocket":
        return False
    return not code.isdigit() or int(code) >= 500 or int(code) < 100


def since(now: Counters, before: Counters) -> Counters:
    """What was counted in between; counters that fell began anew."""
    if now.requests < before.requests:
        before = Counters()
    return Counters(
        now.requests - before.requests,
        max(0.0, now.errors - before.errors),
        {bound: max(0.0, value - before.cumulative.get(bound, 0)) for bound, value in now.cumulative.items()},
    )


def split(cumulative: Mapping[float, float]) -> list[tuple[float, float]]:
    """Cumulative buckets to calls per bucket, ascending."""
    rows, below = [], 0.0
    for bound in sorted(cumulative):
        rows.append((bound, max(0.0, cumulative[bound] - below)))
        below = cumulative[bound]
    return rows


def percentile_ms(buckets: Iterable[tuple[float, float]], share: float) -> float | None:
    """The latency below which ``share`` of the calls lie, linear within a bucket; None without calls."""
    sums: dict[float, float] = {}
    for bound, count in buckets:
        sums[bound] = sums.get(bound, 0) + count
    total = sum(sums.values())
    if total <= 0:
        return None
    target, passed, low = share * total, 0.0, 0.0
    for bound in sorted(sums):
        if passed + sums[bound] >= target and sums[bound]:
            if bound == float("inf"):
                return round(low * 1000, 2)
            inside = (target - passed) / sums[bound]
            return round((low + (bound - low) * inside) * 1000, 2)
        passed += sums[bound]
        low = bound if bound != float("inf") else low
    return round(low * 1000, 2)


def percentiles(buckets: Sequence[tuple[float, float]]) -> dict[str, float | None]:
    return {
        "latency_p50_ms": percentile_ms(buckets, 0.5),
        "p95": percentile_ms(buckets, 0.95),
        "p99": percentile_ms(buckets, 0.99),
    }
