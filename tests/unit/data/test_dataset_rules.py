"""DAT-9's states, DAT-21's publishing and splits, and how operations fold: all without a database."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from himalia_hub.core.errors import Conflict, InvalidInput
from himalia_hub.data.datasets import rules
from himalia_hub.data.label_groups import rules as label_rules
from himalia_hub.data.labelling.rules import fold


@pytest.mark.parametrize(
    ("counts", "running", "failed", "state"),
    [
        pytest.param({}, [], False, "not_annotated", id="empty"),
        pytest.param({}, [], True, "import_failed", id="the only import failed"),
        pytest.param({}, ["import_archive"], True, "importing", id="a second import runs"),
        pytest.param({"none": 3}, [], True, "not_annotated", id="failed, but others came in"),
        pytest.param({"none": 3}, ["import_browser"], False, "importing", id="importing"),
        pytest.param({"none": 3}, ["thumbnails", "fill_version"], False, "not_annotated", id="tasks without a state"),
        pytest.param({"none": 2, "confirmed": 1}, [], False, "annotating", id="some confirmed"),
        pytest.param({"unfinished": 1, "confirmed": 9}, [], False, "annotating", id="one unfinished"),
        pytest.param({"automatic": 1, "confirmed": 9}, [], False, "auto_annotation_done", id="one unconfirmed"),
        pytest.param({"automatic": 1, "none": 1}, [], False, "annotating", id="automatic but one without"),
        pytest.param({"confirmed": 9, "nothing_to_label": 1}, [], False, "annotated", id="all done"),
        pytest.param({"confirmed": 9}, ["augment"], False, "augmenting", id="augmenting"),
        pytest.param({"confirmed": 9}, ["annotate"], False, "auto_annotating", id="automatic work"),
    ],
)
def test_the_state_follows_from_items_and_tasks(
    counts: dict[str, int], running: list[str], failed: bool, state: str
) -> None:
    """DAT-9"""
    numbers = {"items": sum(counts.values()), **{f"state:{name}": n for name, n in counts.items()}}
    assert rules.state_of(numbers, running, import_failed=failed) == state
    assert state in rules.DATASET_STATES


@pytest.mark.parametrize("state", rules.DATASET_STATES)
def test_publishing_is_refused_with_the_reason(state: str) -> None:
    """DAT-21"""
    if state in rules.ALLOWED["publish"]:
        rules.check_publishable(state, {"items": 1, "state:confirmed": 1})
        return
    with pytest.raises(Conflict) as caught:
        rules.check_publishable(state, {"items": 4, "state:none": 1, "state:unfinished": 2, "state:confirmed": 1})
    assert (caught.value.code, caught.value.value) == ("open_items", 3)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    shares=st.sampled_from([(0.8, 0.1, 0.1), (0.7, 0.2, 0.1), (1.0, 0.0, 0.0), (0.34, 0.33, 0.33), (0.0, 0.5, 0.5)]),
    seed=st.integers(-(2**63), 2**63 - 1),
)
def test_splits_are_stratified_whole_and_repeatable(sizes: list[int], shares: tuple[float, ...], seed: int) -> None:
    """DAT-21"""
    first, strata = 1, {}
    for number, size in enumerate(sizes):
        strata[str(number)] = list(range(first, first + size))
        first += size
    wanted = dict(zip(rules.SPLITS, shares, strict=True))
    drawn = rules.draw_splits(strata, wanted, seed)
    assert sorted(drawn) == list(range(1, first))
    assert drawn == rules.draw_splits({k: reversed(v) for k, v in strata.items()}, wanted, seed)
    for items in strata.values():
        counts = Counter(drawn[item] for item in items)
        for code, share in enumerate(shares, 1):
            assert abs(counts[code] - share * len(items)) <= 2
    totals = Counter(drawn.values())
    for code, share in enumerate(shares, 1):
        assert abs(totals[code] - share * (first - 1)) < 2
        assert share > 0 or totals[code] == 0


def test_another_seed_draws_other_splits() -> None:
    strata = {"": list(range(1, 200))}
    assert rules.draw_splits(strata, rules.DEFAULT_SHARES, 1) != rules.draw_splits(strata, rules.DEFAULT_SHARES, 2)


@pytest.mark.parametrize(
    ("shares", "field"),
    [
        ({"train": 0.8, "validation": 0.1, "test": 0.2}, "splits"),
        ({"train": 0.5}, "splits"),
        ({"train": 1.2, "validation": -0.2}, "splits.train"),
        ({"train": 0.9, "holdout": 0.1}, "splits"),
    ],
)
def test_shares_that_are_refused(shares: dict[str, float], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        rules.check_shares(shares)
    assert caught.value.field == field


def entry(label: int, origin: str = "person", by: int | None = 1) -> dict[str, Any]:
    return {"label_id": label, "origin": origin, "by": by, "score": None}


def ids(labels: Any) -> list[int]:
    return [one["label_id"] for one in labels]


@pytest.mark.parametrize(
    ("op", "state", "labels", "wanted", "expected"),
    [
        pytest.param("set_labels", "none", [], [1], ("applied", "unfinished", [1]), id="first label leaves it open"),
        pytest.param("set_labels", "confirmed", [1], [2], ("applied", "confirmed", [2]), id="relabel stays confirmed"),
        pytest.param("set_labels", "confirmed", [1], [], ("applied", "unfinished", []), id="last label taken away"),
        pytest.param("set_labels", "none", [], [], ("applied", "none", []), id="nothing on nothing"),
        pytest.param(
            "set_labels", "nothing_to_label", [], [1], ("applied", "unfinished", [1]), id="there is something"
        ),
        pytest.param("set_labels", "none", [], [9], ("parked", "none", []), id="a label that was deleted"),
        pytest.param("set_labels", "none", [], [1, 2], ("refused", "none", []), id="two labels where one fits"),
        pytest.param("confirm", "unfinished", [1], None, ("applied", "confirmed", [1]), id="confirm"),
        pytest.param("confirm", "automatic", [1], None, ("applied", "confirmed", [1]), id="confirm a suggestion"),
        pytest.param("confirm", "none", [], None, ("refused", "none", []), id="nothing to confirm"),
        pytest.param("reopen", "confirmed", [1], None, ("applied", "unfinished", [1]), id="reopen"),
        pytest.param("reopen", "none", [], None, ("applied", "none", []), id="reopen what is open"),
        pytest.param("clear", "confirmed", [1], None, ("applied", "none", []), id="clear"),
        pytest.param("mark_nothing", "unfinished", [1], None, ("applied", "nothing_to_label", []), id="nothing there"),
    ],
)
def test_operations(
    op: str, state: str, labels: list[int], wanted: list[int] | None, expected: tuple[str, str, list[int]]
) -> None:
    """DAT-13, BEY-12"""
    found = fold(
        op, state, [entry(n) for n in labels], wanted=wanted, base=None, known={1, 2, 3}, multi_label=False, by=5
    )
    assert (found.outcome, found.state, ids(found.labels)) == expected
    assert (found.reason is None) == (found.outcome == "applied")


def test_two_people_on_one_item_merge_per_object() -> None:
    """BEY-12: each added one label without seeing the other's."""
    options: dict[str, Any] = {"known": {1, 2, 3}, "multi_label": True}
    one = fold("set_labels", "none", [], wanted=[1], base=[], by=5, **options)
    both = fold("set_labels", one.state, one.labels, wanted=[2], base=[], by=6, **options)
    assert ids(both.labels) == [1, 2]
    assert [label["by"] for label in both.labels] == [5, 6]
    removed = fold("set_labels", both.state, both.labels, wanted=[], base=[1], by=5, **options)
    assert ids(removed.labels) == [2]


