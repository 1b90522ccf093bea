"""Kills at any moment: nothing runs twice, nothing is lost, every end has its true reason (REL-1)."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from himalia_hub.backends.local import journal, records
from himalia_hub.backends.protocol import (
    BackendError,
    ExitReason,
    HomeMount,
    Port,
    ReplicaState,
    Resources,
    WorkloadPlan,
)
from tests.contract.harness import LocalHarness, alive, processes_below, until

ONLY_LOCAL = "a cluster has no shims and no journal; tests/cluster/test_resilience.py kills what it has"


def test_kill_of_a_shim_ends_its_work_as_runner_lost(harness: LocalHarness) -> None:
    """OPS-2: closed at the last proof of life, at most a second old."""
    plan = harness.apply(harness.shell("sleep 60 & sleep 60"))
    harness.wait_running(plan)
    time.sleep(1.2)  # so that a heartbeat later than the start exists
    shim = harness.shim_pid(plan)
    below = processes_below(shim)
    assert len(below) >= 3
    killed_at = time.time()
    os.kill(shim, signal.SIGKILL)
    seen = harness.wait(plan, lambda item: item.exit_reason is not None)
    assert (seen.state, seen.exit_reason) == (ReplicaState.LOST, ExitReason.RUNNER_LOST)
    assert seen.ended_at is not None and seen.ended_at == seen.last_alive_at
    assert -0.1 < killed_at - seen.ended_at.timestamp() < 2
    until(lambda: not any(alive(pid) for pid in below), "its children outlived it")
    harness.restart_platform()
    assert harness.replica(plan) == seen, "the end is written down once and for all"
    harness.delete(plan)


def test_shim_and_work_outlive_a_killed_platform(harness: LocalHarness, tmp_path: Path) -> None:
    """A real platform process, killed; its children are adopted by this one."""
    plan_name = "wkilled"
    script = tmp_path / "run_platform.py"
    script.write_text(
        "import asyncio, sys, time\n"
        "from pathlib import Path\n"
        "from himalia_hub.backends.local.backend import LocalBackend\n"
        "from himalia_hub.backends.local.options import LocalOptions\n"
        "from himalia_hub.backends.protocol import Resources, WorkloadPlan\n"
        "async def main():\n"
        "    backend = LocalBackend(Path(sys.argv[1]), LocalOptions(node_name='here', disk_reserve_bytes=0))\n"
        "    await backend.start()\n"
        f"    await backend.apply(WorkloadPlan('{plan_name}', 1, 'run', 'acme', 'ada', sys.prefix,\n"
        "        ('/bin/sh', '-c', 'echo begun; sleep 2; echo done'), Resources(1000, 1 << 28)))\n"
        "    print('applied', flush=True)\n"
        "    time.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    platform = subprocess.Popen([sys.executable, str(script), str(harness.root)], stdout=subprocess.PIPE, text=True)
    assert platform.stdout is not None and platform.stdout.readline() == "applied\n"
    platform.kill()
    platform.wait()
    platform.stdout.close()
    from dataclasses import replace

    plan = replace(harness.shell("never run"), workload=plan_name)
    assert harness.replica(plan) is not None
    harness.apply(plan)
    seen = harness.wait_end(plan)
    assert seen.exit_reason is ExitReason.COMPLETED
    assert harness.output(plan) == "begun\ndone\n"


@pytest.mark.parametrize("moment", [*range(8), *(pytest.param(n, marks=pytest.mark.kill) for n in range(8, 58))])
def test_platform_killed_while_applying_never_runs_twice(harness: LocalHarness, tmp_path: Path, moment: int) -> None:
    """At a random moment of ``apply``; whoever comes next applies again and it has run exactly once."""
    seed = int(time.time()) + moment
    delay = random.Random(seed).uniform(0.0, 0.12)
    print(f"seed {seed}, delay {delay:.4f}")
    name, home = f"wtwice{moment}", f"count{moment}"
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from himalia_hub.backends.local.backend import LocalBackend\n"
        "from himalia_hub.backends.local.options import LocalOptions\n"
        "from himalia_hub.backends.protocol import HomeMount, Resources, WorkloadPlan\n"
        "async def main():\n"
        "    backend = LocalBackend(Path(sys.argv[1]), LocalOptions(node_name='here', disk_reserve_bytes=0))\n"
        "    await backend.start()\n"
        "    print('ready', flush=True)\n"
        f"    await backend.apply(WorkloadPlan('{name}', 1, 'run', 'acme', 'ada', sys.prefix,\n"
        "        ('/bin/sh', '-c', 'echo ran >> /home/jovyan/log; sleep 0.3'), Resources(1000, 1 << 28),\n"
        f"        mounts=(HomeMount('{home}', '/home/jovyan'),)))\n"
        "asyncio.run(main())\n"
    )
    platform = subprocess.Popen([sys.executable, "-c", script, str(harness.root)], stdout=subprocess.PIPE, text=True)
    assert platform.stdout is not None and platform.stdout.readline() == "ready\n"
    time.sleep(delay)
    platform.kill()
    platform.wait()
    platform.stdout.close()
    from dataclasses import replace

    plan = replace(
        harness.shell("echo ran >> /home/jovyan/log; sleep 0.3"),
        workload=name,
        mounts=(HomeMount(home, "/home/jovyan"),),
    )
    harness.restart_platform()
    harness.apply(plan)
    assert harness.wait_end(plan).exit_reason is ExitReason.COMPLETED
    assert (harness.root / "homes" / "acme" / home / "log").read_text() == "ran\n"


def test_concurrent_shims_of_one_attempt(harness: LocalHarness) -> None:
    """Two platforms start the same replica at the same moment: one shim takes it, the other goes."""
    plan = harness.shell("echo ran; sleep 60")
    other = LocalHarness.__new__(LocalHarness)
    other.__dict__.update(harness.__dict__)
    other.backend = other._open()

    import asyncio

    async def both() -> None:
        await asyncio.gather(harness.backend.apply(plan), other.backend.apply(plan))

    harness.run(both())
    harness.wait_running(plan)
    harness.run(other.backend.close())
    events = [line["event"] for line in journal.read_journal(str(harness.directory(plan)))]
    assert events.count("accepted") == events.count("start") == 1
    harness.stop(plan, grace_seconds=0)
    harness.wait_end(plan)
    assert harness.output(plan) == "ran\n"


def test_stop_asked_while_the_shim_could_not_hear_is_heard(harness: LocalHarness) -> None:
    """The request is a file; a lost signal costs a second at most."""
    plan = harness.apply(harness.shell("sleep 60"))
    harness.wait_running(plan)
    journal.write_atomically(str(harness.directory(plan) / "stop"), b'{"grace_seconds": 1}')
    assert harness.wait_end(plan, seconds=20).exit_reason is ExitReason.STOPPED


def test_terminating_the_shim_ends_its_work_in_order(harness: LocalHarness) -> None:
    plan = harness.apply(harness.shell("trap 'echo saved; exit 0' TERM; echo up; while :; do sleep 0.05; done"))
    harness.wait(plan, lambda _seen: "up" in harness.output(plan))
    os.kill(harness.shim_pid(plan), signal.SIGTERM)
    seen = harness.wait_end(plan)
    assert seen.exit_reason is ExitReason.STOPPED and "operator" in seen.message
    assert "saved" in harness.output(plan)


def test_nothing_is_left_after_delete(harness: LocalHarness) -> None:
    plan = harness.apply(harness.shell("sleep 60 & sleep 60", ports=(Port("x", 8888),)))
    harness.wait_running(plan)
    groups = [Path(path) for path in harness.status(plan)["cgroups"]]
    shim = harness.shim_pid(plan)
    below = processes_below(shim)
    assert all(group.is_dir() for group in groups)
    harness.stop(plan, grace_seconds=0)
    harness.wait_end(plan)
    harness.delete(plan)
    assert not any(group.exists() for group in groups)
    until(lambda: not any(alive(pid) for pid in (shim, *below)), "a process is left")
    assert not harness.directory(plan).parent.parent.exists()


def test_journal_tells_the_interval_before_and_after_delete(harness: LocalHarness) -> None:
    """What recomputes bills reads the shims' own words, also of forgotten attempts (OPS-2)."""
    plan = harness.apply(harness.shell("sleep 0.3; exit 3"))
    seen = harness.wait_end(plan)

    def interval() -> records.JournalInterval:
        (found,) = [item for item in records.read_intervals(harness.root) if item.workload == plan.workload]
        return found

    before = interval()
    assert (before.started_at, before.ended_at, before.reason) == (seen.started_at, seen.ended_at, "exit_code")
    assert (before.tenant, before.owner, before.cpu_millis) == ("acme", "ada", 1000)
    harness.delete(plan)
    assert interval() == before


