"""Notebooks as pods, started by a real JupyterHub on a real node (NB-1, NB-2, NB-3, BEY-2).

Their image is made of this machine's own runtime environment.

Environment
    KUBE_TEST_HUB_ADDRESS    an address of this machine that pods reach and from which pods are reached.
    KUBE_TEST_IMPORT         a command that brings an image archive to the nodes; ``{}`` is the archive.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from himalia_hub.backends import wire
from himalia_hub.backends.kubernetes.api import ApiError, Cluster
from himalia_hub.backends.kubernetes.backend import KubernetesBackend
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.kubernetes.spaces import SpaceQuota
from himalia_hub.backends.protocol import HttpProbe, Port, ReplicaState, Resources, WorkloadPlan
from himalia_hub.develop.images.registry import Environment
from himalia_hub.develop.notebooks import hub as hub_calls
from himalia_hub.develop.notebooks import profiles
from himalia_hub.platform.config import HubAccess
from tests.cluster.conftest import Loop, image_of, missing_settings
from tests.contract.kubernetes_harness import REAL_NODES

MIB = 1 << 20
TENANT = "acme"
SHOW = "import os; print(os.environ['FROM_A_TRAIT'])"
MISSING = missing_settings("KUBE_TEST_HUB_ADDRESS", "KUBE_TEST_IMPORT")
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.timeout(1800),  # an image of a gigabyte may have to be made and unpacked first
]


class Hub:
    """A hub process and its API; ``image`` is what its notebooks run in."""

    def __init__(self, folder: Path, release: str, image: str) -> None:
        self.folder, self.release, self.image = folder, release, image
        self.token = secrets.token_hex(16)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        address = os.environ["KUBE_TEST_HUB_ADDRESS"]
        self.url = f"http://{address}:{self.port}/hub/api"
        variables = {
            **os.environ,
            "TEST_FOLDER": str(folder),
            "TEST_CLUSTER": json.dumps({"release": release}),
            "TEST_PORT": str(self.port),
            "TEST_TOKEN": self.token,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        config = Path(__file__).parent / "hub_config.py"
        self.log = folder / "hub.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(config)],
                cwd=folder,
                env=variables,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"token {self.token}"}, timeout=100, trust_env=False
        )
        self.wait(self._answers, "the hub did not come up")
        self.client.post("/users/ada")

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            return self.client.get("/").status_code == 200
        except httpx.HTTPError:
            return False

    def wait(self, condition: Any, message: str, seconds: float = 90) -> Any:
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, f"{message}\n{self.log.read_text()[-4000:]}"
            time.sleep(0.1)
        return found

    def plan(self, number: int, **changes: Any) -> WorkloadPlan:
        base = WorkloadPlan(
            workload=f"w{number}",
            attempt=1,
            kind="notebook",
            tenant=TENANT,
            owner="ada",
            image=self.image,
            command=("jupyterhub-singleuser",),
            resources=Resources(500, 512 * MIB),
            ports=(Port("http", 8888),),
            probe=HttpProbe("http", "/api", timeout_seconds=80),
            grace_seconds=5,
            placement=REAL_NODES,
        )
        return replace(base, **changes)

    def give(self, plan: WorkloadPlan) -> WorkloadPlan:
        (self.folder / "plan.json").write_text(json.dumps(wire.to_wire(plan)))
        return plan

    def server(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/users/ada").json()["servers"].get(name) or {}
        return found

    def close(self) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


@pytest.fixture(scope="module")
def backend(loop: Loop, release: str) -> Iterator[KubernetesBackend]:
    made = KubernetesBackend(KubernetesOptions(release=release, kubeconfig=os.environ["KUBECONFIG"]))
    loop.run(made.start())
    quota = SpaceQuota(2000, 2 << 30, accelerators={"nvidia.com/gpu": 64})
    loop.run(made.ensure_space(TENANT, quota))
    yield made
    loop.run(made.close())


@pytest.fixture(scope="module")
def hub(
    backend: KubernetesBackend, release: str, environment: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hub]:
    made = Hub(tmp_path_factory.mktemp("hub"), release, image_of(environment))
    yield made
    made.close()


def pod(loop: Loop, admin: Cluster, hub: Hub, name: str) -> dict[str, Any] | None:
    return loop.run(admin.find(f"/api/v1/namespaces/{hub.release}-{TENANT}/pods/{name}"))


def test_a_notebook_starts_is_watched_and_stops(
    loop: Loop, admin: Cluster, hub: Hub, backend: KubernetesBackend
) -> None:
    """NB-1, NB-2: a named server; seen by the platform through its label; nothing is left of it."""
    hub.give(hub.plan(1))
    answer = hub.client.post("/users/ada/servers/lab", json={"profile": "marked"})
    assert answer.status_code in (201, 202), answer.text
    hub.wait(lambda: hub.server("lab").get("ready"), "the notebook was not ready")
    made = pod(loop, admin, hub, "w1-1")
    assert made is not None and made["metadata"]["labels"]["from-a-trait"] == "yes"
    assert made["metadata"]["annotations"]["from-a-profile"] == "yes", "NB-3: profiles of the configuration"
    assert made["spec"]["automountServiceAccountToken"] is False
    assert "JUPYTERHUB_API_TOKEN" not in str(made["spec"]), "the server's token is in the secret, not in the pod"
    ((workload),) = [item for item in loop.run(backend.observe()) if item.workload == "w1"]
    (replica,) = workload.replicas
    assert replica.state is ReplicaState.RUNNING and replica.ready
    assert [step.state for step in replica.steps] == ["done"] * 4
    code, output = loop.run(backend.execute("w1", 1, ("python", "-c", SHOW)))
    assert (code, output) == (0, b"yes\n")
    version = httpx.get(f"http://{replica.addresses['http']}/user/ada/lab/api", trust_env=False)
    assert version.status_code == 200 and "version" in version.json()
    assert hub.client.delete("/users/ada/servers/lab").status_code in (202, 204)
    hub.wait(lambda: pod(loop, admin, hub, "w1-1") is None, "the pod was not removed")
    secret = f"/api/v1/namespaces/{hub.release}-{TENANT}/secrets/w1-1"
    hub.wait(lambda: loop.run(admin.find(secret)) is None, "the secret was not removed")


def test_a_hopeless_gpu_start_is_aborted_and_leaves_nothing_to_the_next(
    loop: Loop, admin: Cluster, hub: Hub, backend: KubernetesBackend
) -> None:
    """BEY-2: abort at once; the CPU start after it asks for no GPU, in the pod as the API server has it."""
    hub.give(hub.plan(2, resources=Resources(500, 512 * MIB, 0, {"nvidia.com/gpu": 64})))
    with pytest.raises(httpx.ReadTimeout):
        hub.client.post("/users/ada/servers/two", json={"profile": "marked"}, timeout=0.5)
    made = hub.wait(lambda: pod(loop, admin, hub, "w2-1"), "no pod was made")
    assert made["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "64"

    def told() -> Any:
        try:
            return loop.run(_cause(backend, "w2"))
        except Exception:
            return None

    cause = hub.wait(told, "no cause was found", 30)
    assert cause.code == "never_fits" and "64 × nvidia.com/gpu" in cause.text and "没有足够大的节点" in cause.zh
    began = time.monotonic()
    assert hub.client.delete("/users/ada/servers/two").status_code in (202, 204)
    hub.wait(lambda: pod(loop, admin, hub, "w2-1") is None, "the abort did not remove the pod", 20)
    assert time.monotonic() - began < 15
    hub.wait(lambda: not hub.server("two").get("pending"), "the hub still holds the start")
    hub.give(hub.plan(2, attempt=2))
    answer = hub.client.post("/users/ada/servers/two", json={"profile": "plain"})
    assert answer.status_code in (201, 202), answer.text
    hub.wait(lambda: hub.server("two").get("ready"), "the second attempt was not ready")
    again = pod(loop, admin, hub, "w2-2")
    assert again is not None and "nvidia.com/gpu" not in str(again["spec"])
    assert "from-a-profile" not in again["metadata"]["annotations"], "nor of the first attempt's profile"
    hub.client.delete("/users/ada/servers/two")
    hub.wait(lambda: pod(loop, admin, hub, "w2-2") is None, "the pod was not removed")


def test_a_chosen_profile_is_in_the_pod(
    loop: Loop, admin: Cluster, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NB-3: asked, checked and handed over by the platform's own code; each person is offered their own."""
    monkeypatch.setattr(hub_calls, "TIMEOUT_SECONDS", 100.0)  # this hub answers once a server is ready
    token = tmp_path / "token"
    token.write_text(hub.token)
    client = hub_calls.HubClient(HubAccess(api_url=hub.url, token_file=token))
    found = loop.run(client.profiles("ada"))
    assert [one["slug"] for one in found] == ["plain", "marked", "adas"]
    assert [one["slug"] for one in loop.run(client.profiles("bob"))] == ["plain", "marked"], "made on the way"
    for number, value, told in ((41, "high", "high"), (42, "7", "7")):
        hub.give(hub.plan(number))
        options = profiles.user_options(found, profiles.kept(found, "marked", {"level": value}))
        assert loop.run(client.start("ada", "chosen", options))
        made = hub.wait(lambda number=number: pod(loop, admin, hub, f"w{number}-1"), "no pod was made")
        annotations = made["metadata"]["annotations"]
        assert (annotations["from-a-profile"], annotations["level"]) == ("yes", told)
        hub.client.delete("/users/ada/servers/chosen")
        hub.wait(lambda number=number: pod(loop, admin, hub, f"w{number}-1") is None, "the pod was not removed")
        hub.wait(lambda: not hub.server("chosen").get("pending"), "the hub still holds the server")
    hub.give(hub.plan(43))
    assert loop.run(client.start("ada", "chosen", {}))
    made = hub.wait(lambda: pod(loop, admin, hub, "w43-1"), "no pod was made")
    assert "from-a-profile" not in made["metadata"]["annotations"], "nothing of the start before"
    hub.client.delete("/users/ada/servers/chosen")
    hub.wait(lambda: pod(loop, admin, hub, "w43-1") is None, "the pod was not removed")
    loop.run(client.close())


