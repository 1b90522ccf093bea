"""When will it start: answers hold as often as they say, in traces of very different work (BEY-3)."""

from __future__ import annotations

import math
import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from himalia_hub.compute import forecast
from himalia_hub.compute.expected import Expected, span
from himalia_hub.compute.forecast import Case, Group, History, Queued, Running
from himalia_hub.compute.queue import Occupying, Waiting, admissible, expected_start, expected_starts, in_order
from tests.unit.compute.replay import Replay, Trace

HOUR = 3600.0
RUN = Group("run", 1, "1")


def lognormal(chance: random.Random, kind: str) -> float:
    return chance.lognormvariate(math.log(600) + "bac".index(kind) - 1, 1.5)


def pareto(chance: random.Random, kind: str) -> float:
    return min(60 * chance.paretovariate(1.1), 300_000)


def weibull(chance: random.Random, kind: str) -> float:
    return chance.weibullvariate(900, 0.5)


def mixture(chance: random.Random, kind: str) -> float:
    return chance.expovariate(1 / 120) if chance.random() < 0.7 else chance.lognormvariate(math.log(7200), 1)


def cores(chance: random.Random) -> dict[str, int]:
    return {"cpu": chance.choice([1, 2, 4, 8])}


def cards(chance: random.Random) -> dict[str, int]:
    count = chance.choice([0, 0, 1, 1, 2, 4])
    return {"cpu": chance.choice([1, 2, 4]) + 2 * count, **({"gpu": count} if count else {})}


MACHINES = {"cpu": 32, "gpu": 8}
TRACES = (
    Trace("three kinds, log-normal, cards", lognormal, cards, 0.4, "abc", MACHINES),
    Trace("Pareto 1.1, cores", pareto, cores, 0.7),
    Trace("Weibull 0.5, cards", weibull, cards, 0.55, capacity=MACHINES),
    Trace("short and long mixed, cores", mixture, cores, 0.6),
    Trace("durations double", lognormal, cores, 0.38, "ab", drift=lambda progress: 1 + progress, every=2),
    Trace(
        "durations jump by half", weibull, cores, 0.5, drift=lambda progress: 1.0 if progress < 0.6 else 1.5, every=2
    ),
    Trace("some with priority", mixture, cards, 0.5, "a", MACHINES, priority=lambda c: c.choice([0, 0, 0, 5])),
    Trace("deadlines", mixture, cards, 0.7, "a", MACHINES, deadline=lambda c: c.choice([HOUR, 4 * HOUR, None])),
    Trace("submitted in bunches", lognormal, cores, 0.45, "ab", together=0.3),
)


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.name)
def test_p90_covers_85_to_95_percent_and_p50_about_half(trace: Trace) -> None:
    found = Replay(trace).run()
    print(found)
    assert found.answers >= 80
    assert 0.85 <= found.most <= 0.95
    assert 0.42 <= found.half <= 0.58
    assert found.silent <= 0.1


def test_the_same_question_has_the_same_answer() -> None:
    short = replace(TRACES[8], length=450)
    assert Replay(short).run() == Replay(short).run()


# -- the rule of the queue, on numbers ------------------------------------------------------------

amounts = st.dictionaries(st.sampled_from(["cpu", "memory", "gpu"]), st.integers(0, 8), min_size=1)
queues = st.lists(st.tuples(st.integers(0, 3), amounts), max_size=16)


@given(queues, amounts)
def test_a_draw_admits_exactly_whom_the_queue_admits(
    works: list[tuple[int, dict[str, int]]], capacity: dict[str, int]
) -> None:
    """Whoever has room at once starts at second 0, and nobody else: nothing that runs ever ends here."""
    waiting = [Waiting(number, priority, asked) for number, (priority, asked) in enumerate(works)]
    queued = [Queued(work.workload_id, work.priority, RUN, work.asked) for work in waiting]
    found, _ = forecast.forecast(History([], 0.0), capacity, [], queued)
    assert {number for number, start in found.items() if start.most == 0} == set(admissible(waiting, capacity))
    assert all(start.most in (0, None) for start in found.values())


