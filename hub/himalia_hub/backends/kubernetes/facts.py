"""A pod to what the engine is told of a replica: state, times, why it ended, how its start goes. Pure.

Reasons come from container states, conditions and our own note of a stop, never from a log. A
kubelet reports 128 + n for a signal n, so a program that chooses 137 itself is told as SIGKILL.
"""

from __future__ import annotations

import signal as signals
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from himalia_hub.backends.kubernetes import causes, naming, pods, quantities
from himalia_hub.backends.kubernetes.causes import Cause
from himalia_hub.backends.kubernetes.fit import Shortage
from himalia_hub.backends.protocol import ExitReason, ObservedReplica, ReplicaState, StartStep

Manifest = Mapping[str, Any]
StepName = Literal["scheduled", "image", "mounts", "server"]
StepState = Literal["waiting", "active", "done", "failed"]
DELETED = "Its pod was deleted by somebody other than the platform."
CRASHES_MAX = 3
"""A replica that is kept alive and has crashed this often without getting ready has ended."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around a pod.

    Args:
        now: The moment of this look.
        seen_at: When the copy of the cluster was last known to be true.
        node_ready: Node name to whether it is ready, and since when.
        events: Of this pod, oldest first.
        shortage: What is short, where the pod waits for a node.
        image_patience: How long an image may fail to be pulled.
    """

    now: datetime
    seen_at: datetime
    node_ready: Mapping[str, tuple[bool, datetime | None]] = field(default_factory=dict)
    events: Sequence[Manifest] = ()
    shortage: Shortage | None = None
    image_patience: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class End:
    reason: ExitReason
    message: str
    exit_code: int | None = None
    signal: int | None = None


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def now() -> datetime:
    return datetime.now(UTC)


def annotation(item: Manifest, name: str) -> str | None:
    found = item["metadata"].get("annotations", {}).get(name)
    return str(found) if found is not None else None


def index_of(pod: Manifest) -> int | None:
    """The replica's number, where the cluster gave one."""
    labels = pod["metadata"].get("labels", {})
    text = annotation(pod, naming.INDEX) or labels.get(naming.INDEX) or annotation(pod, "volcano.sh/task-index")
    return int(text) if text is not None and text.isdigit() else None


def observe_pod(pod: Manifest, index: int, around: Surroundings, stop: datetime | None = None) -> ObservedReplica:
    """What one pod tells; ``stop`` is when the platform asked for its end."""
    stop = moment(annotation(pod, naming.STOP)) or stop
    status, spec = pod.get("status", {}), pod["spec"]
    main = main_status(pod)
    state = main.get("state", {})
    node = spec.get("nodeName", "")
    ended = state.get("terminated")
    started_at = moment((ended or state.get("running") or {}).get("startedAt"))
    if ended is not None and ended.get("reason") in _NEVER_STARTED:
        started_at = None
    end = _end(pod, main, stop, around)
    steps = _steps(pod, main, end, around)
    base = ObservedReplica(
        index=index,
        state=ReplicaState.PENDING,
        node=node,
        addresses=_addresses(spec, status),
        started_at=started_at,
        steps=steps,
    )
    if end is not None:
        at = moment((ended or {}).get("finishedAt")) or _condition_time(status) or stop or around.now
        return _with(
            base,
            state=ReplicaState.EXITED,
            addresses={},
            last_alive_at=at if started_at else None,
            ended_at=at,
            exit_reason=end.reason,
            exit_code=end.exit_code,
            signal=end.signal,
            message=end.message,
        )
    ready, since = around.node_ready.get(node, (True, None))
    if "running" not in state:
        return _with(base, message=steps_message(steps))
    if not ready and pod["metadata"].get("deletionTimestamp"):
        text = f"The node {node} does not answer any more."
        return _with(base, state=ReplicaState.LOST, last_alive_at=since or started_at, message=text, addresses={})
    alive = around.seen_at if ready else (since or around.seen_at)
    alive = max(alive, started_at) if started_at is not None else alive
    return _with(base, state=ReplicaState.RUNNING, ready=bool(main.get("ready")), last_alive_at=alive)


