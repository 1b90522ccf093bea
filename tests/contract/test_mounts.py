"""What a workload finds under its paths (NB-5, NB-9, DAT-23)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from himalia_hub.backends.local.cache import ManifestEntry
from himalia_hub.backends.protocol import (
    BackendError,
    ExitReason,
    FileMount,
    FolderMount,
    HomeMount,
    Mount,
    ReplicaState,
    ScratchMount,
)
from tests.contract.harness import LocalHarness, only_local, until


def test_home_outlives_attempts(harness: LocalHarness) -> None:
    harness.needs_homes()
    mounts = (HomeMount("ada/n1", "/home/jovyan"),)
    harness.result(harness.shell("umask 077; echo kept > note; mkdir -p a/b", mounts=mounts))
    plan = harness.shell("pwd; cat note; cd; pwd; ls -d a/b", mounts=mounts)
    assert harness.result(plan) == "/home/jovyan\nkept\n/home/jovyan\na/b\n"
    harness.delete(plan)
    assert harness.run(harness.backend.home_bytes("acme", "ada/n1")) >= 4096
    harness.run(harness.backend.remove_home("acme", "ada/n1"))
    assert harness.run(harness.backend.home_bytes("acme", "ada/n1")) == 0


def test_home_of_one_is_not_seen_by_another(harness: LocalHarness) -> None:
    harness.needs_homes()
    harness.result(harness.shell("echo secret > mine", mounts=(HomeMount("ada/x", "/home/jovyan"),)))
    other = harness.shell("ls -A /home/jovyan; ls /home", owner="bob", mounts=(HomeMount("bob/x", "/home/jovyan"),))
    assert harness.result(other) == "jovyan\n"


def test_without_a_home_there_is_an_empty_one(harness: LocalHarness) -> None:
    assert harness.result(harness.shell("pwd; ls -A; touch x && echo writable")) == "/home/jovyan\nwritable\n"


@only_local("a pod fetches its folders from the platform: see tests/cluster/test_selfcheck.py")
def test_folder_is_there_and_read_only(harness: LocalHarness) -> None:
    files = {"a.txt": b"alpha", "sub/b.txt": b"beta", "sub/empty": b"", "sub/same.txt": b"alpha"}
    manifest = harness.folders.add(files)
    script = (
        "cd /himalia/input/input0; cat a.txt sub/b.txt sub/same.txt; stat -c ' %a %s' a.txt sub/empty;"
        "(echo x > new) 2>/dev/null || echo refused; rm -f a.txt 2>/dev/null || echo refused;"
        "chmod 777 a.txt 2>/dev/null || echo refused; (echo x >> a.txt) 2>/dev/null || echo refused"
    )
    mounts = (FolderMount(manifest, "/himalia/input/input0"),)
    text = harness.result(harness.shell(script, mounts=mounts))
    assert text == "alphabetaalpha 444 5\n 444 0\n" + "refused\n" * 4


@only_local("a pod fetches its folders from the platform: see tests/cluster/test_selfcheck.py")
def test_folder_is_fetched_once_and_bound_by_many(harness: LocalHarness) -> None:
    manifest = harness.folders.add({"x": b"once only"})
    mounts = (FolderMount(manifest, "/himalia/input/input0"),)
    before = harness.folders.reads
    for _ in range(2):
        assert harness.result(harness.shell("cat /himalia/input/input0/x", mounts=mounts)) == "once only"
    assert harness.folders.reads == before + 1


@only_local("a pod fetches its folders from the platform: see tests/cluster/test_selfcheck.py")
def test_progress_of_fetching_is_shown_and_can_be_stopped(harness: LocalHarness) -> None:
    manifest = harness.folders.add({"x": b"slow" * 1000})
    plan = harness.shell("true", mounts=(FolderMount(manifest, "/himalia/input/input0"),))
    harness.folders.gate.clear()
    try:
        harness.apply(plan)
        harness.apply(plan)
        seen = harness.wait(plan, lambda item: item.state is ReplicaState.PENDING)
        assert [(step.name, step.state) for step in seen.steps] == [("scheduled", "done"), ("mounts", "active")]
        until(lambda: "of 3.9 KiB" in _mounts_detail(harness, plan), "no progress was shown")
        harness.stop(plan)
    finally:
        harness.folders.gate.set()
    seen = harness.wait_end(plan)
    assert seen.exit_reason is ExitReason.STOPPED and seen.started_at is None
    harness.apply(plan)
    assert harness.wait_end(plan).exit_reason is ExitReason.STOPPED, "an ended attempt stays ended"


@only_local("a pod fetches its folders from the platform: see tests/cluster/test_selfcheck.py")
def test_a_store_that_is_away_for_a_moment_is_waited_for(harness: LocalHarness) -> None:
    """REL-8: S3 down, then up again: nothing fails."""
    manifest = harness.folders.add({"x": b"patience"})
    harness.folders.failures = 3
    plan = harness.shell("cat /himalia/input/input0/x", mounts=(FolderMount(manifest, "/himalia/input/input0"),))
    harness.apply(plan)
    until(lambda: "the store is away" in _mounts_detail(harness, plan), "the trouble was not shown")
    assert harness.wait_end(plan).exit_reason is ExitReason.COMPLETED
    assert harness.output(plan) == "patience"


def _mounts_detail(harness: LocalHarness, plan: object) -> str:
    seen = harness.replica(plan)  # type: ignore[arg-type]
    return seen.steps[-1].detail if seen is not None else ""


@only_local("a pod fetches its folders from the platform: see tests/cluster/test_selfcheck.py")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda folders: "0" * 64, "no manifest", id="missing"),
        pytest.param(
            lambda folders: folders.add_entries([ManifestEntry("../escape", "1" * 64, 1)]),
            "../escape",
            id="unsafe-path",
        ),
        pytest.param(lambda folders: _damaged(folders), "damaged", id="damaged-bytes"),
    ],
)
def test_folder_that_cannot_be_made_fails_the_start(
    harness: LocalHarness, make: Callable[[object], str], said: str
) -> None:
    plan = harness.shell("true", mounts=(FolderMount(make(harness.folders), "/himalia/input/input0"),))
    harness.apply(plan)
    seen = harness.wait_end(plan)
    assert seen.exit_reason is ExitReason.START_FAILED
    assert said in seen.message
    assert not list((harness.root / "cache").glob(".making-*")), "nothing half-made is left"


def _damaged(folders: object) -> str:
    manifest = folders.add({"x": b"to be damaged"})  # type: ignore[attr-defined]
    digest = folders.manifests[manifest][0].digest  # type: ignore[attr-defined]
    folders.blobs[digest] = b"something else"  # type: ignore[attr-defined]
    return str(manifest)


def test_cache_keeps_its_budget_and_what_is_in_use(make_harness: Callable[..., LocalHarness]) -> None:
    harness = make_harness(cache_bytes_max=2_500_000)
    used = harness.folders.add({"x": b"u" * 1_000_000})
    holder = harness.apply(harness.shell("sleep 60", mounts=(FolderMount(used, "/himalia/input/input0"),)))
    harness.wait_running(holder)
    for letter in b"abc":
        manifest = harness.folders.add({"x": bytes([letter]) * 1_000_000})
        harness.result(harness.shell("true", mounts=(FolderMount(manifest, "/himalia/input/input0"),)))
    kept = {path.parent.name for path in (harness.root / "cache").glob("*/*/tree")}
    assert used in kept and manifest in kept and len(kept) == 2


def test_scratch_is_empty_writable_and_the_attempts_own(harness: LocalHarness) -> None:
    mounts: tuple[Mount, ...] = (ScratchMount("/himalia/work"), ScratchMount("/himalia/output"))
    script = "ls -A . /himalia/output | wc -w; echo kept > note && cat note && cp note /himalia/output/"
    plan = harness.shell(script, mounts=mounts, working_directory="/himalia/work")
    assert harness.result(plan).split() == ["2", "kept"]  # ls prints the two folders' names only


def test_small_files_are_part_of_the_plan(harness: LocalHarness) -> None:
    harness.needs_homes()
    mounts: tuple[Mount, ...] = (
        FileMount("/himalia/home/run.sh", "#!/bin/sh\necho 运行 $1\n", 0o555),
        FileMount("/himalia/parameters.json", "{}"),
        HomeMount("ada/work", "/himalia/home"),
    )
    script = "/himalia/home/run.sh it; cat /himalia/parameters.json; (echo x > /himalia/parameters.json) 2>&- || echo !"
    plan = harness.shell(script, mounts=mounts, working_directory="/himalia/home")
    assert harness.result(plan) == "运行 it\n{}!\n"


@pytest.mark.parametrize(
    "mount",
    [
        FileMount("relative", ""),
        FileMount("/a/../b", ""),
        FileMount("/usr/bin/sh", ""),
        FileMount("/proc/x", ""),
        FileMount("/x", "", 0o4755),
        HomeMount("../other", "/home/jovyan"),
        HomeMount("/etc", "/home/jovyan"),
        FolderMount("../../etc", "/himalia/input/input0"),
    ],
    ids=lambda mount: f"{type(mount).__name__}-{mount.path}",
)
def test_mounts_that_could_leave_their_place_are_refused(harness: LocalHarness, mount: Mount) -> None:
    with pytest.raises(BackendError):
        harness.apply(harness.shell("true", mounts=(mount,)))


def test_two_mounts_at_one_path_are_refused(harness: LocalHarness) -> None:
    plan = harness.shell("true", mounts=(FileMount("/x", "1"), FileMount("/x", "2")))
    with pytest.raises(BackendError, match="two mounts"):
        harness.apply(plan)


def test_space_of_a_tenant_is_made_and_removed(harness: LocalHarness) -> None:
    harness.needs_homes()
    harness.run(harness.backend.ensure_space("globex"))
    harness.run(harness.backend.ensure_space("globex"))
    harness.result(replace(harness.shell("echo x > f"), tenant="globex", mounts=(HomeMount("h", "/home/jovyan"),)))
    assert harness.run(harness.backend.home_bytes("globex", "h")) > 0
    harness.run(harness.backend.remove_space("globex"))
    assert harness.run(harness.backend.home_bytes("globex", "h")) == 0
    harness.run(harness.backend.remove_space("globex"))
