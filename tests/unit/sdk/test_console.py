"""Quotas, prices, verdict and checklist in Python and on the command line, against the platform."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import himalia
from himalia.cli.console import amount_of
from himalia.sdk import client as client_module
from himalia.sdk.errors import HimaliaError, InvalidInput
from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.compute.engine import Engine
from tests.support.service import World
from tests.unit.sdk.test_cli import command

GIB = 2**30
GPU = "nvidia.com/gpu"


@pytest.fixture
def admin(stored_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[himalia.Client]:
    """The platform administrator by an API token, on a machine with cards."""
    nodes = (NodeCapacity("one", Resources(8000, 16 * GIB, 100 * GIB, {GPU: 2}), Resources(0, 0)),)
    stored_world.live.platform.get(Engine).nodes = nodes
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HIMALIA_API_URL", f"{stored_world.live.base_url}/services/himalia/api/v1")
    monkeypatch.setenv("HIMALIA_TOKEN", stored_world.alpha.administrator.api_token)
    monkeypatch.setattr(client_module, "_current", None)
    with himalia.connect() as connected:
        yield connected


def test_quotas_are_read_and_set(admin: himalia.Client) -> None:
    sheet = admin.quotas.set("tenant", "beta", {"cpu_millis": 4000, GPU: 1}, reservable={"cpu_millis": 1000})
    assert (sheet["cpu_millis"].limit, sheet["cpu_millis"].reservable, sheet[GPU].available) == (4000, 1000, 1)
    admin.quotas.set("department", 1, {"cpu_millis": 4000}, tenant="beta")
    with pytest.raises(HimaliaError) as refused:
        admin.quotas.set("tenant", "beta", {"cpu_millis": 3000})
    assert refused.value.code == "limits_below"
    assert admin.quotas.set("tenant", "beta", {"cpu_millis": 3000}, lower_below=True)["cpu_millis"].limit == 3000
    with pytest.raises(HimaliaError) as stale:
        admin.quotas.set("tenant", "beta", {"cpu_millis": 1}, seen=sheet)
    assert stale.value.code == "stale_version"
    people = admin.quotas.all("user", tenant="beta")
    assert len(people) == 11 and people[0]["cpu_millis"].highest == 3000


def test_the_command_line_says_the_same(admin: himalia.Client) -> None:
    """SDK-3."""
    done = command("quotas", "set", "tenant", "beta", "cpu=2.5", "images=8", f"{GPU}=none")
    assert done.returncode == 0, done.stderr
    assert "2.5 CPU" in done.stdout and "8 GiB" in done.stdout
    shown = json.loads(command("quotas", "show", "tenant", "beta", "--json").stdout)
    assert next(one["limit"] for one in shown["resources"] if one["resource"] == "cpu_millis") == 2500
    assert command("quotas", "list", "department", "--tenant", "beta").returncode == 0
    assert "cpu" in command("prices", "set", "cpu=0.25", "--section", "training").stdout
    assert [price.set_by for price in admin.prices.list() if price.section == "training"] == [admin.me().user.name]
    wrong = command("quotas", "set", "tenant", "beta", "cpu=lots")
    assert wrong.returncode == 1 and "RESOURCE=AMOUNT" in wrong.stderr
    checklist = command("checklist", "--tenant", "beta")
    assert "Prices" in checklist.stdout and "Administrator" in checklist.stdout
    assert {one.scope for one in admin.checklists("beta")} == {"installation", "organisation"}


def test_an_accelerator_is_added_to_a_spec(admin: himalia.Client) -> None:
    """CON-1, BEY-1."""
    admin.http.post("/specs", {"name": "two cores", "cpu_millis": 2000, "memory_bytes": GIB})
    admin.http.post("/specs", {"name": "a card", "kind": "gpu", "accelerators": {GPU: 1}})
    verdict = admin.verdict("two cores", accelerator="a card")
    assert verdict.uses == {"cpu_millis": 2000, "memory_bytes": GIB, GPU: 1} and verdict.fits
    three = admin.verdict("two cores", accelerator="a card", replicas=3)
    assert (three.verdict, three.resource, three.limit) == ("never_fits", GPU, 2)
    with pytest.raises(InvalidInput):
        admin.verdict("two cores", accelerator="two cores")
    said = command("verdict", "two cores", "--accelerator", "a card")
    assert said.stdout.startswith("This starts now."), said.stderr


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cpu=0", ("cpu_millis", 0)),
        ("memory=1.5", ("memory_bytes", 3 * 2**29)),
        ("x/y=3", ("x/y", 3)),
        ("cpu=None", ("cpu_millis", None)),
        ("cpu", None),
        ("cpu=-1", None),
        ("cpu=nan", None),
        ("cpu=inf", None),
        ("cpu=1e300", None),
    ],
)
def test_amounts_on_the_command_line(text: str, found: tuple[str, int | None] | None) -> None:
    if found is not None:
        assert amount_of(text) == found
        return
    with pytest.raises(InvalidInput):
        amount_of(text)
