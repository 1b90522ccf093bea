"""What to do with one workload: desired state and observed state to a decision. Pure.

The reconciler reads, asks this function, writes the outcome in one transaction and then acts.
Nothing here looks at a clock or a database, so every situation is a row of a table test.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from himalia_hub.backends.protocol import (
    ExitReason,
    ObservedReplica,
    ObservedWorkload,
    ReplicaState,
    Resources,
)
from himalia_hub.compute import explain
from himalia_hub.compute.explain import Explanation
from himalia_hub.compute.kinds import Policy
from himalia_hub.compute.phases import Phase, Reason

OVER = (ReplicaState.EXITED, ReplicaState.LOST)
LAUNCH_LOST_SECONDS = 5.0
STEADY_SECONDS = 60.0
LONGEST_BACK_OFF = 30.0


@dataclass(frozen=True, slots=True)
class Known:
    """The desired side: what the database says of a live workload, and what this process holds."""

    wanted: str
    phase: Phase
    attempt: int
    policy: Policy
    resources: Resources
    replicas: int = 1
    start_at: datetime | None = None
    admitted_at: datetime | None = None
    attempt_at: datetime | None = None
    not_before: datetime | None = None
    failures: int = 0
    stop: Explanation | None = None
    """Why it was asked to stop."""
    seen: bool = False
    """The present attempt was observed to occupy resources."""
    can_apply: bool = True
    """This process holds all that the plan needs; false for a launch lost with an earlier process."""
    earlier_alive: bool = False
    """An earlier attempt still occupies resources."""
    apply_error: str | None = None
    """The backend refused the plan for good."""
    trouble: str = ""
    """Why the backend could not take it for now."""
    peak_memory: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows. ``phase`` is the phase from now on; ended phases release everything."""

    phase: Phase
    why: Explanation = explain.NOTHING
    apply: bool = False
    stop: bool = False
    restart_at: datetime | None = None
    """Begin the next attempt, not before this moment."""
    failures: int | None = None

    @property
    def ended(self) -> bool:
        return self.phase in (Phase.STOPPED, Phase.SUCCEEDED, Phase.FAILED, Phase.TIMED_OUT)


def decide(known: Known, observed: ObservedWorkload | None, now: datetime) -> Decision:
    """The next step of one live workload.

    Args:
        known: The database's side.
        observed: The present attempt as the backend sees it; None when it knows nothing of it.
        now: The moment of the observation.
    """
    stopping = known.wanted == "stopped"
    if known.admitted_at is None:
        return _before_room(known, now)
    if known.earlier_alive:
        return Decision(Phase.STOPPING if stopping else known.phase, known.stop or explain.NOTHING)
    if known.attempt_at is None:
        return _before_launch(known, now)
    if observed is None or not observed.replicas:
        return _unobserved(known, now)
    if all(replica.state in OVER for replica in observed.replicas):
        return _over(known, observed.replicas, now)
    return _alive(known, observed.replicas)


def _stopped(known: Known) -> Decision:
    return Decision(Phase.STOPPED, known.stop or Explanation(Reason.STOPPED_BY_USER, "It was stopped.", "已停止。"))


def _before_room(known: Known, now: datetime) -> Decision:
    if known.wanted == "stopped":
        return _stopped(known)
    if known.start_at is not None and known.start_at > now:
        return Decision(Phase.WAITING)
    return Decision(Phase.QUEUED, Explanation(Reason.CAPACITY))


def _before_launch(known: Known, now: datetime) -> Decision:
    """It has room; the hub was asked to start it and has not yet."""
    if known.wanted == "stopped":
        return _stopped(known)
    assert known.admitted_at is not None
    if now - known.admitted_at > timedelta(seconds=known.policy.confirm_seconds):
        seconds = int(known.policy.confirm_seconds)
        return Decision(
            Phase.FAILED,
            Explanation(
                Reason.START_FAILED,
                f"Nothing started it within {seconds} s, so its reservation was released. Start it again.",
                f"{seconds} 秒内未能启动，已释放预留资源。请重新启动。",
            ),
        )
    return Decision(Phase.STARTING)


