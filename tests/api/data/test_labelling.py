"""BEY-12: operations once and in order, parked instead of lost, merged instead of overwritten."""

from __future__ import annotations

import uuid

import pytest

from tests.support.data import (
    NOW,
    all_items,
    confirm,
    import_files,
    make_dataset,
    make_group,
    ok,
    operate,
    problem,
)
from tests.support.made_pictures import picture
from tests.support.service import World


def test_the_same_operation_has_one_effect(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    import_files(client, dataset["id"], {f"{n}.png": picture(n) for n in range(3)})
    uid = str(uuid.uuid4())
    first = operate(client, dataset["id"], {"item": 1, "op": "set_labels", "labels": [1]}, uid=uid)
    operate(client, dataset["id"], {"item": 1, "op": "set_labels", "labels": [2]})
    assert operate(client, dataset["id"], {"item": 1, "op": "set_labels", "labels": [1]}, uid=uid) == first
    shown = ok(client.get(f"/datasets/{dataset['id']}/items/1"))
    assert [label["name"] for label in shown["labels"]] == ["dog"], "the repeat did not come back over the second"
    history = ok(client.get(f"/datasets/{dataset['id']}/items/1/history"))["items"]
    assert [(entry["op"], [label["name"] for label in entry["labels"]]) for entry in history] == [
        ("set_labels", ["dog"]),
        ("set_labels", ["cat"]),
    ]
    assert history[0]["by"] == shown["labels"][0]["by"] == "alphamember"
    statistics = ok(client.get(f"/datasets/{dataset['id']}/statistics"))
    assert [row["count"] for row in statistics["by_label"]] == [0, 1]
    half = operate(
        client,
        dataset["id"],
        {"item": 1, "op": "set_labels", "labels": [1]},
        {"item": 2, "op": "set_labels", "labels": [1]},
        uid=uid,
    )
    assert half["accepted_seq"] == 2
    assert [row["state"] for row in half["results"]] == ["unfinished", "unfinished"]


def test_undo_is_an_operation_too(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    import_files(client, dataset["id"], {"a.png": picture(1)})
    confirm(client, dataset["id"], {1: 1})
    operate(client, dataset["id"], {"item": 1, "op": "set_labels", "labels": [2]})
    back = operate(client, dataset["id"], {"item": 1, "op": "set_labels", "labels": [1]})["results"][0]
    assert (back["state"], back["labels"][0]["name"], back["item_version"]) == ("confirmed", "cat", 4)


def test_work_with_a_deleted_label_is_parked(stored_world: World) -> None:
    """A colleague deletes a label while somebody works offline with it."""
    client = stored_world.alpha.member.client()
    group = make_group(client, ("cat", "dog", "bird"))
    dataset = make_dataset(client, group=group)
    import_files(client, dataset["id"], {"a.png": picture(1), "b.png": picture(2)})
    confirm(client, dataset["id"], {1: 1})
    path, headers = f"/label-groups/{group['id']}", {"If-Match": f'"{group["version"]}"'}
    labels = group["labels"]
    refused = problem(client.patch(path, json={"labels": labels[1:]}, headers=headers), 409, "in_use")
    assert (refused["value"], refused["details"]["dependants"][0]["items"]) == ("cat", 1)
    ok(client.patch(path, json={"labels": labels[:2]}, headers=headers))
    (parked,) = operate(client, dataset["id"], {"item": 2, "op": "set_labels", "labels": [3]})["results"]
    assert (parked["outcome"], parked["reason"], parked["labels"]) == ("parked", "label_deleted", [])
    history = ok(client.get(f"/datasets/{dataset['id']}/items/2/history"))["items"]
    assert (history[0]["outcome"], history[0]["asked"]) == ("parked", [3])


def test_work_on_a_deleted_item_is_parked_and_the_item_comes_back(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    path = f"/datasets/{dataset['id']}"
    import_files(client, dataset["id"], {f"{n}.png": picture(n) for n in range(3)})
    confirm(client, dataset["id"], {2: 1})
    gone = ok(client.post(f"{path}/items/delete", json={"items": [2, 2, 77]}))
    assert gone == {"items": [2], "skipped": [77]}
    problem(client.get(f"{path}/items/2"), 404, "not_found")
    answers = operate(client, dataset["id"], {"item": 2, "op": "clear"}, {"item": 77, "op": "clear"})["results"]
    assert [(row["outcome"], row["reason"]) for row in answers] == [
        ("parked", "item_deleted"),
        ("refused", "item_deleted"),
    ]
    import_files(client, dataset["id"], {"1.png": picture(50)})
    back = ok(client.post(f"{path}/items/restore", json={"items": [2]}))
    assert back == {"items": [2], "skipped": []}
    shown = ok(client.get(f"{path}/items/2"))
    assert (shown["name"], shown["state"], shown["labels"][0]["name"]) == ("1 (2).png", "confirmed", "cat")
    assert [item["id"] for item in all_items(client, f"{path}/items", label=1)] == [2]
    assert ok(client.get(path))["items"] == 4


def test_filters_and_orders_agree_with_the_items(stored_world: World) -> None:
    """DAT-12"""
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    path = f"/datasets/{dataset['id']}/items"
    import_files(client, dataset["id"], {f"{'ba'[n % 2]}{n:03}.png": picture(n) for n in range(130)})
    confirm(client, dataset["id"], {n: 1 + n % 2 for n in range(1, 61)})
    operate(client, dataset["id"], {"item": 61, "op": "set_labels", "labels": [1]}, {"item": 62, "op": "mark_nothing"})
    everything = all_items(client, path)
    assert [item["id"] for item in everything] == list(range(1, 131))
    for query, test in (
        ({"state": "confirmed"}, lambda i: i["state"] == "confirmed"),
        ({"state": "none"}, lambda i: i["state"] == "none"),
        ({"open": True}, lambda i: i["state"] in ("none", "unfinished")),
        ({"open": False}, lambda i: i["state"] not in ("none", "unfinished")),
        ({"label": 1}, lambda i: any(label["label_id"] == 1 for label in i["labels"])),
        ({"label": 2, "state": "confirmed"}, lambda i: any(label["label_id"] == 2 for label in i["labels"])),
        ({"annotator": stored_world.alpha.member.number}, lambda i: i["state"] != "none"),
        ({"q": "A0"}, lambda i: i["name"].startswith("a0")),
        ({"q": "%"}, lambda i: False),
    ):
        wanted = [item for item in everything if test(item)]
        assert all_items(client, path, **query) == wanted, query
        assert ok(client.get(path, params=query))["total"] == len(wanted), query
    for sort in ("name", "-name", "-position"):
        key = "name" if "name" in sort else "position"
        wanted = sorted(everything, key=lambda item: item[key], reverse=sort.startswith("-"))
        assert all_items(client, path, sort=sort) == wanted
    cursor = ok(client.get(path, params={"limit": 1}))["next_cursor"]
    assert (
        problem(client.get(path, params={"sort": "name", "cursor": cursor}), 422, "invalid_input")["field"] == "cursor"
    )


@pytest.mark.parametrize(
    ("operations", "field"),
    [
        pytest.param([], "operations", id="none"),
        pytest.param([{"seq": 1, "item": 1, "op": "paint"}], "operations[0].op", id="an unknown one"),
        pytest.param([{"seq": 0, "item": 1, "op": "clear"}], "operations[0].seq", id="seq 0"),
        pytest.param([{"seq": 1, "item": 1, "op": "set_labels"}], "operations[0].labels", id="no labels"),
        pytest.param(
            [{"seq": 2, "item": 1, "op": "clear"}, {"seq": 2, "item": 1, "op": "clear"}],
            "operations[1].seq",
            id="twice",
        ),
        pytest.param([{"seq": 1, "item": 1, "op": "clear", "at": "yesterday"}], "operations[0].at", id="no moment"),
        pytest.param([{"seq": n + 1, "item": 1, "op": "clear"} for n in range(1001)], "operations", id="1001"),
    ],
)
def test_operations_that_are_refused(stored_world: World, operations: list[dict[str, object]], field: str) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    body = {"client": str(uuid.uuid4()), "operations": [{"at": NOW, **operation} for operation in operations]}
    assert (
        problem(client.post(f"/datasets/{dataset['id']}/operations", json=body), 422, "invalid_input")["field"] == field
    )


def test_a_colleague_does_not_see_the_dataset(stored_world: World) -> None:
    """TEN-10"""
    client, group = stored_world.alpha.member.client(), None
    dataset = make_dataset(client, group=group)
    import_files(client, dataset["id"], {"a.png": picture(1)})
    path = f"/datasets/{dataset['id']}"
    body = {"client": str(uuid.uuid4()), "operations": [{"seq": 1, "item": 1, "op": "clear", "at": NOW}]}
    for other in (stored_world.alpha.colleague.client(), stored_world.beta.member.client()):
        for answer in (
            other.get(path),
            other.get(f"{path}/items"),
            other.get(f"{path}/items/1/image"),
            other.get(f"{path}/items/1/thumbnail"),
            other.get(f"{path}/items/1/history"),
            other.post(f"{path}/operations", json=body),
            other.post(f"{path}/items/delete", json={"items": [1]}),
            other.post(f"{path}/publish", json={}),
            other.get(f"/label-groups/{dataset['label_group']['id']}"),
        ):
            problem(answer, 404, "not_found")
        taken = other.post("/datasets", json={"name": "x", "label_group_id": dataset["label_group"]["id"]})
        assert problem(taken, 422, "invalid_input")["field"] == "label_group_id"
    admin = stored_world.alpha.department_admin.client(step_up=True)
    assert ok(admin.get(path))["owner"]["name"] == "alphamember"
    problem(admin.post(f"{path}/operations", json=body), 404, "not_found")
    assert ok(client.get(f"{path}/items/1"))["state"] == "none"
