"""What breaks under a running backend, and that it converges by itself and does no harm (REL-1, REL-2).

Cut connections are made by a forwarder between backend and API server, on any cluster whose API
server is reached by plain address. Killing the servers themselves needs commands of whoever runs the
cluster, in the environment; without them those tests are skipped:

    KUBE_TEST_API_STOP, KUBE_TEST_API_START    stop and start the API server.
    KUBE_TEST_ETCD_RESTART                     restart its store.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from himalia_hub.backends.kubernetes import watching
from himalia_hub.backends.kubernetes.api import Cluster
from himalia_hub.backends.kubernetes.backend import KubernetesBackend
from himalia_hub.backends.kubernetes.lease import Lease
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.kubernetes.spaces import SpaceQuota
from himalia_hub.backends.kubernetes.watching import Reflector
from himalia_hub.backends.protocol import (
    BackendError,
    ExitReason,
    ObservedReplica,
    Placement,
    Port,
    ReplicaState,
    Resources,
    WorkloadPlan,
)
from tests.cluster.conftest import Loop
from tests.contract.kubernetes_harness import DEFAULT_IMAGE, REAL_NODES

MIB = 1 << 20
TENANT = "acme"
FAKE = Placement(node_labels={"fake-node": "true", "accelerator": "none"})
"""A node that only pretends runs a pod in a moment; what runs is not what is tried here."""
KEPT = KubernetesOptions().deployment_kinds[0]


def plan(workload: str, attempt: int = 1, **changes: Any) -> WorkloadPlan:
    base: dict[str, Any] = {
        "workload": workload,
        "attempt": attempt,
        "kind": KEPT,
        "tenant": TENANT,
        "owner": "ada",
        "image": "localhost/none:1",
        "command": ("true",),
        "resources": Resources(100, 16 * MIB),
        "secrets": {"TOKEN": "x"},
        "ports": (Port("http", 8080),),
        "placement": FAKE,
    }
    return WorkloadPlan(**(base | changes))


@pytest.fixture(scope="module", autouse=True)
def fake_node(loop: Loop, admin: Cluster) -> None:
    found = loop.run(admin.get("/api/v1/nodes", labelSelector="fake-node=true,accelerator=none"))["items"]
    if not found:
        pytest.skip("no node that pretends to run pods (label fake-node=true, accelerator=none)")


class Forwarder:
    """Carries bytes to the API server until it is cut; then it breaks every connection and takes none."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.cuts = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """No new connection, and every old one broken off in the middle."""
        assert self._server is not None
        self._server.close()
        self.drop()

    def drop(self) -> None:
        self.cuts += len(self._open)
        for writer in list(self._open):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        self._open -= {writer, back}

    @staticmethod
    async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                sink.write(data)
                await sink.drain()
        sink.transport.abort()


@pytest.fixture
def options(release: str) -> KubernetesOptions:
    return KubernetesOptions(release=release, kubeconfig=os.environ["KUBECONFIG"])


@pytest.fixture
def forwarder(loop: Loop) -> Iterator[Forwarder]:
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    parts = urlsplit(config["clusters"][0]["cluster"]["server"])
    if parts.hostname not in ("127.0.0.1", "localhost"):
        pytest.skip("the API server has a name that a forwarder on this machine cannot bear")
    made = Forwarder(parts.hostname, parts.port or 443)
    loop.run(made.start())
    yield made
    loop.run(made.cut())


@pytest.fixture
def through(forwarder: Forwarder, tmp_path: Path, release: str) -> KubernetesOptions:
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{forwarder.port}"
    place = tmp_path / "kubeconfig"
    place.write_text(yaml.safe_dump(config))
    return KubernetesOptions(release=release, kubeconfig=str(place))


@contextlib.asynccontextmanager
async def opened(options: KubernetesOptions, *, insist: bool = False) -> AsyncIterator[KubernetesBackend]:
    """A backend with its tenant's space; ``insist``: tried again as the platform's controllers do."""
    backend = KubernetesBackend(options)
    await backend.start()
    try:
        await insisted(lambda: backend.ensure_space(TENANT, SpaceQuota(32_000, 32 << 30)), seconds=60 if insist else 0)
        yield backend
    finally:
        await backend.close()


async def insisted(ask: Callable[[], Awaitable[None]], *, seconds: float = 60) -> None:
    """Ask again as the platform's controllers do, while a refusal is one for now."""
    end = time.monotonic() + seconds
    while True:
        try:
            return await ask()
        except BackendError as error:
            if time.monotonic() > end:
                raise
            assert error.retryable, error
        await asyncio.sleep(0.5)


