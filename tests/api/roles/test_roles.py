"""TEN-9, TEN-10, TEN-21: custom roles, grants, and that nobody gives what they do not hold."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from himalia_hub.auth import permissions
from himalia_hub.auth.actor import Reach
from himalia_hub.tenancy.roles import checks
from himalia_hub.tenancy.tables import Group, GroupMember
from tests.support.data import ok, problem
from tests.support.service import Person, World

READER = {"data.dataset.read": "own"}


def make_role(client: httpx.Client, name: str = "Labelling lead", **fields: Any) -> dict[str, Any]:
    body = {"name": name, "permissions": READER, **fields}
    return ok(client.post("/roles", json=body), 201)  # type: ignore[no-any-return]


def grant(client: httpx.Client, person: Person, *roles: str | dict[str, Any], status: int = 200) -> Any:
    wanted: list[dict[str, Any]] = [role if isinstance(role, dict) else {"role": role} for role in roles]
    return ok(client.put(f"/members/{person.number}/roles", json={"roles": wanted}), status)


def test_the_table_lists_what_a_role_may_hold(world: World) -> None:
    with world.alpha.tenant_admin.client(step_up=True) as client:
        table = ok(client.get("/permissions"))
        chinese = ok(client.get("/permissions", headers={"Accept-Language": "zh"}))
    rows = {row["name"]: row for row in table["items"]}
    assert set(rows) == {p.name for p in permissions.PERMISSIONS if checks.limits(p.name)}
    assert rows["data.dataset.read"]["reaches"] == ["own", "department", "organisation"]
    assert rows["data.dataset.edit"]["reaches"] == ["own"]
    assert rows["money.price.manage"]["reaches"] == []
    assert "GET /datasets" in rows["data.dataset.read"]["routes"]
    assert [policy["key"] for policy in table["policies"]] == ["full_access", "common_operations"]
    assert all(any("\u4e00" <= c <= "\u9fff" for c in row["sentence"]) for row in chinese["items"])


def test_policies_of_platform_administrators(world: World) -> None:
    with world.alpha.administrator.client(step_up=True) as client:
        full, common = ok(client.get("/permissions"))["policies"]
        assert set(full["permissions"]) - set(common["permissions"]) == {checks.POOLS}
        made = make_role(client, "Everything", scope="platform", permissions=full["permissions"])
    assert made["permissions"] == full["permissions"] and made["scope"] == "platform"


def test_a_custom_role_is_made_granted_edited_and_deleted(world: World) -> None:
    member = world.alpha.annotator
    with world.alpha.tenant_admin.client(step_up=True) as client, member.client() as own:
        problem(own.get("/notebooks"), 403, "not_permitted")
        role = make_role(client, permissions={"develop.notebook.read": "own"})
        held = grant(client, member, "annotator", role["key"])
        assert held["permissions"]["develop.notebook.read"] == "own"
        ok(own.get("/notebooks"))
        assert role["name"] in ok(own.get("/me"))["roles"]
        problem(client.delete(f"/roles/{role['id']}"), 409, "in_use")
        body = {"permissions": {"train.job.read": "own"}}
        problem(client.patch(f"/roles/{role['id']}", json=body), 428, "version_required")
        edited = ok(client.patch(f"/roles/{role['id']}", json=body, headers={"If-Match": '"1"'}))
        assert edited["version"] == 2 and edited["holders"] == 1
        problem(own.get("/notebooks"), 403, "not_permitted")
        ok(own.get("/jobs"))
        grant(client, member, "annotator")
        problem(own.get("/jobs"), 403, "not_permitted")
        assert client.delete(f"/roles/{role['id']}").status_code == 204
        problem(client.get(f"/roles/{role['id']}"), 404, "not_found")


@pytest.mark.parametrize("name", ["abcd", "标注组长", "a b c", "x" * 32, "Lead_1-2"])
def test_names_that_are_taken(world: World, name: str) -> None:
    with world.alpha.tenant_admin.client(step_up=True) as client:
        assert make_role(client, name)["name"] == name
        problem(client.post("/roles", json={"name": name.upper(), "permissions": READER}), 409, "name_taken")


@pytest.mark.parametrize("name", ["abc", "x" * 33, "    ", "ends ", " begins", "semi;colon", "member", "ADMINISTRATOR"])
def test_names_that_are_refused(world: World, name: str) -> None:
    with world.alpha.tenant_admin.client(step_up=True) as client:
        refusal = problem(client.post("/roles", json={"name": name, "permissions": READER}), 422, "invalid_input")
    assert refusal["field"] == "name" and refusal["rule"]


def test_descriptions_have_a_limit(world: World) -> None:
    with world.alpha.tenant_admin.client(step_up=True) as client:
        assert len(make_role(client, description="d" * 256)["description"]) == 256
        body = {"name": "another", "permissions": READER, "description": "d" * 257}
        assert problem(client.post("/roles", json=body), 422, "invalid_input")["field"] == "description"


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "permissions"),
        ({"no.such.thing": "own"}, "permissions"),
        ({"internal.hub.call": "platform"}, "permissions"),
        ({"train.run.report": "own"}, "permissions"),
        ({"data.dataset.read": "platform"}, "permissions.data.dataset.read"),
        ({"tenancy.user.read": "own"}, "permissions.tenancy.user.read"),
        ({"data.dataset.edit": "organisation"}, "permissions.data.dataset.edit"),
        ({"money.price.manage": "organisation"}, "permissions.money.price.manage"),
    ],
)
def test_sets_that_are_refused(world: World, sent: dict[str, str], field: str) -> None:
    with world.alpha.tenant_admin.client(step_up=True) as client:
        refusal = problem(client.post("/roles", json={"name": "newrole", "permissions": sent}), 422, "invalid_input")
    assert refusal["field"] == field


def test_built_in_roles_stay_as_they_are(world: World) -> None:
    with world.alpha.administrator.client(step_up=True) as client:
        listed = {row["key"]: row for row in ok(client.get("/roles"))["items"]}
        assert set(checks.offered(separated=False)) == set(listed)
        assert not any(row["editable"] for row in listed.values())
        assert ok(client.get("/roles/member"))["permissions"]["data.dataset.edit"] == "own"
        problem(client.patch("/roles/member", json={"name": "other"}), 404, "not_found")
        problem(client.delete("/roles/member"), 404, "not_found")


# -- nobody gives what they do not hold -------------------------------------------------------


def test_organisation_administrators_stay_within_their_own(world: World) -> None:
    with world.alpha.tenant_admin.client(step_up=True) as client:
        for role in ("Administrator", "auditor"):
            body = {"roles": [{"role": role}]}
            answer = client.put(f"/members/{world.alpha.member.number}/roles", json=body)
            assert problem(answer, 403, "beyond_own_permissions")["details"]["permissions"]
        for_all = {"name": "For all", "permissions": READER, "scope": "platform"}
        problem(client.post("/roles", json=for_all), 403, "platform_role")
        grant(client, world.alpha.member, "member", "organisation_administrator")


def test_a_partial_administrator_does_not_grow(world: World) -> None:
    """Somebody who may grant and make roles, and nothing else, can give neither more to others nor to themselves."""
    helper, friend = world.alpha.reader, world.alpha.colleague
    small = {
        "tenancy.role.grant": "organisation",
        "tenancy.role.manage": "organisation",
        "tenancy.role.read": "organisation",
    }
    with world.alpha.administrator.client(step_up=True) as client:
        role = make_role(client, "Grants roles", permissions=small)
        users = make_role(client, "Sees users", permissions={"tenancy.user.read": "organisation"})
        grant(client, helper, role["key"])
    with helper.client() as notebook:
        problem(notebook.post("/roles", json={"name": "mine", "permissions": small}), 403, "step_up_required")
    with helper.api_client() as client:
        url = f"/members/{friend.number}/roles"
        for key in ("organisation_administrator", users["key"], "Administrator"):
            wanted = {"roles": [{"role": "member"}, {"role": key}]}
            problem(client.put(url, json=wanted), 403, "beyond_own_permissions")
        # Taking is as much a change as giving.
        problem(client.put(url, json={"roles": []}), 403, "beyond_own_permissions")
        problem(
            client.put(f"/members/{helper.number}/roles", json={"roles": [{"role": role["key"]}]}), 403, "own_roles"
        )
        wider = {"name": "wider", "permissions": {"tenancy.user.read": "organisation"}}
        problem(client.post("/roles", json=wider), 403, "beyond_own_permissions")
        grown = {"permissions": {**small, "tenancy.user.read": "organisation"}}
        own = client.patch(f"/roles/{role['id']}", json=grown, headers={"If-Match": '"1"'})
        problem(own, 403, "own_roles")
        other = client.patch(f"/roles/{users['id']}", json={"permissions": small}, headers={"If-Match": '"1"'})
        problem(other, 403, "beyond_own_permissions")
        problem(client.delete(f"/roles/{users['id']}"), 403, "beyond_own_permissions")
        grant(client, friend, "member", role["key"])


def test_roles_of_another_organisation_are_missing(world: World) -> None:
    with world.beta.tenant_admin.client(step_up=True) as client:
        foreign = make_role(client, "Foreign role")
    with world.alpha.tenant_admin.client(step_up=True) as client:
        url = f"/members/{world.alpha.member.number}/roles"
        refusals = [
            problem(client.put(url, json={"roles": [{"role": key}]}), 422, "invalid_input")
            for key in (foreign["key"], "custom:999999")
        ]
        assert refusals[0]["detail"].replace(foreign["key"], "") == refusals[1]["detail"].replace("custom:999999", "")
        problem(client.get(f"/roles/{foreign['id']}"), 404, "not_found")
        problem(client.get("/roles", params={"organisation": "beta"}), 404, "not_found")
        problem(client.delete(f"/roles/{foreign['id']}"), 404, "not_found")
        assert foreign["key"] not in {row["key"] for row in ok(client.get("/roles"))["items"]}
        make_role(client, "Foreign role")


def test_platform_roles_are_for_all_and_changed_by_the_platform(world: World) -> None:
    with world.alpha.administrator.client(step_up=True) as client:
        role = make_role(client, "For all", scope="platform")
        elsewhere = ok(client.get("/roles", params={"organisation": "beta"}))["items"]
        assert role["key"] in {row["key"] for row in elsewhere}
    with world.beta.tenant_admin.client(step_up=True) as client:
        grant(client, world.beta.member, "member", role["key"])
        edit = client.patch(f"/roles/{role['id']}", json={"name": "Taken"}, headers={"If-Match": '"1"'})
        problem(edit, 403, "platform_role")
        problem(client.post("/roles", json={"name": "for ALL", "permissions": READER}), 409, "name_taken")


def test_the_last_administrator_stays(world: World) -> None:
    with world.beta.administrator.client(step_up=True) as client:
        url = f"/members/{world.alpha.administrator.number}/roles"
        ok(client.put(url, json={"roles": [{"role": "member"}]}, params={"organisation": "alpha"}))
        problem(client.put(f"/members/{world.beta.administrator.number}/roles", json={"roles": []}), 403, "own_roles")
    with world.live.internal("admin-credential-of-the-tests") as admin:
        problem(admin.post("/admin/users/betaadministrator/change", json={"enabled": False}), 409, "last_administrator")


# -- departments, groups, step-ups ------------------------------------------------------------


def test_a_department_administrator_names_the_department(world: World) -> None:
    """TEN-6: the reach is the named department, whichever the administrator belongs to."""
    outsider, member = world.alpha.outsider, world.alpha.member
    with world.alpha.tenant_admin.client(step_up=True) as client:
        url = f"/members/{outsider.number}/roles"
        refusal = client.put(url, json={"roles": [{"role": "department_administrator"}]})
        assert "department" in problem(refusal, 422, "invalid_input")["rule"]
        wrong = {"roles": [{"role": "department_administrator", "department": 99}]}
        problem(client.put(url, json=wrong), 422, "invalid_input")
        problem(client.put(url, json={"roles": [{"role": "member", "department": 1}]}), 422, "invalid_input")
        grant(client, outsider, "member", {"role": "department_administrator", "department": 1})
    with member.client() as client:
        group = ok(
            client.post("/label-groups", json={"name": "seen", "type": "vision", "labels": [{"name": "a"}]}), 201
        )
    with outsider.api_client() as client:
        ok(client.get(f"/label-groups/{group['id']}"))
    with world.alpha.tenant_admin.client(step_up=True) as client:
        grant(client, outsider, "member")
    with outsider.api_client() as client:
        problem(client.get(f"/label-groups/{group['id']}"), 404, "not_found")


def make_group(world: World, *people: Person) -> int:
    def work(session: Any) -> int:
        from himalia_hub.core import clock

        moment = clock.now()
        group = Group(tenant_id=world.alpha.tenant_id, number=71, name="Team", created_at=moment, updated_at=moment)
        session.add(group)
        session.flush()
        session.add_all(GroupMember(group_id=group.id, user_id=person.user_id) for person in people)
        return group.number

    return world.live.write(work)  # type: ignore[no-any-return]


def test_groups_give_their_roles(world: World) -> None:
    """TEN-21: what a group's roles permit, its members may do from the next request on."""
    number = make_group(world, world.alpha.annotator)
    with world.alpha.tenant_admin.client(step_up=True) as client, world.alpha.annotator.client() as own:
        problem(own.get("/notebooks"), 403, "not_permitted")
        ok(client.put(f"/groups/{number}/roles", json={"roles": ["member"]}))
        ok(own.get("/notebooks"))
        held = ok(client.get(f"/members/{world.alpha.annotator.number}/roles"))
        assert {(row["role"], row["through"]) for row in held["roles"]} == {("annotator", None), ("member", "Team")}
        problem(client.put(f"/groups/{number}/roles", json={"roles": ["Administrator"]}), 403, "beyond_own_permissions")
        problem(
            client.put(f"/groups/{number}/roles", json={"roles": ["department_administrator"]}), 422, "invalid_input"
        )
        ok(client.put(f"/groups/{number}/roles", json={"roles": []}))
        problem(own.get("/notebooks"), 403, "not_permitted")


