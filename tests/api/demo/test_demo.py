"""``himalia up --demo``: made once, usable at once, clipped to its member (INS-1)."""

from __future__ import annotations

import pytest

from tests.support.service import ADMIN_CREDENTIAL, HUB_CREDENTIAL, LiveService


@pytest.fixture
def made(service: LiveService) -> dict[str, object]:
    answer = service.internal(ADMIN_CREDENTIAL).post("/admin/demo", json={})
    assert answer.status_code in {200, 201}, answer.text
    data: dict[str, object] = answer.json()
    return data


def test_people_of_the_demo_sign_in_by_their_links(service: LiveService, made: dict[str, object]) -> None:
    hub = service.internal(HUB_CREDENTIAL)
    roles = {}
    for user in made["users"]:  # type: ignore[attr-defined]
        asked = {"token": user["link_token"], "address": "127.0.0.1", "accept_privacy": True}
        answer = hub.post("/sign-in/link", json=asked).json()
        assert answer["tenant"]["code"] == "harbour-lab"
        roles[answer["user"]["name"]] = set(answer["roles"])
    assert roles["demomember"] == {"member"}
    assert roles["demoadmin"] == {"member", "organisation_administrator"}


def test_the_token_is_the_members_and_reaches_own_things_only(service: LiveService, made: dict[str, object]) -> None:
    me = service.client(str(made["token"])).get("/me").json()
    assert me["user"]["name"] == "demomember"
    assert me["tenant"]["code"] == "harbour-lab"
    assert set(me["permissions"].values()) == {"own"}


def test_a_second_start_makes_nothing_again(service: LiveService, made: dict[str, object]) -> None:
    admin = service.internal(ADMIN_CREDENTIAL)
    people = admin.get("/admin/users").json()
    again = admin.post("/admin/demo", json={}).json()
    assert made["new"] is True
    assert again["new"] is False
    assert admin.get("/admin/users").json() == people


def test_nobody_but_the_machines_administrator_may_make_it(service: LiveService) -> None:
    """To everybody else the address does not exist."""
    assert service.internal(HUB_CREDENTIAL).post("/admin/demo", json={}).status_code == 404
    assert service.internal("guessed").post("/admin/demo", json={}).status_code in {401, 404}
    assert len(service.internal(ADMIN_CREDENTIAL).get("/admin/tenants").json()) == 0
