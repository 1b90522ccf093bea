"""Starting, observing, adopting, forgetting: safe to repeat, whatever crashes (OPS-2, REL-1)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from himalia_hub.backends.protocol import BackendError, HttpProbe, Port, ReplicaState, Resources
from tests.contract.harness import MIB, LocalHarness, only_local, until

SERVER = """
import http.server, sys, time
time.sleep(float(sys.argv[1]))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == '/ok' else 404)
        self.end_headers()
        self.wfile.write(b'hello')
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(('0.0.0.0', 8888), Handler).serve_forever()
"""


def test_observe_tells_a_running_replica(harness: LocalHarness) -> None:
    before = datetime.now(UTC)
    plan = harness.apply(harness.shell("sleep 60"))
    seen = harness.wait_running(plan)
    assert seen.ready, "without a probe, running is ready"
    assert seen.node == harness.node().name
    assert seen.started_at is not None and before - harness.grain <= seen.started_at <= datetime.now(UTC)
    assert [step.name for step in seen.steps] == ["scheduled", "image", "mounts", "server"]
    assert all(step.state == "done" and step.ended_at is not None for step in seen.steps)
    harness.stop(plan)
    harness.wait_end(plan)


@only_local("a cluster's proof of life is its node's, and use comes from a metrics server")
def test_last_proof_of_life_is_never_much_older_than_a_second(harness: LocalHarness) -> None:
    """OPS-2: at most one second old on one machine."""
    plan = harness.apply(harness.shell("sleep 60"))
    first = harness.wait_running(plan).last_alive_at
    seen = harness.wait(plan, lambda item: item.last_alive_at is not None and item.last_alive_at != first)
    ages = []
    for _ in range(20):
        now = harness.replica(plan)
        assert now is not None and now.last_alive_at is not None
        ages.append(datetime.now(UTC) - now.last_alive_at)
        seen = now
    assert seen.usage is not None
    assert min(ages) < timedelta(seconds=1.5)
    harness.stop(plan)
    harness.wait_end(plan)


def test_apply_twice_runs_once(harness: LocalHarness) -> None:
    plan = harness.apply(harness.shell("echo ran; sleep 60"))
    harness.wait(plan, lambda _seen: harness.output(plan) == "ran\n")
    harness.apply(plan)
    harness.stop(plan)
    harness.wait_end(plan)
    harness.apply(plan)
    assert harness.output(plan) == "ran\n"
    assert harness.wait_end(plan).exit_reason == "stopped"


def test_apply_at_once_from_everywhere_runs_once(harness: LocalHarness) -> None:
    plan = harness.shell("echo ran; sleep 60")

    async def everywhere() -> None:
        await asyncio.gather(*(harness.backend.apply(plan) for _ in range(6)))

    harness.run(everywhere())
    harness.wait(plan, lambda _seen: harness.output(plan) != "")
    harness.stop(plan)
    harness.wait_end(plan)
    assert harness.output(plan) == "ran\n"


def test_attempts_of_a_workload_are_told_apart(harness: LocalHarness) -> None:
    from dataclasses import replace

    first = harness.apply(harness.shell("exit 1"))
    harness.wait_end(first)
    second = harness.apply(replace(first, attempt=2, command=("/bin/sh", "-c", "exit 2")))
    harness.wait_end(second)
    codes = [item and item.exit_code for item in (harness.replica(first), harness.replica(second))]
    assert codes == [1, 2]


def test_another_platform_adopts_what_runs(harness: LocalHarness) -> None:
    plan = harness.apply(harness.python(SERVER, "0", ports=(Port("http", 8888),), probe=HttpProbe("http", "/ok")))
    before = harness.wait(plan, lambda seen: seen.ready)
    harness.restart_platform()
    seen = harness.replica(plan)
    assert seen is not None and seen.state is ReplicaState.RUNNING and seen.ready
    assert (seen.started_at, seen.addresses) == (before.started_at, before.addresses)
    harness.apply(plan)
    harness.stop(plan)
    assert harness.wait_end(plan).exit_reason == "stopped"


def test_ready_only_after_the_probe(harness: LocalHarness) -> None:
    plan = harness.apply(harness.python(SERVER, "0.8", ports=(Port("http", 8888),), probe=HttpProbe("http", "/ok")))
    early = harness.wait_running(plan)
    assert not early.ready
    assert [step.state for step in early.steps if step.name == "server"] == ["active"]
    seen = harness.wait(plan, lambda item: item.ready)
    assert [step.state for step in seen.steps if step.name == "server"] == ["done"]
    harness.stop(plan)
    assert not harness.wait_end(plan).ready


@only_local("a kubelet's probe takes any status below 400")
def test_probe_may_want_exact_statuses(harness: LocalHarness) -> None:
    probe = HttpProbe("http", "/missing", statuses=(404,))
    plan = harness.apply(harness.python(SERVER, "0", ports=(Port("http", 8888),), probe=probe))
    harness.wait(plan, lambda seen: seen.ready)
    harness.stop(plan, grace_seconds=0)
    harness.wait_end(plan)


def test_replicas_run_side_by_side(harness: LocalHarness) -> None:
    plan = harness.apply(harness.shell("echo replica $HIMALIA_REPLICA", replicas=2))
    for index in (0, 1):
        assert harness.wait_end(plan, index=index).exit_code == 0
        assert harness.output(plan, replica=index) == f"replica {index}\n"


def test_execute_runs_inside(harness: LocalHarness) -> None:
    plan = harness.apply(harness.shell("echo mark > /tmp/mark; sleep 60", secrets={"TOKEN": "s3cret"}))
    harness.wait_running(plan)
    until(lambda: harness.execute(plan, "cat", "/tmp/mark")[0] == 0, "the file did not appear")
    assert harness.execute(plan, "cat", "/tmp/mark") == (0, "mark\n")
    assert harness.execute(plan, "/bin/sh", "-c", "id -u; echo $TOKEN; exit 5") == (5, "1000\ns3cret\n")
    code, text = harness.execute(plan, "no-such-command")
    assert code == 127 and "no-such-command" in text
    code, text = harness.execute(plan, "/bin/sh", "-c", "grep Cap /proc/self/status; ls /proc | grep -c '^[0-9]'")
    assert "CapEff:\t0000000000000000" in text and int(text.split()[-1]) < 10
    harness.stop(plan)
    harness.wait_end(plan)
    with pytest.raises(BackendError):
        harness.execute(plan, "true")


def test_delete_refuses_what_runs_and_forgets_what_ended(harness: LocalHarness) -> None:
    plan = harness.apply(harness.shell("sleep 60"))
    harness.wait_running(plan)
    with pytest.raises(BackendError, match="still runs"):
        harness.delete(plan)
    harness.stop(plan)
    harness.wait_end(plan)
    harness.delete(plan)
    assert harness.replica(plan) is None
    harness.delete(plan)


def test_node_counts_what_is_occupied(harness: LocalHarness) -> None:
    before = harness.node().occupied
    plan = harness.apply(harness.shell("sleep 60", resources=Resources(500, 64 * MIB, 10 * MIB)))
    harness.wait_running(plan)
    during = harness.node().occupied
    assert during.cpu_millis - before.cpu_millis == 500
    assert during.memory_bytes - before.memory_bytes == 64 * MIB
    harness.stop(plan)
    harness.wait_end(plan)
    assert harness.node().occupied == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"workload": "../w"}, id="workload"),
        pytest.param({"tenant": "a/b"}, id="tenant"),
        pytest.param({"owner": ".."}, id="owner"),
        pytest.param({"command": ()}, id="no-command"),
        pytest.param({"ports": (Port("a", 80), Port("a", 81))}, id="port-names"),
        pytest.param({"probe": HttpProbe("http", "/")}, id="probe-without-port"),
        pytest.param({"environment": {"A=B": "x"}}, id="variable"),
        pytest.param({"replicas": 0}, id="replicas"),
    ],
)
def test_what_can_never_run_is_refused(harness: LocalHarness, change: dict[str, object]) -> None:
    check_refused(harness, change)


@only_local("an image is a name there, and no port is reserved in a pod")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"image": "relative"}, id="image"),
        pytest.param({"ports": (Port("http", 7001),)}, id="reserved-port"),
    ],
)
def test_what_can_never_run_in_a_sandbox_is_refused(harness: LocalHarness, change: dict[str, object]) -> None:
    check_refused(harness, change)


def check_refused(harness: LocalHarness, change: dict[str, object]) -> None:
    plan = harness.shell("true", **change)
    with pytest.raises(BackendError) as caught:
        harness.apply(plan)
    assert not caught.value.retryable
    assert (plan.workload, plan.attempt) not in harness.observe()
