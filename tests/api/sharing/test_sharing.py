"""GEN-10: an owner shares with members, departments or the organisation, to view, use or edit; revocable at once."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.service import Person, World


def group_of(client: httpx.Client, name: str = "shapes") -> dict[str, Any]:
    answer = client.post("/label-groups", json={"name": name, "labels": [{"name": "round"}]})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def share(
    client: httpx.Client, kind: str, number: int, receiver: dict[str, Any], access: str = "view"
) -> httpx.Response:
    return client.post("/shares", json={"object_kind": kind, "object": number, "receiver": receiver, "access": access})


def user(person: Person) -> dict[str, Any]:
    return {"kind": "user", "id": person.number}


def made(client: httpx.Client) -> dict[str, int]:
    """One of every kind that can be shared."""
    group = group_of(client)["id"]
    dataset = client.post("/datasets", json={"name": "pictures", "label_group_id": group})
    model = client.post("/models", json={"name": "digits"})
    assert (dataset.status_code, model.status_code) == (201, 201), dataset.text + model.text
    return {"label_group": group, "dataset": dataset.json()["id"], "model": model.json()["id"]}


PATHS = {"label_group": "/label-groups", "dataset": "/datasets", "model": "/models"}


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("receiver", ["user", "department", "organisation"])
def test_what_is_shared_is_seen_listed_and_gone_at_once(world: World, kind: str, receiver: str) -> None:
    """GEN-10: seen by the receiver alone, never changed by a share to view, and gone with the next request."""
    alpha = world.alpha
    with alpha.member.client() as owner, alpha.colleague.client() as other, alpha.outsider.client() as outside:
        number = made(owner)[kind]
        path = f"{PATHS[kind]}/{number}"
        assert other.get(path).status_code == outside.get(path).status_code == 404
        named = {"user": user(alpha.colleague), "department": {"kind": "department", "name": "Vision"}}
        answer = share(owner, kind, number, named.get(receiver, {"kind": "organisation"}))
        assert answer.status_code == 201, answer.text
        given = answer.json()
        seen = other.get(path)
        assert seen.status_code == 200
        assert seen.json()["owner"]["id"] == alpha.member.number
        assert outside.get(path).status_code == (200 if receiver == "organisation" else 404)
        changed = other.patch(path, json={"description": "x"}, headers={"If-Match": seen.headers["ETag"]})
        assert changed.status_code == 404
        assert other.delete(path, headers={"If-Match": seen.headers["ETag"]}).status_code == 404
        (received,) = other.get("/shares").json()["items"]
        assert (received["object"]["kind"], received["object"]["id"], received["access"]) == (kind, number, "view")
        for query, count in (({}, 1), ({"shared": True}, 1), ({"shared": False}, 0)):
            assert other.get(PATHS[kind], params=query).json()["total"] == count, query
        assert owner.get(PATHS[kind], params={"shared": True}).json()["total"] == 0
        assert other.delete(f"/shares/{given['id']}").status_code == 404, "only the owner takes it back"
        assert owner.delete(f"/shares/{given['id']}").status_code == 204
        assert other.get(path).status_code == 404
        assert other.get(PATHS[kind]).json()["total"] == other.get("/shares").json()["total"] == 0
        assert owner.delete(f"/shares/{given['id']}").status_code == 404
    with world.beta.member.client() as foreign:
        assert foreign.get(path).status_code == 404


@pytest.mark.parametrize("kind", PATHS)
def test_a_share_to_edit_edits_and_neither_deletes_nor_shares_on(world: World, kind: str) -> None:
    """GEN-10: edit includes view and use; deleting and sharing stay the owner's."""
    with world.alpha.member.client() as owner, world.alpha.colleague.client() as other:
        number = made(owner)[kind]
        path = f"{PATHS[kind]}/{number}"
        assert share(owner, kind, number, user(world.alpha.colleague), "edit").status_code == 201
        tag = other.get(path).headers["ETag"]
        changed = other.patch(path, json={"description": "theirs"}, headers={"If-Match": tag})
        assert changed.status_code == 200, changed.text
        assert owner.get(path).json()["description"] == "theirs"
        tag = changed.headers["ETag"]
        assert other.delete(path, headers={"If-Match": tag}).status_code == 404
        assert share(other, kind, number, user(world.alpha.outsider)).status_code == 404
    with world.alpha.reader.client() as reader, world.alpha.member.client() as owner:
        share(owner, kind, number, user(world.alpha.reader), "edit")
        assert reader.get(path).status_code == 200
        refused = reader.patch(path, json={"description": "x"}, headers={"If-Match": tag})
        assert refused.status_code == 403, "a share never adds a permission"