def test_a_running_interval_has_no_end_yet(harness: LocalHarness) -> None:
    plan = harness.apply(harness.shell("sleep 60"))
    harness.wait_running(plan)
    (found,) = [item for item in records.read_intervals(harness.root) if item.workload == plan.workload]
    assert found.ended_at is None and found.last_alive_at >= found.started_at
    harness.stop(plan, grace_seconds=0)
    harness.wait_end(plan)


def test_half_written_files_are_survived(harness: LocalHarness) -> None:
    """A plan or a journal cut by a power loss breaks nobody else's observation."""
    folder = harness.root / "attempts" / "whalf" / "1"
    (folder / "r0").mkdir(parents=True)
    (folder / "plan.json").write_text('{"workload": "wha')
    plan = harness.apply(harness.shell("sleep 60"))
    harness.wait_running(plan)
    with open(harness.directory(plan) / "journal", "ab") as file:
        file.write(b'{"event": "usa')
    assert harness.replica(plan) is not None
    assert ("whalf", 1) not in harness.observe()
    assert any(item.workload == plan.workload for item in records.read_intervals(harness.root))
    harness.stop(plan, grace_seconds=0)
    harness.wait_end(plan)


def test_what_was_planned_and_never_started_holds_nothing(make_harness: Callable[..., LocalHarness]) -> None:
    """The platform died between planning and starting: its accelerator is free, and free again to it."""
    harness = make_harness(accelerators={"nvidia.com/gpu": 1})
    want = Resources(500, 64 << 20, accelerators={"nvidia.com/gpu": 1})
    left = harness.shell("echo $CUDA_VISIBLE_DEVICES; sleep 60", resources=want)
    harness.backend._store.create(left, [{"nvidia.com/gpu": [0]}])
    harness.restart_platform()
    assert harness.replica(left) is None, "so that the platform applies it again"
    assert harness.node().occupied.accelerators == {}
    other = harness.apply(harness.shell("sleep 60", resources=want))
    harness.wait_running(other)
    with pytest.raises(BackendError):
        harness.apply(left)
    harness.stop(other, grace_seconds=0)
    harness.wait_end(other)
    harness.apply(left)
    harness.wait(left, lambda _seen: harness.output(left) == "0\n")
    orphan = harness.shell("true")
    harness.backend._store.create(orphan, [{}])
    plan_file = harness.directory(orphan).parent / "plan.json"
    os.utime(plan_file, (1, 1))
    harness.restart_platform()
    assert not plan_file.exists()
    assert harness.replica(left) is not None