def test_a_preview_is_the_pod_that_is_made(loop: Loop, admin: Cluster, hub: Hub) -> None:
    """NB-3: drawn by the hub, completed by the API server in a dry run, compared with the real pod of the same plan."""
    given = wire.to_wire(hub.plan(7))
    path = "/himalia/users/ada/preview"
    chosen = {"profile": "marked"}
    drafted = hub.client.post(path, json={"user_options": chosen}).json()
    assert [one["slug"] for one in drafted["profiles"]] == ["plain", "marked", "adas"]
    launch = drafted["launch"]
    assert launch["environment"]["MARKED"] == "•••", "no value leaves the hub"
    given |= {"secrets": launch["environment"], "command": launch["command"]}
    given["probe"]["path"] = f"{launch['path']}api"
    answer = hub.client.post(path, json={"user_options": chosen, "plan": given})
    assert answer.status_code == 200, answer.text
    shown = answer.json()["objects"][-1]
    pods = f"/api/v1/namespaces/{hub.release}-{TENANT}/pods"
    drawn = loop.run(admin.request("POST", pods, query={"dryRun": "All"}, body=shown))
    assert pod(loop, admin, hub, "w7-1") is None, "a preview makes nothing"
    assert hub.server("preview") == {}
    hub.give(hub.plan(7))
    assert hub.client.post("/users/ada/servers/preview", json={"profile": "marked"}).status_code in (201, 202)
    made = hub.wait(lambda: pod(loop, admin, hub, "w7-1"), "no pod was made")
    for one in (drawn, made):
        one["spec"].pop("nodeName", None)
    assert drawn["spec"] == made["spec"]
    for key in ("labels", "annotations"):
        assert drawn["metadata"][key] == made["metadata"][key]
    hub.client.delete("/users/ada/servers/preview")
    hub.wait(lambda: pod(loop, admin, hub, "w7-1") is None, "the pod was not removed")
    wrong = hub.client.post(path, json={"user_options": {"profile": "none-such"}})
    assert wrong.status_code == 409 and "none-such" in wrong.json()["detail"]


