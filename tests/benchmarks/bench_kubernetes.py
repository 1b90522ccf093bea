"""The Kubernetes backend on a real API server: PERF-12 beside ``kubectl create job``, PERF-17 at 1,000 and 10,000.

Needs ``KUBECONFIG``; without one nothing is measured and a line says so. PERF-12 also needs an image
that a node has or can pull (``KUBE_TEST_IMAGE``) and ``kubectl``.

PERF-12 alternates both ways of starting the same command on the same node; one watch sees both pods run, so
that neither side is timed by the other's client. PERF-17 makes pods on simulated nodes (objects that
nobody runs) and as many rows of workloads in a database, and counts the CPU time of a process in which
the backend and the engine's reconciler take them over and then keep them, proofs of life written to the
database included. The other controllers and the API are not in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.backends.kubernetes import objects
from himalia_hub.backends.kubernetes.api import Cluster
from himalia_hub.backends.kubernetes.backend import KubernetesBackend
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.kubernetes.watching import Reflector
from himalia_hub.backends.protocol import Resources, WorkloadPlan
from himalia_hub.compute.reconciler import Reconciler
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock
from himalia_hub.core.usage import Fact, UsageFact
from himalia_hub.migrations import migrate
from tests.api.compute.test_admission import Installation, people
from tests.contract.kubernetes_harness import DEFAULT_IMAGE, REAL_NODES, why_not

MIB = 1 << 20
STARTS = 30
SIZES = (1_000, 10_000)
NODE_PODS = 500
TENANT_PODS = 500
SMALLEST = Resources(500, 1 << 30)
"""The smallest of a new installation's sizes. ``kubectl create job`` sets no limit, and a quota of less
CPU than anybody is offered would slow the container runtime's own work in the pod."""
STEADY_SECONDS = 66.0
"""Long enough for a proof of life of each."""
OBSERVE_SECONDS = 0.5
AT_ONCE = 24
HEARTBEAT_SECONDS = 20.0
STATUS = "application/strategic-merge-patch+json"
Rows = list[dict[str, Any]]


def run(_workdir: Path, *, short: bool = False) -> Rows:
    """Rows for ``build/bench.json``; none, and a line, without a cluster."""
    missing = why_not()
    if missing:
        print(f"PERF-12 on Kubernetes, PERF-17: not measured: {missing}", file=sys.stderr)
        return []
    rows = asyncio.run(_starts(3 if short else STARTS))
    return rows + asyncio.run(_scale((50, 200) if short else SIZES, 3.0 if short else STEADY_SECONDS))


def _plan(**changes: Any) -> WorkloadPlan:
    plan = WorkloadPlan(
        workload="w1",
        attempt=1,
        kind="run",
        tenant="t0",
        owner="u1",
        image=os.environ.get("KUBE_TEST_IMAGE", DEFAULT_IMAGE),
        command=("sh", "-c", "exec sleep 60"),
        resources=Resources(100, 64 * MIB),
        placement=REAL_NODES,
    )
    return replace(plan, **changes)


# --- PERF-12 --------------------------------------------------------------------------------------