async def seen(backend: KubernetesBackend, workload: str) -> ObservedReplica | None:
    found = [item for item in await backend.observe() if item.workload == workload]
    return found[0].replicas[0] if found and found[0].replicas else None


async def until(
    backend: KubernetesBackend, workload: str, wanted: Callable[[ObservedReplica | None], Any], seconds: float = 90
) -> ObservedReplica | None:
    end = time.monotonic() + seconds
    while not wanted(replica := await seen(backend, workload)):
        assert time.monotonic() < end, f"{workload}: {replica}"
        await asyncio.sleep(0.05)
    return replica


def is_(state: ReplicaState) -> Callable[[ObservedReplica | None], bool]:
    return lambda replica: replica is not None and replica.state is state


async def pods_of(admin: Cluster, release: str, workload: str) -> list[dict[str, Any]]:
    path = f"/api/v1/namespaces/{release}-{TENANT}/pods"
    return list((await admin.get(path, labelSelector=f"himalia/workload={workload}"))["items"])


def test_watches_that_break_off_lose_nothing(
    loop: Loop, admin: Cluster, forwarder: Forwarder, through: KubernetesOptions
) -> None:
    """Every connection is broken a dozen times while work is made, ends and is deleted behind its back."""

    async def work() -> None:
        async with opened(through) as backend:
            for number in range(6):
                name = f"wbreak{number}"
                await backend.apply(plan(name))
                forwarder.drop()
                await until(backend, name, is_(ReplicaState.RUNNING))
                forwarder.drop()
                # The whole attempt goes behind its back, between two connections.
                space = f"namespaces/{through.release}-{TENANT}"
                assert await admin.delete(f"/apis/apps/v1/{space}/deployments/{name}-1")
                await until(backend, name, lambda replica: replica is None or replica.state is not ReplicaState.RUNNING)
            assert forwarder.cuts >= 12, "nothing was cut"

    loop.run(work(), 300)


def test_an_api_server_out_of_reach_costs_nothing_that_runs(
    loop: Loop, admin: Cluster, forwarder: Forwarder, through: KubernetesOptions
) -> None:
    """What runs goes on and is believed; what is asked meanwhile is refused as worth another try."""

    async def work() -> None:
        async with opened(through) as backend:
            await backend.apply(plan("wreach"))
            await until(backend, "wreach", is_(ReplicaState.RUNNING))
            await forwarder.cut()
            with pytest.raises(BackendError) as caught:
                await backend.apply(plan("wreach2"))
            assert caught.value.retryable
            cut_at = time.time()
            await asyncio.sleep(3)
            replica = await seen(backend, "wreach")
            assert replica is not None and replica.state is ReplicaState.RUNNING
            assert replica.last_alive_at is not None and replica.last_alive_at.timestamp() <= cut_at + 1, (
                "no proof of life comes from a cluster that nobody can see"
            )
            # Meanwhile somebody ends it where we cannot look.
            assert await admin.delete(f"/apis/apps/v1/namespaces/{through.release}-{TENANT}/deployments/wreach-1")
            await forwarder.start()
            gone = await until(backend, "wreach", lambda item: item is None or item.state is not ReplicaState.RUNNING)
            assert gone is None or gone.exit_reason in (None, ExitReason.RUNNER_LOST)
            await backend.apply(plan("wreach2"))
            await until(backend, "wreach2", is_(ReplicaState.RUNNING))
            assert len(await pods_of(admin, through.release, "wreach2")) == 1

    loop.run(work(), 200)