def _unobserved(known: Known, now: datetime) -> Decision:
    assert known.attempt_at is not None
    if known.seen:
        lost = explain.explain(
            ObservedReplica(0, ReplicaState.LOST, exit_reason=ExitReason.RUNNER_LOST), known.resources
        )
        return _stopped(known) if known.wanted == "stopped" else _failed(known, lost, now, was_ready=False)
    if known.wanted == "stopped":
        return _stopped(known)
    if known.apply_error is not None:
        return _failed(
            known,
            Explanation(
                Reason.START_FAILED,
                f"It could not be started: {known.apply_error}",
                f"无法启动：{known.apply_error}",
            ),
            now,
            was_ready=False,
            hopeless=True,
        )
    if not known.can_apply:
        if now - known.attempt_at > timedelta(seconds=LAUNCH_LOST_SECONDS):
            return Decision(
                Phase.FAILED,
                Explanation(
                    Reason.START_FAILED,
                    "The platform was restarted while this was starting. Start it again.",
                    "启动过程中平台重启。请重新启动。",
                ),
            )
        return Decision(Phase.STARTING)
    if known.not_before is not None and known.not_before > now:
        return Decision(Phase.STARTING)
    waited = (now - max(known.attempt_at, known.not_before or known.attempt_at)).total_seconds()
    if waited > known.policy.confirm_seconds:
        return _failed(
            known,
            Explanation(
                Reason.BACKEND,
                f"The machine did not take it within {known.policy.confirm_seconds:.0f} s"
                f"{': ' + known.trouble if known.trouble else ''}.",
                f"机器在 {known.policy.confirm_seconds:.0f} 秒内未能接受此任务"
                f"{'：' + known.trouble if known.trouble else ''}。",
            ),
            now,
            was_ready=False,
        )
    return Decision(Phase.STARTING, apply=True)


def _over(known: Known, replicas: tuple[ObservedReplica, ...], now: datetime) -> Decision:
    replica = explain.decisive(replicas)
    why = explain.exit_reason(replica)
    said = explain.explain(replica, known.resources, peak_memory=known.peak_memory)
    if why is ExitReason.COMPLETED and known.policy.restart != "always":
        return Decision(Phase.SUCCEEDED if known.policy.completes else Phase.STOPPED, said)
    if why is ExitReason.DEADLINE:
        return Decision(Phase.TIMED_OUT, said)
    if known.wanted == "stopped":
        stop = known.stop or Explanation(Reason.STOPPED_BY_USER, "It was stopped.", "已停止。")
        return Decision(Phase.STOPPED, Explanation(stop.reason, stop.text, stop.text_zh, said.exit_code))
    if why is ExitReason.STOPPED:
        said = Explanation(
            Reason.BACKEND,
            "It was stopped on the machine, not by the platform.",
            "它在机器上被停止，并非由平台停止。",
            said.exit_code,
        )
    if why is ExitReason.COMPLETED:
        said = Explanation(
            Reason.EXIT_CODE, "The program ended, although it should keep running.", "程序已退出，但它应持续运行。", 0
        )
    steady = known.phase is Phase.RUNNING and _lived(replicas, now) >= STEADY_SECONDS
    return _failed(known, said, now, was_ready=steady)


def _lived(replicas: tuple[ObservedReplica, ...], now: datetime) -> float:
    starts = [r.started_at for r in replicas if r.started_at is not None]
    ends = [r.ended_at or r.last_alive_at or now for r in replicas]
    return (max(ends) - min(starts)).total_seconds() if starts else 0.0


def _failed(known: Known, why: Explanation, now: datetime, *, was_ready: bool, hopeless: bool = False) -> Decision:
    """Try again where the policy says so, else fail."""
    failures = 1 if was_ready else known.failures + 1
    policy = known.policy
    again = policy.restart != "never" and failures < policy.max_failures and not hopeless
    if not again or known.wanted == "stopped":
        return Decision(Phase.FAILED, why, failures=failures)
    delay = min(LONGEST_BACK_OFF, 0.5 * 2.0**failures)
    return Decision(Phase.STARTING, why, restart_at=now + timedelta(seconds=delay), failures=failures)


def _alive(known: Known, replicas: tuple[ObservedReplica, ...]) -> Decision:
    if known.wanted == "stopped":
        return Decision(Phase.STOPPING, known.stop or Explanation(Reason.STOPPED_BY_USER), stop=True)
    ended = [r for r in replicas if r.state in OVER]
    broken = [r for r in ended if explain.exit_reason(r) is not ExitReason.COMPLETED]
    if broken or (ended and known.policy.restart == "always"):
        # The others of an attempt do not outlive a broken one: a gang cannot go on without it.
        return Decision(known.phase, stop=True)
    up = [r for r in replicas if r.state is ReplicaState.RUNNING and (r.ready or not known.policy.probed)]
    if len(up) + len(ended) >= known.replicas or known.phase is Phase.RUNNING:
        return Decision(Phase.RUNNING)
    return Decision(Phase.STARTING)
