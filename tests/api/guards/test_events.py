"""REL-4, UI-2: the stream of changes tells people about their own things and their organisation's, and no more."""

from __future__ import annotations

import json
from typing import Any

from tests.support.data import make_group, ok
from tests.support.service import Person, World

Told = list[tuple[str, int]]


def told(person: Person, last: tuple[str, int]) -> Told:
    """Kind and number of every change from the beginning to ``last``, in the order of the stream."""
    found: Told = []
    with person.client() as client, client.stream("GET", "/events", headers={"Last-Event-ID": "0"}) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("data: {") and (change := json.loads(line.removeprefix("data: "))):
                found.append((change["kind"], change["id"]))
                if found[-1] == last:
                    break
    return found


def make_department(person: Person, name: str) -> dict[str, Any]:
    with person.api_client() as client:
        return ok(client.post("/departments", json={"name": name}), 201)  # type: ignore[no-any-return]


def test_changes_are_told_to_their_owner_and_to_their_organisation(world: World) -> None:
    for name in ("one", "two"):
        with world.beta.member.client() as client:
            make_group(client, name=name)
    for name in ("Early", "Late", "Later"):
        theirs = make_department(world.beta.tenant_admin, name)
    made = {}
    for word in ("colleague", "member"):
        with world.alpha.people[word].client() as client:
            made[word] = ("label_group", make_group(client, name=word)["id"])
    ours = make_department(world.alpha.tenant_admin, "Sound")
    assert ours["id"] != theirs["id"]
    mark = {}
    for word in made:
        with world.alpha.people[word].client() as client:
            mark[word] = ("label_group", make_group(client, name="last")["id"])
    for word, other in (("member", "colleague"), ("colleague", "member")):
        seen = told(world.alpha.people[word], mark[word])
        assert made[word] in seen and made[other] not in seen
        kinds = {kind for kind, _ in seen}
        assert kinds <= {"label_group", "department"}, kinds
        assert {number for kind, number in seen if kind == "label_group"} == {made[word][1], mark[word][1]}
        assert ("department", theirs["id"]) not in seen
