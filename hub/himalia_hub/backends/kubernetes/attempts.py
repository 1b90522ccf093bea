"""The attempts that the watches show: an index kept by their events, and what ``observe`` answers from it.

Nothing is scanned: an event touches its own attempt, and an attempt that did not change answers
from what was worked out before. Whose answer may have changed is noted for one reader, so that work
that merely goes on costs nothing but its events (PERF-17).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from himalia_hub.backends.kubernetes import causes, facts, naming, quantities
from himalia_hub.backends.kubernetes.facts import Surroundings
from himalia_hub.backends.protocol import ObservedReplica, ObservedWorkload, ReplicaState, Resources

Manifest = dict[str, Any]
Key = tuple[str, int]
"""Workload and attempt."""
_PENDING_FOR = timedelta(milliseconds=200)
"""How long an answer about a start is good for: patience and shortages change without an event."""
EVENTS_KEPT = 12
_RENEWED_EVERY = timedelta(seconds=1)
OVER = (ReplicaState.EXITED, ReplicaState.LOST)
_OVER = frozenset(OVER)


def key_of(item: Mapping[str, Any]) -> Key | None:
    labels = item["metadata"].get("labels", {})
    workload, attempt = labels.get(naming.WORKLOAD), labels.get(naming.ATTEMPT, "")
    return (workload, int(attempt)) if workload and attempt.isdigit() else None


@dataclass(slots=True)
class Attempt:
    """Everything known of one attempt."""

    workload: str
    number: int
    namespace: str = ""
    owner: Manifest | None = None
    pods: dict[str, Manifest] = field(default_factory=dict)
    gone: dict[int, ObservedReplica] = field(default_factory=dict)
    refused: str = ""
    """Why the cluster makes no pod for it, in the cluster's words."""
    answer: ObservedWorkload | None = None
    answered_at: datetime | None = None
    states: frozenset[ReplicaState] = frozenset()
    """Of the answer's replicas."""
    alive_at: datetime | None = None
    """The proof of life in the answer."""
    held: tuple[tuple[str, Resources], ...] | None = None
    """What its living replicas occupy, by node; None when it must be worked out anew."""

    @property
    def source(self) -> Manifest | None:
        """What carries the attempt's annotations: its Job or Deployment, else its only pod."""
        return self.owner if self.owner is not None else next(iter(self.pods.values()), None)

    def planned(self) -> int:
        source = self.source
        text = facts.annotation(source, naming.PLANNED) if source is not None else None
        return int(text) if text and text.isdigit() else max([len(self.pods), *(index + 1 for index in self.gone)])

    def stop_asked_at(self) -> datetime | None:
        source = self.source
        return facts.moment(facts.annotation(source, naming.STOP)) if source is not None else None

    def indexed(self) -> dict[int, Manifest]:
        """Replica numbers to pods; a Deployment's pods are numbered by age."""
        found: dict[int, Manifest] = {}
        unnumbered = []
        for pod in sorted(self.pods.values(), key=_age):
            index = facts.index_of(pod)
            if index is None:
                unnumbered.append(pod)
            else:
                found[index] = pod
        for pod in unnumbered:
            if len(found) >= self.planned() and pod["metadata"].get("deletionTimestamp"):
                continue
            found[next(number for number in range(len(found) + 1) if number not in found)] = pod
        return found

    @property
    def lasting(self) -> bool:
        return self.owner is not None and self.owner["kind"] == "Deployment"


def _age(pod: Manifest) -> tuple[str, str]:
    return pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]