@pytest.mark.parametrize("what", ["pod", "job", "secret", "deployment", "deployment-pod"])
def test_what_somebody_deletes_by_hand(loop: Loop, admin: Cluster, options: KubernetesOptions, what: str) -> None:
    """A lost replica is told as lost and nothing is started in its place but what a Deployment keeps."""
    name = f"whand{what.replace('-', '')}"
    more: dict[str, Any] = {}
    if not what.startswith("deployment"):
        image = os.environ.get("KUBE_TEST_IMAGE", DEFAULT_IMAGE)
        more = {"kind": "run", "image": image, "command": ("sleep", "600"), "ports": (), "placement": REAL_NODES}
    space = f"namespaces/{options.release}-{TENANT}"

    async def work() -> None:
        async with opened(options) as backend:
            await backend.apply(plan(name, **more))
            await until(backend, name, is_(ReplicaState.RUNNING))
            (pod,) = await pods_of(admin, options.release, name)
            places = {
                "pod": f"/api/v1/{space}/pods/{pod['metadata']['name']}",
                "deployment-pod": f"/api/v1/{space}/pods/{pod['metadata']['name']}",
                "job": f"/apis/batch/v1/{space}/jobs/{name}-1",
                "deployment": f"/apis/apps/v1/{space}/deployments/{name}-1",
                "secret": f"/api/v1/{space}/secrets/{name}-1",
            }
            assert await admin.delete(places[what], grace_seconds=1 if "pod" in what else None)
            if what == "secret":
                await asyncio.sleep(1)
                assert is_(ReplicaState.RUNNING)(await seen(backend, name))
            elif what == "deployment-pod":
                end = time.monotonic() + 60
                while [item["metadata"]["uid"] for item in await pods_of(admin, options.release, name)] in (
                    [],
                    [pod["metadata"]["uid"]],
                ):
                    assert time.monotonic() < end, "the Deployment made no other pod"
                    await asyncio.sleep(0.1)
                await until(backend, name, is_(ReplicaState.RUNNING))
            else:
                lost = await until(backend, name, lambda it: it is None or it.state is not ReplicaState.RUNNING)
                assert lost is None or lost.state is ReplicaState.LOST or lost.exit_reason is ExitReason.RUNNER_LOST
            # The same order again makes no second one while the first is there, and ends cleanly.
            await backend.stop(name, 1, grace_seconds=0)
            await until(backend, name, lambda it: it is None or it.state in (ReplicaState.EXITED, ReplicaState.LOST))
            await backend.delete(name, 1)

    loop.run(work(), 200)


def _shell(name: str) -> None:
    subprocess.run(os.environ[name], shell=True, check=True, timeout=120)


def _needs(*names: str) -> pytest.MarkDecorator:
    missing = [name for name in names if not os.environ.get(name)]
    return pytest.mark.skipif(bool(missing), reason=f"no command to stop the servers: set {', '.join(missing)}")


async def _alive_again(admin: Cluster) -> None:
    end = time.monotonic() + 90
    while True:
        with contextlib.suppress(BackendError):
            await admin.request("GET", "/readyz", tries=1)
            return
        assert time.monotonic() < end, "the API server did not come back"
        await asyncio.sleep(0.2)


