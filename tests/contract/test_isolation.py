"""What a workload tries against the machine and its neighbours, and must not get (NB-6, REL-6)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import socket
import subprocess
import sys
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from himalia_hub.backends.local.isolation import detect_isolation, probe_isolation
from himalia_hub.backends.protocol import HomeMount, Port
from tests.contract.harness import LocalHarness, processes_below, uid_of, until

ONLY_LOCAL = "it looks at a sandbox from both sides; tests/cluster/test_spaces.py looks from inside a pod"

LOOK = """
import os, sys
for path in sys.argv[1:]:
    try:
        if os.path.isdir(path): os.listdir(path)
        else: open(path, 'rb').read(1)
        print('SEEN', path)
    except OSError as e: print('hidden', path)
"""


def test_isolation_is_in_force(harness: LocalHarness) -> None:
    """Everything below means nothing without it: this fails, it never skips."""
    assert harness.backend.isolation is not None
    assert harness.backend.isolation.level == ("full" if os.geteuid() == 0 else "single-user")
    found = asyncio.run(probe_isolation(harness.backend.isolation.level))
    assert found.level is not None and len(found.findings) >= 6 and all(found.findings.values())


def test_the_probe_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that shows the machine's files is found out, and no level is answered."""
    from himalia_hub.backends.local import sandbox

    real = sandbox.image_binds
    shown = sandbox.Bind("/var/tmp", "/var/tmp")
    monkeypatch.setattr(sandbox, "image_binds", lambda image: [*real(image), shown])
    monkeypatch.setattr(tempfile, "tempdir", "/var/tmp")
    found = asyncio.run(probe_isolation("full" if os.geteuid() == 0 else "single-user"))
    assert found.level is None
    assert "files" in found.reason


def test_unsafe_is_never_chosen_by_itself() -> None:
    assert asyncio.run(detect_isolation("auto")).level != "unsafe"
    assert asyncio.run(detect_isolation("unsafe")).level == "unsafe"


def test_files_of_the_machine_are_hidden(harness: LocalHarness) -> None:
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as outside:
        administrator = Path(pwd.getpwuid(0).pw_dir)
        paths = [
            "/etc/shadow",
            str(administrator / ".ssh"),
            str(administrator / ".bashrc"),
            "/home/root",
            "/var/lib",
            "/var/log",
            "/var/run",
            "/boot",
            "/etc/hostname",
            "/sys/fs/cgroup",
            "/sys/kernel",
            "/proc/1/root/etc/hostname",
            "/dev/mem",
            "/dev/kmsg",
            "/dev/vda",
            outside.name,
            str(harness.root),
            str(harness.root / "homes"),
            str(harness.root / "uids.json"),
            str(harness.root / "attempts"),
            os.getcwd() + "/pyproject.toml",
        ]
        text = harness.result(harness.python(LOOK, *paths))
    seen = [line for line in text.splitlines() if line.startswith("SEEN")]
    assert seen == []
    assert len(text.splitlines()) == len(paths)


def test_nothing_of_the_system_can_be_written(harness: LocalHarness) -> None:
    script = (
        "for p in / /usr /usr/bin /etc /etc/passwd /dev /sys /himalia /opt /var " + harness.image + "; do"
        " (touch $p/x || echo x >> $p) 2>/dev/null && echo WROTE $p; done; echo looked"
    )
    assert harness.result(harness.shell(script)) == "looked\n"


def test_only_own_processes_are_seen_and_signalled(harness: LocalHarness) -> None:
    neighbour = harness.apply(harness.shell("sleep 60"))
    harness.wait_running(neighbour)
    victims = [os.getpid(), harness.shim_pid(neighbour), *processes_below(harness.shim_pid(neighbour))]
    script = (
        "import os, sys\n"
        "print(sorted(int(n) for n in os.listdir('/proc') if n.isdigit()))\n"
        "for pid in map(int, sys.argv[1:]):\n"
        "    if pid < 10: continue\n"
        "    try: os.kill(pid, 9); print('KILLED', pid)\n"
        "    except OSError: pass\n"
    )
    text = harness.result(harness.python(script, *map(str, victims)))
    assert "KILLED" not in text
    assert len(eval(text.splitlines()[0])) <= 3
    assert all(Path(f"/proc/{pid}").exists() for pid in victims)
    harness.stop(neighbour, grace_seconds=0)