@given(queues, amounts, st.integers(0, 3), amounts)
def test_what_is_asked_for_starts_as_if_it_waited_behind_all(
    works: list[tuple[int, dict[str, int]]], capacity: dict[str, int], priority: int, asked: dict[str, int]
) -> None:
    waiting = [Waiting(number, one, needs) for number, (one, needs) in enumerate(works)]
    queued = [Queued(work.workload_id, work.priority, RUN, work.asked) for work in waiting]
    _, [start] = forecast.forecast(History([], 0.0), capacity, [], queued, asking=[asked], priority=priority)
    assert (start.most == 0) == (99 in admissible([*waiting, Waiting(99, priority, asked)], capacity))


@given(queues, amounts, st.lists(st.tuples(st.none() | st.integers(1, 9), amounts), max_size=6))
def test_bounds_of_all_are_those_of_each(
    works: list[tuple[int, dict[str, int]]], capacity: dict[str, int], busy: list[tuple[int | None, dict[str, int]]]
) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    occupying = [Occupying(asked, None if hours is None else now + timedelta(hours=hours)) for hours, asked in busy]
    waiting = [Waiting(number, priority, asked) for number, (priority, asked) in enumerate(works)]
    found = expected_starts(waiting, capacity, occupying)
    order = in_order(waiting)
    for place, work in enumerate(order):
        assert found.get(work.workload_id) == expected_start(work.asked, order[:place], capacity, occupying)


# -- how long work lasts --------------------------------------------------------------------------


def cases(*minutes: float, running: tuple[float, ...] = (), longest: float | None = None) -> list[Case]:
    """Work that ended at second 0 after so many minutes, and work that runs since so many."""
    ended = [Case(RUN, -60 * lasted, 0.0, longest=longest) for lasted in minutes]
    return ended + [Case(RUN, -60 * since, None) for since in running]


def start(history: History, age: float, left: float | None = None) -> forecast.Start:
    busy = [Running(RUN, {"cpu": 1}, age, left)]
    return forecast.forecast(history, {"cpu": 1}, busy, [Queued(1, 0, RUN, {"cpu": 1})])[0][1]


def test_what_runs_for_long_goes_on_for_longer_where_durations_are_heavy_tailed() -> None:
    chance = random.Random(1)
    history = History(cases(*(chance.paretovariate(1.2) for _ in range(300))), 0.0)
    young, old = start(history, 60), start(history, 3600)
    assert young.half is not None and old.half is not None
    assert old.half > 10 * young.half


def test_deadlines_end_what_history_would_let_run() -> None:
    history = History(cases(*[600.0] * 40), 0.0)
    assert start(history, 60, left=120.0).draws == (120.0,) * forecast.DRAWS


def test_too_little_history_says_nothing() -> None:
    few = History(cases(*[10.0] * (forecast.FEWEST - 1)), 0.0)
    assert (start(few, 60).half, start(few, 60).most) == (None, None)
    assert start(few, 60, left=120.0).most == 120, "but a deadline is certain"
    assert start(few, 60, left=120.0).half is None
    enough = History(cases(*[10.0] * forecast.FEWEST), 0.0)
    assert start(enough, 60).half is not None


def test_work_that_still_runs_counts_as_what_it_is() -> None:
    short = start(History(cases(*[10.0] * 40), 0.0), 0)
    assert short.half == 600
    with_running = start(History(cases(*[10.0] * 40, running=(300.0,) * 40), 0.0), 0)
    assert short.half is not None and with_running.half is not None
    assert with_running.half > 2 * short.half, "half of all such work went on for hours"


def test_what_a_deadline_ended_is_no_end() -> None:
    natural, cut = History(cases(*[10.0] * 40), 0.0), History(cases(*[10.0] * 40, longest=600.0), 0.0)
    assert start(natural, 0).half is not None
    assert start(cut, 0).half is None


def test_narrower_groups_speak_once_they_have_enough_cases() -> None:
    other = Group("run", 2, "1")
    mine = [Case(RUN, -600.0, 0.0) for _ in range(forecast.ENOUGH)]
    theirs = [Case(other, -60_000.0, 0.0) for _ in range(forecast.ENOUGH)]
    history = History([*mine, *theirs], 0.0)
    laws, laws_of_kind = history.laws(RUN), history.laws(Group("run", 3, "1"))
    assert laws is not None and laws_of_kind is not None
    assert laws[0].survival(6000) < 0.2 < laws_of_kind[0].survival(6000)
    assert history.laws(Group("notebook", 1, "1")) is None