def holds_room_while_ending(pod: Manifest) -> bool:
    """It was told to end, by us or by the API server, and a quota still counts it."""
    told = pod["metadata"].get("deletionTimestamp") or annotation(pod, naming.STOP)
    return bool(told) and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def vanished(index: int, last: ObservedReplica | None, stop: datetime | None, around: Surroundings) -> ObservedReplica:
    """A replica whose pod is gone: ended by us, or taken away by somebody else.

    Args:
        last: What was last seen of it by this process, if anything.
    """
    if last is not None and last.state is ReplicaState.EXITED:
        return last
    started = last.started_at if last is not None else None
    node = last.node if last is not None else ""
    if stop is not None:
        text = "It was stopped." if started else "It was stopped before it started."
        alive = last.last_alive_at if last is not None else None
        end = max(filter(None, (stop, started, alive)))
        return ObservedReplica(
            index,
            ReplicaState.EXITED,
            node,
            started_at=started,
            last_alive_at=alive,
            ended_at=end,
            exit_reason=ExitReason.STOPPED,
            message=text,
        )
    alive = last.last_alive_at if last is not None else None
    return ObservedReplica(
        index, ReplicaState.LOST, node, started_at=started, last_alive_at=alive, ended_at=None, message=DELETED
    )


def not_made(index: int, cause: Cause | None, since: datetime | None) -> ObservedReplica:
    """A replica that the cluster has not made a pod for yet, with its reason where one is known."""
    step = StartStep("scheduled", "active", cause.text if cause else "", since, detail_zh=cause.zh if cause else "")
    return ObservedReplica(index, ReplicaState.PENDING, message=cause.text if cause else "", steps=(step,))


def _with(replica: ObservedReplica, **changes: Any) -> ObservedReplica:
    return replace(replica, **changes)


def main_status(pod: Manifest) -> Manifest:
    """The status of the workload's own container, which is the first of its spec."""
    name = pod["spec"]["containers"][0].get("name")
    found: Sequence[Manifest] = pod.get("status", {}).get("containerStatuses") or ()
    return next((item for item in found if item.get("name") == name), {})


def _fetching(pod: Manifest) -> Manifest | None:
    """The status of the container that fetches folders, where the pod has one."""
    if not any(item.get("name") == pods.FOLDERS for item in pod["spec"].get("initContainers", ())):
        return None
    found: Sequence[Manifest] = pod.get("status", {}).get("initContainerStatuses") or ()
    return next((item for item in found if item.get("name") == pods.FOLDERS), {})


def _waiting(pod: Manifest) -> Manifest:
    """What the pod's containers wait for: the one that fetches comes first."""
    first = (_fetching(pod) or {}).get("state", {}).get("waiting", {})
    if first.get("reason") in (*causes.IMAGE_WAITING, *causes.CONTAINER_WAITING):
        return dict(first)
    return dict(main_status(pod).get("state", {}).get("waiting", {}))


def _not_fetched(pod: Manifest) -> str:
    """Why folders did not come, in the words of what fetched them."""
    state = _fetching(pod) or {}
    ended = state.get("state", {}).get("terminated") or state.get("lastState", {}).get("terminated") or {}
    if not ended.get("exitCode"):
        return ""
    said = str(ended.get("message", "")).strip()
    return said.splitlines()[-1] if said else f"Its data could not be fetched: exit code {ended['exitCode']}."


def _addresses(spec: Manifest, status: Manifest) -> dict[str, str]:
    address = status.get("podIP")
    if not address:
        return {}
    host = f"[{address}]" if ":" in address else address
    ports = spec["containers"][0].get("ports", ())
    return {port.get("name", str(port["containerPort"])): f"{host}:{port['containerPort']}" for port in ports}


# --- why it ended ---------------------------------------------------------------------------------

_NEVER_STARTED = ("StartError", "ContainerCannotRun", "RunContainerError", "ContainerStatusUnknown")


def _end(pod: Manifest, main: Manifest, stop: datetime | None, around: Surroundings) -> End | None:
    status = pod.get("status", {})
    ended = main.get("state", {}).get("terminated")
    over = status.get("phase") in ("Succeeded", "Failed")
    if not over and (ended is None or pod["spec"].get("restartPolicy") != "Never"):
        return _crashing(pod, main) or _hopeless(pod, around)
    code = ended.get("exitCode") if ended is not None else None
    number = _signal(code)
    shown = None if number is not None else code
    finished = moment(ended.get("finishedAt")) if ended is not None else None
    # A whole second is the grain of the kubelet's clock.
    if stop is not None and (finished is None or finished + timedelta(seconds=1) >= stop):
        return End(ExitReason.STOPPED, "It was stopped.", shown, number)
    why = status.get("reason", "")
    if why == "DeadlineExceeded":
        return End(ExitReason.DEADLINE, "It reached its longest allowed time.", shown, number)
    if why == "Evicted":
        return _evicted(str(status.get("message", "")), shown, number)
    if ended is None:
        text = _not_fetched(pod) or str(status.get("message", "")) or "its pod ended without a container"
        return End(ExitReason.START_FAILED, text)
    return _terminated(pod, main, ended, shown, number)


