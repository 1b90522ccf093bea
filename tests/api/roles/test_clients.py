"""Roles from Python and the command line, against a real service."""

from __future__ import annotations

import pytest

from himalia.cli import main
from himalia.sdk.client import Client
from himalia.sdk.errors import HimaliaError, NotFound
from tests.support.service import World


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.live.base_url, world.alpha.tenant_admin.api_token)


def test_roles_from_python(world: World, client: Client) -> None:
    roles = client.admin.roles
    member = world.alpha.annotator.number
    made = roles.create("Labelling lead", {"data.dataset.read": "own"}, description="leads")
    assert roles.get("Labelling lead").key == made.key and roles.get(made.id or 0).description == "leads"
    assert {held.name for held in roles.grant(member, "annotator", made.key)} == {"annotator", "Labelling lead"}
    changed = roles.update(made, permissions={"data.dataset.read": "department"})
    assert changed.version == 2 and changed.permissions == {"data.dataset.read": "department"}
    with pytest.raises(HimaliaError):
        roles.delete(changed)
    roles.grant(member, "annotator")
    roles.delete(changed)
    with pytest.raises(NotFound):
        roles.get("Labelling lead")
    assert {"full_access", "common_operations"} == set(roles.policies())
    assert any(row.name == "data.dataset.read" and "own" in row.reaches for row in roles.permissions())
    client.close()


def test_roles_from_the_command_line(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HIMALIA_API_URL", world.live.base_url)
    monkeypatch.setenv("HIMALIA_TOKEN", world.alpha.tenant_admin.api_token)
    number = str(world.alpha.annotator.number)
    assert main(["roles", "create", "Labelling lead", "data.dataset.read=own"]) == 0
    assert main(["roles", "list"]) == 0
    assert "Labelling lead" in capsys.readouterr().out
    assert main(["roles", "grant", number, "annotator"]) == 0
    assert main(["roles", "of", number]) == 0
    assert "annotator" in capsys.readouterr().out
    assert main(["roles", "create", "another", "data.dataset.read"]) != 0
    assert main(["roles", "delete", "Labelling lead"]) == 0
