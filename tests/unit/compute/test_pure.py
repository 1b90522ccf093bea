"""Small pure parts: explanations, first sizes, thinning, what to ask of the hub."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from himalia_hub.backends.protocol import (
    ExitReason,
    NodeCapacity,
    ObservedReplica,
    ReplicaState,
    ReplicaUsage,
    Resources,
    StartStep,
)
from himalia_hub.compute import samples, specs
from himalia_hub.compute.commands import amount_of
from himalia_hub.compute.explain import explain
from himalia_hub.develop.notebooks.controller import wish_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)
GIB = 2**30


def over(why: ExitReason, **more: object) -> ObservedReplica:
    return ObservedReplica(0, ReplicaState.EXITED, exit_reason=why, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("replica", "reason", "says"),
    [
        (over(ExitReason.OUT_OF_MEMORY, usage=ReplicaUsage(NOW, 1.0, 900 * 2**20)), "out_of_memory", "900 MiB"),
        (over(ExitReason.OUT_OF_MEMORY), "out_of_memory", "1 GiB"),
        (over(ExitReason.SIGNAL, signal=11), "signal", "SIGSEGV"),
        (over(ExitReason.SIGNAL, signal=63), "signal", "signal 63"),
        (over(ExitReason.EXIT_CODE, exit_code=7), "exit_code", "exit code 7"),
        (over(ExitReason.OUT_OF_DISK, message="3 GiB written"), "out_of_disk", "3 GiB written"),
        (over(ExitReason.START_FAILED, message="no port"), "start_failed", "no port"),
        (
            over(ExitReason.START_FAILED, message="gone", steps=(StartStep("image", "failed"),)),
            "image",
            "runtime environment",
        ),
        (ObservedReplica(0, ReplicaState.LOST, node="host-3"), "runner_lost", "host-3"),
    ],
)
def test_every_end_has_a_reason_and_a_sentence_in_both_languages(
    replica: ObservedReplica, reason: str, says: str
) -> None:
    said = explain(replica, Resources(1000, GIB))
    assert said.reason == reason and says in said.text
    assert said.text_zh and said.text_zh != said.text


def test_first_sizes_fit_the_machine() -> None:
    """CON-1: accelerator sizes only where a node has such."""
    small = [NodeCapacity("a", Resources(2000, 4 * GIB), Resources(0, 0))]
    assert [size["name"] for size in specs.defaults(small)] == ["CPU mini", "CPU small", "CPU medium"]
    with_cards = [
        *small,
        NodeCapacity("b", Resources(16000, 64 * GIB, accelerators={"nvidia.com/gpu": 4}), Resources(0, 0)),
    ]
    card = specs.defaults(with_cards)[-1]
    assert (card["name"], card["accelerators"]) == ("1 × gpu", {"nvidia.com/gpu": 1})
    assert (card["kind"], card["cpu_millis"], card["memory_bytes"]) == ("gpu", 0, 0), "added to a basic one"


def test_samples_are_thinned_with_age() -> None:
    moments = [NOW - timedelta(days=31), *(NOW - timedelta(seconds=10 * n) for n in range(3 * 360, -1, -1))]
    gone = samples.superfluous(moments, NOW)
    kept = [moment for moment in moments if moment not in set(gone)]
    assert moments[0] in gone, "nothing older than 30 days"
    last_hour = [m for m in kept if NOW - m <= timedelta(hours=1)]
    older = [m for m in kept if NOW - m > timedelta(hours=1)]
    assert len(last_hour) == 361 and len(older) == 120, "one a minute after an hour"
    assert samples.superfluous(kept, NOW) == [], "thinning twice changes nothing"


@pytest.mark.parametrize(
    ("row", "wish"),
    [
        ({}, None),
        ({"admitted_at": NOW}, "start"),
        ({"admitted_at": NOW, "attempt_at": NOW}, None),
        ({"admitted_at": NOW, "attempt_at": NOW, "hub_state": "held"}, None),
        ({"admitted_at": NOW, "wanted": "stopped", "hub_state": "held"}, "release"),
        ({"ended_at": NOW, "hub_state": "held"}, "release"),
        ({"ended_at": NOW}, None),
        ({"workload_id": None, "deleted_at": NOW}, "clean"),
        ({"ended_at": NOW, "deleted_at": NOW, "hub_state": "held"}, "clean"),
    ],
)
def test_what_to_ask_of_the_hub(row: dict[str, object], wish: str | None) -> None:
    empty = {"workload_id": 1, "wanted": "running", "hub_state": "free"}
    empty |= dict.fromkeys(("admitted_at", "attempt_at", "ended_at", "deleted_at"))
    assert wish_of(SimpleNamespace(**{**empty, **row})) == wish


def test_limits_as_people_write_them() -> None:
    assert amount_of("cpu", "1.5") == ("cpu_millis", 1500)
    assert amount_of("memory", "16") == ("memory_bytes", 16 * GIB)
    assert amount_of("nvidia.com/gpu", "2") == ("nvidia.com/gpu", 2)
    assert amount_of("storage", "none") == ("storage_bytes", None)
