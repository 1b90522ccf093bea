"""TEN-6, TEN-2: members listed, made, edited, disabled, unlocked, deleted with take-over; guests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from himalia_hub.core import clock
from himalia_hub.identity.tables import SignInLock
from himalia_hub.tenancy.tables import User
from tests.support.data import make_group, ok, problem
from tests.support.service import HUB_CREDENTIAL, World


@pytest.fixture
def admin(world: World) -> Iterator[httpx.Client]:
    with world.alpha.tenant_admin.client(step_up=True) as client:
        yield client


def create(client: httpx.Client, name: str, **fields: Any) -> dict[str, Any]:
    return ok(client.post("/members", json={"name": name, **fields}), 201)  # type: ignore[no-any-return]


def tag(row: dict[str, Any]) -> dict[str, str]:
    return {"If-Match": f'"{row["version"]}"'}


RIGHT = {"6": "abc123", "32": "a" * 32, "digits": "123456", "mixed case": "JaneDoe"}
WRONG = {
    "5": "abc12",
    "33": "a" * 33,
    "dash": "jane-doe",
    "space": "jane doe",
    "at": "jane@doe",
    "cyrillic": "jаnedoe",
    "full width": "ｊａｎｅdoe",
    "chinese": "张三张三张三",
    "arabic digits": "abcde٣",
    "line end": "janedoe\n",
    "empty": "",
}


def test_ten_6_names(world: World, admin: httpx.Client) -> None:
    for what, name in WRONG.items():
        refused = problem(admin.post("/members", json={"name": name}), 422, "invalid_input")
        assert (refused["field"], refused["value"]) == ("name", name) and "6-32" in refused["rule"], what
    for name in RIGHT.values():
        assert create(admin, name)["name"] == name


def test_ten_6_a_taken_name_is_not_available_and_no_more(world: World, admin: httpx.Client) -> None:
    """The same words whether a colleague or somebody of another organisation has it, in any case."""
    own = problem(admin.post("/members", json={"name": "AlphaMember"}), 409, "name_taken")
    foreign = problem(admin.post("/members", json={"name": "betamember"}), 409, "name_taken")
    assert own["detail"] == "name: 'AlphaMember' is not available."
    assert {**own, "detail": "", "value": "", "request_id": ""} == {
        **foreign,
        "detail": "",
        "value": "",
        "request_id": "",
    }


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("张三", "张三", id="chinese"),
        pytest.param("x" * 64, "x" * 64, id="64"),
        pytest.param("e\u0301", "é", id="normal-form"),
        pytest.param("  Jane  ", "Jane", id="spaces-at-ends"),
        pytest.param("x" * 65, None, id="65"),
        pytest.param("Jane\u202eeoD", None, id="right-to-left-override"),
        pytest.param("Ja\u200bne", None, id="zero-width"),
        pytest.param("Jane\nDoe", None, id="line-end"),
    ],
)
def test_display_names(world: World, admin: httpx.Client, name: str, shown: str | None) -> None:
    answer = admin.post("/members", json={"name": "janedoe", "display_name": name})
    if shown is None:
        assert problem(answer, 422, "invalid_input")["field"] == "display_name"
    else:
        assert ok(answer, 201)["display_name"] == shown


def test_ten_14_a_new_member_signs_in_by_a_one_time_link_and_must_set_a_password(
    world: World, admin: httpx.Client
) -> None:
    made = create(admin, "janedoe", department=1, display_name="Jane")
    assert made["roles"] == ["member"] and made["department"] == {"id": 1, "name": "Vision"}
    assert made["password_set"] is False and made["last_sign_in_at"] is None
    with world.live.internal(HUB_CREDENTIAL) as hub:
        token = made["link"]["url"].partition("token=")[2]
        assert ok(hub.post("/sign-in/link/look", json={"token": token}))["password_set"] is False
        again = ok(admin.post(f"/members/{made['id']}/link"))
        assert hub.post("/sign-in/link/look", json={"token": token}).status_code == 410  # the earlier one ended
        ok(hub.post("/sign-in/link/look", json={"token": again["url"].partition("token=")[2]}))


def test_lists_filter_by_what_a_person_would_filter_by(world: World, admin: httpx.Client) -> None:
    create(admin, "janedoe", display_name="Jane")
    create(admin, "guesty1", guest=True)

    def names(**asked: Any) -> set[str]:
        return {row["name"] for row in ok(admin.get("/members", params={"limit": 100, **asked}))["items"]}

    assert names(without_department=True) == {"alphaoutsider", "janedoe", "guesty1"}
    assert "alphamember" in names(department=1) and "janedoe" not in names(department=1)
    assert names(role="department_administrator") == {"alphadepartmentadmin"}
    assert names(guest=True) == {"guesty1"}
    assert names(q="jane") == {"janedoe"}
    assert names(source="ldap") == set() and "janedoe" in names(source="local")
    assert names(enabled=False) == set()
    assert "janedoe" in names(never_signed_in=True)
    moment = clock.now()
    with world.live.platform.db.engine.begin() as db:
        db.execute(sa.update(User).where(User.name == "janedoe").values(last_sign_in_at=moment))
    assert names(signed_in_after=clock.to_wire(moment)) == {"janedoe"} and "janedoe" not in names(never_signed_in=True)
    assert names(signed_in_before=clock.to_wire(moment)) == set()
    problem(admin.get("/members", params={"signed_in_after": "2026-01-01T00:00:00"}), 422, "invalid_input")


def test_departments_and_organisations_bound_what_is_seen(world: World) -> None:
    with world.alpha.department_admin.client(step_up=True) as head:
        seen = ok(head.get("/members", params={"limit": 100}))["items"]
        assert "alphaoutsider" not in {row["name"] for row in seen} and len(seen) == 10
        problem(head.get(f"/members/{world.alpha.outsider.number}"), 404, "not_found")
        problem(head.post("/members", json={"name": "janedoe"}), 403, "not_permitted")
    with world.alpha.tenant_admin.client(step_up=True) as admin:
        foreign = problem(admin.get("/members/1", params={"organisation": "beta"}), 404, "not_found")
        missing = problem(admin.get("/members/1", params={"organisation": "none-such"}), 404, "not_found")
        assert {**foreign, "request_id": ""} == {**missing, "request_id": ""}
        problem(admin.get("/members", params={"organisation": "*"}), 404, "not_found")
    with world.alpha.administrator.client(step_up=True) as platform:
        every = ok(platform.get("/members", params={"organisation": "*", "limit": 100}))["items"]
        assert {row["organisation"]["code"] for row in every} == {"alpha", "beta"}
        assert {row["organisation"]["code"] for row in ok(platform.get("/members"))["items"]} == {"alpha"}


def test_editing_changes_roles_and_department_at_once(world: World, admin: httpx.Client) -> None:
    made = create(admin, "janedoe")
    path = f"/members/{made['id']}"
    edited = ok(admin.patch(path, json={"department": 1, "display_name": "Jane"}, headers=tag(made)))
    assert edited["department"]["id"] == 1 and edited["roles"] == ["member"]
    problem(admin.patch(path, json={"display_name": "X"}, headers=tag(made)), 412, "stale_version")
    grown = ok(admin.patch(path, json={"roles": ["member", "department_administrator"]}, headers=tag(edited)))
    assert grown["roles"] == ["department_administrator", "member"]
    # The power over a department stays behind when its holder leaves it.
    left = ok(admin.patch(path, json={"department": None}, headers=tag(grown)))
    assert left["department"] is None and left["roles"] == ["member"]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"roles": ["department_administrator"]}, "roles"),
        ({"roles": ["emperor"]}, "roles"),
        ({"department": 99}, "department"),
        ({"display_name": "\u202e"}, "display_name"),
    ]
    for body, field in wrong:
        assert problem(admin.patch(path, json=body, headers=tag(left)), 422, "invalid_input")["field"] == field
    assert ok(admin.get(path))["version"] == left["version"]


def test_nobody_acts_on_somebody_above_them(world: World, admin: httpx.Client) -> None:
    """TEN-19: an organisation administrator cannot make a platform administrator's sign-in link."""
    above = f"/members/{world.alpha.administrator.number}"
    row = ok(admin.get(above))
    for answer in (
        admin.post(f"{above}/link"),
        admin.post(f"{above}/disable"),
        admin.post(f"{above}/unlock"),
        admin.delete(above, params={"erase": True}),
        admin.patch(above, json={"display_name": "Me"}, headers=tag(row)),
        admin.post("/members/links", json={"members": [world.alpha.administrator.number]}),
    ):
        problem(answer, 403, "beyond_own_permissions")
    made = create(admin, "janedoe")
    for role in ("Administrator", "auditor"):
        refused = admin.patch(f"/members/{made['id']}", json={"roles": [role]}, headers=tag(made))
        problem(refused, 403, "beyond_own_permissions")
        problem(admin.post("/members", json={"name": "another", "roles": [role]}), 403, "beyond_own_permissions")
    assert "another" not in {row["name"] for row in ok(admin.get("/members", params={"limit": 100}))["items"]}