def test_a_label_that_stays_keeps_its_author() -> None:
    found = fold(
        "set_labels",
        "confirmed",
        [entry(1, "import", None)],
        wanted=[1, 2],
        base=None,
        known={1, 2},
        multi_label=True,
        by=5,
    )
    assert [(label["origin"], label["by"]) for label in found.labels] == [("import", None), ("person", 5)]


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        pytest.param([{"name": ""}], "labels[0].name", id="no name"),
        pytest.param([{"name": "x" * 31}], "labels[0].name", id="31 characters"),
        pytest.param([{"name": "a"}, {"name": "a"}], "labels[1].name", id="twice"),
        pytest.param([{"name": " a"}], "labels[0].name", id="a space before"),
        pytest.param([{"name": "a", "colour": "red"}], "labels[0].colour", id="a colour's name"),
        pytest.param([{"name": "a", "colour": "#12345"}], "labels[0].colour", id="five digits"),
        pytest.param([{"name": "a", "key": "12"}], "labels[0].key", id="two keys"),
        pytest.param([{"name": "a", "key": "1"}, {"name": "b", "key": "1"}], "labels[1].key", id="one key twice"),
        pytest.param([{"name": "a", "id": 7}], "labels[0].id", id="an id of no label"),
        pytest.param([{"name": str(n)} for n in range(1001)], "labels", id="1001 labels"),
    ],
)
def test_labels_that_are_refused(labels: list[dict[str, Any]], field: str) -> None:
    """DAT-7"""
    with pytest.raises(InvalidInput) as caught:
        label_rules.merge([], 0, labels)
    assert caught.value.field == field


def test_labels_keep_their_ids() -> None:
    """DAT-7: renamed by id, kept by name, never given twice."""
    first, gone, last = label_rules.merge([], 0, [{"name": "x" * 30}, {"name": "dog", "key": "2"}, {"name": "old"}])
    assert ([label["id"] for label in first], gone, last) == ([1, 2, 3], [], 3)
    second, gone, last = label_rules.merge(first, last, [{"name": "dog"}, {"id": 1, "name": "cat"}, {"name": "new"}])
    assert [(label["id"], label["name"], label["key"]) for label in second] == [
        (2, "dog", "2"),
        (1, "cat", None),
        (4, "new", None),
    ]
    assert [label["id"] for label in gone] == [3]
    assert len(label_rules.merge([], 0, [{"name": str(n)} for n in range(1000)])[0]) == 1000
