"""What ``observe`` answers from the watches' index: fresh where it must be, worked out once where nothing changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from himalia_hub.backends.kubernetes import facts, objects
from himalia_hub.backends.kubernetes.attempts import Attempts
from himalia_hub.backends.kubernetes.facts import Surroundings
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.protocol import ReplicaState, Resources, WorkloadPlan

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = WorkloadPlan("w1", 1, "notebook", "acme", "u1", "image:1", ("true",), Resources(100, 1 << 26))


class Stage:
    """An index whose clock and nodes the test moves."""

    def __init__(self) -> None:
        self.around = Surroundings(now=BEGAN, seen_at=BEGAN, node_ready={"n": (True, None)})
        self.attempts = Attempts(lambda _pod: self.around)

    def later(self, seconds: float, *, ready: bool = True) -> None:
        moment = self.around.now + timedelta(seconds=seconds)
        self.around = replace(self.around, now=moment, seen_at=moment, node_ready={"n": (ready, BEGAN)})

    def pod(self, **state: Any) -> dict[str, Any]:
        made = objects.pod(PLAN, KubernetesOptions())
        made["metadata"]["uid"] = "1"
        made["spec"]["nodeName"] = "n"
        made["status"] = {"phase": "Running", "containerStatuses": [{"name": "main", "ready": True, "state": state}]}
        self.attempts.on_pod(made, False)
        return made

    def replica(self) -> Any:
        (found,) = self.attempts.observe()
        return found.replicas[0]


@pytest.fixture
def stage() -> Stage:
    return Stage()


RUNNING = {"startedAt": "2026-03-01T11:59:00Z"}


def test_proof_of_life_follows_the_watch_within_a_second(stage: Stage) -> None:
    stage.pod(running=RUNNING)
    assert stage.replica().last_alive_at == BEGAN
    stage.later(0.9)
    assert stage.replica().last_alive_at == BEGAN
    stage.later(0.2)
    assert stage.replica().last_alive_at == stage.around.now


def test_a_node_that_is_silent_gives_no_proof(stage: Stage) -> None:
    stage.pod(running=RUNNING)
    stage.replica()
    for _ in range(3):
        stage.later(10, ready=False)
        assert stage.replica().last_alive_at == BEGAN
    stage.later(10)
    assert stage.replica().last_alive_at == stage.around.now, "it came back"


def test_what_did_not_change_is_not_worked_out_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    real = facts.observe_pod

    def counted(*arguments: Any) -> Any:
        looks.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(facts, "observe_pod", counted)
    stage.pod(running=RUNNING)
    for _ in range(50):
        stage.later(0.5)
        assert stage.replica().state is ReplicaState.RUNNING
    assert len(looks) == 1
    stage.pod(terminated={"exitCode": 0, "finishedAt": "2026-03-01T12:00:10Z", **RUNNING})
    assert stage.replica().state is ReplicaState.EXITED, "a change is seen at once"
    stage.later(60)
    assert stage.replica().ended_at == datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)


def test_a_start_is_looked_at_again_without_an_event(stage: Stage) -> None:
    """An image's patience runs out by time alone."""
    stage.pod(waiting={"reason": "ImagePullBackOff", "message": "not found"})
    made = stage.attempts.all()[0].pods["w1-1"]
    made["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-03-01T12:00:00Z"}
    ]
    assert stage.replica().state is ReplicaState.PENDING
    stage.later(301)
    assert stage.replica().state is ReplicaState.EXITED


def test_what_changed_is_told_once_and_only_that(stage: Stage) -> None:
    """PERF-17: whoever keeps 10,000 workloads asks about those alone."""
    stage.pod(running=RUNNING)
    assert stage.attempts.take_changed() == {"w1"}
    assert stage.attempts.take_changed() == set()
    stage.later(100)
    stage.replica()
    assert stage.attempts.take_changed() == set(), "time alone tells nothing"
    stage.pod(terminated={"exitCode": 0, "finishedAt": "2026-03-01T12:00:10Z", **RUNNING})
    assert stage.attempts.take_changed() == {"w1"}
    assert [one.workload for one in stage.attempts.observe_some(["w1", "w2"])] == ["w1"]
    assert stage.attempts.observe_some(["w2"]) == []
    stage.attempts.on_pod(stage.attempts.all()[0].pods["w1-1"], True)
    assert stage.attempts.take_changed() == {"w1"}


def test_a_nodes_readiness_concerns_what_is_on_it(stage: Stage) -> None:
    stage.pod(running=RUNNING)
    stage.attempts.take_changed()
    stage.attempts.touch_node("another")
    assert stage.attempts.take_changed() == set()
    stage.attempts.touch_node("n")
    assert stage.attempts.take_changed() == {"w1"}


def test_what_a_node_is_charged_with_follows_the_pods(stage: Stage) -> None:
    stage.pod(running=RUNNING)
    (attempt,) = stage.attempts.all()
    assert [(node, held.cpu_millis) for node, held in stage.attempts.held(attempt)] == [("n", 100)]
    assert stage.attempts.held(attempt) is stage.attempts.held(attempt), "worked out once"
    stage.pod(terminated={"exitCode": 0, "finishedAt": "2026-03-01T12:00:10Z", **RUNNING})
    assert stage.attempts.held(attempt) == ()


def test_a_refused_pod_is_known_by_its_job_and_events_end(stage: Stage) -> None:
    job = objects.job(replace(PLAN, kind="run"), KubernetesOptions())
    job["metadata"]["uid"] = "j"
    stage.attempts.on_owner("Job", job, False)
    event = {
        "metadata": {"name": "e1"},
        "involvedObject": {"uid": "j", "name": "w1-1"},
        "reason": "FailedCreate",
        "message": "exceeded quota: quota, requested: limits.cpu=1, used: limits.cpu=2, limited: limits.cpu=2",
    }
    foreign = {**event, "involvedObject": {"uid": "another", "name": "w1-1"}, "metadata": {"name": "e2"}}
    stage.attempts.on_event(foreign, False)
    assert stage.replica().message == "", "a job of that name from before"
    stage.attempts.take_changed()
    stage.attempts.on_event(event, False)
    assert stage.attempts.take_changed() == {"w1"}
    assert "cpu" in stage.replica().message.lower()
    for one in (event, foreign):
        stage.attempts.on_event(one, True)
    assert stage.attempts.events == {}, "the cluster forgot them, and so does the copy"
