"""Parts of the local backend that need no process: what they decide, as tables."""

from __future__ import annotations

import json
import os
import signal
import struct
import threading
from pathlib import Path

import pytest

from himalia_hub.backends.local import (
    accelerators,
    cgroups,
    disk,
    journal,
    logfile,
    proxy,
    sandbox,
    seccomp,
)
from himalia_hub.backends.local.ending import signal_name, size
from himalia_hub.backends.local.loop import Loop
from himalia_hub.backends.local.meter import DiskWatch
from himalia_hub.backends.local.options import LocalOptions
from himalia_hub.backends.local.relay import Targets
from himalia_hub.backends.local.uids import UidMap
from himalia_hub.backends.local.unsafe import PathView
from himalia_hub.backends.protocol import BackendError, Resources, WorkloadPlan

# --- the proxy's judgement (SEC-3) ---------------------------------------------------------------

PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "2001:4860:4860::8888"]
HIDDEN = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:0:a00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "not an address",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert proxy.allowed_address(address)


@pytest.mark.parametrize("address", HIDDEN)
def test_every_other_address_is_refused(address: str) -> None:
    assert not proxy.allowed_address(address)


def test_an_administrator_may_allow_networks() -> None:
    assert proxy.allowed_address("10.1.2.3", ("fd00::/8", "10.1.0.0/16"))
    assert not proxy.allowed_address("10.2.2.3", ("10.1.0.0/16",))
    assert not proxy.allowed_address("::ffff:10.2.0.1", ("10.1.0.0/16",))


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("CONNECT example.org:443 HTTP/1.1", ("CONNECT", "example.org", 443, "")),
        ("CONNECT [2606::1]:443 HTTP/1.1", ("CONNECT", "2606::1", 443, "")),
        ("GET http://a.b/c?d HTTP/1.1", ("GET", "a.b", 80, "/c?d")),
        ("GET http://a.b HTTP/1.0", ("GET", "a.b", 80, "/")),
        ("PUT http://u:p@a.b:81/x HTTP/1.1", ("PUT", "a.b", 81, "/x")),
    ],
)
def test_proxy_requests(line: str, parsed: tuple[str, str, int, str]) -> None:
    assert proxy.parse_target(line) == parsed


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET",
        "GET / HTTP/1.1",
        "GET ftp://a/ HTTP/1.1",
        "GET https://a/ HTTP/1.1",
        "CONNECT a HTTP/1.1",
        "CONNECT a:0 HTTP/1.1",
        "CONNECT a:65536 HTTP/1.1",
        "CONNECT :80 HTTP/1.1",
        "CONNECT a:b HTTP/1.1",
        "CONNECT a:80 HTTP/2",
        "CONNECT a:80 b HTTP/1.1",
    ],
)
def test_proxy_requests_that_are_none(line: str) -> None:
    with pytest.raises(ValueError):
        proxy.parse_target(line)


# --- control groups ------------------------------------------------------------------------------

V1 = """
30 25 0:26 / {base}/memory rw,relatime - cgroup cgroup rw,memory
31 25 0:27 / {base}/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
32 25 0:28 / {base}/freezer rw,relatime - cgroup cgroup rw,freezer
"""
V2 = "40 25 0:30 / {base} rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"


def test_v1_below_the_own_group_of_each_hierarchy(tmp_path: Path) -> None:
    for name in ("memory/service", "cpu,cpuacct"):
        (tmp_path / name).mkdir(parents=True)
    own = "5:memory:/service\n4:cpu,cpuacct:/\n"
    layout = cgroups.detect("himalia", V1.format(base=tmp_path), own)
    assert layout.version == 1
    assert layout.roots == {
        "memory": f"{tmp_path}/memory/service",
        "cpu": f"{tmp_path}/cpu,cpuacct",
        "cpuacct": f"{tmp_path}/cpu,cpuacct",
    }
    assert layout.missing == ("pids",)


def test_without_control_groups(tmp_path: Path) -> None:
    assert cgroups.detect("himalia", "", "").version == 0
    group = cgroups.Group(cgroups.detect("himalia", "", ""), "x")
    group.create(cpu_millis=1, memory_bytes=1, pids=1)
    assert (group.cpu_seconds(), group.memory_bytes(), group.oom_kills(), group.processes()) == (0.0, 0, 0, [])
    assert not group.limits_memory and not group.meters_cpu
    assert group.kill_and_remove()


