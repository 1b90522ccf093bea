"""Workloads as pods: the ``Backend`` of a cluster; see ``docs/design/kubernetes.md``.

The facade of this package. Desired state goes out by server-side apply; what is observed comes from
watches of each tenant's space. Nothing that matters is kept in memory: another instance lists the
spaces and sees the same attempts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from himalia_hub.backends.kubernetes import executing, facts, fit, naming, objects, pods, quantities, slim
from himalia_hub.backends.kubernetes.api import KINDS, ApiError, Cluster, Manifest, path_of
from himalia_hub.backends.kubernetes.attempts import OVER, Attempt, Attempts, Key
from himalia_hub.backends.kubernetes.facts import Surroundings
from himalia_hub.backends.kubernetes.keeper import Keeper
from himalia_hub.backends.kubernetes.lease import Lease
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.kubernetes.routes import Routes
from himalia_hub.backends.kubernetes.spaces import SpaceQuota
from himalia_hub.backends.kubernetes.watching import Reflector
from himalia_hub.backends.protocol import (
    BackendError,
    Changes,
    HomeMount,
    NodeCapacity,
    ObservedWorkload,
    Resources,
    ServiceRoute,
    WorkloadPlan,
)

log = logging.getLogger("himalia.backends.kubernetes")
_SYNC_SECONDS = 60.0
_STOP_SLACK = timedelta(seconds=5)
"""After this much more than its grace a pod that still runs is deleted."""
_FOLLOW_IDLE = 3600.0
_BEGIN_SECONDS = 0.3
_POD = KINDS["v1/Pod"]


class _Space:
    """The watches of one namespace."""

    def __init__(self, cluster: Cluster, namespace: str, attempts: Attempts) -> None:
        ours = naming.WORKLOAD
        self.pods = Reflector(cluster, _POD.path(namespace), selector=ours, on_change=attempts.on_pod, slim=slim.pod)
        self.reflectors = [self.pods]
        for kind in ("batch/v1/Job", "apps/v1/Deployment"):
            name = kind.rpartition("/")[2]

            def on_change(item: Manifest, gone: bool, name: str = name) -> None:
                attempts.on_owner(name, item, gone)

            path = KINDS[kind].path(namespace)
            self.reflectors.append(Reflector(cluster, path, selector=ours, on_change=on_change, slim=slim.any_object))
        events = Reflector(cluster, KINDS["v1/Event"].path(namespace), on_change=attempts.on_event, slim=slim.event)
        self.reflectors.append(events)

    async def start(self) -> None:
        for reflector in self.reflectors:
            reflector.start()
        await asyncio.gather(*(reflector.synced.wait() for reflector in self.reflectors))

    async def stop(self) -> None:
        for reflector in self.reflectors:
            await reflector.stop()


class KubernetesBackend:
    """The ``Backend`` of one cluster.

    Args:
        options: See :class:`KubernetesOptions`.
        quota_of: A tenant's quota as the platform has it now; None leaves namespaces without one.

    Call :meth:`start` once before anything else and :meth:`close` at the end; workloads go on.
    """

    name: Literal["local", "kubernetes"] = "kubernetes"

    def __init__(
        self,
        options: KubernetesOptions | None = None,
        quota_of: Callable[[str], Awaitable[SpaceQuota]] | None = None,
    ) -> None:
        self.options = options or KubernetesOptions()
        self._quota_of = quota_of
        self._attempts = Attempts(self._surroundings)
        self._spaces: dict[str, _Space] = {}
        self._opening = asyncio.Lock()
        self._node_state: dict[str, tuple[bool, datetime | None]] = {}
        self._fit_nodes: tuple[float, list[fit.Node]] = (float("-inf"), [])
        self._lease: Lease | None = None

    async def start(self) -> None:
        """Connect, and see what already runs.

        Raises:
            BackendError: No cluster, or it does not answer or let us in.
        """
        self.cluster = await Cluster.connect(self.options.kubeconfig, self.options.requests_per_second)
        if self.options.lease:
            self._lease = Lease(
                self.cluster,
                self.options.system_namespace,
                self.options.lease,
                f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}",
                self.options.lease_seconds,
            )
            self.cluster.fence = self._lease.require
            self._lease.start()
        self._routes = Routes(self.cluster, self.options)
        self.keeper = Keeper(self.cluster, self.options, self._quota_of)
        ours = ",".join(f"{name}={value}" for name, value in sorted(self.options.node_labels.items()))
        path = KINDS["v1/Node"].path()
        self._nodes = Reflector(self.cluster, path, selector=ours, on_change=self._on_node, slim=slim.node)
        self._nodes.start()
        await self.adopt()
        try:
            await asyncio.wait_for(self._nodes.synced.wait(), _SYNC_SECONDS)
        except TimeoutError as error:
            raise BackendError(f"the cluster does not answer: {self._nodes.last_error}", retryable=True) from error

    async def adopt(self) -> None:
        """Watch every space of this installation that exists."""
        query = {"labelSelector": f"{naming.RELEASE}={self.options.release}"}
        found = await self.cluster.get(KINDS["v1/Namespace"].path(), **query)
        names = [item["metadata"]["name"] for item in found["items"] if naming.TENANT in item["metadata"]["labels"]]
        await asyncio.gather(*(self._watch(name) for name in names))

    async def close(self) -> None:
        await asyncio.gather(*(space.stop() for space in self._spaces.values()), self._nodes.stop())
        self._spaces.clear()
        if self._lease is not None:
            await self._lease.close()
        await self.cluster.close()

    async def _watch(self, namespace: str) -> None:
        async with self._opening:
            if namespace in self._spaces:
                return
            space = self._spaces[namespace] = _Space(self.cluster, namespace, self._attempts)
        try:
            await asyncio.wait_for(space.start(), _SYNC_SECONDS)
        except TimeoutError as error:
            raise BackendError(f"the space {namespace} cannot be watched yet", retryable=True) from error

    # --- what is known around a pod -------------------------------------------------------------

    def _on_node(self, node: Manifest, gone: bool) -> None:
        name = node["metadata"]["name"]
        before = self._node_state.get(name)
        ready: Manifest = next((c for c in node["status"].get("conditions", ()) if c["type"] == "Ready"), {})
        state = (not gone and ready.get("status") == "True", facts.moment(ready.get("lastHeartbeatTime")))
        self._node_state[name] = state
        if before is None or before[0] != state[0]:
            self._attempts.touch_node(name)

    def _surroundings(self, pod: Manifest | None) -> Surroundings:
        moment = datetime.now(UTC)
        seen = moment
        events: tuple[Manifest, ...] = ()
        shortage: fit.Shortage | None = None
        if pod is not None:
            space = self._spaces.get(pod["metadata"].get("namespace", ""))
            seen = (space.pods.seen_at if space is not None else None) or moment
            events = tuple(self._attempts.events.get(pod["metadata"].get("uid", ""), ()))
            if not pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp"):
                shortage = fit.fit(pod["spec"], self.fit_nodes()).shortage
        elif self._nodes.seen_at is not None:
            seen = self._nodes.seen_at
        return Surroundings(
            now=moment,
            # A watch that is open and silent is a copy that is true: what it would have told did not happen.
            seen_at=seen if self._nodes.last_error else moment,
            node_ready=self._node_state,
            events=events,
            shortage=shortage,
            image_patience=timedelta(seconds=self.options.image_patience_seconds),
        )

    def fit_nodes(self) -> list[fit.Node]:
        """The ready nodes with what our pods leave of them, as :func:`.fit.fit` wants them."""
        moment = time.monotonic()
        if moment - self._fit_nodes[0] > 0.5:
            on: dict[str, list[Manifest]] = {}
            for space in self._spaces.values():
                for pod in space.pods.items.values():
                    on.setdefault(pod["spec"].get("nodeName", ""), []).append(pod)
            nodes = [
                fit.node_of(node, on.get(node["metadata"]["name"], []))
                for node in self._nodes.items.values()
                if self._node_state.get(node["metadata"]["name"], (False, None))[0]
            ]
            self._fit_nodes = (moment, nodes)
        return self._fit_nodes[1]

    def judge(self, plan: WorkloadPlan) -> fit.Fit:
        """What the scheduler would do with one replica of a plan now (BEY-1)."""
        return fit.fit(pods.pod_spec(plan, self.options), self.fit_nodes())

    def preference(self, plan: WorkloadPlan) -> pods.Preference | None:
        """Nodes that have the plan's image already, where some have it and some do not (BEY-25)."""
        images = {
            node["metadata"]["name"]: pods.image_names(node["status"].get("images") or ())
            for node in self._nodes.items.values()
        }
        nodes = pods.nodes_with_image(plan.image, images)
        return pods.Preference(nodes) if nodes and len(nodes) < len(images) else None

    # --- workloads ------------------------------------------------------------------------------

    async def apply(self, plan: WorkloadPlan) -> None:
        naming.check_plan(plan)
        key = (plan.workload, plan.attempt)
        self._attempts.revive(key)
        if self._attempts.find(key) is not None:
            return  # it is there, running or ended; an attempt is never changed
        made = objects.attempt_objects(plan, self.options, prefer=self.preference(plan))
        await self.ensure_space(plan.tenant)
        if plan.kind in self.options.hub_kinds:
            return  # the hub's spawner makes its pod and what belongs to it, in the space made here
        for manifest in made:
            await self._make(manifest)

    async def _make(self, manifest: Manifest) -> None:
        if manifest["kind"] == "PersistentVolumeClaim" and await self.cluster.find(path_of(manifest)):
            return  # most of a claim may not change, and a home outlives options
        await self.cluster.apply(manifest)
        kind = manifest["kind"]
        if kind in ("Job", "Deployment"):
            found = await self.cluster.find(path_of(manifest))
            if found is not None and (manifest["metadata"]["labels"]).items() <= found["metadata"]["labels"].items():
                # Our own write is seen at once, whatever the watch is doing.
                self._attempts.on_owner(kind, slim.any_object(found), False)

    async def stop(self, workload: str, attempt: int, *, grace_seconds: int) -> None:
        naming.check_workload(workload)
        found = self._attempts.find((workload, attempt))
        if found is None:
            return
        replicas = self._attempts.answer(found).replicas
        if replicas and all(item.state in OVER for item in replicas):
            return
        asked_at = found.stop_asked_at()
        moment = datetime.now(UTC)
        if asked_at is None and found.owner is not None:
            await self._mark_stopped(found, moment, grace_seconds)
        over = {item.index for item in replicas if item.state in OVER}
        for index, pod in found.indexed().items():
            if index not in over and not found.lasting:
                await self._stop_pod(found, pod, asked_at, moment, grace_seconds)

    async def _mark_stopped(self, found: Attempt, moment: datetime, grace_seconds: int) -> None:
        owner = found.owner
        assert owner is not None
        change: Manifest = {"metadata": {"annotations": objects.stop_annotations(moment, grace_seconds)}}
        if found.lasting:
            change["spec"] = {"replicas": 0}
        elif len(found.pods) + len(found.gone) < found.planned():
            change["spec"] = {"suspend": True}  # no pod is to be made from now on
        kind = KINDS[f"{owner.get('apiVersion') or _API[owner['kind']]}/{owner['kind']}"]
        path = kind.path(found.namespace, owner["metadata"]["name"])
        with contextlib.suppress(_NotThere):
            changed = await _tolerate_missing(self.cluster.patch(path, change))
            self._attempts.on_owner(owner["kind"], slim.any_object(changed), False)

    async def _stop_pod(
        self, found: Attempt, pod: Manifest, asked_at: datetime | None, moment: datetime, grace_seconds: int
    ) -> None:
        """End a pod so that its log and exit code stay, or delete it where that cannot be."""
        name, spec = pod["metadata"]["name"], pod["spec"]
        path = _POD.path(found.namespace, name)
        own = int(spec.get("terminationGracePeriodSeconds", 30))
        asked = facts.moment(facts.annotation(pod, naming.STOP)) or asked_at
        hurried = grace_seconds < own
        overdue = asked is not None and moment - asked > timedelta(seconds=own) + _STOP_SLACK
        if not spec.get("nodeName") or overdue:
            await self.cluster.delete(path, grace_seconds=0, uid=pod["metadata"]["uid"])
            return
        with contextlib.suppress(_NotThere):
            if facts.annotation(pod, naming.STOP) is None:
                change: Manifest = {"metadata": {"annotations": objects.stop_annotations(moment, grace_seconds)}}
                if not hurried:
                    change["spec"] = {"activeDeadlineSeconds": 1}
                changed = await _tolerate_missing(self.cluster.patch(path, change))
                self._attempts.on_pod(slim.pod(changed), False)
        if hurried:
            await self.cluster.delete(path, grace_seconds=max(grace_seconds, 1), uid=pod["metadata"]["uid"])

    async def delete(self, workload: str, attempt: int) -> None:
        naming.check_workload(workload)
        key: Key = (workload, attempt)
        found = self._attempts.find(key)
        if found is None:
            return
        if any(item.state not in OVER for item in self._attempts.answer(found).replicas):
            raise BackendError(f"attempt {attempt} of {workload} still runs; stop it first", retryable=True)
        name = naming.object_name(workload, attempt)
        kinds = ["v1/Secret", "v1/ConfigMap", "v1/Service", "networking.k8s.io/v1/NetworkPolicy"]
        kinds.append("apps/v1/Deployment" if found.lasting else "batch/v1/Job")
        for kind in kinds:
            await self.cluster.delete(KINDS[kind].path(found.namespace, name))
        for pod in list(found.pods):
            await self.cluster.delete(_POD.path(found.namespace, pod), grace_seconds=0)
        self._attempts.forget(key)

    async def observe(self) -> Sequence[ObservedWorkload]:
        return self._attempts.observe()

    def take_changes(self) -> Changes:
        return Changes(frozenset(self._attempts.take_changed()), self._surroundings(None).seen_at)

    def observe_some(self, workloads: Iterable[str]) -> Sequence[ObservedWorkload]:
        return self._attempts.observe_some(workloads)

    async def logs(
        self, workload: str, attempt: int, *, replica: int = 0, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[tuple[int, bytes]]:
        while (found := self._begun(workload, attempt, replica)) is None:
            if not follow:
                return  # it has said nothing yet
            await asyncio.sleep(_BEGIN_SECONDS)
        namespace, pod = found
        path = _POD.path(namespace, pod["metadata"]["name"]) + "/log"
        query = {"container": _container(pod)} | ({"follow": "true"} if follow else {})
        position = 0
        async with contextlib.aclosing(self.cluster.chunks(path, query, idle_seconds=_FOLLOW_IDLE)) as pieces:
            async for piece in pieces:
                start, position = position, position + len(piece)
                if position > offset:
                    skipped = max(0, offset - start)
                    yield start + skipped, piece[skipped:]

    def _begun(self, workload: str, attempt: int, replica: int) -> tuple[str, Manifest] | None:
        """The pod whose log is wanted; None while it has not run."""
        naming.check_workload(workload)
        found = self._attempts.find((workload, attempt))
        if found is None or not 0 <= replica < found.planned():
            raise BackendError(f"there is no replica {replica} of attempt {attempt} of {workload}", retryable=False)
        pod = found.indexed().get(replica)
        if pod is None and (replica in found.gone or found.stop_asked_at() is not None):
            raise BackendError(f"the log of {workload} went with its pod", retryable=False)
        return (found.namespace, pod) if pod is not None and _has_begun(pod) else None

    async def execute(
        self, workload: str, attempt: int, command: Sequence[str], *, replica: int = 0
    ) -> tuple[int, bytes]:
        namespace, pod = self._pod(workload, attempt, replica)
        if "running" not in facts.main_status(pod).get("state", {}):
            raise BackendError(f"attempt {attempt} of {workload} does not run", retryable=False)
        return await executing.execute(self.cluster, namespace, pod["metadata"]["name"], _container(pod), command)

    def _pod(self, workload: str, attempt: int, replica: int) -> tuple[str, Manifest]:
        naming.check_workload(workload)
        found = self._attempts.find((workload, attempt))
        pod = found.indexed().get(replica) if found is not None else None
        if found is None or pod is None:
            raise BackendError(f"there is no replica {replica} of attempt {attempt} of {workload}", retryable=False)
        return found.namespace, pod

    def cause(self, workload: str, attempt: int, replica: int = 0) -> Any:
        """Why a replica does not come on, in both languages; None while nothing is wrong."""
        _namespace, pod = self._pod(workload, attempt, replica)
        return facts.cause_of(pod, self._surroundings(pod))

    # --- nodes and spaces -----------------------------------------------------------------------

    async def nodes(self) -> Sequence[NodeCapacity]:
        """Nodes and what the platform's own pods occupy of them; others' pods are not ours to see."""
        occupied: dict[str, list[Resources]] = {}
        for attempt in self._attempts.all():
            for node_name, resources in self._attempts.held(attempt):
                occupied.setdefault(node_name, []).append(resources)
        found = []
        for node in self._nodes.items.values():
            name = node["metadata"]["name"]
            usable = self._node_state.get(name, (False, None))[0] and not node["spec"].get("unschedulable")
            found.append(
                NodeCapacity(
                    name,
                    quantities.from_list(node["status"].get("allocatable", {})),
                    _sum(occupied.get(name, [])),
                    ready=usable,
                    labels=dict(node["metadata"].get("labels", {})),
                )
            )
        return found

    async def ensure_space(self, tenant: str, quota: SpaceQuota | None = None) -> None:
        await self.keeper.ensure(tenant, quota)
        await self._watch(naming.namespace(self.options.release, tenant))

    async def remove_space(self, tenant: str) -> None:
        namespace = naming.namespace(self.options.release, tenant)
        await self.keeper.remove(tenant)
        space = self._spaces.pop(namespace, None)
        if space is not None:
            await space.stop()
        for attempt in self._attempts.all():
            if attempt.namespace == namespace:
                self._attempts.forget((attempt.workload, attempt.number))

    async def keep_routes(self, routes: Sequence[ServiceRoute]) -> dict[str, str]:
        """Make exactly these routes live at the cluster's gateway; answers what went wrong, by service."""
        return await self._routes.keep(routes, self._spaces)

    def _claim(self, tenant: str, key: str) -> str:
        namespace = naming.namespace(self.options.release, tenant)
        return KINDS["v1/PersistentVolumeClaim"].path(namespace, naming.home_claim(HomeMount(key, "/").key))

    async def remove_home(self, tenant: str, key: str) -> None:
        await self.cluster.delete(self._claim(tenant, key))

    async def home_bytes(self, tenant: str, key: str) -> int:
        """The claim's size: it is reserved for the home whether filled or not."""
        found = await self.cluster.find(self._claim(tenant, key))
        if found is None or found["metadata"].get("deletionTimestamp"):
            return 0
        size = found.get("status", {}).get("capacity") or found["spec"]["resources"]["requests"]
        return quantities.ceiling(quantities.parse(size["storage"]))


_API = {"Job": "batch/v1", "Deployment": "apps/v1"}


class _NotThere(Exception):
    """What was to be changed is gone."""


async def _tolerate_missing(work: Awaitable[Manifest]) -> Manifest:
    try:
        return await work
    except ApiError as error:
        if error.status == 404:
            raise _NotThere from error
        raise


def _container(pod: Manifest) -> str:
    """The first container is the workload's; the hub names its own differently."""
    return str(pod["spec"]["containers"][0]["name"])


def _has_begun(pod: Manifest) -> bool:
    """Its container has run, so that there is a log."""
    main = facts.main_status(pod)
    ended = main.get("state", {}).get("terminated") or main.get("lastState", {}).get("terminated")
    return "running" in main.get("state", {}) or bool(ended and ended.get("containerID"))


def _sum(items: Sequence[Resources]) -> Resources:
    counts: dict[str, int] = {}
    for item in items:
        for name, count in item.accelerators.items():
            counts[name] = counts.get(name, 0) + count
    return Resources(
        sum(item.cpu_millis for item in items),
        sum(item.memory_bytes for item in items),
        sum(item.disk_bytes for item in items),
        counts,
    )
