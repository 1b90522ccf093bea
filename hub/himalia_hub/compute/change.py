"""What one step of the reconciler finds out about one workload, and how observations are kept. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from himalia_hub.backends.protocol import ObservedWorkload, ReplicaState, StartStep
from himalia_hub.compute import facts
from himalia_hub.compute.decide import OVER, Decision
from himalia_hub.compute.explain import Explanation
from himalia_hub.compute.phases import Phase
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock
from himalia_hub.core.usage import Fact


@dataclass(slots=True, eq=False)
class Change:
    """What one step found out about one workload, to be written together."""

    row: Any
    decision: Decision
    due: list[facts.NewFact]
    steps: list[Any]
    endpoints: list[Any]
    ready: int

    @property
    def matters(self) -> bool:
        return bool(self.due) or self.edits

    @property
    def beats(self) -> bool:
        """It goes on as it was: nothing but its proof of life is to be written."""
        return bool(self.due) and not self.edits and all(fact.fact is Fact.ALIVE for fact in self.due)

    @property
    def edits(self) -> bool:
        """Something of the workload itself changes."""
        row, decision = self.row, self.decision
        return bool(
            decision.apply
            or decision.restart_at
            or decision.phase != row.phase
            or (not keeps_why(row, decision) and (decision.why.reason, decision.why.text) != (row.reason, row.message))
            or self.steps != row.steps
            or self.endpoints != row.endpoints
            or self.ready != row.replicas_ready
        )


def keeps_why(row: Any, decision: Decision) -> bool:
    """A phase that goes on keeps its message (why it waits, why it restarts) unless a new one comes."""
    return bool(decision.phase == row.phase and decision.why.reason is None and decision.phase != Phase.RUNNING)


def alive(attempt: ObservedWorkload) -> bool:
    """Some replica still occupies resources, or is about to."""
    return any(replica.state not in OVER for replica in attempt.replicas)


def steps_of(observed: ObservedWorkload) -> list[Any]:
    """The start-up tree of the replica that is furthest behind; an image by its name, not its path.

    A step whose detail is a sentence has it in Chinese beside it; the API shows one of both.
    """
    if not observed.replicas:
        return []

    def progress(index: int) -> int:
        return sum(step.state == "done" for step in observed.replicas[index].steps)

    slowest = min(range(len(observed.replicas)), key=progress)
    return [
        {
            "name": step.name,
            "state": step.state,
            "detail": step.detail.rpartition("/")[2] if _names_an_image(step) else step.detail,
            **({"detail_zh": step.detail_zh} if step.detail_zh else {}),
            "started_at": clock.to_wire(step.started_at),
            "ended_at": clock.to_wire(step.ended_at),
        }
        for step in observed.replicas[slowest].steps
    ]


def _names_an_image(step: StartStep) -> bool:
    """Rather than saying why it does not come: names have no spaces, sentences do."""
    return step.name == "image" and " " not in step.detail


def endpoints_of(observed: ObservedWorkload) -> list[Any]:
    """Where living replicas answer, as ``Workload.endpoints`` keeps it."""
    return [
        {
            "replica": replica.index,
            "ready": replica.ready,
            "node": replica.node,
            "addresses": dict(replica.addresses),
        }
        for replica in observed.replicas
        if replica.state not in OVER
    ]


def ready_of(observed: ObservedWorkload, probed: bool) -> int:
    """How many replicas are of use: up, and where the kind has a probe, past it."""
    up = [r for r in observed.replicas if r.state is ReplicaState.RUNNING]
    return sum(1 for replica in up if replica.ready or not probed)


def visible(change: Change) -> bool:
    """Something a person sees changed although the phase did not."""
    row = change.row
    return bool(change.steps != row.steps or change.endpoints != row.endpoints or change.ready != row.replicas_ready)


def restarting(decision: Decision, row: Workload) -> Explanation:
    """Why it ended, and that it begins again."""
    why = decision.why
    return Explanation(
        why.reason,
        f"{why.text} It is being started again (attempt {row.attempt}).",
        f"{why.text_zh}正在重新启动（第 {row.attempt} 次）。",
        why.exit_code,
    )