def test_a_start_waits_for_room_that_an_ending_pod_still_holds(
    loop: Loop, admin: Cluster, hub: Hub, backend: KubernetesBackend
) -> None:
    """BEY-2: the namespace's quota counts what ends; the start says so and begins by itself."""
    stubborn = ("sh", "-c", "trap '' TERM; while true; do sleep 1; done")
    ending = hub.plan(8, kind="run", command=stubborn, ports=(), probe=None, resources=Resources(1500, 256 * MIB))
    loop.run(backend.apply(replace(ending, grace_seconds=8)))

    def running() -> bool:
        found = [item for item in loop.run(backend.observe()) if item.workload == "w8"]
        return any(replica.state is ReplicaState.RUNNING for item in found for replica in item.replicas)

    hub.wait(running, "the pod that is to end does not run")
    loop.run(backend.stop("w8", 1, grace_seconds=8))
    hub.give(hub.plan(9, resources=Resources(1000, 512 * MIB)))
    with pytest.raises(httpx.ReadTimeout):
        hub.client.post("/users/ada/servers/late", timeout=0.5)
    said: list[str] = []
    with hub.client.stream("GET", "/users/ada/servers/late/progress") as events:
        for line in events.iter_lines():
            if line.startswith("data:"):
                said.append(line)
            if '"ready"' in line or '"failed"' in line:
                break
    assert any("holds it while ending" in line for line in said), said
    hub.wait(lambda: hub.server("late").get("ready"), f"the notebook was not ready: {said}")
    hub.client.delete("/users/ada/servers/late")
    hub.wait(lambda: pod(loop, admin, hub, "w9-1") is None, "the pod was not removed")