@settings(max_examples=50)
@given(st.lists(st.floats(1, 1e5), min_size=12, max_size=60), st.floats(0, 1e6), st.floats(0.001, 1))
def test_remaining_time_inverts_the_conditional_survival(lasted: list[float], age: float, chance: float) -> None:
    history = History([Case(RUN, -seconds, 0.0) for seconds in lasted], 0.0)
    laws = history.laws(RUN)
    assert laws is not None
    law = laws[0]
    left, wanted = law.remaining(age, chance), chance * law.survival(age)
    assert left >= 0
    assert law.survival((age + left) * (1 + 1e-9)) <= wanted * (1 + 1e-6)
    if left > 1e-6 * (1 + age):
        assert law.survival((age + left) * (1 - 1e-9)) >= wanted * (1 - 1e-6), "and no earlier"


def test_higher_priority_that_is_yet_to_come_is_reckoned_with() -> None:
    def at(priority: int) -> forecast.Start:
        past = [
            Case(
                RUN,
                -60.0 * number - 600,
                -60.0 * number,
                created=-60.0 * number - 600,
                priority=priority,
                asked={"cpu": 2},
            )
            for number in range(100)
        ]
        busy = [Running(RUN, {"cpu": 1}, 300.0), Running(RUN, {"cpu": 1}, 500.0)]
        return forecast.forecast(History(past, 0.0), {"cpu": 2}, busy, [Queued(1, 0, RUN, {"cpu": 2})])[0][1]

    plain, passed = at(0), at(5)
    assert plain.half is not None
    assert passed.half is None or passed.half > plain.half


def test_answers_that_fail_widen_the_next_ones() -> None:
    kept, failed = forecast.Calibration(), forecast.Calibration()
    told = forecast.Start(60.0, 120.0)
    for number in range(20):
        for one, took in ((kept, 30.0), (failed, 600.0)):
            one.told(number, 0.0, told)
            one.started(number, took)
    assert kept.half < 0.5 < failed.half
    assert kept.most < 0.9 < failed.most
    assert kept.waiting_for() == []
    late = forecast.Calibration()
    late.told(1, 0.0, told)
    late.passed(130.0)
    assert late.most > 0.9, "it need not have started for that"
    moved = late.shares
    late.started(1, 140.0)
    assert late.shares == moved, "and counts once"


# -- words and cost -------------------------------------------------------------------------------


def test_words() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    soon, later = now + timedelta(minutes=12), now + timedelta(minutes=40)
    assert Expected().words(now) == ("", "")
    assert Expected(soon, later).words(now) == (
        "likely in 12 min, within 40 min in nine of ten cases",
        "预计 12 分钟后启动，十次中有九次在 40 分钟内",
    )
    assert Expected(None, later).words(now)[0] == "within 40 min at the latest"
    assert Expected(soon).words(now)[0] == "likely in 12 min"
    assert [span(seconds)[0] for seconds in (-5, 0.2, 89, 90, 5399, 5400, 172_800)] == [
        "0 s", "1 s", "89 s", "2 min", "2 h", "2 h", "2 d",
    ]  # fmt: skip


def test_a_long_queue_costs_little() -> None:
    """A thousand running and a thousand waiting: the front is simulated, of the rest nothing is said."""
    chance = random.Random(1)
    history = History([Case(RUN, -chance.expovariate(1 / 600), 0.0) for _ in range(1000)], 0.0)
    busy = [Running(RUN, {"cpu": 2}, chance.expovariate(1 / 600)) for _ in range(1000)]
    queue = [Queued(number, 0, RUN, cores(chance)) for number in range(1000)]
    history.laws(RUN)
    began = time.process_time()
    found, [mine] = forecast.forecast(history, {"cpu": 2000}, busy, queue, asking=[{"cpu": 1}])
    assert time.process_time() - began < 2
    assert mine == forecast.NOTHING
    found, _ = forecast.forecast(history, {"cpu": 2000}, busy, queue)
    assert time.process_time() - began < 4
    assert set(found) == set(range(forecast.PLACES))