def v2_tree(base: Path) -> None:
    """The files a kernel would show; writes to them just stay."""
    for folder in (base, base / "user", base / "user" / "service"):
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
        (folder / "cgroup.subtree_control").write_text("")


def test_v2_beside_the_own_group_when_processes_live_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group with processes cannot distribute controllers; its parent may (a delegated tree)."""
    v2_tree(tmp_path)
    write = cgroups._write

    def kernel(path: str, text: str) -> None:
        if path == f"{tmp_path}/user/service/cgroup.subtree_control":
            raise OSError(16, "busy")
        if path.endswith("/himalia/cgroup.subtree_control"):
            Path(path).touch()
        write(path, text)

    monkeypatch.setattr(cgroups, "_write", kernel)
    layout = cgroups.detect("himalia", V2.format(base=tmp_path), "0::/user/service\n")
    assert (layout.version, layout.roots) == (2, {"unified": f"{tmp_path}/user/himalia"})
    assert layout.missing == ()


def test_v2_in_a_container_moves_its_processes_into_a_leaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's root group is its own: its processes go aside, so that controllers can be given on."""
    v2_tree(tmp_path)
    (tmp_path / "cgroup.type").write_text("domain\n")
    (tmp_path / "cgroup.procs").write_text("1\n23\n")
    moved: list[str] = []

    def kernel(path: str, text: str) -> None:
        if path == f"{tmp_path}/cgroup.subtree_control" and moved != ["1", "23"]:
            raise OSError(16, "busy")
        if path == f"{tmp_path}/himalia-platform/cgroup.procs":
            moved.append(text)
            return
        Path(path).write_text(text)

    monkeypatch.setattr(cgroups, "_write", kernel)
    layout = cgroups.detect("himalia", V2.format(base=tmp_path), "0::/\n")
    assert layout.roots == {"unified": f"{tmp_path}/himalia"}
    assert moved == ["1", "23"]


def test_v2_leaves_the_processes_of_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's real root group (no type) and a group nobody delegated are not rearranged."""
    v2_tree(tmp_path)
    (tmp_path / "cgroup.procs").write_text("1\n")
    (tmp_path / "user" / "service" / "cgroup.procs").write_text("7\n")
    monkeypatch.setattr(cgroups, "_write", lambda path, text: Path(path).write_text(text))
    for own in ("0::/\n", "0::/user/service\n"):
        assert cgroups.detect("himalia", V2.format(base=tmp_path), own).version == 2
    assert not list(tmp_path.rglob("*-platform"))


