"""What is decided before anything starts: ports, hosts, files, and refusals in words (INS-1, SEC-5)."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from himalia_hub.commands import up as up_command
from himalia_hub.supervisor.administration import Administration
from himalia_hub.supervisor.errors import SupervisorError
from himalia_hub.supervisor.objects import ACCESS_KEY, ObjectsProbe, format_once, gateway_command
from himalia_hub.supervisor.options import Options
from himalia_hub.supervisor.part import Part, PartPlan
from himalia_hub.supervisor.plan import program
from himalia_hub.supervisor.ports import choose_ports
from himalia_hub.supervisor.run import prepare
from himalia_hub.supervisor.state import StateDirectory


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def held(root: Path) -> StateDirectory:
    state = StateDirectory(root)
    state.hold()
    return state


def test_a_taken_port_is_refused_with_a_free_one_proposed(tmp_path: Path, taken: int) -> None:
    options = Options(tmp_path, port=taken)
    with pytest.raises(SupervisorError, match=f"Port {taken}") as refusal:
        prepare(options, held(tmp_path), isolation="full", environments=tmp_path)
    assert "--port" in refusal.value.hint


def test_two_installations_share_no_port_and_no_file(tmp_path: Path) -> None:
    layouts = []
    for name in ("one", "two"):
        port = choose_ports(["public"])["public"]
        layouts.append(
            prepare(Options(tmp_path / name, port=port), held(tmp_path / name), isolation="full", environments=tmp_path)
        )
    first, second = layouts
    assert first.installation.id != second.installation.id
    settings = [json.loads(layout.state.path("platform.json").read_text()) for layout in layouts]
    for settings_of, layout in zip(settings, layouts, strict=True):
        assert settings_of["database_url"].endswith(f"{layout.state.root}/himalia.sqlite3")
        assert settings_of["public"]["hub_url"] == f"http://himalia.localhost:{layout.port}"
        assert settings_of["public"]["api_url"] == f"http://127.0.0.1:{layout.port}"


def test_settings_hold_no_secret(tmp_path: Path) -> None:
    state = held(tmp_path)
    port = choose_ports(["public"])["public"]
    prepare(Options(tmp_path, port=port), state, isolation="full", environments=tmp_path)
    written = [state.path("platform.json"), state.path("hub.json"), state.path("traefik", "traefik.yml")]
    for secret in ("hub-service", "platform-token", "admin", "s3-root", "cookie", "crypt", "encryption"):
        assert all(state.secret(secret) not in path.read_text() for path in written), secret


def test_programs_may_not_live_below_the_hubs_domain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = Options(tmp_path, domain="himalia.example", api_host="api.himalia.example")
    assert up_command.up(options) == 1
    assert "never receives the hub's cookies" in capsys.readouterr().out


def test_a_second_up_on_the_same_directory_says_who_has_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = held(tmp_path)
    assert up_command.up(Options(state.root)) == 1
    assert "already runs on the state directory" in capsys.readouterr().out


def test_an_object_store_counts_as_ready_after_a_real_object(tmp_path: Path) -> None:
    state = held(tmp_path)
    ports = choose_ports(["objects", "metrics"])
    endpoint, secret = f"http://127.0.0.1:{ports['objects']}", state.secret("s3-root")
    format_once(program("juicefs"), state.root)
    format_once(program("juicefs"), state.root)
    plan = PartPlan(
        "objects",
        gateway_command(program("juicefs"), state.root, ports["objects"], ports["metrics"]),
        ObjectsProbe(endpoint, secret),
        {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": secret},
    )
    part = Part(plan, state.path("logs"), lambda *_: None)

    async def walk() -> int:
        keeper = asyncio.create_task(part.keep())
        await asyncio.wait_for(part.became_ready.wait(), 60)
        async with httpx.AsyncClient(trust_env=False) as client:
            anonymous = await client.get(f"{endpoint}/himalia")
        await part.stop()
        await keeper
        return anonymous.status_code

    assert asyncio.run(walk()) == 403


def test_administration_says_when_nothing_is_there_or_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(SupervisorError, match="no installation"):
        Administration(tmp_path)
    port = choose_ports(["public"])["public"]
    prepare(Options(tmp_path, port=port), held(tmp_path), isolation="full", environments=tmp_path)
    with pytest.raises(SupervisorError, match="does not answer"):
        Administration(tmp_path).call("GET", "admin/status")
