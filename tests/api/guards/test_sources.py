"""TEN-9, TEN-11, TEN-12, TEN-21: a sign-in source gives nobody more than whoever set it up could give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from himalia_hub.auth import permissions, tokens
from himalia_hub.auth.actor import Reach, TokenKind
from himalia_hub.sign_in_sources import kinds
from himalia_hub.tenancy.roles import first
from himalia_hub.tenancy.tables import User
from tests.api.roles.test_roles import grant, make_role
from tests.support.data import ok, problem
from tests.support.service import ADMIN_CREDENTIAL, LiveService, World, make_config

kinds.is_form(kinds.class_of("pam"))  # imported before the first request waits for it
ADMINISTRATORS = {"organisation": {"default": "alpha"}, "roles": {"claim": "in", "values": {"all": ["Administrator"]}}}
SOURCE = {"name": "campus", "title": "Campus", "kind": "pam", "auto_provision": True}


def arrive(live: LiveService, *inside: str, name: str = "newcomer") -> httpx.Response:
    """Somebody whom the source identified comes in, with the claim ``in``."""
    body = {"source": "campus", "name": name, "subject": name, "claims": {"in": list(inside)}}
    return live.internal().post("/sign-in/external", json=body)


def test_who_sets_up_sources_alone_does_not_make_administrators(world: World) -> None:
    helper = world.alpha.reader
    with world.alpha.administrator.client(step_up=True) as client:
        role = make_role(client, "Sets sources up", scope="platform", permissions={"tenancy.source.manage": "platform"})
        grant(client, helper, role["key"])
        made = ok(client.post("/sign-in-sources", json={**SOURCE, "mapping": ADMINISTRATORS}), 201)
    with helper.api_client() as client:
        ok(client.get("/sign-in-sources/campus"))
        other = {**SOURCE, "name": "mine", "mapping": ADMINISTRATORS}
        problem(client.post("/sign-in-sources", json=other), 403, "beyond_own_permissions")
        change = {"mapping": {**ADMINISTRATORS, "roles": {"default": ["Administrator"]}}}
        answer = client.patch("/sign-in-sources/campus", json=change, headers={"If-Match": f'"{made["version"]}"'})
        problem(answer, 403, "beyond_own_permissions")
    # The control: set up by somebody who may, the same mapping does make an administrator.
    assert "Administrator" in ok(arrive(world.live, "all"))["roles"]


def test_who_manages_groups_does_not_open_one_to_a_directory(world: World) -> None:
    helper = world.alpha.reader
    with world.alpha.administrator.client(step_up=True) as client:
        some = {"tenancy.group.manage": "organisation", "tenancy.group.read": "organisation"}
        grant(client, helper, make_role(client, "Manages groups", permissions=some)["key"])
        wide = ok(client.post("/groups", json={"name": "Admins", "roles": ["organisation_administrator"]}), 201)
        plain = ok(client.post("/groups", json={"name": "Readers"}), 201)
        mapping = {"organisation": {"default": "alpha"}, "groups": {"claim": "in"}}
        ok(client.post("/sign-in-sources", json={**SOURCE, "mapping": mapping}), 201)
    with helper.api_client() as client:
        for group, status in ((wide, 403), (plain, 200)):
            change = {"external_name": "everybody"}
            headers = {"If-Match": f'"{group["version"]}"'}
            answer = client.patch(f"/groups/{group['id']}", json=change, headers=headers)
            assert answer.status_code == status, answer.text
    assert "organisation_administrator" not in ok(arrive(world.live, "everybody"))["roles"]
    # The control: whoever may give the role may open the group.
    with world.alpha.administrator.client(step_up=True) as client:
        headers = {"If-Match": f'"{wide["version"]}"'}
        ok(client.patch(f"/groups/{wide['id']}", json={"external_name": "everybody"}, headers=headers))
    assert "organisation_administrator" in ok(arrive(world.live, "everybody", name="another"))["roles"]


@pytest.fixture
def separated(database_url: str, tmp_path: Path) -> Iterator[LiveService]:
    made = LiveService(make_config(tmp_path / "state", database_url, separate_duties=True))
    with made.internal(ADMIN_CREDENTIAL) as admin:
        ok(admin.post("/admin/first-links", json={}))
    yield made
    made.close()


def token_of(live: LiveService, role: str) -> str:
    name = dict(first.THREE)[role]

    def work(session: Any) -> str:
        user = session.execute(sa.select(User.id).where(User.name == name)).scalar_one()
        return tokens.issue(session, user_id=user, kind=TokenKind.API, reach=Reach.PLATFORM, name="t")[1]

    return live.write(work)  # type: ignore[no-any-return]


@pytest.mark.parametrize("way", ["roles", "groups"])
def test_no_claim_joins_two_powers(separated: LiveService, way: str) -> None:
    """TEN-11: each claim gives one power; who comes with both is refused and keeps what they had."""
    powers = {"machines": permissions.SYSTEM_ADMIN, "logs": permissions.AUDITOR}
    with separated.client(token_of(separated, permissions.SECURITY_ADMIN)) as client:
        code = ok(client.get("/me"))["tenant"]["code"]
        mapping: dict[str, Any] = {"organisation": {"default": code}}
        if way == "roles":
            mapping["roles"] = {"claim": "in", "values": {word: [role] for word, role in powers.items()}, "default": []}
        else:
            mapping |= {"groups": {"claim": "in"}, "roles": {"default": []}}
            for word, role in powers.items():
                body = {"name": f"Of-{word}", "external_name": word, "roles": [role]}
                ok(client.post("/groups", json=body), 201)
        ok(client.post("/sign-in-sources", json={**SOURCE, "mapping": mapping}), 201)
    assert ok(arrive(separated, "machines"))["roles"] == [permissions.SYSTEM_ADMIN]
    problem(arrive(separated, "machines", "logs"), 409, "duties_exclude_each_other")
    problem(arrive(separated, "machines", "logs", name="somebody"), 409, "duties_exclude_each_other")
    assert ok(arrive(separated, "machines"))["roles"] == [permissions.SYSTEM_ADMIN]
    assert ok(arrive(separated, "logs"))["roles"] == [permissions.AUDITOR], "one after the other is no conflict"
