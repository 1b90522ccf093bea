"""The runner as a process around real commands, against a platform that comes and goes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from recording_platform import RecordingPlatform, recording_platform


@pytest.fixture
def platform() -> Iterator[RecordingPlatform]:
    with recording_platform() as running:
        yield running


class Workload:
    """Folders and environment of one run."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        for name in ("output", "model", "work"):
            (root / name).mkdir()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HIMALIA_API_URL": url,
            "HIMALIA_TOKEN": "t0k3n",
            "HIMALIA_RUN_ID": "7",
            "HIMALIA_METRICS_FILE": str(root / "work" / "metrics.jsonl"),
            "HIMALIA_OUTPUT_DIR": str(root / "output"),
            "HIMALIA_MODEL_DIR": str(root / "model"),
            "HIMALIA_RETRY_SECONDS": "20",
        }

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "himalia.runner", "--", *command],
            env=self.environment,
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def python(self, code: str) -> subprocess.Popen[bytes]:
        return self.start(sys.executable, "-c", textwrap.dedent(code))


def finished(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def workload(tmp_path: Path, platform: RecordingPlatform) -> Workload:
    return Workload(tmp_path, platform.url)


def test_metrics_progress_and_files_arrive(workload: Workload, platform: RecordingPlatform) -> None:
    """TRN-4: what the process logs and leaves behind is what the run page shows."""
    code, out, err = finished(
        workload.python("""
            import himalia, pathlib
            for epoch in range(3):
                himalia.log(loss=1 / (epoch + 1), accuracy=0.5, step=epoch)
                himalia.progress(epoch + 1, 3)
            himalia.log(loss=float("nan"), step=3)
            pathlib.Path("model/model.onnx").write_bytes(b"m" * 1000)
            pathlib.Path("output/a/b").mkdir(parents=True)
            pathlib.Path("output/a/b/数.txt").write_text("x")
            pathlib.Path("output/empty").write_bytes(b"")
            pathlib.Path("output/link").symlink_to("/etc/passwd")
            print("hello")
        """)
    )
    assert (code, out, err) == (0, "hello\n", "")
    assert [(p["name"], p["step"], p["value"]) for p in platform.points] == [
        (name, step, value) for step in range(3) for name, value in (("loss", 1 / (step + 1)), ("accuracy", 0.5))
    ]
    assert platform.progress[-1] == {"step": 3, "total": 3}
    assert platform.files == {"model/model.onnx": b"m" * 1000, "output/a/b/数.txt": b"x", "output/empty": b""}
    assert platform.closing is not None
    assert (platform.closing["complete"], platform.closing["files"]) == (True, 3)
    assert platform.tokens == {"Bearer t0k3n"}


def test_large_files_come_in_parts_and_are_joined(workload: Workload, platform: RecordingPlatform) -> None:
    """DAT-2: parts of 8 MiB; no call above 64 MiB."""
    code, _, err = finished(
        workload.python("""
            import random
            with open("model/weights.bin", "wb") as file:
                for i in range(45):
                    file.write(random.Random(i).randbytes(1 << 20))
        """)
    )
    assert (code, err) == (0, "")
    assert platform.files["model/weights.bin"] == (workload.root / "model" / "weights.bin").read_bytes()
    assert platform.longest_body < 64 * 1024 * 1024


def test_a_restarting_platform_loses_nothing(workload: Workload, platform: RecordingPlatform) -> None:
    """REL-1: 503 answers are tried again with the same key and body; nothing is lost."""
    platform.away = 6
    code, _, err = finished(
        workload.python("""
            import himalia
            for step in range(2500):
                himalia.log(loss=step, step=step)
            open("output/result.txt", "w").write("done")
        """)
    )
    assert (code, err) == (0, "")
    assert sorted({point["step"] for point in platform.points}) == list(range(2500))
    assert platform.files == {"output/result.txt": b"done"}


def test_the_exit_code_is_the_commands_and_files_of_a_failure_are_kept(
    workload: Workload, platform: RecordingPlatform
) -> None:
    code, _, _ = finished(workload.python("open('output/half.txt', 'w').write('half'); raise SystemExit(3)"))
    assert code == 3
    assert platform.files == {"output/half.txt": b"half"}
    assert platform.closing is not None and platform.closing["exit_code"] == 3


def test_death_by_signal_and_a_missing_command_have_the_shells_codes(workload: Workload) -> None:
    code, _, _ = finished(workload.python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"))
    assert code == 128 + signal.SIGSEGV
    code, _, err = finished(workload.start("no-such-command"))
    assert code == 127 and "no-such-command" in err


def test_stop_reaches_the_command_and_sends_what_exists(workload: Workload, platform: RecordingPlatform) -> None:
    """SIGTERM: the command ends by itself, its last metrics and files arrive."""
    process = workload.python("""
        import signal, sys, time, himalia
        def stop(*_):
            himalia.log(stopped=1, step=9)
            open("output/checkpoint", "w").write("c")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        himalia.log(started=1, step=0)
        while True:
            time.sleep(0.05)
    """)
    assert platform.changed.wait(20)
    process.send_signal(signal.SIGTERM)
    code, _, _ = finished(process)
    assert code == 0
    assert {point["name"] for point in platform.points} == {"started", "stopped"}
    assert platform.files == {"output/checkpoint": b"c"}


def test_a_command_that_ignores_the_stop_is_killed_within_the_grace(
    workload: Workload, platform: RecordingPlatform
) -> None:
    workload.environment["HIMALIA_GRACE_SECONDS"] = "2"
    process = workload.python("""
        import signal, time, himalia
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open("output/kept", "w").write("k")
        himalia.log(started=1)
        while True:
            time.sleep(0.05)
    """)
    assert platform.changed.wait(20)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code, _, _ = finished(process)
    assert code == 128 + signal.SIGKILL
    assert time.monotonic() - began < 2.5
    assert platform.files == {"output/kept": b"k"}


def test_no_failure_of_the_platform_fails_the_training(workload: Workload, platform: RecordingPlatform) -> None:
    """Refused metrics and files are said once each; the rest arrives; the exit code stays 0."""
    platform.refuse_metrics = True
    platform.refused_paths = {"output/b"}
    code, _, err = finished(
        workload.python("""
            import himalia
            himalia.log(loss=1)
            with open("work/metrics.jsonl", "a") as file:
                file.write("not json\\n")
            for name in "abc":
                open(f"output/{name}", "w").write(name)
        """)
    )
    assert code == 0
    assert sorted(platform.files) == ["output/a", "output/c"]
    assert "metrics were refused: 409 invalid_transition The run has ended." in err
    assert "output/b was not kept: over quota" in err
    assert "is no metric" in err
    assert platform.closing is not None and platform.closing["complete"] is False


def test_a_place_for_metrics_that_cannot_be_written_costs_the_metrics_alone(
    workload: Workload, platform: RecordingPlatform
) -> None:
    (workload.root / "file").write_text("no folder")
    workload.environment["HIMALIA_METRICS_FILE"] = str(workload.root / "file" / "metrics.jsonl")
    code, out, err = finished(
        workload.python("import himalia; himalia.log(a=1); himalia.log(a=2); open('output/x', 'w'); print('on')")
    )
    assert (code, out) == (0, "on\n")
    assert err.count("metrics cannot be written") == 1 and "there will be no metrics" in err
    assert (platform.points, list(platform.files)) == ([], ["output/x"])


def test_an_unreachable_platform_is_given_up_after_the_retry_time(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        workload = Workload(tmp_path, f"http://127.0.0.1:{unused.getsockname()[1]}/api")
        workload.environment["HIMALIA_RETRY_SECONDS"] = "1"
        code, _, err = finished(workload.python("import himalia; himalia.log(a=1); open('output/x', 'w')"))
    assert code == 0
    assert "could not be reached" in err and "t0k3n" not in err


def test_the_runner_needs_nothing_but_the_standard_library() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, himalia.runner.main as m; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert not {"httpx", "tornado", "numpy", "himalia.sdk"} & set(loaded)
