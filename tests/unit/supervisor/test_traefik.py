"""The gateway as it runs: two hosts, nothing internal, no cookies for programs (SEC-5)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tornado import httpserver, web

from himalia_hub.supervisor.part import Part, PartPlan
from himalia_hub.supervisor.plan import program
from himalia_hub.supervisor.ports import choose_ports
from himalia_hub.supervisor.probes import http_probe
from himalia_hub.supervisor.traefik import API_USER, Addresses, platform_configuration, static_configuration

PASSWORD = "0f" * 32


class Echo(web.RequestHandler):
    """Stands for the platform: answers what reached it, and tries to set a cookie."""

    def get(self) -> None:
        self.set_cookie("stolen", "1")
        self.write(json.dumps({"path": self.request.path, "cookie": self.request.headers.get("Cookie")}))


@asynccontextmanager
async def gateway(root: Path) -> AsyncIterator[dict[str, int]]:
    """A real Traefik with the supervisor's configuration in front of an echo."""
    (root / "logs").mkdir()
    (root / "dyn").mkdir()
    ports = choose_ports(["public", "api", "metrics", "platform"])
    addresses = Addresses(
        host="127.0.0.1",
        port=ports["public"],
        api_port=ports["api"],
        metrics_port=ports["metrics"],
        platform_url=f"http://127.0.0.1:{ports['platform']}",
        keycheck_url="http://127.0.0.1:1",
        hub_url=f"http://himalia.localhost:{ports['public']}",
        api_url=f"http://127.0.0.1:{ports['public']}",
    )
    (root / "traefik.yml").write_text(static_configuration(addresses, str(root / "dyn")))
    (root / "dyn" / "platform.yml").write_text(platform_configuration(addresses, PASSWORD))
    echo = httpserver.HTTPServer(web.Application([(r".*", Echo)]))
    echo.listen(ports["platform"], "127.0.0.1")
    front_door = http_probe(
        f"http://127.0.0.1:{ports['public']}/", headers={"Host": "localhost"}, statuses=frozenset({302, 307})
    )
    command = [program("traefik"), "--configfile", str(root / "traefik.yml")]
    part = Part(PartPlan("traefik", command, front_door, ready_seconds=30), root / "logs", lambda *_: None)
    keeper = asyncio.create_task(part.keep())
    try:
        await asyncio.wait_for(part.became_ready.wait(), 30)
        yield ports
    finally:
        await part.stop()
        await keeper
        echo.stop()
        await echo.close_all_connections()


async def ask(port: int, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}", headers=headers)


def test_what_reaches_whom(tmp_path: Path) -> None:
    async def walk() -> dict[str, Any]:
        async with gateway(tmp_path) as ports:
            public = ports["public"]
            api = "/services/himalia/api/v1/me"
            return {
                "api": await ask(public, api, Cookie="jupyterhub-session-id=secret"),
                "internal": await ask(public, "/services/himalia/internal/v1/admin/status"),
                "climbing": await ask(public, "/services/himalia/api/../internal/v1/admin/status"),
                "hub host": await ask(public, api, Host=f"himalia.localhost:{public}"),
                "front door": await ask(public, "/"),
                "traefik api": await ask(ports["api"], "/api/overview"),
                "traefik api with key": await _with_key(ports["api"]),
                "inner api from outside": await ask(public, "/api/overview"),
            }

    answers = asyncio.run(walk())
    assert answers["api"].json() == {"path": "/services/himalia/api/v1/me", "cookie": None}
    assert "Set-Cookie" not in answers["api"].headers
    assert answers["api"].headers["Content-Security-Policy"] == "sandbox"
    assert answers["api"].headers["X-Content-Type-Options"] == "nosniff"
    for closed in ("internal", "climbing", "hub host", "inner api from outside"):
        assert answers[closed].status_code == 404, closed
    assert answers["front door"].headers["Location"].startswith("http://himalia.localhost:")
    assert answers["traefik api"].status_code == 401
    assert answers["traefik api with key"].status_code == 200


async def _with_key(port: int) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, auth=(API_USER, PASSWORD)) as client:
        return await client.get(f"http://127.0.0.1:{port}/api/overview")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_listener_is_written_as_traefik_reads_it(host: str) -> None:
    addresses = Addresses(host, 8000, 1, 2, "http://p", "http://k", "http://h", "http://127.0.0.1:8000")
    text = static_configuration(addresses, "/dyn")
    assert ("[::1]:8000" if ":" in host else "127.0.0.1:8000") in text