def test_ten_6_disabling_ends_live_sessions_at_once(world: World, admin: httpx.Client) -> None:
    person = world.alpha.member
    with person.client() as own, person.client(step_up=True) as stepped, person.api_client() as program:
        for client in (own, stepped, program):
            ok(client.get("/me"))
        ok(admin.post(f"/members/{person.number}/disable"))
        assert [client.get("/me").status_code for client in (own, stepped, program)] == [401, 401, 401]
        problem(admin.post(f"/members/{person.number}/link"), 409, "conflict")
        assert ok(admin.post(f"/members/{person.number}/enable"))["enabled"] is True
        ok(own.get("/me"))
    problem(admin.post(f"/members/{world.alpha.tenant_admin.number}/disable"), 409, "not_oneself")
    problem(admin.delete(f"/members/{world.alpha.tenant_admin.number}"), 409, "not_oneself")


def test_unlocking(world: World, admin: httpx.Client) -> None:
    person = world.alpha.member
    moment = clock.now()

    def lock(session: Any) -> None:
        from datetime import timedelta

        session.add(
            SignInLock(account="local:alphamember", address="10.0.0.1", at=moment, until=moment + timedelta(minutes=5))
        )

    world.live.write(lock)
    assert ok(admin.get(f"/members/{person.number}"))["locked_until"] is not None
    assert ok(admin.post(f"/members/{person.number}/unlock"))["locked_until"] is None


