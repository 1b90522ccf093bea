"""TEN-5, TEN-21: departments and groups; who is in them, who administers them, what they give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.data import ok, problem
from tests.support.service import World


@pytest.fixture
def admin(world: World) -> Iterator[httpx.Client]:
    with world.alpha.tenant_admin.client(step_up=True) as client:
        yield client


def tag(row: dict[str, Any]) -> dict[str, str]:
    return {"If-Match": f'"{row["version"]}"'}


RIGHT = {
    "4": "Data",
    "32": "x" * 32,
    "chinese": "视觉实验室",
    "all kinds": "Lab_1-视觉 a",
    "two forms of one letter": "\uf900视觉组",
}
WRONG = {
    "3": "Lab",
    "33": "x" * 33,
    "only spaces": "      ",
    "short inside spaces": "  Lab  ",
    "dot": "Lab.1",
    "full width": "Ｌａｂｓ",
    "cyrillic": "Lаbs",
    "no-break space": "Data\u00a0Lab",
    "zero width": "Data\u200bLab",
    "line end": "Data\nLab",
    "emoji": "Lab 🧪1",
}


def test_ten_5_names(world: World, admin: httpx.Client) -> None:
    for what, name in WRONG.items():
        refused = problem(admin.post("/departments", json={"name": name}), 422, "invalid_input")
        assert refused["field"] == "name" and "4-32" in refused["rule"], what
    for what, name in RIGHT.items():
        kept = ok(admin.post("/departments", json={"name": name}), 201)["name"]
        assert kept == name.replace("\uf900", "\u8c48"), what
    problem(admin.post("/departments", json={"name": "\u8c48视觉组"}), 409, "name_taken")
    assert ok(admin.post("/departments", json={"name": "  Audio  "}), 201)["name"] == "Audio"
    for taken in ("Audio", "audio", " Audio"):
        problem(admin.post("/departments", json={"name": taken}), 409, "name_taken")
    with world.beta.tenant_admin.client(step_up=True) as other:
        ok(other.post("/departments", json={"name": "Audio"}), 201)


def test_descriptions_have_256_characters(world: World, admin: httpx.Client) -> None:
    for path, name in (("/departments", "Audio"), ("/groups", "audio")):
        ok(admin.post(path, json={"name": name, "description": "述" * 256}), 201)
        refused = problem(admin.post(path, json={"name": f"{name}2", "description": "x" * 257}), 422, "invalid_input")
        assert refused["field"] == "description"


def test_ten_5_a_department_from_making_to_deleting(world: World, admin: httpx.Client) -> None:
    outsider, head = world.alpha.outsider.number, world.alpha.colleague.number
    made = ok(admin.post("/departments", json={"name": "Audio", "members": [outsider], "administrators": [head]}), 201)
    assert made["members"] == 2 and [one["id"] for one in made["administrators"]] == [head]
    path = f"/departments/{made['id']}"
    assert ok(admin.get(f"/members/{head}"))["roles"] == ["department_administrator", "member"]
    edited = ok(admin.patch(path, json={"name": "Sound", "administrators": [outsider]}, headers=tag(made)))
    assert edited["name"] == "Sound" and [one["id"] for one in edited["administrators"]] == [outsider]
    assert ok(admin.get(f"/members/{head}"))["roles"] == ["member"]
    problem(admin.patch(path, json={"name": "Noise"}, headers=tag(made)), 412, "stale_version")
    problem(admin.delete(path), 409, "in_use")
    refused = problem(admin.post(f"{path}/members", json={"remove": [world.alpha.member.number]}), 422, "invalid_input")
    assert refused["field"] == "remove"
    refused = problem(admin.post(f"{path}/members", json={"add": [99_999]}), 422, "invalid_input")
    assert refused["field"] == "add" and refused["value"] == 99_999
    assert ok(admin.post(f"{path}/members", json={"remove": [outsider, head]}))["members"] == 0
    assert ok(admin.get(f"/members/{outsider}"))["roles"] == ["member"]  # the power stayed behind
    assert admin.delete(path).status_code == 204
    problem(admin.get(path), 404, "not_found")
    problem(
        admin.patch(f"/members/{head}", json={"department": made["id"]}, headers={"If-Match": '"9"'}),
        412,
        "stale_version",
    )
    assert ok(admin.post("/departments", json={"name": "Sound"}), 201)["id"] > made["id"]


def test_ten_5_a_deleted_department_is_nowhere(world: World, admin: httpx.Client) -> None:
    """It has no quota, nobody administers it, nothing is shared with it, and the checklist does not count it."""

    def counted() -> int:
        (item,) = [one for one in ok(admin.get("/checklist"))["organisation"]["items"] if one["key"] == "departments"]
        return int(item["have"])

    def with_quota() -> list[str]:
        return [one["subject"] for one in ok(admin.get("/quota-sheets", params={"level": "department"}))["items"]]

    before = counted()
    made = ok(admin.post("/departments", json={"name": "Short-lived"}), 201)
    number = made["id"]
    quota = {"level": "department", "subject": str(number)}
    assert counted() == before + 1 and str(number) in with_quota()
    ok(admin.get("/quotas", params=quota))
    group = ok(admin.post("/label-groups", json={"name": "Shapes", "labels": [{"name": "round"}]}), 201)
    assert admin.delete(f"/departments/{number}").status_code == 204

    assert counted() == before and str(number) not in with_quota()
    problem(admin.get("/quotas", params=quota), 404, "not_found")
    share = {"object_kind": "label_group", "object": group["id"], "access": "use"}
    refused = admin.post("/shares", json={**share, "receiver": {"kind": "department", "id": number}})
    assert problem(refused, 422, "invalid_input")["field"] == "receiver.id"
    grant = {"roles": [{"role": "department_administrator", "department": number}]}
    refused = admin.put(f"/members/{world.alpha.member.number}/roles", json=grant)
    assert problem(refused, 422, "invalid_input")["field"] == "roles"


def test_ten_2_disabling_a_department_ends_its_members_sessions(world: World, admin: httpx.Client) -> None:
    with world.alpha.outsider.client() as outside, world.alpha.member.client() as inside:
        problem(admin.post("/departments/1/disable"), 409, "not_oneself")  # the asker is in it
        audio = ok(admin.post("/departments", json={"name": "Audio", "members": [world.alpha.member.number]}), 201)
        ok(inside.get("/me"))
        ok(admin.post(f"/departments/{audio['id']}/disable"))
        assert inside.get("/me").status_code == 401 and ok(outside.get("/me"))
        refused = problem(
            admin.post("/members", json={"name": "janedoe", "department": audio["id"]}), 422, "invalid_input"
        )
        assert refused["field"] == "department"
        ok(admin.post(f"/departments/{audio['id']}/enable"))
        ok(inside.get("/me"))


def test_department_administrators_see_their_own_and_change_none(world: World) -> None:
    with world.alpha.tenant_admin.client(step_up=True) as admin:
        other = ok(admin.post("/departments", json={"name": "Audio"}), 201)
    with world.alpha.department_admin.client(step_up=True) as head:
        assert [row["id"] for row in ok(head.get("/departments"))["items"]] == [1]
        problem(head.get(f"/departments/{other['id']}"), 404, "not_found")
        problem(head.post("/departments", json={"name": "Mine"}), 403, "not_permitted")
    with world.beta.tenant_admin.client(step_up=True) as foreign:
        assert "Audio" not in {row["name"] for row in ok(foreign.get("/departments"))["items"]}
        problem(foreign.get("/departments/1", params={"organisation": "alpha"}), 404, "not_found")


def test_ten_21_a_group_gives_its_roles_to_its_members_at_once(world: World, admin: httpx.Client) -> None:
    person = world.alpha.annotator
    body = {"name": "trainers", "external_name": "cn=trainers,dc=alpha", "roles": ["member"]}
    made = ok(admin.post("/groups", json=body), 201)
    assert (made["roles"], made["members"], made["external_name"]) == (["member"], 0, body["external_name"])
    with person.client() as own:
        problem(own.get("/notebooks"), 403, "not_permitted")
        assert ok(admin.post(f"/groups/{made['id']}/members", json={"add": [person.number]}))["members"] == 1
        ok(own.get("/notebooks"))
        assert ok(admin.get(f"/members/{person.number}"))["groups"] == [{"id": made["id"], "name": "trainers"}]
        assert [row["id"] for row in ok(admin.get("/members", params={"group": made["id"]}))["items"]] == [
            person.number
        ]
        now = ok(admin.get(f"/groups/{made['id']}"))
        bare = ok(admin.patch(f"/groups/{made['id']}", json={"roles": []}, headers=tag(now)))
        problem(own.get("/notebooks"), 403, "not_permitted")
        ok(admin.patch(f"/groups/{made['id']}", json={"roles": ["member"]}, headers=tag(bare)))
        ok(own.get("/notebooks"))
        assert admin.delete(f"/groups/{made['id']}").status_code == 204
        problem(own.get("/notebooks"), 403, "not_permitted")
    assert ok(admin.get(f"/members/{person.number}"))["groups"] == []


def test_groups_cannot_give_what_their_maker_does_not_hold(world: World, admin: httpx.Client) -> None:
    problem(admin.post("/groups", json={"name": "kings", "roles": ["Administrator"]}), 403, "beyond_own_permissions")
    assert ok(admin.get("/groups"))["items"] == []
    with world.alpha.administrator.client(step_up=True) as platform:
        kings = ok(platform.post("/groups", json={"name": "kings", "roles": ["Administrator"]}), 201)
    # Whoever may put people into groups does not thereby make administrators.
    joined = admin.post(f"/groups/{kings['id']}/members", json={"add": [world.alpha.member.number]})
    problem(joined, 403, "beyond_own_permissions")
    assert ok(admin.get(f"/groups/{kings['id']}"))["members"] == 0


def test_group_names(world: World, admin: httpx.Client) -> None:
    for name in ("a", "x" * 32, "组-1", "a_b"):
        ok(admin.post("/groups", json={"name": name}), 201)
    for name in ("", "x" * 33, "-ab", "ab-", "a b", "а"):
        assert problem(admin.post("/groups", json={"name": name}), 422, "invalid_input")["field"] == "name", name
    problem(admin.post("/groups", json={"name": "A"}), 409, "name_taken")