def test_observing_many_is_cheap(make_harness: Callable[..., LocalHarness]) -> None:
    """Hundreds of ended attempts cost one stat each: a look stays far below the reconciler's pace."""
    harness = make_harness()
    plan = harness.shell("true")
    harness.result(plan)
    source = harness.directory(plan).parent
    for number in range(300):
        copy = harness.root / "attempts" / f"copy{number}" / "1"
        copy.parent.mkdir()
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("scratch", "files", "control"))
        data = json.loads((copy / "plan.json").read_text())
        (copy / "plan.json").write_text(json.dumps({**data, "workload": f"copy{number}"}))
    assert len(harness.observe()) == 301
    began = time.perf_counter()
    harness.observe()
    took = time.perf_counter() - began
    print(f"301 attempts observed in {took * 1000:.1f} ms")
    assert took < 0.5


@pytest.mark.parametrize("rounds", [12, pytest.param(60, marks=pytest.mark.kill)])
def test_shim_killed_at_any_moment(harness: LocalHarness, rounds: int) -> None:
    """From before it accepted to after its end: one true end, nothing left running, no group left."""
    seed = int(os.environ.get("HIMALIA_KILL_SEED", str(time.time_ns() % 10**9)))
    chance = random.Random(seed)
    print(f"seed {seed}")
    reasons: dict[str, int] = {}
    for _ in range(rounds):
        plan = harness.shell("sleep 0.1 & sleep 0.1", ports=(Port("x", 8888),))
        delay = chance.uniform(0.0, 0.3)
        killer = threading.Thread(target=_kill_shim_after, args=(harness, plan, delay))
        killer.start()
        try:
            harness.apply(plan)
        except BackendError as error:  # killed before it accepted: the platform tries again
            assert error.retryable
            killer.join()
            harness.apply(plan)
        killer.join()
        seen = harness.wait_end(plan)
        assert seen.exit_reason in (ExitReason.RUNNER_LOST, ExitReason.COMPLETED)
        assert seen.started_at is None or (seen.ended_at is not None and seen.ended_at >= seen.started_at)
        reasons[seen.exit_reason] = reasons.get(seen.exit_reason, 0) + 1
        groups = [Path(path) for path in harness.status(plan)["cgroups"]]
        directory = str(harness.directory(plan))
        until(lambda directory=directory: not _mentions(directory), "a process of it is left")  # type: ignore[misc]
        harness.delete(plan)
        assert not any(group.exists() for group in groups)
    print(reasons)


