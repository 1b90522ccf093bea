"""Every situation of a workload and what follows from it: the reconciler's table (NB-2, BEY-2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from himalia_hub.backends.protocol import ExitReason, ObservedReplica, ObservedWorkload, ReplicaState, Resources
from himalia_hub.compute.decide import Known, decide
from himalia_hub.compute.explain import Explanation
from himalia_hub.compute.kinds import Policy
from himalia_hub.compute.phases import Phase, Reason

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AGO = NOW - timedelta(seconds=1)
RUN = Policy(section="training")
SERVICE = Policy(section="inference", restart="always", max_failures=3, probed=True)
NOTEBOOK = Policy(section="notebook", completes=False, launched_outside=True, probed=True, confirm_seconds=60)
LIVE = Known(
    wanted="running",
    phase=Phase.STARTING,
    attempt=1,
    policy=RUN,
    resources=Resources(1000, 2**30),
    admitted_at=AGO,
    attempt_at=AGO,
)
STOP = replace(LIVE, wanted="stopped", phase=Phase.STOPPING, stop=Explanation(Reason.ARREARS, "no money"))


def up(*, ready: bool = False, index: int = 0) -> ObservedReplica:
    return ObservedReplica(index, ReplicaState.RUNNING, ready=ready, started_at=AGO)


def over(why: ExitReason, code: int | None = None, *, index: int = 0, seconds: float = 1) -> ObservedReplica:
    return ObservedReplica(
        index,
        ReplicaState.EXITED,
        exit_reason=why,
        exit_code=code,
        started_at=NOW - timedelta(seconds=seconds),
        ended_at=NOW,
    )


def lost() -> ObservedReplica:
    return ObservedReplica(0, ReplicaState.LOST, node="here", started_at=AGO, last_alive_at=NOW)


def seen(*replicas: ObservedReplica) -> ObservedWorkload:
    return ObservedWorkload("w1", 1, replicas)


DONE, FAILED_3 = over(ExitReason.COMPLETED, 0), over(ExitReason.EXIT_CODE, 3)
PENDING = ObservedReplica(0, ReplicaState.PENDING)

CASES = [
    # before there is room
    ("queued", replace(LIVE, admitted_at=None, attempt_at=None), None, (Phase.QUEUED, Reason.CAPACITY, "")),
    ("too early", replace(LIVE, admitted_at=None, start_at=NOW + timedelta(1)), None, (Phase.WAITING, None, "")),
    ("time has come", replace(LIVE, admitted_at=None, start_at=AGO), None, (Phase.QUEUED, Reason.CAPACITY, "")),
    ("stopped in the queue", replace(STOP, admitted_at=None), None, (Phase.STOPPED, Reason.ARREARS, "")),
    # to be applied
    ("apply", LIVE, None, (Phase.STARTING, None, "apply")),
    ("apply again after a kill", replace(LIVE, phase=Phase.RUNNING), None, (Phase.STARTING, None, "apply")),
    ("backing off", replace(LIVE, not_before=NOW + timedelta(1)), None, (Phase.STARTING, None, "")),
    ("plan refused for good", replace(LIVE, apply_error="bad"), None, (Phase.FAILED, Reason.START_FAILED, "")),
    ("never taken", replace(LIVE, attempt_at=NOW - timedelta(hours=1)), None, (Phase.FAILED, Reason.BACKEND, "")),
    ("stop before apply", STOP, None, (Phase.STOPPED, Reason.ARREARS, "")),
    ("an earlier attempt still lives", replace(LIVE, earlier_alive=True), None, (Phase.STARTING, None, "")),
    # launched by the hub
    ("reserved", replace(LIVE, policy=NOTEBOOK, attempt_at=None), None, (Phase.STARTING, None, "")),
    (
        "nobody launched it",
        replace(LIVE, policy=NOTEBOOK, attempt_at=None, admitted_at=NOW - timedelta(seconds=61)),
        None,
        (Phase.FAILED, Reason.START_FAILED, ""),
    ),
    ("stop before launch", replace(STOP, policy=NOTEBOOK, attempt_at=None), None, (Phase.STOPPED, Reason.ARREARS, "")),
    ("launch lost just now", replace(LIVE, policy=NOTEBOOK, can_apply=False), None, (Phase.STARTING, None, "")),
    (
        "launch lost in a crash",
        replace(LIVE, policy=NOTEBOOK, can_apply=False, attempt_at=NOW - timedelta(seconds=6)),
        None,
        (Phase.FAILED, Reason.START_FAILED, ""),
    ),
    # alive
    ("pending", LIVE, seen(PENDING), (Phase.STARTING, None, "")),
    ("up", LIVE, seen(up()), (Phase.RUNNING, None, "")),
    ("up, not ready", replace(LIVE, policy=SERVICE), seen(up()), (Phase.STARTING, None, "")),
    ("ready", replace(LIVE, policy=SERVICE), seen(up(ready=True)), (Phase.RUNNING, None, "")),
    ("one of two is up", replace(LIVE, replicas=2), seen(up(), PENDING), (Phase.STARTING, None, "")),
    ("no flicker", replace(LIVE, policy=SERVICE, phase=Phase.RUNNING), seen(up()), (Phase.RUNNING, None, "")),
    ("asked to stop", STOP, seen(up()), (Phase.STOPPING, Reason.ARREARS, "stop")),
    ("a gang broke", replace(LIVE, replicas=2), seen(up(), replace(FAILED_3, index=1)), (Phase.STARTING, None, "stop")),
    ("a gang finishes", replace(LIVE, replicas=2), seen(up(), replace(DONE, index=1)), (Phase.RUNNING, None, "")),
    # over
    ("success", LIVE, seen(DONE), (Phase.SUCCEEDED, None, "")),
    ("a notebook that shut itself down", replace(LIVE, policy=NOTEBOOK), seen(DONE), (Phase.STOPPED, None, "")),
    ("exit code", LIVE, seen(FAILED_3), (Phase.FAILED, Reason.EXIT_CODE, "")),
    ("signal", LIVE, seen(over(ExitReason.SIGNAL)), (Phase.FAILED, Reason.SIGNAL, "")),
    ("out of memory", LIVE, seen(over(ExitReason.OUT_OF_MEMORY)), (Phase.FAILED, Reason.OUT_OF_MEMORY, "")),
    ("out of disk", LIVE, seen(over(ExitReason.OUT_OF_DISK)), (Phase.FAILED, Reason.OUT_OF_DISK, "")),
    ("deadline", LIVE, seen(over(ExitReason.DEADLINE)), (Phase.TIMED_OUT, Reason.DEADLINE, "")),
    ("lost", LIVE, seen(lost()), (Phase.FAILED, Reason.RUNNER_LOST, "")),
    ("vanished", replace(LIVE, phase=Phase.RUNNING, seen=True), None, (Phase.FAILED, Reason.RUNNER_LOST, "")),
    ("stopped", STOP, seen(over(ExitReason.STOPPED)), (Phase.STOPPED, Reason.ARREARS, "")),
    ("finished before the stop", STOP, seen(DONE), (Phase.SUCCEEDED, None, "")),
    ("lost while stopping", replace(STOP, seen=True), None, (Phase.STOPPED, Reason.ARREARS, "")),
    ("stopped by somebody else", LIVE, seen(over(ExitReason.STOPPED)), (Phase.FAILED, Reason.BACKEND, "")),
    (
        "the cause, not its victims",
        replace(LIVE, replicas=2),
        seen(over(ExitReason.STOPPED), over(ExitReason.OUT_OF_MEMORY, index=1)),
        (Phase.FAILED, Reason.OUT_OF_MEMORY, ""),
    ),
    # again
    ("a service ends", replace(LIVE, policy=SERVICE), seen(DONE), (Phase.STARTING, Reason.EXIT_CODE, "restart 1")),
    (
        "a service fails again",
        replace(LIVE, policy=SERVICE, failures=1),
        seen(FAILED_3),
        (Phase.STARTING, Reason.EXIT_CODE, "restart 2"),
    ),
    (
        "a service gives up",
        replace(LIVE, policy=SERVICE, failures=2),
        seen(FAILED_3),
        (Phase.FAILED, Reason.EXIT_CODE, ""),
    ),
    (
        "a good hour forgives",
        replace(LIVE, policy=SERVICE, failures=2, phase=Phase.RUNNING),
        seen(over(ExitReason.SIGNAL, seconds=3600)),
        (Phase.STARTING, Reason.SIGNAL, "restart 1"),
    ),
    ("a stopped service stays", replace(STOP, policy=SERVICE), seen(FAILED_3), (Phase.STOPPED, Reason.ARREARS, "")),
]


@pytest.mark.parametrize(("known", "observed", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_decision(known: Known, observed: ObservedWorkload | None, expected: tuple[Phase, Reason | None, str]) -> None:
    decision = decide(known, observed, NOW)
    action = "apply" if decision.apply else "stop" if decision.stop else ""
    if decision.restart_at is not None:
        action = f"restart {decision.failures}"
        assert NOW < decision.restart_at <= NOW + timedelta(seconds=30)
    assert (decision.phase, decision.why.reason, action) == expected
    if decision.ended and decision.phase != Phase.SUCCEEDED and decision.why.reason is not None:
        assert decision.why.text, "no failure without its cause"
