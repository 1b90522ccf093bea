"""Without a sandbox, asked for by name: the same contract for one person, nothing hidden (INS-1)."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator

import pytest

from himalia_hub.backends.local import addresses
from himalia_hub.backends.protocol import ExitReason, FileMount, FolderMount, HomeMount, HttpProbe, Port, Resources
from tests.contract.harness import MIB, LocalHarness
from tests.contract.test_network import Service


@pytest.fixture(scope="module")
def unsafe() -> Iterator[LocalHarness]:
    made = LocalHarness(isolation="unsafe")
    yield made
    made.close()


def test_paths_of_the_plan_are_the_real_ones(unsafe: LocalHarness) -> None:
    manifest = unsafe.folders.add({"x": b"content"})
    plan = unsafe.shell(
        'cat $DATA/x /himalia/home/run.txt; pwd; echo kept > "$HOME/note"',
        environment={"DATA": "/himalia/input/input0"},
        mounts=(
            FolderMount(manifest, "/himalia/input/input0"),
            FileMount("/himalia/home/run.txt", " run "),
            HomeMount("ada/n", "/home/jovyan"),
        ),
    )
    home = unsafe.root / "homes" / "acme" / "ada" / "n"
    assert unsafe.result(plan) == f"content run {home}\n"
    assert (home / "note").read_text() == "kept\n"


@pytest.mark.parametrize(
    ("script", "reason", "code", "number"),
    [
        ("exit 0", ExitReason.COMPLETED, 0, None),
        ("exit 9", ExitReason.EXIT_CODE, 9, None),
        ("kill -9 $$", ExitReason.SIGNAL, None, signal.SIGKILL),
    ],
)
def test_ends(unsafe: LocalHarness, script: str, reason: ExitReason, code: int | None, number: int | None) -> None:
    seen = unsafe.wait_end(unsafe.apply(unsafe.shell(script)))
    assert (seen.exit_reason, seen.exit_code, seen.signal) == (reason, code, number)


def test_start_failed(unsafe: LocalHarness) -> None:
    seen = unsafe.wait_end(unsafe.apply(unsafe.plan("no-such-command")))
    assert seen.exit_reason is ExitReason.START_FAILED and "no-such-command" in seen.message


def test_stop_ends_children_too(unsafe: LocalHarness) -> None:
    plan = unsafe.apply(unsafe.shell("sleep 60 & echo $!; sleep 60"))
    unsafe.wait(plan, lambda _seen: unsafe.output(plan).endswith("\n"))
    child = int(unsafe.output(plan))
    unsafe.stop(plan, grace_seconds=1)
    assert unsafe.wait_end(plan).exit_reason is ExitReason.STOPPED
    unsafe.wait(plan, lambda _seen: not os.path.exists(f"/proc/{child}"))


def test_a_server_is_reached_and_its_port_must_be_free(unsafe: LocalHarness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = unsafe.wait_end(unsafe.apply(unsafe.shell("sleep 60", ports=(Port("http", port),))))
    assert refused.exit_reason is ExitReason.START_FAILED and f"port {port} is in use" in refused.message
    plan = unsafe.apply(
        unsafe.plan(
            "python",
            "-m",
            "http.server",
            "--bind",
            "127.0.0.1",
            str(port),
            ports=(Port("http", port),),
            probe=HttpProbe("http", "/"),
            resources=Resources(1000, 128 * MIB),
        )
    )
    seen = unsafe.wait(plan, lambda item: item.ready)
    assert seen.addresses == {"http": f"127.0.0.1:{port}"}
    unsafe.stop(plan, grace_seconds=0)
    unsafe.wait_end(plan)


def test_services_are_where_a_sandbox_has_them(make_harness: Callable[..., LocalHarness]) -> None:
    service = Service(b"the platform\n")
    harness = make_harness(isolation="unsafe", relay={"api": ("127.0.0.1", service.port)})
    script = f"import socket; print(socket.create_connection(('127.0.0.1', {addresses.API_PORT}), 5).recv(64).decode())"
    assert harness.result(harness.python(script)).strip() == "the platform"
    service.close()


def test_sockets_of_kernels_have_a_place_with_a_short_path(unsafe: LocalHarness) -> None:
    plan = unsafe.shell('touch "$JUPYTER_RUNTIME_DIR/kernel-socket"; stat -c "%a %n" "$JUPYTER_RUNTIME_DIR"')
    mode, folder = unsafe.result(plan).split()
    assert (mode, len(folder) <= 40) == ("700", True), folder
    assert not os.path.exists(folder), "it outlives its workload"


def test_a_killed_shim_leaves_no_folder_of_sockets(unsafe: LocalHarness) -> None:
    plan = unsafe.apply(
        unsafe.shell('touch "$JUPYTER_RUNTIME_DIR/kernel-socket"; echo "$JUPYTER_RUNTIME_DIR"; sleep 60')
    )
    unsafe.wait(plan, lambda _seen: unsafe.output(plan).endswith("\n"))
    folder = unsafe.output(plan).strip()
    os.kill(unsafe.shim_pid(plan), signal.SIGKILL)
    assert unsafe.wait_end(plan).exit_reason is ExitReason.RUNNER_LOST
    assert os.path.exists(f"{folder}/kernel-socket")
    unsafe.delete(plan)
    assert not os.path.exists(folder)