def test_v2_limits_and_meters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = cgroups.Layout(2, {"unified": str(tmp_path)})
    group = cgroups.Group(layout, "w1-1-0")
    folder = tmp_path / "w1-1-0"
    folder.mkdir()
    for name in ("memory.max", "memory.swap.max", "cpu.max", "pids.max"):
        (folder / name).touch()
    group.create(cpu_millis=1500, memory_bytes=1 << 30, pids=100)
    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert written == {
        "memory.max": "1073741824",
        "memory.swap.max": "0",
        "cpu.max": "150000 100000",
        "pids.max": "100",
    }
    (folder / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    (folder / "memory.current").write_text("1000\n")
    (folder / "memory.stat").write_text("anon 600\ninactive_file 300\n")
    (folder / "memory.peak").write_text("5000\n")
    (folder / "memory.events").write_text("oom 2\noom_kill 1\n")
    assert group.cpu_seconds() == 2.5
    assert (group.memory_bytes(), group.memory_peak_bytes(), group.oom_kills()) == (700, 5000, 1)


# --- files of a replica --------------------------------------------------------------------------


def test_heartbeat_survives_a_round_trip_and_damage(tmp_path: Path) -> None:
    beat = journal.Heartbeat(1.5, 2.5, 3.25, 4, 5, 6, 7)
    path = tmp_path / journal.HEARTBEAT
    path.write_bytes(beat.pack())
    read = journal.read_heartbeat(str(tmp_path))
    assert read is not None
    assert [getattr(read, name) for name in beat.__slots__] == [getattr(beat, name) for name in beat.__slots__]
    data = bytearray(beat.pack())
    data[3] ^= 1
    path.write_bytes(bytes(data))
    assert journal.read_heartbeat(str(tmp_path)) is None, "a torn record is no proof of life"


def test_lock_is_seen_from_another_process_and_ends_with_its_holder(tmp_path: Path) -> None:
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        held = journal.take_lock(str(tmp_path))
        os.write(ready[1], b"y" if held is not None else b"n")
        os.read(go[0], 1)
        os._exit(0)
    assert os.read(ready[0], 1) == b"y"
    assert journal.lock_holder(str(tmp_path)) == pid
    assert journal.take_lock(str(tmp_path)) is None
    assert journal.lock_holder(str(tmp_path)) == pid, "asking takes nothing away"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert journal.lock_holder(str(tmp_path)) == 0
    assert journal.lock_holder(str(tmp_path / "nowhere")) == 0
    for fd in (*ready, *go):
        os.close(fd)


def test_wall_time_follows_boottime_not_the_machines_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = journal.Clock()
    first = clock.now()
    monkeypatch.setattr("time.time", lambda: clock.wall - 86400)
    assert clock.now() >= first


def test_log_files_are_cut_at_the_front(tmp_path: Path) -> None:
    writer = logfile.LogWriter(str(tmp_path), 8 * 65536)
    for number in range(100_000):
        writer.write(b"%09d\n" % number)
    starts = logfile.segments(str(tmp_path))
    assert len(starts) == 8 and starts[0] > 0
    begin, data = logfile.read(str(tmp_path), 0)
    assert begin == starts[0] and len(data) == 65536
    offset, whole = begin, b""
    while True:
        start, piece = logfile.read(str(tmp_path), offset)
        if not piece:
            break
        assert start == offset
        whole += piece
        offset = start + len(piece)
    assert offset == writer.offset == 1_000_000
    assert whole.endswith(b"000099999\n")
    assert int(whole[-begin % 10 :][:9]) == (begin + -begin % 10) // 10
    assert writer.tail.endswith(b"000099999\n") and len(writer.tail) == 4096


def test_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert logfile.read(str(tmp_path / "none"), 5) == (5, b"")


# --- disk ----------------------------------------------------------------------------------------


def test_hard_links_count_once_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "big").write_bytes(bytes(1 << 20))
    os.link(tmp_path / "a" / "big", tmp_path / "again")
    (tmp_path / "root").symlink_to("/")
    used = disk.used_bytes([str(tmp_path)])
    assert 1 << 20 <= used < (1 << 20) + 65536


@pytest.fixture
def watch_loop() -> Loop:
    return Loop()


def measured(loop: Loop, watch: DiskWatch) -> None:
    watch._measured_at = float("-inf")
    watch.look()
    timer = loop.later(0.001, lambda: None)
    while watch._scanning:
        loop.later(0.01, loop.stop)
        loop.run()
    timer.cancel()


def test_disk_over_its_limit_is_a_problem(tmp_path: Path, watch_loop: Loop) -> None:
    watch = DiskWatch(watch_loop, [str(tmp_path)], 1 << 20, 0)
    measured(watch_loop, watch)
    assert watch.problem is None
    (tmp_path / "big").write_bytes(bytes(2 << 20))
    measured(watch_loop, watch)
    assert watch.problem is not None and "2.0 MiB" in watch.problem and "1.0 MiB" in watch.problem


def test_a_home_that_was_full_before_can_be_tidied(tmp_path: Path, watch_loop: Loop) -> None:
    """Otherwise nobody could ever start again to delete something."""
    (tmp_path / "big").write_bytes(bytes(4 << 20))
    watch = DiskWatch(watch_loop, [str(tmp_path)], 1 << 20, 0)
    measured(watch_loop, watch)
    assert watch.problem is None
    (tmp_path / "more").write_bytes(bytes(32 << 20))
    measured(watch_loop, watch)
    assert watch.problem is not None


