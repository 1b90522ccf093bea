"""DAT-21: versions never change. Random edits and publishes, every version read again each time."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

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
    ready_version,
)
from tests.support.made_pictures import picture
from tests.support.service import World

SHOWN = ("id", "name", "sha256", "state", "labels")


def reading(client: Any, path: str) -> list[Any]:
    return [[item[name] for name in SHOWN] for item in all_items(client, path)]


@pytest.mark.usefixtures("tmp_path")
def test_every_version_reads_the_same_for_ever(stored_world: World, tmp_path: Path) -> None:
    """Edits, deletes, restores, imports, renamed labels and publishes in any order (property)."""

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.client = stored_world.alpha.member.client()
            self.kept: dict[str, list[Any]] = {}
            self.model: dict[int, tuple[str, frozenset[int]]] = {}
            self.trash: dict[int, tuple[str, frozenset[int]]] = {}

        @initialize(multi=st.booleans(), count=st.integers(1, 4))
        def begin(self, multi: bool, count: int) -> None:
            name = uuid.uuid4().hex[:12]
            self.group = make_group(self.client, ("a", "b", "c"), f"g{name}")
            self.dataset = make_dataset(self.client, f"d{name}", self.group, multi_label=multi)
            self.multi = multi
            self.path = f"/datasets/{self.dataset['id']}"
            self.files = 0
            self.add(count)

        @rule(count=st.integers(1, 3))
        def add(self, count: int) -> None:
            files = {f"{self.files + n}.png": picture(self.files + n) for n in range(count)}
            self.files += count
            for result in import_files(self.client, self.dataset["id"], files):
                self.model[result["item"]] = ("none", frozenset())

        @precondition(lambda self: self.model)
        @rule(pick=st.integers(0, 50), labels=st.frozensets(st.integers(1, 3), max_size=3), finish=st.booleans())
        def label(self, pick: int, labels: frozenset[int], finish: bool) -> None:
            item = sorted(self.model)[pick % len(self.model)]
            if not self.multi:
                labels = frozenset(sorted(labels)[:1])
            steps: list[dict[str, Any]] = [{"item": item, "op": "set_labels", "labels": sorted(labels)}]
            if finish:
                steps.append({"item": item, "op": "confirm" if labels else "mark_nothing"})
            results = operate(self.client, self.dataset["id"], *steps)["results"]
            assert {result["outcome"] for result in results} == {"applied"}
            self.model[item] = (results[-1]["state"], labels)

        @precondition(lambda self: self.model)
        @rule(pick=st.integers(0, 50))
        def delete(self, pick: int) -> None:
            item = sorted(self.model)[pick % len(self.model)]
            assert ok(self.client.post(f"{self.path}/items/delete", json={"items": [item]}))["items"] == [item]
            self.trash[item] = self.model.pop(item)

        @precondition(lambda self: self.trash)
        @rule(pick=st.integers(0, 50))
        def restore(self, pick: int) -> None:
            item = sorted(self.trash)[pick % len(self.trash)]
            assert ok(self.client.post(f"{self.path}/items/restore", json={"items": [item]}))["items"] == [item]
            self.model[item] = self.trash.pop(item)

        @rule(name=st.sampled_from(["a", "x", "y"]))
        def rename_a_label(self, name: str) -> None:
            group = self.client.get(f"/label-groups/{self.group['id']}")
            labels = [{**label, "name": name} if label["id"] == 1 else label for label in group.json()["labels"]]
            headers = {"If-Match": group.headers["ETag"]}
            ok(self.client.patch(f"/label-groups/{self.group['id']}", json={"labels": labels}, headers=headers))

        @rule()
        def publish(self) -> None:
            done = all(state in ("confirmed", "nothing_to_label") for state, _ in self.model.values())
            answer = self.client.post(f"{self.path}/publish", json={})
            if not done or not self.model:
                problem(answer, 409, "open_items")
                return
            version = ok(answer, 201)["version"]
            self.kept[version] = reading(self.client, f"{self.path}/versions/{version}/items")
            assert {
                row[0]: (row[3], frozenset(label["label_id"] for label in row[4])) for row in self.kept[version]
            } == self.model

        @invariant()
        def all_is_as_it_should_be(self) -> None:
            if not hasattr(self, "path"):
                return
            for version, kept in self.kept.items():
                assert reading(self.client, f"{self.path}/versions/{version}/items") == kept
            draft = all_items(self.client, f"{self.path}/items")
            assert {
                i["id"]: (i["state"], frozenset(label["label_id"] for label in i["labels"])) for i in draft
            } == self.model
            seen = ok(self.client.get(f"{self.path}/statistics"))
            assert seen["items"] == len(self.model)
            for row in seen["by_label"]:
                wanted = sorted(item for item, (_, labels) in self.model.items() if row["label_id"] in labels)
                assert row["count"] == len(wanted)
                found = all_items(self.client, f"{self.path}/items", label=row["label_id"])
                assert [item["id"] for item in found] == wanted

        def teardown(self) -> None:
            self.client.close()

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


def test_versions_are_described_chosen_and_deleted(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    path = f"/datasets/{dataset['id']}"
    problem(client.post(f"{path}/publish", json={}), 409, "open_items")
    import_files(client, dataset["id"], {"cat/1.png": picture(1)}, labels_from_folders=True)
    for field, body in (
        ("description", {"description": "x" * 101}),
        ("splits", {"splits": {"train": 0.5, "test": 0.4}}),
        ("seed", {"seed": 2**63}),
    ):
        assert problem(client.post(f"{path}/publish", json=body), 422, "invalid_input")["field"] == field
    ok(client.post(f"{path}/publish", json={"description": "x" * 100, "splits": {"train": 1.0}}), 201)
    ok(client.post(f"{path}/publish", json={"seed": 2**63 - 1}), 201)
    ready = ready_version(client, dataset["id"], "v0001")
    assert [ready["splits"][name] for name in ("train", "validation", "test")] == [1, 0, 0]
    again = ready_version(client, dataset["id"], "V0002")
    assert again["description"] == "" and again["current"] and not ready["current"]
    assert ok(client.post(f"{path}/versions/V0001/set-current"))["current"]
    assert ok(client.post(f"{path}/versions/V0001/describe", json={"description": "best"}))["description"] == "best"
    assert ok(client.get(path))["current_version"] == "V0001"
    ok(client.delete(f"{path}/versions/V0001"), 204)
    problem(client.get(f"{path}/versions/V0001"), 404, "not_found")
    assert ok(client.get(path))["current_version"] == "V0002"
    assert ok(client.post(f"{path}/publish", json={}), 201)["version"] == "V0003"
    for name in ("V0009", "nothing", "V", "0", "V00000000000000001"):
        problem(client.get(f"{path}/versions/{name}"), 404, "not_found")
    wrong = client.get(f"{path}/compare", params={"from": "first", "to": "draft"})
    assert problem(wrong, 422, "invalid_input")["field"] == "from"


def test_equal_content_gives_equal_digests(stored_world: World) -> None:
    """DAT-21: the digest is a recipe of what the version holds, not of when it was made."""
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    path = f"/datasets/{dataset['id']}"
    import_files(client, dataset["id"], {f"cat/{n}.png": picture(n) for n in range(10)}, labels_from_folders=True)
    for _ in range(2):
        ok(client.post(f"{path}/publish", json={"seed": 5}), 201)
    ok(client.post(f"{path}/publish", json={"seed": 6}), 201)
    operate(client, dataset["id"], {"item": 1, "op": "set_labels", "labels": [2]})
    ok(client.post(f"{path}/publish", json={"seed": 5}), 201)
    one, two, three, four = (ready_version(client, dataset["id"], f"V000{n}")["digest"] for n in range(1, 5))
    assert one == two
    assert len({one, three, four}) == 3


def test_the_draft_is_compared_too(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    path = f"/datasets/{dataset['id']}"
    import_files(client, dataset["id"], {f"cat/{n}.png": picture(n) for n in range(60)}, labels_from_folders=True)
    ok(client.post(f"{path}/publish", json={}), 201)
    confirm(client, dataset["id"], dict.fromkeys(range(1, 51), 2))
    operate(client, dataset["id"], {"item": 60, "op": "reopen"}, {"item": 60, "op": "confirm"})
    found, cursor = [], None
    for _ in range(3):
        more = {"cursor": cursor} if cursor else {}
        page = ok(client.get(f"{path}/compare", params={"from": "V0001", "to": "draft", "limit": 20, **more}))
        found += [item["item"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert (page["added"], page["removed"], page["relabelled"], cursor) == (0, 0, 50, None)
    assert found == list(range(1, 51))


def test_a_dataset_with_a_version_in_use_stays(stored_world: World) -> None:
    """GEN-5, BEY-18: what depends on a version is named."""
    from himalia_hub.core.dependants import Dependants

    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    path = f"/datasets/{dataset['id']}"
    import_files(client, dataset["id"], {"cat/1.png": picture(1)}, labels_from_folders=True)
    ok(client.post(f"{path}/publish", json={}), 201)
    in_use = [{"kind": "run", "id": 7, "name": "digits V0001"}]
    stored_world.live.platform.get(Dependants).register("dataset_version", lambda db, ids: in_use)
    for target in (f"{path}/versions/V0001", path):
        assert problem(client.delete(target), 409, "in_use")["details"]["dependants"] == in_use
    in_use.clear()
    ok(client.delete(path), 204)
    problem(client.get(path), 404, "not_found")
    problem(
        client.post(
            f"{path}/operations",
            json={"client": str(uuid.uuid4()), "operations": [{"seq": 1, "item": 1, "op": "clear", "at": NOW}]},
        ),
        404,
        "not_found",
    )
    make_dataset(client, group={"id": 1})
