"""The process beside each replica: starts it, meters it, relays for it, and writes down its end.

It outlives the platform and is adopted by the next one through the files of ``journal``. When it
dies its workload dies with it (the kernel sees to that), and the last heartbeat is the proof of
life. Standard library only: its memory and start time are paid once per replica.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time

from himalia_hub.backends.local import addresses, cgroups, journal, netns, proxy, relay, sandbox, unsafe
from himalia_hub.backends.local.control import ControlServer
from himalia_hub.backends.local.ending import Ending, judge, size
from himalia_hub.backends.local.logfile import LogWriter
from himalia_hub.backends.local.loop import IN, Loop, complain
from himalia_hub.backends.local.meter import DiskWatch, Meter
from himalia_hub.backends.local.probe import Probe
from himalia_hub.backends.local.scratch import prepare_binds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TICK = 1.0
_FINE_TICK = 0.2
_RETRY_SECONDS = 0.5
_SAMPLE_EVERY = 60
_DRAIN_SECONDS = 2.0
_CATCH_SECONDS = 0.03


class Shim:
    def __init__(self, directory: str, spec: dict[str, Any]) -> None:
        self.directory = directory
        self.spec = spec
        self.level: str = spec["level"]
        self.clock = journal.Clock()
        self.loop = Loop()
        self.journal = journal.Journal(directory, self.clock)
        self.log = LogWriter(directory, spec["log_bytes_max"])
        self.group = cgroups.Group(cgroups.layout_from_json(spec["cgroups"]), spec["cgroup_name"])
        self.meter = Meter(self.group)
        self.disk = DiskWatch(self.loop, spec["disk_paths"], spec["disk_bytes"], spec["disk_reserve_bytes"])
        self.ending: Ending | None = None
        self.space: netns.NetworkSpace | None = None
        self.pid = 0
        self.sandbox_pid = 0
        self._candidate = 0
        self._caught = False
        self.command_pid = 0
        self.command_pidfd = -1
        self.wait_status: int | None = None
        self._status_bytes = b""
        self._log_open = True
        self._probe: Probe | None = None
        self._ticks = 0
        self._unpublished = False
        self.finished = False
        self._end_written = False
        self.ended_at = 0.0
        self._beat_fd = os.open(
            os.path.join(directory, journal.HEARTBEAT), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        self.status: dict[str, Any] = {
            "phase": "accepted",
            "shim_pid": os.getpid(),
            "boot_id": journal.boot_id(),
            "cgroups": list(self.group.paths.values()),
            "started_at": None,
            "ready": False,
            "addresses": {},
            "steps": [*spec["steps"]],
            "exit": None,
        }

    # --- what happened, for others ------------------------------------------------------------

    def publish(self, *, sync: bool = False) -> None:
        """Replace the status; on a full disk it is tried again with the next heartbeat."""
        path = os.path.join(self.directory, journal.STATUS)
        self._unpublished = True
        journal.write_atomically(path, json.dumps(self.status).encode(), sync=sync)
        self._unpublished = False

    def step(self, name: str, state: str, detail: str = "") -> None:
        now = self.clock.now()
        for line in self.status["steps"]:
            if line["name"] == name:
                line.update(state=state, detail=detail or line["detail"])
                if state in ("done", "failed"):
                    line["ended_at"] = now
                return
        line = {"name": name, "state": state, "detail": detail, "started_at": now, "ended_at": None}
        if state in ("done", "failed"):
            line["ended_at"] = now
        self.status["steps"].append(line)

    def beat(self) -> journal.Heartbeat:
        beat = self.meter.sample(self.clock.now(), self.disk.used)
        with contextlib.suppress(OSError):  # some file systems need room even to overwrite
            os.pwrite(self._beat_fd, beat.pack(), 0)
        return beat

    # --- start --------------------------------------------------------------------------------

    def accept(self) -> None:
        """Write down that this attempt exists: from here on it is never started again."""
        spec = self.spec
        self.journal.append(
            "accepted",
            sync=True,
            workload=spec["workload"],
            attempt=spec["attempt"],
            replica=spec["replica"],
            tenant=spec["tenant"],
            owner=spec["owner"],
            kind=spec["kind"],
            boot_id=self.status["boot_id"],
        )
        self.beat()
        self.step("scheduled", "done", spec["node"])
        self.publish()

    def start(self) -> None:
        """Everything from acceptance to the running command; ends the shim when it cannot start."""
        self._handle_signals()
        try:
            self.step("image", "active", self.spec["image"])
            binds = [] if self.level == "unsafe" else sandbox.image_binds(self.spec["image"])
            self.step("image", "done")
            self.step("mounts", "active")
            binds += prepare_binds(self.directory, self.spec)
            self.disk.look()  # what is there before the command writes: only that is forgiven
            self.group.create(
                cpu_millis=self.spec["cpu_millis"],
                memory_bytes=self.spec["memory_bytes"],
                pids=self.spec["pids_max"],
            )
            self.step("mounts", "done")
            self.step("server", "active")
            self._open_network()
            self._spawn(binds)
        except sandbox.ImageMissing as problem:
            self.step("image", "failed", str(problem))
            self._finish(Ending("start_failed", str(problem)))
        except OSError as problem:
            self._finish(Ending("start_failed", f"The sandbox could not be set up: {problem}."))

    def _open_network(self) -> None:
        self.count = relay.Connections(self.spec["connections_max"])
        targets = relay.Targets(self.spec["relay_file"])
        if self.level == "unsafe":
            self._share_network(targets)
            return
        inner_ports = [*addresses.RELAY_PORTS.values(), addresses.PROXY_PORT]
        uid = self.spec["uid"] if self.level == "full" else None
        self.space = netns.create(uid, inner_ports, addresses.LOOPBACK)
        self.inner = relay.InnerSockets(self.loop, self.space)
        for name, port in addresses.RELAY_PORTS.items():
            relay.offer(self.loop, self.space.listeners[port], self.count, targets, name)
        outside = proxy.Proxy(self.loop, self.count, enabled=self.spec["egress"], allow=self.spec["egress_allow"])
        outside.serve(self.space.listeners[addresses.PROXY_PORT])
        self._outer = []
        for name, port in self.spec["ports"]:
            listener = socket.socket()
            listener.bind((addresses.LOOPBACK, 0))
            listener.listen(128)
            self._outer.append(listener)
            relay.publish(self.loop, listener, self.count, self.inner, port)
            self.status["addresses"][name] = f"{addresses.LOOPBACK}:{listener.getsockname()[1]}"

    def _share_network(self, targets: relay.Targets) -> None:
        for name, port in self.spec["ports"]:
            unsafe.check_free(port)
            self.status["addresses"][name] = f"{addresses.LOOPBACK}:{port}"
        for name, port in addresses.RELAY_PORTS.items():
            listener = unsafe.shared_listener(port)
            if listener is not None:
                relay.offer(self.loop, listener, self.count, targets, name)

    def _spawn(self, binds: list[sandbox.Bind]) -> None:
        spec = self.spec
        log_read, log_write = os.pipe()
        status_read, status_write = os.pipe()
        for fd in (log_read, status_read):
            os.set_blocking(fd, False)
        command, working_directory = list(spec["command"]), spec["working_directory"]
        self.environment = sandbox.environment_for(self.level, spec, spec["image"])
        if self.level == "unsafe":
            view = unsafe.PathView(binds)
            command, working_directory = [view(word) for word in command], view(working_directory)
            self.environment = {name: view(value) for name, value in self.environment.items()}
            self.environment.setdefault("JUPYTER_RUNTIME_DIR", unsafe.socket_folder(self.directory))
        # Without a control group the meter ends what outgrows its limit; this only bounds a sudden leap.
        limit_data = 2 * spec["memory_bytes"] if not self.group.limits_memory else 0
        start = sandbox.Start(
            level=self.level,
            bwrap=spec["bwrap"],
            command=command,
            environment=self.environment,
            binds=binds,
            working_directory=working_directory,
            space=self.space,
            group=self.group,
            output_fd=log_write,
            status_fd=status_write,
            file_bytes_max=spec["disk_bytes"] + 4096 if spec["disk_bytes"] else 0,
            data_bytes_max=limit_data,
            shm_bytes=spec["memory_bytes"],
        )
        self.status["started_at"] = self.clock.now()
        self.journal.append(
            "start",
            sync=True,
            started_at=self.status["started_at"],
            cpu_millis=spec["cpu_millis"],
            memory_bytes=spec["memory_bytes"],
        )
        self.pid, problem = start.spawn()
        os.close(log_write)
        os.close(status_write)
        if problem:
            os.waitpid(self.pid, 0)
            self.pid = 0
            self._finish(Ending("start_failed", f"The sandbox could not start: {problem}."))
            return
        self.meter.root_pid = self.pid
        self._pidfd = os.pidfd_open(self.pid)
        self._bwrap_file = os.stat(spec["bwrap"]) if self.level != "unsafe" else None
        self._log_fd, self._status_fd = log_read, status_read
        self.loop.watch(self._pidfd, IN, self._ended)
        self.loop.watch(log_read, IN, self._read_log)
        self.loop.watch(status_read, IN, self._read_sandbox_status)
        if self.level == "unsafe":
            self._running(self.pid)
        self.control = ControlServer(self)
        self.loop.later(_TICK, self._tick)
        if not (self.group.limits_memory and self.group.meters_cpu):
            self.loop.later(_FINE_TICK, self._fine_tick)

    def _read_sandbox_status(self, _events: int) -> None:
        data = os.read(self._status_fd, 65536)
        if not data:
            self.loop.forget(self._status_fd)
        self._status_bytes += data
        if not self.sandbox_pid and b"\n" in self._status_bytes:
            self.sandbox_pid = int(json.loads(self._status_bytes.split(b"\n")[0])["child-pid"])
            self._look_for_command()

    def _look_for_command(self) -> None:
        """Find the sandbox's first process and wait until it has become the command.

        A short-lived command must be caught between its fork and its end, for the kernel to tell
        its exact end later: so the first milliseconds are spent here, while nothing else goes on.
        """
        if self.command_pid or self.wait_status is not None:
            return
        until = time.monotonic() + (_CATCH_SECONDS if not self._caught else 0.0)
        self._caught = True
        while not self._find_candidate() and time.monotonic() < until:
            time.sleep(0.0001)
        if self.command_pidfd >= 0:
            with contextlib.suppress(OSError):
                facts = os.stat(f"/proc/{self._candidate}/exe")
                if self._bwrap_file is None or not os.path.samestat(facts, self._bwrap_file):
                    self._running(self._candidate)
                    return
        self.loop.later(0.001, self._look_for_command)

    def _find_candidate(self) -> bool:
        """Whether there is nothing more to look for: it is found, or the sandbox is gone."""
        if self.command_pidfd >= 0:
            return True
        try:
            with open(f"/proc/{self.sandbox_pid}/task/{self.sandbox_pid}/children") as file:
                pids = file.read().split()
            if pids:
                self._candidate = int(pids[0])
                self.command_pidfd = os.pidfd_open(self._candidate)
                return True
        except OSError:
            return True
        return False

    def _running(self, pid: int) -> None:
        self.command_pid = pid
        self.status["phase"] = "running"
        self.journal.append("running", pid=pid)
        probe = self.spec["probe"]
        if probe is None:
            self._ready()
            return
        port = dict(self.spec["ports"])[probe["port"]]
        self._probe = Probe(self.loop, self._take_socket, port, probe["path"], probe["statuses"], self._ready)
        self._probe.start()
        self.loop.later(probe["timeout"], self._probe_failed)
        self.publish()

    def _take_socket(self, use: Any) -> None:
        if self.space is None:
            use(socket.socket())
        else:
            self.inner.take(use)

    def _ready(self) -> None:
        self.status["ready"] = True
        self.step("server", "done")
        self.journal.append("ready")
        self.publish()

    def _probe_failed(self) -> None:
        probe = self.spec["probe"]
        if not self.status["ready"] and self.ending is None and self._probe is not None:
            message = (
                f"It did not answer GET {probe['path']} on port {probe['port']} within "
                f"{probe['timeout']:g} s (last: {self._probe.last})."
            )
            self.end(Ending("start_failed", message))

    # --- while it runs --------------------------------------------------------------------------

    def _tick(self) -> None:
        if self.wait_status is not None:
            return
        self.loop.later(_TICK, self._tick)
        self._ticks += 1
        beat = self.beat()
        if self._unpublished:
            self.publish()
        if self._ticks % _SAMPLE_EVERY == 0:
            self.journal.append(
                "usage",
                cpu_seconds=round(beat.cpu_seconds, 3),
                memory_bytes=beat.memory_bytes,
                disk_bytes=beat.disk_bytes,
            )
        if self.ending is None:
            self._look_for_stop()
        if self.ending is None and self._forgotten():
            self.end(Ending("stopped", "Its installation was removed."), grace=0)
        if self.ending is None:
            self._enforce(beat)
        self.disk.look()

    def _fine_tick(self) -> None:
        """Without control groups use is only what is seen while it happens: look more often."""
        if self.wait_status is None:
            beat = self.meter.sample(self.clock.now(), self.disk.used)
            if self.ending is None:
                self._enforce_memory(beat)
            self.loop.later(_FINE_TICK, self._fine_tick)

    def _enforce_memory(self, beat: journal.Heartbeat) -> None:
        limit = self.spec["memory_bytes"]
        if not self.group.limits_memory and 0 < limit < beat.memory_bytes:
            text = f"It ran out of memory: the limit is {size(limit)}, it used {size(beat.memory_bytes)}."
            self.end(Ending("out_of_memory", text), grace=0)

    def _forgotten(self) -> bool:
        """Whether somebody removed the folder: nobody will ever ask again, and nobody could stop it."""
        return not os.path.exists(self.directory)

    def _enforce(self, beat: journal.Heartbeat) -> None:
        spec = self.spec
        deadline = spec["deadline_seconds"]
        if deadline is not None and self.clock.now() - self.status["started_at"] >= deadline:
            self.end(Ending("deadline", f"It ran for {deadline} s, the longest time allowed."))
        elif (problem := self.disk.problem) is not None:
            self.end(Ending("out_of_disk", problem), grace=min(2, spec["grace_seconds"]))
        else:
            self._enforce_memory(beat)

    def _look_for_stop(self) -> None:
        """Follow the newest request; a later one may shorten the grace, never lengthen it."""
        try:
            with open(os.path.join(self.directory, journal.STOP)) as file:
                grace = float(json.load(file)["grace_seconds"])
        except (FileNotFoundError, ValueError):
            return
        if self.ending is None:
            self.end(Ending("stopped", "It was stopped on request."), grace=grace)
        else:
            self.loop.later(max(0.0, grace), self._kill)

    def _read_log(self, _events: int) -> None:
        for _ in range(4):
            try:
                data = os.read(self._log_fd, 65536)
            except BlockingIOError:
                return
            if not data:
                self.loop.forget(self._log_fd)
                self._log_open = False
                return
            self.log.write(data)

    def _handle_signals(self) -> None:
        read_fd, write_fd = os.pipe()
        for fd in (read_fd, write_fd):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
        for number in (signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: None)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

        def arrived(_events: int) -> None:
            numbers = os.read(read_fd, 64)
            if signal.SIGUSR1 in numbers:
                self._look_for_stop()
            if signal.SIGTERM in numbers and self.ending is None:
                self.end(Ending("stopped", "The machine's operator ended it."))

        self.loop.watch(read_fd, IN, arrived)

    # --- the end --------------------------------------------------------------------------------

    def end(self, ending: Ending, *, grace: float | None = None) -> None:
        """Ask the workload to end and make it end after the grace."""
        self.ending = ending
        grace = self.spec["grace_seconds"] if grace is None else grace
        self.journal.append("ending", reason=ending.reason, grace_seconds=grace)
        if self._probe is not None:
            self._probe.end()
        if self.pid == 0:
            return
        if grace <= 0 or not self.command_pid:
            self._kill()
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # The sandbox's init leads the command's process group; it takes no notice of SIGTERM.
            os.killpg(os.getpgid(self.command_pid), signal.SIGTERM)
        self.loop.later(grace, self._kill)

    def _kill(self) -> None:
        if self.wait_status is None:
            target = self.sandbox_pid or self.pid
            with contextlib.suppress(ProcessLookupError):
                if self.level == "unsafe":
                    os.killpg(target, signal.SIGKILL)
                else:
                    os.kill(target, signal.SIGKILL)

    def _ended(self, _events: int) -> None:
        self.loop.forget(self._pidfd)
        _, self.wait_status, self.meter.usage_at_exit = os.wait4(self.pid, 0)
        self.ended_at = self.clock.now()
        self.beat()  # the kernel's counters as they are at the end
        with contextlib.suppress(OSError):
            while data := os.read(self._status_fd, 65536):
                self._status_bytes += data
        self._drained_by = time.monotonic() + _DRAIN_SECONDS
        self._drain()

    def _drain(self) -> None:
        """What the workload wrote before its end is still in the pipe: read it first."""
        if self._log_open:
            self._read_log(IN)
        if self._log_open and time.monotonic() < self._drained_by:
            self.loop.later(0.002, self._drain)
            return
        self._finish(judge(self))

    def _close_step(self, ending: Ending) -> None:
        """The step that was going on: done when it came to work that needs no readiness, else failed."""
        last = self.status["steps"][-1]
        if last["state"] == "active":
            worked = self.spec["probe"] is None and ending.reason != "start_failed"
            self.step(last["name"], "done" if worked else "failed", "" if worked else ending.message)

    def _finish(self, ending: Ending) -> None:
        beat = self.beat()
        if not self.group.kill_and_remove():
            complain("the control group could not be removed")
        if self.level == "unsafe":
            unsafe.remove_socket_folder(self.directory)
        if self.status["started_at"] is not None and self.wait_status is None:
            self.ended_at = self.clock.now()
        ended_at = self.ended_at if self.status["started_at"] is not None else self.clock.now()
        self._close_step(ending)
        facts = {
            "reason": ending.reason,
            "exit_code": ending.exit_code,
            "signal": ending.signal,
            "message": ending.message,
            "ended_at": ended_at,
        }
        line = {
            **facts,
            "cpu_seconds": round(beat.cpu_seconds, 3),
            "memory_peak_bytes": beat.memory_peak_bytes,
            "disk_bytes": beat.disk_bytes,
        }
        self.status.update(phase="exited", ready=False, exit=facts)
        self._write_end(line)

    def _write_end(self, line: dict[str, Any]) -> None:
        """The end must be told, whatever the disk says: until it is, the shim stays."""
        try:
            if not self._end_written:
                self.journal.append("exit", sync=True, **line)
                self._end_written = True
            self.publish(sync=True)
        except OSError as error:
            if self._forgotten():
                self.loop.stop()
                self.finished = True
                return
            complain(f"the end could not be written yet: {error}")
            self.loop.later(_RETRY_SECONDS, lambda: self._write_end(line))
            return
        self.loop.stop()
        self.finished = True
