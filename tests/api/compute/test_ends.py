"""How work ends, told apart from facts of real processes (BEY-2, BEY-6), and the states before."""

from __future__ import annotations

import os
import signal

import pytest

from himalia_hub.backends.local import journal
from himalia_hub.backends.protocol import Resources
from tests.api.compute.conftest import MIB, Machine, wait_for
from tests.api.compute.test_life import facts_of

FOREVER = "import time\nprint('up', flush=True)\nwhile True: time.sleep(1)"
HUNGRY = "block = []\nwhile True: block.append(bytearray(8 << 20))"
SERVER = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
"""


@pytest.mark.parametrize(
    ("code", "phase", "reason", "exit_code"),
    [
        ("raise SystemExit(3)", "failed", "exit_code", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "failed", "signal", 139),
    ],
)
def test_reasons_are_told_apart(machine: Machine, code: str, phase: str, reason: str, exit_code: int) -> None:
    row = machine.until(machine.submit(machine.world.alpha.member, code), "failed", "succeeded")
    assert (row.phase, row.reason, row.exit_code) == (phase, reason, exit_code)
    assert row.message and row.message_zh and row.message != row.message_zh


def test_out_of_memory_names_the_limit(machine: Machine) -> None:
    small = Resources(500, 96 * MIB)
    row = machine.until(machine.submit(machine.world.alpha.member, HUNGRY, resources=small), "failed", "succeeded")
    assert (row.phase, row.reason) == ("failed", "out_of_memory"), row.message
    assert "96 MiB" in row.message and "96 MiB" in row.message_zh


def test_a_deadline_ends_work(machine: Machine) -> None:
    row = machine.until(machine.submit(machine.world.alpha.member, FOREVER, deadline_seconds=1), "timed_out", "failed")
    assert (row.phase, row.reason) == ("timed_out", "deadline")


def test_a_missing_environment_is_named(machine: Machine) -> None:
    spec = {"image": "/nowhere/science-000000000000"}
    row = machine.until(machine.submit(machine.world.alpha.member, FOREVER, spec=spec), "failed", "running")
    assert row.reason in ("image", "start_failed")
    assert "science-000000000000" in row.message


def test_stopping_by_the_api_ends_it_and_its_token(machine: Machine) -> None:
    """The token inside acts for its owner while the work lives, and not a moment longer."""
    code = f"import os\nprint(os.environ['HIMALIA_TOKEN'], flush=True)\n{FOREVER}"
    workload_id = machine.submit(machine.world.alpha.member, code)
    number = machine.until(workload_id, "running").number
    with machine.world.alpha.member.client() as client:
        text = wait_for(lambda: (log := client.get(f"/workloads/{number}/log").text).count("\n") >= 2 and log)
        token = text.splitlines()[0]
        with machine.world.live.client(token) as inside:
            assert inside.get("/me").json()["token"]["kind"] == "workload"
            assert client.post(f"/workloads/{number}/stop").status_code == 202
            row = machine.until(workload_id, "stopped")
            assert row.reason == "stopped_by_user"
            assert inside.get("/me").status_code == 401
        assert client.post(f"/workloads/{number}/stop").status_code == 409
        assert client.get("/quota").json()["levels"][0]["resources"][0]["used"] == 0
    with machine.world.beta.member.client() as client:
        assert client.get(f"/workloads/{number}").status_code == 404


def test_a_lost_runner_is_told_and_closed_at_its_last_proof_of_life(machine: Machine) -> None:
    """OPS-2: kill -9 of a shim: its children die with it, the interval ends at the last heartbeat."""
    workload_id = machine.submit(machine.world.alpha.member, FOREVER)
    machine.until(workload_id, "running")
    os.kill(shim_of(machine, workload_id), signal.SIGKILL)
    row = machine.until(workload_id, "failed")
    assert row.reason == "runner_lost"
    closed = [fact for fact in facts_of(machine, workload_id) if fact.fact == "closed"]
    assert [fact.source for fact in closed] == ["last_proof_of_life"]
    assert (row.ended_at - closed[0].at).total_seconds() < 5


def shim_of(machine: Machine, workload_id: int, attempt: int = 1) -> int:
    """The pid of the shim of the first replica: whoever holds the journal's lock."""
    root = machine.world.live.platform.config.backend.root
    assert root is not None
    return journal.lock_holder(str(root / "attempts" / f"w{workload_id}" / str(attempt) / "r0"))


def test_a_service_is_running_only_once_it_answered_and_is_restarted(machine: Machine) -> None:
    member = machine.world.alpha.member
    workload_id = machine.submit(member, SERVER, kind="server", spec={"port": 8080})
    row = machine.until(workload_id, "running", "failed")
    assert (row.phase, row.replicas_ready) == ("running", 1)
    assert row.endpoints[0]["addresses"]["http"].startswith("127.0.0.1:")
    os.kill(shim_of(machine, workload_id), signal.SIGKILL)
    wait_for(lambda: machine.row(workload_id).attempt == 2)
    machine.until(workload_id, "running")
    edges = [(fact.attempt, fact.fact) for fact in facts_of(machine, workload_id) if fact.fact != "alive"]
    assert edges == [(1, "opened"), (1, "closed"), (2, "opened")]


def test_a_service_that_never_starts_fails_after_its_tries(machine: Machine) -> None:
    workload_id = machine.submit(machine.world.alpha.member, "raise SystemExit(7)", kind="server", spec={"port": 8080})
    row = machine.until(workload_id, "failed", "running")
    assert (row.reason, row.exit_code, row.attempt) == ("exit_code", 7, 3)


def test_what_does_not_fit_now_waits_its_turn(machine: Machine) -> None:
    """The queue: room goes to the next in line when somebody ends."""
    member = machine.world.alpha.member
    half = Resources(1500, 256 * MIB)
    first = machine.submit(member, FOREVER, resources=half)
    second = machine.submit(member, FOREVER, resources=half)
    third = machine.submit(member, FOREVER, resources=Resources(250, 64 * MIB))
    machine.until(first, "running")
    assert [machine.row(i).phase for i in (second, third)] == ["queued", "queued"], "nobody overtakes"
    with member.client() as client:
        waiting = client.get(f"/workloads/{machine.row(third).number}").json()
        assert (waiting["queue_position"], waiting["reason"]) == (2, "capacity")
        assert client.post(f"/workloads/{machine.row(first).number}/stop").status_code == 202
    machine.until(second, "running")
    machine.until(third, "running")
