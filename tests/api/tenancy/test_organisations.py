"""TEN-1, TEN-2: organisations made with their first administrator, edited, closed, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from himalia_hub.core import clock
from himalia_hub.tenancy.organisations.controller import OrganisationKeeper
from himalia_hub.tenancy.rules import RESERVED_CODES
from himalia_hub.tenancy.tables import Tenant, User
from tests.support.data import ok, problem
from tests.support.service import HUB_CREDENTIAL, World

BODY: dict[str, Any] = {"code": "harbour", "name": "harbour", "administrator": {"name": "harbouradmin"}}


@pytest.fixture
def platform_admin(world: World) -> Iterator[httpx.Client]:
    with world.alpha.administrator.client(step_up=True) as client:
        yield client


@pytest.fixture
def later() -> Iterator[Any]:
    """Move the platform's clock forward."""

    def move(step: timedelta) -> None:
        clock.set_source(lambda: datetime.now(UTC) + step)

    yield move
    clock.set_source(None)


def look_at(world: World, url: str) -> httpx.Response:
    with world.live.internal(HUB_CREDENTIAL) as hub:
        return hub.post("/sign-in/link/look", json={"token": url.partition("token=")[2]})


def test_ten_1_an_organisation_is_made_with_its_first_administrator(world: World, platform_admin: httpx.Client) -> None:
    made = ok(platform_admin.post("/organisations", json={**BODY, "description": "Ships"}), 201)
    assert (made["code"], made["state"], made["members"], made["departments"]) == ("harbour", "enabled", 1, 0)
    assert [one["name"] for one in made["administrators"]] == ["harbouradmin"]
    assert made["link"]["url"].startswith("http") and made["link"]["name"] == "harbouradmin"
    seen = look_at(world, made["link"]["url"])
    assert seen.json()["user"]["name"] == "harbouradmin" and seen.json()["password_set"] is False
    member = ok(platform_admin.get("/members/1", params={"organisation": "harbour"}))
    assert member["roles"] == ["member", "organisation_administrator"] and member["password_set"] is False
    assert "link" not in ok(platform_admin.get(f"/organisations/{made['id']}"))


RIGHT = {"4": "abcd", "32": "a" * 32, "dash inside": "a-b9", "digits": "2026"}
WRONG = {
    "3": "abc",
    "33": "a" * 33,
    "dash first": "-abc",
    "dash last": "abc-",
    "upper case": "Abcd",
    "underscore": "ab_cd",
    "space": "ab cd",
    "cyrillic a": "аbcd",
    "full-width a": "ａbcd",
    "arabic digit": "abc٣",
    "line end": "abcd\n",
    "empty": "",
}


@pytest.mark.parametrize("field", ["code", "name"])
def test_ten_1_names_and_codes(world: World, platform_admin: httpx.Client, field: str) -> None:
    for what, value in WRONG.items():
        refused = problem(platform_admin.post("/organisations", json={**BODY, field: value}), 422, "invalid_input")
        assert (refused["field"], refused["value"]) == (field, value), what
        assert "4-32 characters" in refused["rule"], what
    other = "code" if field == "name" else "name"
    for number, value in enumerate(RIGHT.values()):
        body = {field: value, other: f"other-{number}", "administrator": {"name": f"orgadmin{number}"}}
        assert ok(platform_admin.post("/organisations", json=body), 201)[field] == value


def test_ten_1_reserved_codes_are_refused(world: World, platform_admin: httpx.Client) -> None:
    for code in sorted(RESERVED_CODES):
        refused = problem(platform_admin.post("/organisations", json={**BODY, "code": code}), 422, "invalid_input")
        assert refused["field"] == "code", code


def test_ten_1_descriptions_have_256_characters(world: World, platform_admin: httpx.Client) -> None:
    ok(platform_admin.post("/organisations", json={**BODY, "description": "述" * 256}), 201)
    other = {**BODY, "code": "second", "name": "second", "administrator": {"name": "secondadmin"}}
    refused = problem(
        platform_admin.post("/organisations", json={**other, "description": "x" * 257}), 422, "invalid_input"
    )
    assert refused["field"] == "description" and "256" in refused["rule"]


def test_ten_1_taken_names_are_not_available_and_no_more(world: World, platform_admin: httpx.Client) -> None:
    ok(platform_admin.post("/organisations", json=BODY), 201)
    other = {"code": "second", "name": "second", "administrator": {"name": "secondadmin"}}
    for field in ("code", "name"):
        refused = problem(platform_admin.post("/organisations", json={**other, field: "harbour"}), 409, "name_taken")
        assert refused["field"] == field and refused["detail"] == f"{field}: 'harbour' is not available."
    taken = {**other, "administrator": {"name": "HARBOURADMIN"}}
    refused = problem(platform_admin.post("/organisations", json=taken), 409, "name_taken")
    assert refused["field"] == "administrator.name"
    # Nothing of the refused organisation stays.
    assert ok(platform_admin.get("/organisations", params={"code": "second"}))["items"] == []