def test_work_that_keeps_writing_into_the_reserve_is_ended(tmp_path: Path, watch_loop: Loop) -> None:
    watch = DiskWatch(watch_loop, [str(tmp_path)], 0, 1 << 60)
    measured(watch_loop, watch)
    assert watch.problem is None, "being there is no fault"
    (tmp_path / "more").write_bytes(bytes(32 << 20))
    measured(watch_loop, watch)
    assert watch.problem is not None and "reserve" in watch.problem


# --- accelerators, uids, options -----------------------------------------------------------------


def plan_with(replicas: int, **counts: int) -> WorkloadPlan:
    wanted = {name.replace("_", "/", 1).replace("nvidia", "nvidia.com"): count for name, count in counts.items()}
    resources = Resources(1, 1, accelerators=wanted)
    return WorkloadPlan("w", 1, "run", "t", "o", "/i", ("c",), resources, replicas=replicas)


def test_lowest_free_accelerators_are_given() -> None:
    given = accelerators.assign({"nvidia.com/gpu": 5}, {"nvidia.com/gpu": {0, 2}}, plan_with(1, nvidia_gpu=2))
    assert given == [{"nvidia.com/gpu": [1, 3]}]
    assert accelerators.environment(given[0])["NVIDIA_VISIBLE_DEVICES"] == "1,3"


def test_replicas_share_no_accelerator() -> None:
    given = accelerators.assign({"nvidia.com/gpu": 2}, {}, plan_with(2, nvidia_gpu=1))
    assert given == [{"nvidia.com/gpu": [0]}, {"nvidia.com/gpu": [1]}]


@pytest.mark.parametrize(("available", "retryable"), [(2, False), (3, True)])
def test_too_few_accelerators(available: int, retryable: bool) -> None:
    with pytest.raises(BackendError) as caught:
        accelerators.assign({"nvidia.com/gpu": available}, {"nvidia.com/gpu": {0}}, plan_with(3, nvidia_gpu=1))
    assert caught.value.retryable is retryable


def test_ascend_is_told_in_its_own_words() -> None:
    variables = accelerators.environment({"huawei.com/Ascend910": [3]})
    assert variables["ASCEND_VISIBLE_DEVICES"] == "3" and variables["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_uids_are_kept_and_ranges_differ(tmp_path: Path) -> None:
    first = UidMap(tmp_path / "uids.json", base=None, count=3)
    ada, bob = first.uid("acme", "ada"), first.uid("acme", "bob")
    again = UidMap(tmp_path / "uids.json", base=5, count=3)
    assert (again.uid("acme", "bob"), again.uid("acme", "ada")) == (bob, ada)
    assert len({ada, bob, again.uid("globex", "ada")}) == 3
    with pytest.raises(LookupError):
        again.uid("acme", "carol")


def test_options_from_a_file() -> None:
    options = LocalOptions.from_mapping(
        json.loads('{"relay": {"api": ["127.0.0.1", "80"]}, "egress_allow": ["10.0.0.0/8"], "cpu_millis": 4000}')
    )
    assert options.relay == {"api": ("127.0.0.1", 80)} and options.egress_allow == ("10.0.0.0/8",)
    with pytest.raises(ValueError, match="cpus"):
        LocalOptions.from_mapping({"cpus": 3})


# --- sandbox and sentences -----------------------------------------------------------------------


def test_mounts_come_after_what_they_are_inside_of() -> None:
    binds = [
        sandbox.Bind("/s/input", "/himalia/home/input"),
        sandbox.Bind("/s/home", "/himalia/home", writable=True),
        sandbox.Bind("/s/image", "/opt/env"),
    ]
    arguments = sandbox.bwrap_arguments(
        binds, stage=sandbox.Stage(False), working_directory="/himalia/home", shm_bytes=1, status_fd=9
    )
    places = [arguments.index(bind.dest) for bind in binds]
    assert places[1] < places[0]
    assert arguments[places[1] - 2 : places[1] + 1] == ["--bind", "/s/home", "/himalia/home"]
    assert arguments[places[2] - 2 : places[2] + 1] == ["--ro-bind", "/s/image", "/opt/env"]
    assert "--share-net" not in arguments and "--disable-userns" in arguments
    assert arguments[-4:] == ["--chdir", "/himalia/home", "--json-status-fd", "9"]


def test_only_private_sources_are_staged() -> None:
    stage = sandbox.Stage(True)
    assert stage.path("/usr/lib") == "/usr/lib"
    assert stage.path("/private/env").startswith("/tmp/") and stage.path("/private/env") == stage.path("/private/env")
    assert sandbox.Stage(False).path("/private/env") == "/private/env"


def test_image_that_lost_its_interpreter(tmp_path: Path) -> None:
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "bin" / "python").symlink_to("/nowhere/python3")
    with pytest.raises(sandbox.ImageMissing, match="/nowhere/python3"):
        sandbox.image_binds(str(tmp_path / "env"))


