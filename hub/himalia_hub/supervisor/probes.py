"""Readiness over HTTP: a part is ready when a request through its real way answers."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from himalia_hub.supervisor.part import NotReady, Probe


def http_probe(
    url: str, *, headers: Mapping[str, str] | None = None, statuses: frozenset[int] = frozenset({200})
) -> Probe:
    """Ready once ``GET url`` answers with one of ``statuses``."""

    async def probe() -> None:
        try:
            async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
                answer = await client.get(url, headers=dict(headers or {}))
        except httpx.HTTPError as error:
            raise NotReady(f"{url}: {type(error).__name__}") from error
        if answer.status_code not in statuses:
            raise NotReady(f"{url} answered {answer.status_code}")

    return probe