async def _cause(backend: KubernetesBackend, workload: str) -> Any:
    await backend.observe()
    import asyncio

    await asyncio.sleep(0.05)
    return backend.cause(workload, 1)


@pytest.mark.parametrize(
    ("number", "changes", "said"),
    [
        pytest.param(3, {"resources": Resources(64_000, 512 * MIB)}, "quota is full", id="quota"),
        pytest.param(4, {"image": "Not/An:Image"}, "Not/An:Image", id="image"),
        pytest.param(5, {"placement": replace(REAL_NODES, queue="fast"), "kind": "run"}, "needs Volcano", id="plan"),
    ],
)
def test_a_refusal_is_a_sentence_and_never_a_bare_500(
    hub: Hub, number: int, changes: dict[str, Any], said: str
) -> None:
    hub.give(hub.plan(number, **changes))
    answer = hub.client.post(f"/users/ada/servers/s{number}")
    assert answer.status_code == 409, f"{answer.status_code} {answer.text}"
    assert said in answer.json()["message"], answer.text


def test_the_spawner_made_nothing_outside_the_tenants_space(loop: Loop, admin: Cluster, hub: Hub) -> None:
    for place in ("default", f"{hub.release}-{TENANT}"):
        try:
            left = loop.run(admin.get(f"/api/v1/namespaces/{place}/pods"))["items"]
        except ApiError:
            left = []
        ours = [item["metadata"]["name"] for item in left if item["metadata"].get("labels", {}).get("from-a-trait")]
        assert set(ours) <= {"w4-1"}, place