def _terminated(pod: Manifest, main: Manifest, ended: Manifest, code: int | None, number: int | None) -> End:
    container = pod["spec"]["containers"][0]
    reason = ended.get("reason", "")
    if reason == "OOMKilled":
        limit = container.get("resources", {}).get("limits", {}).get("memory", "")
        return End(ExitReason.OUT_OF_MEMORY, f"It ran out of memory: the limit is {_binary(limit)}.", code, number)
    if reason in _NEVER_STARTED:
        command = (container.get("command") or ["?"])[0]
        said = str(ended.get("message", "")).strip() or reason
        return End(ExitReason.START_FAILED, f"The command {command} could not be started: {said}.")
    disruption = _disruption(pod.get("status", {}))
    if disruption is not None:
        return End(ExitReason.RUNNER_LOST, disruption, code, number)
    probe = container.get("startupProbe")
    if number is not None and probe is not None and not main.get("started") and _took(ended) >= _patience(probe) - 1:
        path, seconds = probe["httpGet"]["path"], _patience(probe)
        text = f"It did not answer at {path} within {seconds:g} s of its start."
        return End(ExitReason.START_FAILED, text, None, number)
    if number is not None and pod["metadata"].get("deletionTimestamp"):
        return End(ExitReason.RUNNER_LOST, DELETED, None, number)  # nobody here asked for it; see _end
    if number is not None:
        return End(ExitReason.SIGNAL, f"It was ended by {_signal_name(number)}.", None, number)
    if code:
        return End(ExitReason.EXIT_CODE, f"It ended with exit code {code}.", code)
    return End(ExitReason.COMPLETED, "It completed.", 0)


def _evicted(message: str, code: int | None, number: int | None) -> End:
    """The kubelet tells a pod's own excess from a node in need by its sentence alone."""
    own = ("ephemeral local storage usage exceeds", "exceeded its local ephemeral storage", "Usage of EmptyDir volume")
    if any(words in message for words in own):
        return End(ExitReason.OUT_OF_DISK, f"It ran out of disk space: {message.strip()}", code, number)
    return End(ExitReason.RUNNER_LOST, f"Its node was in need and sent it away: {message.strip()}", code, number)


def _disruption(status: Manifest) -> str | None:
    for item in status.get("conditions", ()):
        if item["type"] == "DisruptionTarget" and item["status"] == "True":
            return f"The cluster took its place away: {item.get('message') or item.get('reason')}"
    return None


def _crashing(pod: Manifest, main: Manifest) -> End | None:
    """A replica kept alive by the cluster that never gets to work."""
    if int((_fetching(pod) or {}).get("restartCount", 0)) >= CRASHES_MAX and _not_fetched(pod):
        return End(ExitReason.START_FAILED, _not_fetched(pod))
    last = main.get("lastState", {}).get("terminated")
    if last is None or int(main.get("restartCount", 0)) < CRASHES_MAX or main.get("ready"):
        return None
    number = _signal(last.get("exitCode"))
    return _terminated(pod, main, last, None if number is not None else last.get("exitCode"), number)


def _hopeless(pod: Manifest, around: Surroundings) -> End | None:
    """A start that waiting cannot help, or that was waited for long enough."""
    waiting = _waiting(pod)
    reason = waiting.get("reason", "")
    if reason not in (*causes.IMAGE_WAITING, *causes.CONTAINER_WAITING):
        return None
    since = _condition_time(pod.get("status", {}), "PodScheduled")
    waited = around.now - since if since is not None else timedelta()
    if not causes.forever(reason) and waited < around.image_patience:
        return None
    return End(ExitReason.START_FAILED, _waiting_cause(pod, waiting).text)


def _waiting_cause(pod: Manifest, waiting: Manifest) -> Cause:
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    if reason in causes.IMAGE_WAITING:
        return causes.image(reason, message, pod["spec"]["containers"][0]["image"])
    return causes.container(reason, message)


