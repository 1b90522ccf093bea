"""Rules of online services: what happens next, weights, names (SRV-2, SRV-4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from himalia_hub.core.errors import InvalidInput
from himalia_hub.serving import rules
from himalia_hub.serving.rules import Seen, decide

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def seen(number: int, revision: int = 1, **more: Any) -> Seen:
    """A variant that answers, unless told otherwise."""
    values: dict[str, Any] = {
        "state": "current",
        "weight": 100,
        "phase": "running",
        "reason": None,
        "message": "",
        "message_zh": "",
        "addresses": (f"127.0.0.1:{9000 + number}",),
        "drain_until": None,
    }
    return Seen(id=number, revision=revision, **{**values, **more})


STARTING: dict[str, Any] = {"phase": "starting", "addresses": ()}
FAILED: dict[str, Any] = {"phase": "failed", "reason": "exit_code", "message": "why", "addresses": ()}


def test_a_service_is_deploying_until_every_variant_answers() -> None:
    one, two = seen(1), seen(2, **STARTING)
    assert decide("running", 1, None, [one, two], NOW).phase == "deploying"
    assert decide("running", 1, None, [one, two], NOW).routed == ()
    both = decide("running", 1, None, [one, seen(2)], NOW)
    assert (both.phase, both.live_revision, both.routed) == ("running", 1, (1, 2))


def test_a_first_revision_that_fails_names_why_and_stops_the_rest() -> None:
    found = decide("running", 1, None, [seen(1, **FAILED), seen(2)], NOW)
    assert (found.phase, found.reason, found.message, found.stop) == ("failed", "exit_code", "why", (2,))


def test_a_rollout_switches_when_ready_drains_and_then_stops() -> None:
    old = seen(1, 1, state="retiring")
    starting = decide("running", 2, 1, [old, seen(2, 2, **STARTING)], NOW)
    assert (starting.phase, starting.live_revision, starting.routed) == ("running", 1, (1,))
    assert not starting.stop and not starting.drain
    ready = decide("running", 2, 1, [old, seen(2, 2)], NOW)
    assert (ready.live_revision, ready.routed, ready.drain, ready.stop) == (2, (2,), (1,), ())
    draining = replace(old, drain_until=NOW + timedelta(seconds=1))
    assert decide("running", 2, 2, [draining, seen(2, 2)], NOW).stop == ()
    drained = replace(old, drain_until=NOW)
    assert decide("running", 2, 2, [drained, seen(2, 2)], NOW).stop == (1,)
    crashed = seen(1, 1, state="retiring", drain_until=NOW, **FAILED)
    assert decide("running", 2, 2, [crashed, seen(2, 2)], NOW).stop == (1,)  # it is looked at no more


def test_a_revision_that_fails_leaves_the_one_before_answering() -> None:
    old = seen(1, 1, state="retiring")
    found = decide("running", 2, 1, [old, seen(2, 2, **FAILED), seen(3, 2)], NOW)
    assert (found.phase, found.live_revision, found.routed, found.stop) == ("running", 1, (1,), (3,))
    assert "Revision 2 failed, revision 1 goes on: why" in found.message


def test_a_shared_variant_answers_for_both_revisions() -> None:
    shared, fresh = seen(1, 1), seen(2, 2, **STARTING)
    assert decide("running", 2, 1, [shared, fresh], NOW).routed == (1,)


def test_one_variant_of_two_that_dies_does_not_take_the_other_with_it() -> None:
    found = decide("running", 1, 1, [seen(1), seen(2, **FAILED)], NOW)
    assert (found.phase, found.routed, found.stop) == ("running", (1,), ())
    restarting = decide("running", 1, 1, [seen(1), seen(2, **STARTING)], NOW)
    assert (restarting.phase, restarting.routed) == ("running", (1,))


def test_stopping_closes_the_route_first_and_ends_when_all_have() -> None:
    found = decide("stopped", 1, 1, [seen(1)], NOW)
    assert (found.phase, found.live_revision, found.routed, found.stop) == ("stopping", None, (), (1,))
    ended = seen(1, phase="stopped", addresses=())
    assert decide("stopped", 1, None, [ended], NOW).phase == "stopped"


@pytest.mark.parametrize("weights", [[], [99], [50, 51], [101, -1], [100, 100]])
def test_weights_must_sum_to_a_hundred(weights: list[int]) -> None:
    with pytest.raises(InvalidInput) as caught:
        rules.check_weights(weights)
    assert caught.value.rule == "0-100 each, 100 together"


def test_variants_get_names_that_are_free_of_doubles() -> None:
    plain = {"weight_percent": 50, "replicas": 1, "name": None}
    assert rules.check_variants([plain, plain]) == ["v1", "v2"]
    with pytest.raises(InvalidInput, match="each name once"):
        rules.check_variants([{**plain, "name": "a"}, {**plain, "name": "a"}])


@pytest.mark.parametrize(
    ("name", "taken", "slug"),
    [
        ("digits", set(), "digits"),
        ("digits", {"digits"}, "digits-7"),
        ("识别", set(), "service-7"),
        ("a_b-c", set(), "a_b-c"),
    ],
)
def test_an_address_is_made_of_the_name_where_it_can_be(name: str, taken: set[str], slug: str) -> None:
    assert rules.slug_of(name, 7, taken) == slug