def test_image_brings_its_base_interpreter(tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "bin").mkdir(parents=True)
    (base / "bin" / "python3").touch()
    env = tmp_path / "env"
    (env / "bin").mkdir(parents=True)
    (env / "bin" / "python").symlink_to(base / "bin" / "python3")
    (env / "pyvenv.cfg").write_text(f"home = {base}/bin\n")
    assert [bind.dest for bind in sandbox.image_binds(str(env))] == [str(env), str(base)]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_lands_on_the_refusal(machine: str) -> None:
    code = seccomp.program(machine)
    instructions = [struct.unpack_from("HBBI", code, at) for at in range(0, len(code), 8)]
    last = len(instructions) - 1
    assert instructions[last] == (0x06, 0, 0, 0x00050001), "EPERM"
    assert instructions[last - 1] == (0x06, 0, 0, 0x7FFF0000), "allow"
    for index, (_, if_true, if_false, _) in enumerate(instructions):
        assert all(index + 1 + jump == last for jump in (if_true, if_false) if jump)
    compared = [value for kind, if_true, _, value in instructions if kind == 0x15 and if_true]
    assert compared == sorted(set(compared)) and len(compared) >= 35


def test_no_filter_is_guessed_for_an_unknown_machine() -> None:
    assert seccomp.program("riscv64") == b""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/himalia/input/input0", "/real/a"),
        ("--data=/himalia/input/input0/train", "--data=/real/a/train"),
        ("/himalia/input/input01", "/himalia/input/input01"),
        ("x/himalia/input/input0", "x/himalia/input/input0"),
        ("cd /home/jovyan; ls", "cd /real/home; ls"),
    ],
)
def test_unsafe_paths(text: str, shown: str) -> None:
    binds = [sandbox.Bind("/real/a", "/himalia/input/input0"), sandbox.Bind("/real/home", "/home/jovyan")]
    assert PathView(binds)(text) == shown


def test_targets_follow_the_file_and_keep_the_last_good(tmp_path: Path) -> None:
    path = tmp_path / "relay.json"
    targets = Targets(str(path))
    assert targets.get("api") is None
    path.write_text('{"api": ["127.0.0.1", 80]}')
    assert targets.get("api") == ("127.0.0.1", 80)
    path.write_text('{"api": ["127')
    os.utime(path, ns=(1, 1))
    assert targets.get("api") == ("127.0.0.1", 80)


def test_sizes_and_signals_read_well() -> None:
    assert [size(count) for count in (0, 1023, 1024, 100 << 20, 3 << 29)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "100.0 MiB",
        "1.5 GiB",
    ]
    assert (signal_name(9), signal_name(63)) == ("SIGKILL", "signal 63")


def test_loop_goes_on_after_a_broken_callback(capfd: pytest.CaptureFixture[str]) -> None:
    loop = Loop()
    done: list[int] = []
    loop.later(0.0, lambda: [][1])  # type: ignore[misc]
    loop.later(0.001, lambda: done.append(1))
    threading.Timer(0.05, lambda: loop.post(loop.stop)).start()
    loop.run()
    assert done == [1]
    assert "IndexError" in capfd.readouterr().err


def test_flock_layout_matches_the_kernels() -> None:
    """Eight-byte offsets at eight, the pid after them: what ``F_GETLK`` fills in."""
    assert journal._FLOCK.size == 32
    assert struct.calcsize("hhqqi4x") == 32