def test_ten_1_everything_but_the_code_can_be_edited(world: World, platform_admin: httpx.Client) -> None:
    made = ok(platform_admin.post("/organisations", json=BODY), 201)
    path, tag = f"/organisations/{made['id']}", {"If-Match": f'"{made["version"]}"'}
    until = "2099-01-01T00:00:00.000000Z"
    changed = {"name": "harbour-lab", "description": "d", "valid_until": until}
    edited = ok(platform_admin.patch(path, json=changed, headers=tag))
    assert {key: edited[key] for key in changed} == changed and edited["code"] == "harbour"
    problem(platform_admin.patch(path, json={"description": "e"}, headers=tag), 412, "stale_version")
    problem(platform_admin.patch(path, json={"description": "e"}), 428, "version_required")
    now = {"If-Match": f'"{edited["version"]}"'}
    assert (
        problem(platform_admin.patch(path, json={"code": "other"}, headers=now), 422, "invalid_input")["field"]
        == "code"
    )
    for past in ("2020-01-01T00:00:00Z", "2099-01-01T00:00:00"):
        refused = problem(platform_admin.patch(path, json={"valid_until": past}, headers=now), 422, "invalid_input")
        assert refused["field"] == "valid_until"
    assert ok(platform_admin.patch(path, json={"valid_until": None}, headers=now))["valid_until"] is None


def test_ten_2_disabling_ends_sessions_at_once_and_deletes_nothing(world: World, platform_admin: httpx.Client) -> None:
    person = world.beta.member
    with world.live.platform.db.engine.connect() as db:
        epoch = db.execute(sa.select(User.session_epoch).where(User.id == person.user_id)).scalar_one()
    with person.client() as own, person.api_client() as program:
        ok(own.get("/me"))
        disabled = ok(platform_admin.post(f"/organisations/{world.beta.tenant_id}/disable"))
        assert disabled["state"] == "disabled"
        assert own.get("/me").status_code == program.get("/me").status_code == 401
        with world.live.internal(HUB_CREDENTIAL) as hub:
            asked = {"hub_user": person.hub_name, "session_epoch": epoch}
            assert hub.post("/sign-in/refresh", json=asked).json()["valid"] is False
        again = ok(platform_admin.post(f"/organisations/{world.beta.tenant_id}/disable"))
        assert again["version"] == disabled["version"]
        ok(platform_admin.post(f"/organisations/{world.beta.tenant_id}/enable"))
        ok(own.get("/me"))
        with world.live.internal(HUB_CREDENTIAL) as hub:
            assert hub.post("/sign-in/refresh", json=asked).json()["valid"] is False  # the old session stays ended


def test_ten_1_the_end_of_validity_ends_like_disabling(world: World, platform_admin: httpx.Client, later: Any) -> None:
    platform = world.live.platform
    row = ok(platform_admin.get(f"/organisations/{world.beta.tenant_id}"))
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    headers = {"If-Match": f'"{row["version"]}"'}
    ok(platform_admin.patch(f"/organisations/{row['id']}", json={"valid_until": until}, headers=headers))
    with world.beta.member.client() as own:
        ok(own.get("/me"))
        later(timedelta(hours=2))
        assert own.get("/me").status_code == 401
        world.live.run(OrganisationKeeper(platform).step())
        with platform.db.engine.connect() as db:
            closed, epoch = db.execute(
                sa.select(Tenant.closed_at, User.session_epoch)
                .join(User, User.tenant_id == Tenant.id)
                .where(User.id == world.beta.member.user_id)
            ).one()
        assert closed is not None and epoch > 1
        # Stepping again from the same state changes nothing.
        world.live.run(OrganisationKeeper(platform).step())
        with platform.db.engine.connect() as db:
            same = db.execute(sa.select(User.session_epoch).where(User.id == world.beta.member.user_id)).scalar_one()
        assert same == epoch


def test_the_last_administrator_of_the_platform_stays(world: World, platform_admin: httpx.Client) -> None:
    ok(platform_admin.post(f"/members/{world.beta.administrator.number}/disable", params={"organisation": "beta"}))
    problem(platform_admin.post(f"/organisations/{world.alpha.tenant_id}/disable"), 409, "last_administrator")


def test_deleting_needs_emptiness_and_keeps_the_code_taken(world: World, platform_admin: httpx.Client) -> None:
    made = ok(platform_admin.post("/organisations", json=BODY), 201)
    refused = problem(platform_admin.delete(f"/organisations/{made['id']}"), 409, "in_use")
    assert refused["details"]["dependants"] == [{"kind": "member", "count": 1}]
    ok(platform_admin.delete("/members/1", params={"organisation": "harbour"}))
    assert platform_admin.delete(f"/organisations/{made['id']}").status_code == 204
    problem(platform_admin.get(f"/organisations/{made['id']}"), 404, "not_found")
    problem(platform_admin.get("/members", params={"organisation": "harbour"}), 404, "not_found")
    problem(platform_admin.post("/organisations", json={**BODY, "name": "other"}), 409, "name_taken")
    ok(platform_admin.post("/organisations", json={**BODY, "code": "other"}), 201)  # the name is free again


def test_lists_sort_filter_search_and_page(world: World, platform_admin: httpx.Client) -> None:
    for number in range(5):
        code = f"org-{number}"
        body = {"code": code, "name": code, "administrator": {"name": f"orgadmin{number}"}, "enabled": number != 3}
        ok(platform_admin.post("/organisations", json=body), 201)
    found: list[str] = []
    cursor = None
    while True:
        asked = {"q": "org-", "sort": "-name", "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = ok(platform_admin.get("/organisations", params=asked))
        found += [row["code"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [f"org-{number}" for number in (4, 3, 2, 1, 0)] and page["total"] == 5
    disabled = ok(platform_admin.get("/organisations", params={"state": "disabled"}))
    assert [row["code"] for row in disabled["items"]] == ["org-3"]
    problem(platform_admin.get("/organisations", params={"sort": "secret"}), 422, "invalid_input")