async def _note_outages(admin: Cluster, space: str, found: list[str]) -> None:
    """Write down every small write that does not get through within a second, until cancelled."""
    mark = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "outage"}}
    number = 0
    while True:
        number += 1
        try:
            await admin.request(
                "PATCH",
                f"{space}/configmaps/outage",
                query={"fieldManager": "test", "force": "true"},
                body={**mark, "data": {"number": str(number)}},
                content_type="application/apply-patch+yaml",
                tries=1,
                seconds=1,
            )
        except BackendError as error:
            found.append(str(error))
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "what",
    [
        pytest.param("api", marks=_needs("KUBE_TEST_API_STOP", "KUBE_TEST_API_START")),
        pytest.param("etcd", marks=_needs("KUBE_TEST_ETCD_RESTART")),
    ],
)
def test_servers_that_die_and_come_back(loop: Loop, admin: Cluster, options: KubernetesOptions, what: str) -> None:
    """Nothing that ran is touched, orders given meanwhile arrive once, and the copy is true again."""

    async def work() -> None:
        async with opened(options) as backend:
            for number in range(5):
                await backend.apply(plan(f"w{what}{number}"))
            for number in range(5):
                await until(backend, f"w{what}{number}", is_(ReplicaState.RUNNING))
            before = {
                item["metadata"]["uid"]
                for n in range(5)
                for item in await pods_of(admin, options.release, f"w{what}{n}")
            }
            outages: list[str] = []
            space = f"/api/v1/namespaces/{options.release}-{TENANT}"
            looking = asyncio.create_task(_note_outages(admin, space, outages))
            order = asyncio.create_task(_insist(backend, plan(f"w{what}5")))
            if what == "api":
                await asyncio.to_thread(_shell, "KUBE_TEST_API_STOP")
                await asyncio.sleep(2)
                assert all([is_(ReplicaState.RUNNING)(await seen(backend, f"w{what}{n}")) for n in range(5)])
                await asyncio.to_thread(_shell, "KUBE_TEST_API_START")
            else:
                await asyncio.to_thread(_shell, "KUBE_TEST_ETCD_RESTART")
            await _alive_again(admin)
            looking.cancel()
            assert outages, "the command did not stop the server, so this shows nothing"
            await order
            # The cluster's own controllers and scheduler come back by a back-off of up to a minute each.
            await until(backend, f"w{what}5", is_(ReplicaState.RUNNING), seconds=200)
            after = {
                item["metadata"]["uid"]
                for n in range(5)
                for item in await pods_of(admin, options.release, f"w{what}{n}")
            }
            assert after == before, "what ran was touched"
            assert len(await pods_of(admin, options.release, f"w{what}5")) == 1
            for number in range(6):
                await backend.stop(f"w{what}{number}", 1, grace_seconds=0)
            for number in range(6):
                await until(
                    backend,
                    f"w{what}{number}",
                    lambda it: it is None or it.state in (ReplicaState.EXITED, ReplicaState.LOST),
                )

    loop.run(work(), 450)


async def _insist(backend: KubernetesBackend, wanted: WorkloadPlan) -> None:
    """As the reconciler does: what is worth another try is tried again."""
    end = time.monotonic() + 120
    while True:
        try:
            return await backend.apply(wanted)
        except BackendError as error:
            assert error.retryable and time.monotonic() < end, error
            await asyncio.sleep(0.5)


# --- two processes, one lease -----------------------------------------------------------------------

PROCESS = """
import asyncio, json, sys
from himalia_hub.backends import wire
from himalia_hub.backends.kubernetes.backend import KubernetesBackend
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.protocol import BackendError

async def main():
    backend = KubernetesBackend(KubernetesOptions.from_mapping(json.loads(sys.argv[1])))
    await backend.start()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            await backend.apply(wire.from_wire(json.loads(line)))
            print("applied", flush=True)
        except BackendError as error:
            print("refused", error.retryable, error, flush=True)
    await backend.close()

asyncio.run(main())
"""


