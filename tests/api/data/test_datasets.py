"""DAT-7, DAT-8: label groups and datasets, their fields' limits, lists and updates."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.data import import_files, make_dataset, make_group, ok, problem
from tests.support.made_pictures import picture
from tests.support.service import World


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        pytest.param("name", "x" * 50, "x" * 51, id="50 characters"),
        pytest.param("name", "数据-集_1", "-a", id="a dash before"),
        pytest.param("name", "a-b", "a-", id="a dash behind"),
        pytest.param("name", "ab", "a b", id="a space"),
        pytest.param("name", "a", "", id="empty"),
        pytest.param("name", "abc", "a/b", id="a slash"),
        pytest.param("description", "图" * 100, "图" * 101, id="100 characters"),
        pytest.param("description", "two\nlines", "bell\x07", id="a control character"),
        pytest.param("annotation_type", "classification", "detection", id="a type to come"),
        pytest.param("data_type", "image", "video", id="data to come"),
        pytest.param("label_group_id", 1, 2, id="a group that is not there"),
        pytest.param("multi_label", True, "perhaps", id="neither true nor false"),
    ],
)
def test_fields_of_a_dataset(stored_world: World, field: str, good: Any, bad: Any) -> None:
    client = stored_world.alpha.member.client()
    make_group(client)
    body = {"name": "pets", "label_group_id": 1}
    refused = problem(client.post("/datasets", json={**body, field: bad}), 422, "invalid_input")
    assert refused["field"] == field and refused["rule"] and refused["detail"]
    made = ok(client.post("/datasets", json={**body, field: good}), 201)
    if field not in ("label_group_id",):
        assert made[field] == good
    assert made["id"] == 1, "what was refused used up no number"


def test_names_are_unique_per_owner_and_updates_need_the_version(stored_world: World) -> None:
    """GEN-3, GEN-7"""
    client = stored_world.alpha.member.client()
    group = make_group(client)
    make_dataset(client, "pets", group)
    problem(client.post("/datasets", json={"name": "pets", "label_group_id": group["id"]}), 409, "name_taken")
    other = stored_world.alpha.colleague.client()
    make_dataset(other, "pets", make_group(other))
    problem(client.patch("/datasets/1", json={"pinned": True}), 428, "version_required")
    changed = ok(client.patch("/datasets/1", json={"name": "cats", "pinned": True}, headers={"If-Match": '"1"'}))
    assert (changed["name"], changed["pinned"], changed["version"]) == ("cats", True, 2)
    problem(client.patch("/datasets/1", json={"name": "dogs"}, headers={"If-Match": '"1"'}), 412, "stale_version")
    assert [row["name"] for row in ok(client.get("/datasets", params={"pinned": True}))["items"]] == ["cats"]


def test_lists_show_progress_and_filter_by_state(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    group = make_group(client)
    sets = [make_dataset(client, name, group) for name in ("a", "b", "c")]
    import_files(client, sets[0]["id"], {"cat/1.png": picture(1), "2.png": picture(2)}, labels_from_folders=True)
    import_files(client, sets[1]["id"], {"cat/1.png": picture(1)}, labels_from_folders=True)
    shown = {row["name"]: row for row in ok(client.get("/datasets", params={"sort": "name"}))["items"]}
    assert [(shown[n]["state"], shown[n]["progress"]) for n in "abc"] == [
        ("annotating", 0.5),
        ("annotated", 1.0),
        ("not_annotated", 0.0),
    ]
    assert shown["a"]["bytes"] == len(picture(1)) + len(picture(2))
    assert client.get(shown["a"]["cover"]).content == picture(1) and shown["c"]["cover"] is None
    for state, names in (("annotated", ["b"]), ("annotating", ["a"]), ("importing", [])):
        found = ok(client.get("/datasets", params={"state": state}))
        assert ([row["name"] for row in found["items"]], found["total"]) == (names, len(names))
    assert [row["name"] for row in ok(client.get("/datasets", params={"q": "B"}))["items"]] == ["b"]


def test_label_groups_are_copied_kept_and_deleted(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    presets = {row["preset"]: row for row in ok(client.get("/label-groups/presets"))}
    assert len(presets["coco-80"]["labels"]) == 80
    coco = ok(client.post("/label-groups", json={"name": "mine", "preset": "coco-80"}), 201)
    assert (len(coco["labels"]), coco["labels"][0]["name"], coco["used_by"]) == (80, "person", 0)
    copied = ok(client.post(f"/label-groups/{coco['id']}/copy", json={}), 201)
    assert (copied["name"], copied["labels"]) == ("mine-2", coco["labels"])
    dataset = make_dataset(client, group=coco)
    assert ok(client.get(f"/label-groups/{coco['id']}"))["used_by"] == 1
    refused = problem(client.delete(f"/label-groups/{coco['id']}"), 409, "in_use")
    assert refused["details"]["dependants"] == [{"kind": "dataset", "id": dataset["id"], "name": "pets"}]
    ok(client.delete(f"/label-groups/{copied['id']}"), 204)
    pasted = ok(client.post("/label-groups", json={"name": "json", "labels": [{"name": "a", "color": "#ABCDEF"}]}), 201)
    assert pasted["labels"] == [{"id": 1, "name": "a", "colour": "#abcdef", "key": None}]
    for body, field in (
        ({"name": "x", "preset": "unknown"}, "preset"),
        ({"name": "x", "labels": [{"name": "x" * 31}]}, "labels[0].name"),
        ({"name": "x", "labels": [{"name": "a", "colour": "#12345g"}]}, "labels[0].colour"),
        ({"name": "x", "type": "smell"}, "type"),
        ({"name": "x" * 51}, "name"),
    ):
        assert problem(client.post("/label-groups", json=body), 422, "invalid_input")["field"] == field
