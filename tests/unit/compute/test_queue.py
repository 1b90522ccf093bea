"""Who of the queue may start: priority, order, no starving, never more than there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from himalia_hub.compute import resources as res
from himalia_hub.compute.queue import Occupying, Waiting, admissible, expected_start, free, in_order

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def want(number: int, priority: int = 0, **asked: int) -> Waiting:
    return Waiting(number, priority, asked)


def test_first_come_first_served_within_a_priority() -> None:
    waiting = [want(3, cpu=1), want(1, cpu=1), want(2, 5, cpu=1)]
    assert admissible(waiting, {"cpu": 2}) == [2, 1]


def test_small_work_does_not_starve_large_work() -> None:
    """What the first in line lacks is closed to those behind, what it could have is kept for it."""
    waiting = [want(1, cpu=4, memory=2), want(2, cpu=1, memory=1)]
    assert admissible(waiting, {"cpu": 2, "memory": 8}) == []


def test_others_pass_with_what_it_does_not_need() -> None:
    waiting = [want(1, gpu=1, cpu=2), want(2, cpu=1), want(3, cpu=2)]
    assert admissible(waiting, {"gpu": 0, "cpu": 3}) == [2]


def test_expected_start_is_the_deadline_that_makes_room() -> None:
    busy = [
        Occupying({"cpu": 2}, NOW + timedelta(hours=2)),
        Occupying({"cpu": 1}, NOW + timedelta(hours=1)),
        Occupying({"cpu": 1}),
    ]
    assert expected_start({"cpu": 1}, [], {"cpu": 4}, busy) == NOW + timedelta(hours=1)
    assert expected_start({"cpu": 1}, [want(1, cpu=1)], {"cpu": 4}, busy) == NOW + timedelta(hours=2)
    assert expected_start({"cpu": 4}, [], {"cpu": 4}, busy) is None, "somebody would have to stop"


amounts = st.dictionaries(st.sampled_from(["cpu", "memory", "gpu"]), st.integers(0, 8), min_size=1)
queues = st.lists(st.tuples(st.integers(0, 3), amounts), max_size=12)


@given(queues, amounts)
def test_never_more_than_there_is_and_the_first_in_line_is_never_passed(
    works: list[tuple[int, dict[str, int]]], capacity: dict[str, int]
) -> None:
    waiting = [Waiting(number, priority, asked) for number, (priority, asked) in enumerate(works)]
    chosen = admissible(waiting, capacity)
    left = free(capacity, [Occupying(waiting[number].asked) for number in chosen])
    assert all(left.get(name, 0) >= 0 for name in left)
    blocked = [work for work in in_order(waiting) if work.workload_id not in chosen]
    if blocked:
        # Had nobody behind it started, the first that waits would still not fit.
        ahead = [w for w in in_order(waiting) if w.workload_id in chosen]
        ahead = ahead[: in_order(waiting).index(blocked[0])]
        before = free(capacity, [Occupying(work.asked) for work in ahead])
        assert res.short_of(blocked[0].asked, before)