def test_view_does_not_let_one_use(world: World) -> None:
    """GEN-10: a label group to view cannot be copied or built upon, one to use can."""
    with world.alpha.member.client() as owner, world.alpha.colleague.client() as other:
        group = group_of(owner)["id"]
        share(owner, "label_group", group, user(world.alpha.colleague), "view")
        assert other.post(f"/label-groups/{group}/copy", json={"name": "mine"}).status_code == 404
        refused = other.post("/datasets", json={"name": "built", "label_group_id": group})
        assert refused.status_code == 422
        assert refused.json()["field"] == "label_group_id"
        again = share(owner, "label_group", group, user(world.alpha.colleague), "use")
        assert again.status_code == 201
        assert owner.get("/shares", params={"direction": "given"}).json()["total"] == 1, "changed, not doubled"
        assert other.post(f"/label-groups/{group}/copy", json={"name": "mine"}).status_code == 201
        assert other.post("/datasets", json={"name": "built", "label_group_id": group}).status_code == 201


def test_nothing_leaves_the_organisation(world: World) -> None:
    """GEN-10: another organisation's people, departments and objects are not there to share with."""
    with world.alpha.member.client() as owner, world.beta.member.client() as foreign:
        group = group_of(owner)["id"]
        theirs = group_of(foreign)["id"]
        refusals = [
            share(owner, "label_group", group, receiver)
            for receiver in (
                {"kind": "user", "name": world.beta.member.name},
                {"kind": "user", "name": "nobodyatall"},
                {"kind": "department", "id": 999},
            )
        ]
        assert [answer.status_code for answer in refusals] == [422] * 3
        shapes = [
            {key: value for key, value in a.json().items() if key in ("code", "rule", "field")} for a in refusals[:2]
        ]
        assert shapes[0] == shapes[1], "somebody elsewhere and nobody answer alike"
        assert share(owner, "label_group", group, user(world.alpha.member)).status_code == 422
        assert share(owner, "label_group", group, {"kind": "user"}).status_code == 422
        assert share(owner, "label_group", theirs + 1000, {"kind": "organisation"}).status_code == 404
        assert share(owner, "notebook", 1, {"kind": "organisation"}).status_code == 422
        share(owner, "label_group", group, {"kind": "organisation"})
        assert foreign.get("/label-groups").json()["total"] == 1
        assert foreign.get("/shares").json()["total"] == 0


def test_shares_are_audited(world: World) -> None:
    """GEN-10, SEC-1: giving and taking back are in the security log."""
    with world.alpha.member.client() as owner:
        group = group_of(owner)["id"]
        given = share(owner, "label_group", group, {"kind": "organisation"}, "use").json()["id"]
        owner.delete(f"/shares/{given}")
    with world.alpha.tenant_admin.client(step_up=True) as admin:
        found = admin.get("/audit-entries", params={"object_kind": "share"}).json()["items"]
    assert [entry["action"] for entry in found] == ["sharing.delete_share", "sharing.create_share"]
    assert {entry["category"] for entry in found} == {"security"}
    assert found[1]["detail"]["sent"]["access"] == "use"


def test_who_leaves_the_department_loses_what_it_was_shown(world: World) -> None:
    """GEN-10: a department's share follows the department's members of the moment."""
    from sqlalchemy import update

    from himalia_hub.tenancy.tables import User

    with world.alpha.member.client() as owner, world.alpha.colleague.client() as other:
        group = group_of(owner)["id"]
        share(owner, "label_group", group, {"kind": "department", "name": "Vision"})
        assert other.get(f"/label-groups/{group}").status_code == 200
        moved = update(User).where(User.id == world.alpha.colleague.user_id).values(department_id=None)
        world.live.write(lambda session: session.execute(moved) and None)
        assert other.get(f"/label-groups/{group}").status_code == 404