def test_a_lease_holder_that_slept_changes_nothing_when_it_wakes(
    loop: Loop, admin: Cluster, release: str, tmp_path: Path
) -> None:
    """Its late order would start work that ended long ago; it is refused before it leaves the process."""
    system = f"{release}-system"
    values = {
        "release": release,
        "kubeconfig": os.environ["KUBECONFIG"],
        "system_namespace": system,
        "lease": "platform",
        "lease_seconds": 3.0,
    }
    loop.run(
        admin.request(
            "POST", "/api/v1/namespaces", body={"metadata": {"name": system, "labels": {"himalia/release": release}}}
        )
    )
    script = tmp_path / "process.py"
    script.write_text(PROCESS)
    other = subprocess.Popen(
        [sys.executable, str(script), json.dumps(values)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin is not None and other.stdout is not None
    said, order = other.stdout, other.stdin

    def give(wanted: WorkloadPlan) -> None:
        from himalia_hub.backends import wire

        order.write(json.dumps(wire.to_wire(wanted)) + "\n")
        order.flush()

    async def second() -> None:
        async with opened(KubernetesOptions.from_mapping(values), insist=True) as backend:
            assert is_(ReplicaState.RUNNING)(await until(backend, "wlate", is_(ReplicaState.RUNNING)))
            await insisted(lambda: backend.stop("wlate", 1, grace_seconds=0))  # until the sleeper's lease lapses
            await until(backend, "wlate", lambda it: it is None or it.state in (ReplicaState.EXITED, ReplicaState.LOST))
            await backend.delete("wlate", 1)
            give(plan("wlate2"))  # into the sleeping process: its order from before
            other.send_signal(signal.SIGCONT)
            answer = await asyncio.to_thread(said.readline)
            assert answer.startswith("refused True") and "the lease is held by" in answer
            assert await admin.find(f"/apis/batch/v1/namespaces/{release}-{TENANT}/jobs/wlate2-1") is None

    try:
        assert said.readline() == "ready\n"
        give(plan("wlate"))
        assert said.readline() == "applied\n"
        other.send_signal(signal.SIGSTOP)
        with pytest.raises(BackendError, match="the lease is held by"):
            loop.run(_once(values), 60)
        loop.run(second(), 120)
        # The second one let go; the first is the writer again, at once.
        give(plan("wlate3"))
        assert said.readline() == "applied\n"
        order.close()
        assert other.wait(30) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            other.send_signal(signal.SIGCONT)
        other.kill()
        other.wait(10)
        said.close()


async def _once(values: dict[str, Any]) -> None:
    backend = KubernetesBackend(KubernetesOptions.from_mapping(values))
    await backend.start()
    try:
        await backend.apply(plan("wother"))
    finally:
        await backend.close()


def test_of_many_that_want_a_lease_one_has_it(loop: Loop, admin: Cluster, release: str) -> None:
    async def work() -> None:
        many = [Lease(admin, "default", f"{release}-many", f"p{n}-{secrets.token_hex(2)}", 3.0) for n in range(8)]
        for round_ in range(6):
            await asyncio.gather(*(lease._try() for lease in many), return_exceptions=True)
            held = [lease.holder for lease in many if lease.held]
            assert len(held) == 1, (round_, held)
        (holder,) = [lease for lease in many if lease.held]
        await holder.close()
        assert not any(lease.held for lease in many)
        await many[0].require() if many[0] is not holder else await many[1].require()
        assert sum(lease.held for lease in many) == 1
        await admin.delete(f"/apis/coordination.k8s.io/v1/namespaces/default/leases/{release}-many")

    loop.run(work())


def test_a_watch_of_what_never_changes_is_no_failure(
    loop: Loop, admin: Cluster, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server says nothing at all of such a kind; the stream is opened anew and the copy stays true."""
    monkeypatch.setattr(watching, "_IDLE_SECONDS", 1.0)
    path = "/api/v1/namespaces/default/configmaps"
    body = {"metadata": {"name": release, "labels": {"himalia/quiet": release}}}

    async def work() -> None:
        told: list[bool] = []
        quiet = Reflector(
            admin, path, selector=f"himalia/quiet={release}", on_change=lambda _item, gone: told.append(gone)
        )
        quiet.start()
        try:
            async with asyncio.timeout(60):
                while quiet.watches < 4:
                    await asyncio.sleep(0.1)
                assert (quiet.lists, quiet.last_error) == (1, "")
                await admin.request("POST", path, body=body)
                while told != [False]:
                    await asyncio.sleep(0.1)
                await admin.delete(f"{path}/{release}")
                while told != [False, True]:
                    await asyncio.sleep(0.1)
        finally:
            await quiet.stop()

    loop.run(work())
