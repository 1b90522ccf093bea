"""REL-5, TEN-9, TEN-19: a partial administrator tries every way there is to end up with more.

The control is the platform's administrator: each of the same requests gets through for them, so
none is refused for its form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from himalia_hub.sign_in_sources import kinds
from tests.api.roles.test_roles import grant, make_role
from tests.support.data import ok, problem
from tests.support.service import World

kinds.is_form(kinds.class_of("pam"))  # imported before the first request waits for it
POWERS = (
    "tenancy.department.manage",
    "tenancy.department.read",
    "tenancy.group.manage",
    "tenancy.group.read",
    "tenancy.role.grant",
    "tenancy.role.manage",
    "tenancy.role.read",
    "tenancy.user.activate",
    "tenancy.user.manage",
    "tenancy.user.read",
)
"""Everything with which one administers people, and nothing of what one could administer them into."""
MORE = "organisation_administrator"
WIDER = {"audit.entry.read": "organisation"}
Way = Callable[[httpx.Client, "Scene"], httpx.Response]


class Scene:
    """Who is there, by number; the partial administrator is *me*."""

    def __init__(self, world: World) -> None:
        people = world.alpha.people
        self.me, self.friend = people["reader"].number, people["colleague"].number
        self.above, self.spare = people["tenant_admin"].number, people["member"].number
        self.role: dict[str, Any] = {}
        self.group: dict[str, Any] = {}
        """A group that carries more, with nobody in it."""


def tag(client: httpx.Client, path: str) -> dict[str, str]:
    """The version as it was read; of what may not be read, a guess."""
    return {"If-Match": client.get(path).headers.get("ETag", '"1"')}


def changed(client: httpx.Client, path: str, body: dict[str, Any]) -> httpx.Response:
    return client.patch(path, json=body, headers=tag(client, path))


def plain(key: str) -> dict[str, Any]:
    return {"roles": [{"role": key}]}


SOURCE = {
    "name": "mine",
    "title": "Mine",
    "kind": "pam",
    "mapping": {"organisation": {"default": "alpha"}, "roles": {"default": ["Administrator"]}},
}
WAYS: dict[str, Way] = {
    "another's roles": lambda c, s: c.put(f"/members/{s.friend}/roles", json=plain(MORE)),
    "an installation's role": lambda c, s: c.put(f"/members/{s.friend}/roles", json=plain("Administrator")),
    "a member's form": lambda c, s: changed(c, f"/members/{s.friend}", {"roles": ["member", MORE]}),
    "a new member": lambda c, s: c.post("/members", json={"name": "newmember", "roles": [MORE]}),
    "a wider role": lambda c, s: c.post("/roles", json={"name": "wider", "permissions": WIDER}),
    "a role for all": lambda c, s: c.post(
        "/roles", json={"name": "everywhere", "permissions": WIDER, "scope": "platform"}
    ),
    "an edited role": lambda c, s: changed(c, f"/roles/{s.role['id']}", {"permissions": WIDER}),
    "a group's roles": lambda c, s: c.put(f"/groups/{s.group['id']}/roles", json={"roles": [MORE, "member"]}),
    "a group's form": lambda c, s: changed(c, f"/groups/{s.group['id']}", {"roles": [MORE, "member"]}),
    "a group's members": lambda c, s: c.post(f"/groups/{s.group['id']}/members", json={"add": [s.friend]}),
    "a group's directory": lambda c, s: changed(c, f"/groups/{s.group['id']}", {"external_name": "everybody"}),
    "a new group": lambda c, s: c.post("/groups", json={"name": "New", "roles": [MORE], "members": [s.friend]}),
    "a link to sign in as somebody above": lambda c, s: c.post(f"/members/{s.above}/link"),
    "links to sign in as many": lambda c, s: c.post("/members/links", json={"members": [s.above, s.spare]}),
    "somebody above out of the way": lambda c, s: c.post(f"/members/{s.above}/disable"),
    "somebody above out of the department": lambda c, s: c.post("/departments/1/members", json={"remove": [s.above]}),
    "another organisation": lambda c, s: c.get("/members", params={"organisation": "beta"}),
    "a sign-in source": lambda c, s: c.post("/sign-in-sources", json=SOURCE),
    "the security policy": lambda c, s: c.put("/security-policy", json={}, headers=tag(c, "/security-policy")),
}
"""What each way tries; each answers below 400 to whoever may."""
ON_ONESELF: dict[str, Way] = {
    "one's own roles": lambda c, s: c.put(f"/members/{s.me}/roles", json=plain(MORE)),
    "oneself in a group": lambda c, s: c.post(f"/groups/{s.group['id']}/members", json={"add": [s.me]}),
}


@pytest.fixture
def scene(world: World) -> Scene:
    made = Scene(world)
    with world.alpha.administrator.client(step_up=True) as client:
        role = make_role(client, "Partial", permissions=dict.fromkeys(POWERS, "organisation"))
        grant(client, world.alpha.reader, "ReadOnly", role["key"])
        made.role = make_role(client, "Another", permissions={"data.dataset.read": "own"})
        made.group = ok(client.post("/groups", json={"name": "Above", "roles": [MORE]}), 201)
    return made


def test_a_partial_administrator_finds_no_way_up(world: World, scene: Scene) -> None:
    me = world.alpha.reader
    with me.api_client() as client:
        before = ok(client.get("/me"))["permissions"]
        assert before["tenancy.role.grant"] == "organisation" and "audit.entry.read" not in before
        got_through = [
            way for way, attempt in {**WAYS, **ON_ONESELF}.items() if attempt(client, scene).status_code < 400
        ]
        assert got_through == []
        assert ok(client.get("/me"))["permissions"] == before
        problem(client.get("/audit-entries"), 403, "not_permitted")
        # A token of one's own is no way either: it asks for more and stays as narrow as its owner.
        asked = client.post("/api-tokens", json={"name": "wide", "permissions": ["audit.entry.read"]})
        if asked.status_code < 400:
            with world.live.client(asked.json()["token"]) as token:
                problem(token.get("/audit-entries"), 403, "not_permitted")
    with world.alpha.colleague.api_client() as friend:
        assert "audit.entry.read" not in ok(friend.get("/me"))["permissions"]


def test_each_way_is_open_to_whoever_may(world: World, scene: Scene) -> None:
    with world.alpha.administrator.client(step_up=True) as client:
        refused = {}
        for way, attempt in WAYS.items():
            answer = attempt(client, scene)
            if answer.status_code >= 400:
                refused[way] = answer.text
        assert refused == {}


def test_what_a_partial_administrator_may_still_works(world: World, scene: Scene) -> None:
    """The refusals are no general "no": within their own permissions the same requests get through."""
    with world.alpha.reader.api_client() as client:
        ok(client.post("/members", json={"name": "newmember", "roles": []}), 201)
        ok(client.post("/groups", json={"name": "Plain", "members": [scene.friend]}), 201)
        small = {"name": "small", "permissions": {"tenancy.user.read": "organisation"}}
        key = ok(client.post("/roles", json=small), 201)["key"]
        with world.alpha.administrator.client(step_up=True) as admin:
            grant(admin, world.alpha.colleague)
        ok(client.put(f"/members/{scene.friend}/roles", json=plain(key)))