def _took(ended: Manifest) -> float:
    began, done = moment(ended.get("startedAt")), moment(ended.get("finishedAt"))
    return (done - began).total_seconds() if began is not None and done is not None else 0.0


def _patience(probe: Manifest) -> float:
    return float(probe.get("failureThreshold", 3) * probe.get("periodSeconds", 10))


def _signal(code: int | None) -> int | None:
    return code - 128 if code is not None and 128 < code < 128 + signals.NSIG else None


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _binary(limit: str) -> str:
    value = float(quantities.parse(limit)) if limit else 0.0
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError


# --- how the start goes ---------------------------------------------------------------------------


def _condition(status: Manifest, name: str) -> Manifest:
    return next((item for item in status.get("conditions", ()) if item["type"] == name), {})


def _condition_time(status: Manifest, name: str = "Ready") -> datetime | None:
    return moment(_condition(status, name).get("lastTransitionTime"))


def cause_of(pod: Manifest, around: Surroundings) -> Cause | None:
    """Why a pod does not come on, in both languages; None while nothing is wrong."""
    status = pod.get("status", {})
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return causes.unschedulable(str(scheduled.get("message", "")), around.shortage)
    waiting = _waiting(pod)
    if waiting.get("reason") in (*causes.IMAGE_WAITING, *causes.CONTAINER_WAITING):
        return _waiting_cause(pod, waiting)
    if status.get("phase") == "Pending" and waiting.get("reason") in (None, "ContainerCreating", "PodInitializing"):
        return causes.mounts(around.events)
    return None


def _steps(pod: Manifest, main: Manifest, end: End | None, around: Surroundings) -> tuple[StartStep, ...]:
    """scheduled, image, mounts, server: each with its state, times and what holds it up."""
    status, image = pod.get("status", {}), pod["spec"]["containers"][0]["image"]
    made = moment(pod["metadata"].get("creationTimestamp"))
    state = main.get("state", {})
    begun = moment((state.get("running") or state.get("terminated") or {}).get("startedAt"))
    tried = "running" in state or "terminated" in state
    placed = _condition_time(status, "PodScheduled") if pod["spec"].get("nodeName") else None
    mounted = _condition_time(status, "PodReadyToStartContainers") if _holds(status) else None
    fetching = _fetching(pod)
    if fetching is not None:
        mounted = moment(fetching.get("state", {}).get("terminated", {}).get("finishedAt"))
    waiting = _waiting(pod)
    image_waits = waiting.get("reason") in causes.IMAGE_WAITING
    pulled = begun or mounted if tried or waiting.get("reason") in causes.CONTAINER_WAITING else None
    cause = cause_of(pod, around)
    said = cause.text if cause is not None else ""
    found: list[StartStep] = []
    failed = end is not None and end.reason is ExitReason.START_FAILED

    def add(name: StepName, began: datetime | None, done: datetime | None, detail: str, *, reached: bool) -> bool:
        state_: StepState = "done" if done is not None else "active"
        if done is None and (failed or not reached):
            state_ = "failed" if failed and reached else "waiting"
        zh = cause.zh if cause is not None and detail == cause.text else ""
        found.append(StartStep(name, state_, detail, began if reached else None, done, zh))
        return done is not None

    on = add("scheduled", made, placed, pod["spec"].get("nodeName") or said, reached=True)
    volumes_done = mounted or begun
    image_reached = on and (volumes_done is not None or image_waits or tried)
    images = add("image", volumes_done or placed, pulled, said if image_waits else image, reached=image_reached)
    detail = said if on and not image_reached else ""
    add("mounts", placed, volumes_done or (placed if image_waits else None), detail, reached=on)
    ready = begun if begun is not None and (main.get("ready") or main.get("started")) and not failed else None
    text = end.message if failed and end is not None and images else (said if images and not tried else "")
    add("server", pulled, ready or (begun if end is not None and not failed else None), text, reached=images)
    return tuple(found)


def _holds(status: Manifest) -> bool:
    return _condition(status, "PodReadyToStartContainers").get("status") == "True"


def steps_message(steps: Sequence[StartStep]) -> str:
    """The sentence of the step under way."""
    return next((step.detail for step in steps if step.state in ("active", "failed") and " " in step.detail), "")