def test_no_capability_and_no_way_to_one(harness: LocalHarness) -> None:
    script = (
        "import ctypes, os\n"
        "s = dict(l.split(':\\t', 1) for l in open('/proc/self/status').read().splitlines() if ':\\t' in l)\n"
        "print(*(int(s[n], 16) for n in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb')), s['NoNewPrivs'])\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "print('user', libc.unshare(0x10000000), 'mount', libc.unshare(0x20000), 'net', libc.unshare(0x40000000))\n"
        "print('mount', libc.mount(b'none', b'/tmp', b'tmpfs', 0, None), 'chroot', libc.chroot(b'/tmp'))\n"
        "print('setuid', end=' ')\n"
        "try: os.setuid(0); print('DONE')\n"
        "except OSError: print('refused')\n"
        "print('hostname', libc.sethostname(b'x', 1))\n"
    )
    assert harness.result(harness.python(script)) == (
        "0 0 0 0 1\nuser -1 mount -1 net -1\nmount -1 chroot -1\nsetuid refused\nhostname -1\n"
    )


DENIED = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
numbers = dict(zip(('bpf', 'keyctl', 'add_key', 'perf_event_open', 'userfaultfd', 'io_uring_setup', 'setns', 'fsopen'),
    (321, 250, 248, 298, 323, 425, 308, 430) if os.uname().machine == 'x86_64' else
    (280, 219, 217, 241, 282, 425, 268, 430)))
for name, number in numbers.items():
    ctypes.set_errno(0)
    result = libc.syscall(number, 0, 0, 0, 0, 0)
    print(name, result, errno.errorcode.get(ctypes.get_errno()))
