"""From Traefik's counters to calls, errors and percentiles (SRV-7)."""

from __future__ import annotations

import math

import pytest

from himalia_hub.serving import figures
from himalia_hub.serving.figures import Counters

PAGE = """
# HELP traefik_service_requests_total How many requests
traefik_service_requests_total{code="200",method="POST",protocol="http",service="serving-v3@file"} 90
traefik_service_requests_total{code="422",method="POST",protocol="http",service="serving-v3@file"} 6
traefik_service_requests_total{code="503",method="POST",protocol="http",service="serving-v3@file"} 4
traefik_service_requests_total{code="2",method="POST",protocol="grpc",service="serving-v4@file"} 5
traefik_service_requests_total{code="14",method="POST",protocol="grpc",service="serving-v4@file"} 1
traefik_service_requests_total{code="200",method="GET",protocol="http",service="himalia-platform@file"} 1000
traefik_service_request_duration_seconds_bucket{code="200",service="serving-v3@file",le="0.01"} 50
traefik_service_request_duration_seconds_bucket{code="200",service="serving-v3@file",le="0.1"} 95
traefik_service_request_duration_seconds_bucket{code="200",service="serving-v3@file",le="+Inf"} 100
"""


def test_codes_are_counted_by_what_they_mean() -> None:
    """A successful gRPC call is counted as code 2."""
    found = figures.parse(PAGE)
    assert set(found) == {3, 4}
    assert (found[3].requests, found[3].errors) == (100, 4)
    assert (found[4].requests, found[4].errors) == (6, 1)


def test_differences_survive_a_restart_of_the_gateway() -> None:
    found = figures.parse(PAGE)[3]
    later = Counters(110, 5, {0.01: 55, 0.1: 105, math.inf: 110})
    assert (figures.since(later, found).requests, figures.since(later, found).errors) == (10, 1)
    assert figures.since(Counters(7, 1), found).requests == 7


def test_percentiles_lie_inside_their_bucket() -> None:
    rows = figures.split({0.01: 50, 0.1: 95, math.inf: 100})
    assert rows == [(0.01, 50), (0.1, 45), (math.inf, 5)]
    found = figures.percentiles(rows)
    assert found["latency_p50_ms"] == pytest.approx(10.0)
    assert found["p95"] == pytest.approx(100.0)
    assert found["p99"] == pytest.approx(100.0)
    assert figures.percentile_ms([], 0.5) is None