def test_nobody_raises_a_group_they_are_in(world: World) -> None:
    number = make_group(world, world.alpha.tenant_admin)
    with world.alpha.tenant_admin.client(step_up=True) as client:
        problem(client.put(f"/groups/{number}/roles", json={"roles": ["member"]}), 403, "own_roles")


def test_a_change_of_roles_ends_step_ups(world: World) -> None:
    person = world.alpha.department_admin
    with person.client(step_up=True) as client:
        assert ok(client.get("/me"))["step_up"]
        with world.alpha.tenant_admin.client(step_up=True) as admin:
            grant(admin, person, "member", {"role": "department_administrator", "department": 1}, "annotator")
        assert ok(client.get("/me"))["step_up"] is None


def test_the_decision_order(world: World) -> None:
    """TEN-10: without the permission 403 whatever the object; with it 404 outside the reach."""
    foreign, missing = world.beta.member.number, 424242
    with world.alpha.member.api_client() as client:
        for number in (world.alpha.member.number, foreign, missing):
            problem(client.get(f"/members/{number}/roles"), 403, "not_permitted")
    with world.alpha.department_admin.api_client() as client:
        ok(client.get(f"/members/{world.alpha.member.number}/roles"))
        problem(client.get(f"/members/{world.alpha.outsider.number}/roles"), 404, "not_found")
        problem(client.get(f"/members/{missing}/roles"), 404, "not_found")


def test_reaches_are_known_to_the_table() -> None:
    for permission in permissions.PERMISSIONS:
        span = checks.limits(permission.name)
        assert span is None or Reach.OWN <= span[0] <= span[1]
    assert sa is not None