def test_deleting_asks_who_takes_over(world: World, admin: httpx.Client) -> None:
    leaver, heir = world.alpha.member, world.alpha.colleague
    with leaver.client() as own, heir.client() as other:
        make_group(own, name="animals")
        make_group(own, name="plants")
        make_group(other, name="animals")
    path = f"/members/{leaver.number}"
    assert ok(admin.get(f"{path}/belongings")) == [{"kind": "label_groups", "count": 2}]
    refused = problem(admin.delete(path), 409, "in_use")
    assert refused["details"]["dependants"] == [{"kind": "label_groups", "count": 2}]
    for wrong in ({"take_over": leaver.number}, {"take_over": heir.number, "erase": True}):
        assert problem(admin.delete(path, params=wrong), 422, "invalid_input")["field"] == "take_over"
    problem(admin.delete(path, params={"take_over": 99_999}), 404, "not_found")
    done = ok(admin.delete(path, params={"take_over": heir.number}))
    assert done == {"handed_over": {"label_groups": 2}, "erased": {}, "kept": ["bills", "audit entries"]}
    with heir.client() as other:
        assert {row["name"] for row in ok(other.get("/label-groups"))["items"]} == {"animals", "animals-2", "plants"}
    with leaver.client() as own, leaver.api_client() as program:
        assert own.get("/me").status_code == program.get("/me").status_code == 401
    problem(admin.get(path), 404, "not_found")
    assert create(admin, "alphamember")["id"] != leaver.number  # the name is free, the number is not


def test_deleting_can_erase(world: World, admin: httpx.Client) -> None:
    with world.alpha.member.client() as own:
        made = make_group(own)
    done = ok(admin.delete(f"/members/{world.alpha.member.number}", params={"erase": True}))
    assert done["erased"] == {"label_groups": 1} and done["handed_over"] == {}
    problem(admin.get(f"/label-groups/{made['id']}"), 404, "not_found")


def test_guests_are_annotators_and_nothing_else(world: World, admin: httpx.Client) -> None:
    guest = create(admin, "guesty1", guest=True)
    assert guest["roles"] == ["annotator"] and guest["guest"] is True and guest["link"] is not None
    refused = problem(
        admin.post("/members", json={"name": "guesty2", "guest": True, "roles": ["member"]}), 422, "invalid_input"
    )
    assert refused["field"] == "roles"
    changed = admin.patch(f"/members/{guest['id']}", json={"roles": ["member", "annotator"]}, headers=tag(guest))
    assert problem(changed, 422, "invalid_input")["field"] == "roles"
    group = ok(admin.post("/groups", json={"name": "trainers"}), 201)
    refused = problem(admin.post(f"/groups/{group['id']}/members", json={"add": [guest["id"]]}), 422, "invalid_input")
    assert refused["field"] == "add"
    with world.alpha.member.client() as own:
        make_group(own)
    problem(
        admin.delete(f"/members/{world.alpha.member.number}", params={"take_over": guest["id"]}), 422, "invalid_input"
    )


def test_links_for_many_are_made_at_once_or_not_at_all(world: World, admin: httpx.Client) -> None:
    numbers = [create(admin, f"newcomer{n}")["id"] for n in range(3)]
    made = ok(admin.post("/members/links", json={"members": numbers}))
    assert [one["name"] for one in made] == ["newcomer0", "newcomer1", "newcomer2"]
    problem(admin.post("/members/links", json={"members": [*numbers, 99_999]}), 404, "not_found")
    with world.live.internal(HUB_CREDENTIAL) as hub:  # the refused request ended no link
        for one in made:
            ok(hub.post("/sign-in/link/look", json={"token": one["url"].partition("token=")[2]}))
    problem(admin.post("/members/links", json={"members": []}), 422, "invalid_input")