def _kill_shim_after(harness: LocalHarness, plan: WorkloadPlan, seconds: float) -> None:
    end = time.monotonic() + seconds
    directory = str(harness.directory(plan))
    while time.monotonic() < end:
        time.sleep(0.001)
    for pid in _mentions(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _mentions(text: str) -> list[int]:
    """Processes whose arguments name a replica's folder: its shim, and children before their exec."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
                if text.encode() in words:
                    found.append(int(name))
    return found


def test_a_full_disk_delays_the_end_and_loses_nothing(make_harness: Callable[..., LocalHarness]) -> None:
    """REL-8: the work ends while nothing can be written; once there is room its true end is told."""
    if os.geteuid() != 0:
        pytest.skip("a small file system of its own needs root; the code is the same without")
    harness = make_harness()
    harness.run(harness.backend.close())
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(harness.root)], check=True)
    try:
        harness.backend = harness._open()
        plan = harness.apply(harness.shell("sleep 1.5; exit 7"))
        harness.wait_running(plan)
        shim = harness.shim_pid(plan)
        filler = harness.root / "filler"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        errors = harness.directory(plan) / "errors"
        until(lambda: not processes_below(shim), "it did not end")
        time.sleep(0.3)
        seen = harness.replica(plan)
        assert seen is not None and seen.exit_reason is None and alive(shim)
        filler.unlink()
        seen = harness.wait_end(plan)
        assert (seen.exit_reason, seen.exit_code) == (ExitReason.EXIT_CODE, 7)
        assert seen.started_at is not None and seen.ended_at is not None
        assert 1.4 < (seen.ended_at - seen.started_at).total_seconds() < 4, "when it ended, not when it could be told"
        events = [line["event"] for line in journal.read_journal(str(harness.directory(plan)))]
        assert events.count("exit") == 1
        assert errors.exists()
        harness.delete(plan)
    finally:
        until(lambda: subprocess.run(["umount", str(harness.root)]).returncode == 0, "still mounted")


def test_many_looks_at_once_write_one_end(harness: LocalHarness) -> None:
    import asyncio

    plan = harness.apply(harness.shell("sleep 60"))
    harness.wait_running(plan)
    os.kill(harness.shim_pid(plan), signal.SIGKILL)
    until(lambda: not harness.shim_pid(plan), "the shim did not go")

    async def look() -> None:
        await asyncio.gather(*(harness.backend.observe() for _ in range(8)))

    harness.run(look())
    events = [line["event"] for line in journal.read_journal(str(harness.directory(plan)))]
    assert events.count("exit") == 1


def test_work_of_a_removed_installation_ends(make_harness: Callable[..., LocalHarness]) -> None:
    """Nobody could ever stop it otherwise: its shim notices that its folder is gone."""
    harness = make_harness()
    plan = harness.apply(harness.shell("sleep 60"))
    harness.wait_running(plan)
    shim = harness.shim_pid(plan)
    groups = [Path(path) for path in harness.status(plan)["cgroups"]]
    below = processes_below(shim)
    shutil.rmtree(harness.directory(plan).parent.parent)
    until(lambda: not any(alive(pid) for pid in (shim, *below)), "it goes on")
    assert not any(group.exists() for group in groups)
