"""SDK-1, SDK-3: administration from Python and from ``himalia admin``, against the running platform."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import himalia
from himalia.cli import main
from himalia.sdk import errors
from tests.support.service import ADMIN_CREDENTIAL, World


@pytest.fixture
def machine(world: World) -> Iterator[himalia.Client]:
    with himalia.Client(world.live.base_url, ADMIN_CREDENTIAL) as client:
        yield client


def test_from_an_organisation_to_its_members(machine: himalia.Client, tmp_path: Path) -> None:
    admin = machine.admin
    made = admin.organisations.create("river-lab", administrator="riveradmin", valid_until="2099-01-01T00:00:00Z")
    assert made.link is not None and "token=" in made.link.url and made.valid_until is not None
    assert admin.organisations.get("river-lab").update(valid_until=None).valid_until is None
    code = "river-lab"
    head = admin.members.get("riveradmin", organisation=code)
    water = admin.departments.create("Water", organisation=code, administrators=[head])
    assert [one.id for one in water.administrators] == [head.id]
    jane = admin.members.create("janedoe1", organisation=code, department=water, display_name="Jane")
    assert jane.link is not None and jane.department is not None and jane.department.name == "Water"
    team = admin.groups.create("team", organisation=code, roles=["annotator"], members=[jane])
    assert team.members == 1 and [group.name for group in jane.refresh().groups] == ["team"]
    assert jane.update(department=None, roles=["annotator"]).roles == ["annotator"] and jane.department is None
    with pytest.raises(errors.HimaliaError) as stale:
        twin = admin.members.get(jane.id, organisation=code)
        jane.update(display_name="Janet")
        twin.update(display_name="Jill")
    assert stale.value.code == "stale_version"
    assert not jane.disable().enabled and jane.enable().enabled and jane.unlock().locked_until is None
    assert jane.sign_in_link().url != ""
    assert jane.second_factors() == [] and jane.reset_second_factor() == {"methods": [], "told": []}
    file = tmp_path / "members.csv"
    file.write_bytes(b"name,department\nnewmember1,Water\nx,\n")
    done = admin.members.import_csv(file, organisation=code).wait(progress=False, timeout=30)
    assert done.counts == {"created": 1, "refused": 1}
    (bad,) = done.lines("refused")
    assert (bad.line, bad.problems[0]["field"]) == (3, "name")
    assert "newmember1" in admin.members.export(tmp_path / "out.csv", organisation=code).read_text("utf-8-sig")
    assert jane.belongings() == {} and jane.remove()["kept"]
    with pytest.raises(errors.NotFound):
        admin.members.get("janedoe1", organisation=code)
    with pytest.raises(errors.InUse):
        admin.organisations.get(code).delete()


def test_lists_page_through_everything(machine: himalia.Client) -> None:
    admin = machine.admin
    data = "name\n" + "".join(f"person{number:04d}\n" for number in range(450))
    admin.members.import_csv(data.encode(), organisation="beta").wait(progress=False, timeout=120)
    names = [one.name for one in admin.members.list(organisation="beta", q="person", sort="name")]
    assert names == [f"person{number:04d}" for number in range(450)]


def test_asynchronously(world: World) -> None:
    async def codes() -> list[str]:
        async with himalia.AsyncClient(world.live.base_url, ADMIN_CREDENTIAL) as client:
            return [one.code async for one in client.admin.organisations.list(sort="code")]

    assert asyncio.run(codes()) == ["alpha", "beta"]


@pytest.fixture
def state(world: World, tmp_path: Path) -> Path:
    """The state directory of an installation whose platform is the test's."""
    folder = tmp_path / "installation"
    folder.mkdir()
    (folder / "admin.credential").write_text(ADMIN_CREDENTIAL)
    settings = {
        "admin": {"credential_file": str(folder / "admin.credential")},
        "listen": {"host": "127.0.0.1", "port": world.live.service.port},
        "public": {"hub_url": "http://himalia.localhost:8000"},
    }
    (folder / "platform.json").write_text(json.dumps(settings))
    return folder


def test_himalia_admin(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str, code: int = 0) -> str:
        assert main(["admin", "--state-dir", str(state), *words]) == code, capsys.readouterr()
        told = capsys.readouterr()
        return told.out + told.err

    assert "riveradmin signs in once with http" in run(
        "organisations", "create", "river-lab", "--administrator", "riveradmin"
    )
    assert "not available" in run("organisations", "create", "river-lab", "--administrator", "another1", code=1)
    assert "river-lab" in run("organisations")
    assert "expired" not in run("organisations", "edit", "river-lab", "--valid-until", "2099-01-01T00:00:00Z")
    inside = ("--organisation", "river-lab")
    run("departments", "create", "Water", *inside)
    assert "janedoe1 signs in once" in run("members", "create", "janedoe1", "--department", "Water", *inside)
    run("members", "edit", "janedoe1", "--role", "member", "--role", "department_administrator", *inside)
    rows = json.loads(run("members", "list", "--json", *inside))
    jane = next(row for row in rows if row["name"] == "janedoe1")
    assert jane["department"] == "Water" and jane["roles"] == "department_administrator, member"
    assert "token=" in run("members", "link", "janedoe1")
    assert "janedoe1 has no second factor." in run("members", "reset-second-factor", "janedoe1")
    assert "disabled" in run("people", "disable", "janedoe1") and "enabled" in run("people", "enable", "janedoe1")
    run("groups", "create", "team", "--role", "annotator", *inside)
    assert "1 members" in run("groups", "add", "team", "janedoe1", *inside)
    file = tmp_path / "in.csv"
    run("members", "template", str(file))
    assert "1 changed" in run("members", "import", str(file), "--dry-run", *inside)  # the example is janedoe1
    file.write_text("name\nnewmember1\nx\n")
    told = run("members", "import", str(file), *inside, code=1)
    assert "1 created, 1 refused" in told and "6-32" in told
    assert "janedoe1" in run("members", "list") and "alphamember" in run("members", "list")
    assert "is deleted" in run("members", "delete", "janedoe1")
    assert "called 'janedoe1'" in run("members", "unlock", "janedoe1", code=1)
    assert "not empty" in run("organisations", "delete", "river-lab", code=1)
    assert "disabled" in run("organisations", "disable", "river-lab")
