"""UI-1: search of everything, within one's reach."""

from __future__ import annotations

from tests.support.service import World


def test_search_finds_own_things_by_name_and_number_and_nobody_elses(world: World) -> None:
    body = {"type": "vision", "labels": [{"name": "ship", "colour": "#e69f00"}]}
    mine, theirs = world.alpha.member.client(), world.beta.member.client()
    made = mine.post("/label-groups", json={"name": "harbour-100%", **body} | {"name": "harbour_x"}).json()
    theirs.post("/label-groups", json={"name": "harbour_y", **body})
    found = mine.get("/search", params={"q": "harbour"}).json()["items"]
    assert [(hit["kind"], hit["name"]) for hit in found] == [("label_group", "harbour_x")]
    by_number = mine.get("/search", params={"q": str(made["id"])}).json()["items"]
    assert {"kind": "label_group", "id": made["id"], "name": "harbour_x", "status": None} in by_number
    assert mine.get("/search", params={"q": "harbour%"}).json()["items"] == []
    assert mine.get("/search", params={"q": " "}).json()["items"] == []