class Attempts:
    """The index. ``surroundings`` answers for a pod what else is known."""

    def __init__(self, surroundings: Callable[[Manifest | None], Surroundings]) -> None:
        self._surroundings = surroundings
        self._all: dict[Key, Attempt] = {}
        self._numbers: dict[str, set[int]] = {}
        self._forgotten: set[Key] = set()
        self._changed: set[str] = set()
        self.events: dict[str, list[Manifest]] = {}

    def find(self, key: Key) -> Attempt | None:
        return None if key in self._forgotten else self._all.get(key)

    def all(self) -> list[Attempt]:
        return [item for key, item in self._all.items() if key not in self._forgotten]

    def _of(self, item: Manifest) -> Attempt | None:
        key = key_of(item)
        if key is None:
            return None
        found = self._all.get(key)
        if found is None:
            found = self._all[key] = Attempt(*key)
            self._numbers.setdefault(found.workload, set()).add(found.number)
        found.namespace = item["metadata"].get("namespace", "")
        self._touch(found)
        return found

    def _touch(self, attempt: Attempt) -> None:
        """Its answer must be worked out anew."""
        attempt.answer = attempt.held = None
        self._changed.add(attempt.workload)

    def take_changed(self) -> set[str]:
        """Workloads that may answer otherwise than when this was last asked; for one reader."""
        taken, self._changed = self._changed, set()
        return taken

    def forget(self, key: Key) -> None:
        """The attempt was deleted; what the watches still show of it is on its way out."""
        if key in self._all:
            self._forgotten.add(key)
            self._changed.add(key[0])

    def revive(self, key: Key) -> None:
        self._forgotten.discard(key)

    def _drop_if_empty(self, attempt: Attempt) -> None:
        key = (attempt.workload, attempt.number)
        bare = attempt.owner is None and not attempt.pods
        if bare and (key in self._forgotten or not attempt.gone):
            self._all.pop(key, None)
            self._forgotten.discard(key)
            numbers = self._numbers.get(attempt.workload, set())
            numbers.discard(attempt.number)
            if not numbers:
                self._numbers.pop(attempt.workload, None)

    # --- events of the watches ------------------------------------------------------------------

    def on_owner(self, kind: str, item: Manifest, gone: bool) -> None:
        attempt = self._of(item)
        if attempt is None:
            return
        attempt.owner = None if gone else {**item, "kind": kind}
        if gone:
            attempt.gone.clear()
            self._drop_if_empty(attempt)

    def on_pod(self, pod: Manifest, gone: bool) -> None:
        attempt = self._of(pod)
        if attempt is None:
            return
        name = pod["metadata"]["name"]
        if not gone:
            attempt.pods[name] = pod
            attempt.refused = ""
            return
        numbers = {item["metadata"]["name"]: index for index, item in attempt.indexed().items()}
        attempt.pods.pop(name, None)
        self.events.pop(pod["metadata"].get("uid", ""), None)
        index = numbers.get(name, facts.index_of(pod))
        if index is not None and not attempt.lasting:
            seen = facts.observe_pod(pod, index, self._surroundings(pod), attempt.stop_asked_at())
            attempt.gone[index] = seen
        self._drop_if_empty(attempt)

    def on_event(self, event: Manifest, gone: bool) -> None:
        about = event.get("involvedObject", {})
        uid = about.get("uid", "")
        if gone:
            self._drop_event(uid, event)
            return
        kept = self.events.setdefault(uid, [])
        kept.append(event)
        del kept[:-EVENTS_KEPT]
        if event.get("reason") == "FailedCreate":
            workload, _, number = str(about.get("name", "")).rpartition("-")
            attempt = self._all.get((workload, int(number))) if number.isdigit() else None
            if attempt is not None and attempt.owner is not None and attempt.owner["metadata"].get("uid") == uid:
                attempt.refused = str(event.get("message", ""))
                self._touch(attempt)

    def _drop_event(self, uid: str, event: Manifest) -> None:
        """The cluster keeps an event for an hour, and so does this copy."""
        name = event["metadata"].get("name")
        kept = [one for one in self.events.get(uid, ()) if one["metadata"].get("name") != name]
        if kept:
            self.events[uid] = kept
        else:
            self.events.pop(uid, None)

    def touch_node(self, node: str) -> None:
        """A node's readiness changed: so may the answers about what is on it, and about what waits for a place."""
        for attempt in self._all.values():
            places = {pod["spec"].get("nodeName", "") for pod in attempt.pods.values()}
            if node in places or "" in places or not places:
                self._touch(attempt)

    # --- answers --------------------------------------------------------------------------------

    def observe(self) -> list[ObservedWorkload]:
        around = self._surroundings(None)  # one look for all: most have nothing new to tell
        return [answer for attempt in self.all() if (answer := self.answer(attempt, around)).replicas]

    def observe_some(self, workloads: Iterable[str]) -> list[ObservedWorkload]:
        """The attempts of these workloads alone."""
        around = self._surroundings(None)
        found = (
            self.find((workload, number))
            for workload in workloads
            for number in sorted(self._numbers.get(workload, ()))
        )
        return [answer for one in found if one is not None and (answer := self.answer(one, around)).replicas]

    def held(self, attempt: Attempt) -> tuple[tuple[str, Resources], ...]:
        """Node and resources of each replica that occupies some."""
        if attempt.held is None:
            states = {item.index: item.state for item in self.answer(attempt).replicas}
            attempt.held = tuple(
                (pod["spec"]["nodeName"], quantities.from_list(pod["spec"]["containers"][0]["resources"]["limits"]))
                for index, pod in attempt.indexed().items()
                if pod["spec"].get("nodeName") and states.get(index, ReplicaState.EXITED) not in _OVER
            )
        return attempt.held

    def answer(self, attempt: Attempt, around: Surroundings | None = None) -> ObservedWorkload:
        answer = attempt.answer
        if answer is not None and attempt.answered_at is not None:
            if attempt.states <= _OVER:
                return answer
            around = around or self._surroundings(None)
            if ReplicaState.PENDING not in attempt.states:
                return self._renewed(attempt, answer, around)
            if around.now - attempt.answered_at < _PENDING_FOR:
                return answer
        attempt.answered_at = around.now if around is not None else datetime.now(UTC)
        attempt.answer = ObservedWorkload(attempt.workload, attempt.number, tuple(self._replicas(attempt)))
        replicas = attempt.answer.replicas
        attempt.states = frozenset(item.state for item in replicas)
        attempt.held = None
        attempt.alive_at = max((item.last_alive_at for item in replicas if item.last_alive_at), default=None)
        return attempt.answer

    @staticmethod
    def _renewed(attempt: Attempt, answer: ObservedWorkload, around: Surroundings) -> ObservedWorkload:
        """The same with a newer proof of life, at most once a second."""
        seen_at = around.seen_at
        if attempt.alive_at is not None and seen_at - attempt.alive_at < _RENEWED_EVERY:
            return answer
        replicas = tuple(
            replace(item, last_alive_at=seen_at)
            if item.state is ReplicaState.RUNNING and around.node_ready.get(item.node, (True, None))[0]
            else item
            for item in answer.replicas
        )
        attempt.alive_at = seen_at
        attempt.answer = ObservedWorkload(answer.workload, answer.attempt, replicas)
        return attempt.answer

    def _replicas(self, attempt: Attempt) -> list[ObservedReplica]:
        stop, found = attempt.stop_asked_at(), []
        pods = attempt.indexed()
        for index in range(attempt.planned()):
            pod = pods.get(index)
            around = self._surroundings(pod)
            if pod is not None:
                found.append(facts.observe_pod(pod, index, around, stop))
            elif index in attempt.gone or self._given_up(attempt, index, stop):
                found.append(facts.vanished(index, attempt.gone.get(index), stop, around))
            else:
                source = attempt.source
                since = facts.moment(source["metadata"].get("creationTimestamp")) if source is not None else None
                cause = causes.refused(attempt.refused) if attempt.refused else None
                found.append(facts.not_made(index, cause, since))
        return found

    @staticmethod
    def _given_up(attempt: Attempt, index: int, stop: datetime | None) -> bool:
        """The cluster will make no pod for this replica any more."""
        if stop is not None:
            return True
        status = (attempt.owner or {}).get("status", {})
        return index in _intervals(status.get("failedIndexes", "")) | _intervals(status.get("completedIndexes", ""))


def _intervals(text: str) -> set[int]:
    """``0,2-4`` is {0, 2, 3, 4}."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found