print([line.split()[1] for line in open('/proc/self/status') if line.startswith('Seccomp:')])
"""


def test_system_calls_that_no_workload_needs_are_refused(harness: LocalHarness) -> None:
    """Also for a command run inside later; with the same calls answered otherwise outside."""
    expected = [
        f"{name} -1 EPERM" for name in DENIED.split("zip((", 1)[1].split(")", 1)[0].replace("'", "").split(", ")
    ]
    assert harness.result(harness.python(DENIED)).splitlines() == [*expected, "['2']"]
    outside = subprocess.run([sys.executable, "-c", DENIED], capture_output=True, text=True, check=True).stdout
    assert outside.count("EPERM") < len(expected)
    plan = harness.apply(harness.shell("sleep 60"))
    harness.wait_running(plan)
    code, text = harness.execute(plan, "python", "-I", "-c", DENIED)
    assert (code, text.splitlines()) == (0, [*expected, "['2']"])
    harness.stop(plan, grace_seconds=0)


def test_two_owners_have_different_uids_and_neither_is_the_platforms(harness: LocalHarness) -> None:
    """The run's process is below its shim with another uid than the platform's, read from /proc."""
    if os.geteuid() != 0:
        pytest.fail("a uid per owner needs root: run this suite as root, test_single_user covers the rest")
    plans = [
        harness.apply(harness.shell("echo $$; sleep 60", owner=owner, tenant=tenant))
        for owner, tenant in (("ada", "acme"), ("bob", "acme"), ("ada", "globex"), ("ada", "acme"))
    ]
    uids = []
    for plan in plans:
        harness.wait_running(plan)
        shim = harness.shim_pid(plan)
        assert uid_of(shim) == os.geteuid()
        below = processes_below(shim)
        assert below
        assert len({uid_of(pid) for pid in below}) == 1
        uids.append(uid_of(below[0]))
    assert os.geteuid() not in uids
    assert uids[0] == uids[3], "the same owner keeps the same uid"
    assert len(set(uids)) == 3
    harness.restart_platform()
    again = harness.apply(harness.shell("sleep 60", owner="bob"))
    harness.wait_running(again)
    assert uid_of(processes_below(harness.shim_pid(again))[0]) == uids[1], "also after a restart"
    for plan in (*plans, again):
        harness.stop(plan, grace_seconds=0)


def test_homes_are_closed_on_the_machine(harness: LocalHarness) -> None:
    plan = harness.shell("umask 0; echo x > f; chmod 777 .", mounts=(HomeMount("ada/h", "/home/jovyan"),))
    harness.result(plan)
    for folder in (harness.root / "homes", harness.root / "homes" / "acme"):
        assert folder.stat().st_mode & 0o077 == 0, folder


def test_secrets_are_on_no_disk_and_in_no_argument(harness: LocalHarness) -> None:
    secret = "himalia-secret-5f1c2a"
    plan = harness.apply(harness.shell("sleep 60", secrets={"PASSWORD": secret}))
    harness.wait_running(plan)
    shim = harness.shim_pid(plan)
    for pid in (shim, *processes_below(shim)):
        assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert secret.encode() not in Path(f"/proc/{shim}/environ").read_bytes()
    for path in harness.root.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    harness.stop(plan, grace_seconds=0)


def test_sockets_do_not_cross(harness: LocalHarness) -> None:
    """Abstract and file sockets of the machine and of a neighbour, and System V memory."""
    server = socket.socket(socket.AF_UNIX)
    name = f"himalia-contract-{uuid.uuid4().hex}"
    server.bind("\0" + name)
    server.listen(1)
    neighbour = harness.apply(
        harness.python(
            "import socket, time\ns = socket.socket(socket.AF_UNIX)\ns.bind('\\0neighbour'); s.listen(1)\n"
            "f = socket.socket(socket.AF_UNIX)\nf.bind('/tmp/sock'); f.listen(1)\nprint('up', flush=True)\n"
            "time.sleep(60)"
        )
    )
    harness.wait(neighbour, lambda _seen: "up" in harness.output(neighbour))
    control = harness.directory(neighbour) / "control"
    text = harness.result(
        harness.python(
            "import socket, sys\n"
            f"for name in ['\\0{name}', '\\0neighbour', '/tmp/sock', *sys.argv[1:]]:\n"
            "    s = socket.socket(socket.AF_UNIX)\n    print(s.connect_ex(name) != 0)\n",
            str(control),
            "/run/dbus/system_bus_socket",
            "/var/run/docker.sock",
        )
    )
    assert text.split() == ["True"] * 6
    server.close()
    harness.stop(neighbour, grace_seconds=0)


def test_platforms_descriptors_do_not_leak(harness: LocalHarness) -> None:
    with tempfile.TemporaryFile() as held:
        os.set_inheritable(held.fileno(), True)
        plan = harness.apply(harness.shell("ls -l /proc/self/fd | wc -l; sleep 60", ports=(Port("x", 8888),)))
        harness.wait_running(plan)
        shim = harness.shim_pid(plan)
        mark = os.readlink(f"/proc/self/fd/{held.fileno()}")
        until(lambda: harness.output(plan).strip() != "", "no output")
        for pid in (shim, *processes_below(shim)):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):  # the shim opens and closes as it goes
                    assert os.readlink(f"/proc/{pid}/fd/{name}") != mark
        assert int(harness.output(plan).split()[0]) <= 6, "stdin, stdout, stderr and ls's own"
        harness.stop(plan, grace_seconds=0)


def test_resource_of_another_is_not_named(harness: LocalHarness) -> None:
    """Two attempts of two owners with the same key: each has its own home."""
    one = harness.shell("echo one > f", tenant="t1", mounts=(HomeMount("same", "/home/jovyan"),))
    harness.result(one)
    two = replace(harness.shell("ls -A"), tenant="t2", mounts=(HomeMount("same", "/home/jovyan"),))
    assert harness.result(two) == ""