class _Running:
    """When each pod was first seen to run, by the label of what started it."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self._changed = asyncio.Event()

    def on_pod(self, pod: dict[str, Any], gone: bool) -> None:
        states = [one.get("state", {}) for one in pod.get("status", {}).get("containerStatuses") or ()]
        if not gone and any("running" in state for state in states):
            name = pod["metadata"]["labels"]["batch.kubernetes.io/job-name"]
            self.at.setdefault(name, time.perf_counter())
            self._changed.set()

    async def of(self, name: str, seconds: float = 120) -> float:
        async with asyncio.timeout(seconds):
            while name not in self.at:
                self._changed.clear()
                await self._changed.wait()
        return self.at[name]


async def _starts(times: int) -> Rows:
    """(ours, kubectl) from asking to the container running, alternating."""
    release = f"bench-{secrets.token_hex(3)}"
    backend = KubernetesBackend(KubernetesOptions(release=release))
    await backend.start()
    running = _Running()
    # Both kinds of pods are made by the Job controller and so carry its label.
    seen = Reflector(backend.cluster, "/api/v1/pods", selector="batch.kubernetes.io/job-name", on_change=running.on_pod)
    seen.start()
    peer = f"{release}-peer"
    body = {"metadata": {"name": peer, "labels": {"himalia/release": release}}}
    ours, theirs = [], []
    # A kubelet looks at its containers once a second. Begun right after the last one was seen, each start
    # would meet that look at the same moment every time, and the ratio would be one of whole seconds.
    phase = random.Random(12)
    try:
        await seen.synced.wait()
        await backend.cluster.request("POST", "/api/v1/namespaces", body=body)
        await backend.ensure_space("t0")
        for number in range(times + 1):
            plan = _plan(workload=f"w{number + 1}", resources=SMALLEST)
            await asyncio.sleep(phase.random())
            began = time.perf_counter()
            await backend.apply(plan)
            ours.append(await running.of(f"{plan.workload}-1") - began)
            await backend.stop(plan.workload, 1, grace_seconds=0)
            name = f"peer-{number}"
            await asyncio.sleep(phase.random())
            began = time.perf_counter()
            await asyncio.to_thread(_kubectl, "create", "job", name, f"--image={plan.image}", *plan_command(peer, plan))
            theirs.append(await running.of(name) - began)
            await asyncio.to_thread(_kubectl, "delete", "job", name, "-n", peer, "--wait=false", "--now")
    finally:
        await seen.stop()
        await backend.remove_space("t0")
        await backend.cluster.delete(f"/api/v1/namespaces/{peer}")
        await backend.close()
    # The first of each meets a cold client, a new namespace and an image that is not unpacked yet.
    return [_start_row(ours[1:], theirs[1:], share, name) for share, name in ((0.5, "p50"), (0.99, "p99"))]


def plan_command(namespace: str, plan: WorkloadPlan) -> list[str]:
    return ["-n", namespace, "--", *plan.command]


def _kubectl(*arguments: str) -> None:
    subprocess.run(["kubectl", *arguments], check=True, capture_output=True, text=True, timeout=120)


def _start_row(ours: list[float], theirs: list[float], share: float, name: str) -> dict[str, Any]:
    value, peer = _at(ours, share) * 1000, _at(theirs, share) * 1000
    return {
        "id": "PERF-12",
        "name": f"submit to running on Kubernetes, at the backend, {name} of {len(ours)}",
        "value": round(value, 1),
        "unit": "ms",
        "peer": f"kubectl create job, {name}",
        "peer_value": round(peer, 1),
        "ratio": round(value / peer, 3),
        "target": "<= 1.2x",
        "better": "lower",
    }


def _at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


# --- PERF-17 --------------------------------------------------------------------------------------


async def _scale(sizes: tuple[int, ...], seconds: float) -> Rows:
    found = {}
    for size in sizes:
        found[size] = await _measure(size, seconds)
        print(f"PERF-17 at {size}: {found[size]}", file=sys.stderr, flush=True)
    small, large = sizes[0], sizes[-1]
    rows = []
    for key, what, unit, target in (
        ("steady_us", "steady state: CPU per workload and second", "us/s", "ratio <= 1.2"),
        ("start_us", "taking over what runs: CPU per workload", "us", "ratio <= 1.2"),
        ("memory_kib", "memory per workload", "KiB", "ratio <= 1.2"),
    ):
        value, peer = found[large][key], found[small][key]
        rows.append(_scale_row(f"{what} at {large}", value, unit, f"the same at {small}", peer, target))
    share = {size: found[size]["steady_us"] * size / 1e4 for size in (large, small)}
    title = f"steady state of backend and reconciler with {large} workloads"
    rows.append(_scale_row(title, share[large], "% of a core", f"with {small}", share[small], "< 5 %"))
    return rows


def _scale_row(name: str, value: float, unit: str, peer: str, peer_value: float, target: str) -> dict[str, Any]:
    return {
        "id": "PERF-17",
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "peer": peer,
        "peer_value": round(peer_value, 3),
        "ratio": round(value / peer_value, 3) if peer_value else None,
        "target": target,
        "better": "lower",
    }


async def _measure(size: int, seconds: float) -> dict[str, float]:
    """CPU and memory of a backend that adopts and then watches ``size`` running workloads."""
    options = KubernetesOptions(release=f"scale-{secrets.token_hex(3)}", requests_per_second=2000)
    async with _workloads(size, options):
        code = "import asyncio, sys; from tests.benchmarks.bench_kubernetes import watch; watch(*sys.argv[1:])"
        arguments = [sys.executable, "-c", code, options.release, str(size), str(seconds)]
        process = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
        printed, _ = await asyncio.wait_for(process.communicate(), 1800)
        if process.returncode:
            raise RuntimeError(f"the watching process ended with {process.returncode}")
        answer: dict[str, float] = json.loads(printed.splitlines()[-1])
        return answer


def watch(release: str, size: str, seconds: str) -> None:
    """The measured process: only the backend is in it."""
    print(json.dumps(asyncio.run(_watch(release, int(size), float(seconds)))))


async def _watch(release: str, size: int, seconds: float) -> dict[str, float]:
    backend = KubernetesBackend(KubernetesOptions(release=release))
    with tempfile.TemporaryDirectory() as folder:
        installation = _installation(Path(folder), size)
        engine = installation.engine
        engine.backend, engine.single_machine = backend, False
        reconciler = Reconciler(engine)
        before, memory = time.process_time(), _memory_kib()
        async with asyncio.timeout(1500):
            while not _taken_over(installation, reconciler, size):
                await reconciler.step()
                await asyncio.sleep(OBSERVE_SECONDS)
        start, grown = time.process_time() - before, _memory_kib() - memory
        began, before, steps = time.monotonic(), time.process_time(), 0
        while time.monotonic() - began < seconds:
            await reconciler.step()
            steps += 1
            await asyncio.sleep(reconciler.interval_seconds)
        used, took = time.process_time() - before, time.monotonic() - began
        beats = _facts(installation, Fact.ALIVE)
        await reconciler.close()
        installation.db.close()
    return {
        "start_us": start / size * 1e6,
        "steady_us": used / took / size * 1e6,
        "memory_kib": grown / size,
        "steps_per_second": steps / took,
        "beats": beats,
    }


def _installation(folder: Path, size: int) -> Installation:
    """A database that knows ``size`` workloads, admitted and started by an earlier process."""
    made = Installation(f"sqlite:///{folder}/bench.sqlite3", folder)
    migrate.upgrade(made.db)
    (actor, *_), _subjects = people(made)
    first = made.submit(actor, cpu=100, memory=64 * MIB)
    assert first == 1, "the pods are w1 to wN"

    def work(session: Session) -> None:
        row = session.get_one(Workload, first)
        moment = clock.now()
        row.phase, row.attempt, row.admitted_at, row.attempt_at = "starting", 1, moment, moment
        session.flush()
        one = dict(session.execute(sa.select(Workload.__table__)).one()._mapping)
        session.execute(sa.insert(Workload), [{**one, "id": n, "number": n} for n in range(2, size + 1)])

    made.write(work)
    return made


def _taken_over(installation: Installation, reconciler: Reconciler, size: int) -> bool:
    """All run in the database too, and the newest look left all of them alone."""
    with installation.db.engine.connect() as db:
        running = db.execute(sa.select(sa.func.count()).where(Workload.phase == "running")).scalar_one()
    return running == size and reconciler.looked_at == 0


def _facts(installation: Installation, fact: Fact) -> int:
    with installation.db.engine.connect() as db:
        return int(db.execute(sa.select(sa.func.count()).where(UsageFact.fact == fact.value)).scalar_one())


def _memory_kib() -> float:
    status = Path("/proc/self/status").read_text()
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


@contextlib.asynccontextmanager
async def _workloads(size: int, options: KubernetesOptions) -> AsyncIterator[None]:
    """Pods that are bound to simulated nodes and told to run; everything goes again at the end."""
    cluster = await Cluster.connect(options.kubeconfig, 2000)
    nodes = [f"{options.release}-{number}" for number in range(-(-size // NODE_PODS))]
    tenants = [f"t{number}" for number in range(-(-size // TENANT_PODS))]
    beating = None
    try:
        for name in nodes:
            labels = {"himalia-bench": options.release}
            await cluster.request("POST", "/api/v1/nodes", body={"metadata": {"name": name, "labels": labels}})
        await _beat(cluster, nodes)
        beating = asyncio.create_task(_keep_ready(cluster, nodes))
        for tenant in tenants:
            labels = {"himalia/release": options.release, "himalia/tenant": tenant}
            body = {"metadata": {"name": f"{options.release}-{tenant}", "labels": labels}}
            await cluster.request("POST", "/api/v1/namespaces", body=body)
        waiting = iter(range(size))

        async def make() -> None:
            for number in waiting:
                await _pod(cluster, options, number, tenants, nodes)

        await asyncio.gather(*(make() for _ in range(AT_ONCE)))
        yield
    finally:
        if beating is not None:
            beating.cancel()
        now: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
        for tenant in tenants:
            namespace = f"/api/v1/namespaces/{options.release}-{tenant}"
            await cluster.request("DELETE", f"{namespace}/pods", body=now)
            await cluster.delete(namespace)
        for name in nodes:
            await cluster.delete(f"/api/v1/nodes/{name}")
        await cluster.close()


async def _pod(cluster: Cluster, options: KubernetesOptions, number: int, tenants: list[str], nodes: list[str]) -> None:
    tenant = tenants[number % len(tenants)]
    made = objects.pod(_plan(workload=f"w{number + 1}", kind="notebook", tenant=tenant), options)
    # No admission of a service account: the pod is bound by hand and run by nobody.
    made["spec"] |= {"nodeName": nodes[number % len(nodes)], "serviceAccountName": "", "affinity": None}
    path = f"/api/v1/namespaces/{made['metadata']['namespace']}/pods"
    await cluster.request("POST", path, body=made)
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = {"running": {"startedAt": moment}}
    container = {"name": "main", "image": "", "imageID": "", "ready": True, "restartCount": 0, "state": state}
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": moment}
    status = {"phase": "Running", "containerStatuses": [container], "conditions": [condition], "startTime": moment}
    await cluster.request(
        "PATCH", f"{path}/{made['metadata']['name']}/status", body={"status": status}, content_type=STATUS
    )


async def _beat(cluster: Cluster, nodes: list[str]) -> None:
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": moment, "reason": "Simulated", "message": ""}
    room = {"cpu": "1000", "memory": "4000Gi", "pods": str(NODE_PODS)}
    status = {"conditions": [ready], "capacity": room, "allocatable": room}
    for name in nodes:
        await cluster.request("PATCH", f"/api/v1/nodes/{name}/status", body={"status": status}, content_type=STATUS)


async def _keep_ready(cluster: Cluster, nodes: list[str]) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        await _beat(cluster, nodes)


if __name__ == "__main__":
    print(json.dumps(run(Path(), short="--short" in sys.argv), indent=1))
