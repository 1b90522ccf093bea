"""Drives a backend from synchronous tests and waits on what it observes.

The suite is written against ``WorkloadBackend`` and its neighbours; a harness brings one backend
to life and says what is particular to it (which image, how to crash its parts).
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from himalia_hub.backends.local import journal
from himalia_hub.backends.local.backend import LocalBackend
from himalia_hub.backends.local.cache import ManifestEntry
from himalia_hub.backends.local.options import LocalOptions
from himalia_hub.backends.protocol import (
    NodeCapacity,
    ObservedReplica,
    ReplicaState,
    Resources,
    WorkloadPlan,
)

T = TypeVar("T")
MIB = 1 << 20
_numbers = itertools.count(1)


class Folders:
    """A content source that holds everything in memory and counts what is asked of it."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, list[ManifestEntry]] = {}
        self.reads = 0
        self.failures = 0
        self.gate = threading.Event()
        self.gate.set()

    def add(self, files: Mapping[str, bytes]) -> str:
        entries = []
        for path in sorted(files):
            digest = hashlib.sha256(files[path]).hexdigest()
            self.blobs[digest] = files[path]
            entries.append(ManifestEntry(path, digest, len(files[path])))
        return self.add_entries(entries)

    def add_entries(self, entries: list[ManifestEntry]) -> str:
        text = "".join(json.dumps([entry.path, entry.digest, entry.size]) for entry in entries)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.manifests[digest] = entries
        return digest

    async def manifest(self, tenant: str, digest: str) -> AsyncIterator[ManifestEntry]:
        if digest not in self.manifests:
            raise LookupError(f"no manifest {digest}")
        for entry in self.manifests[digest]:
            yield entry

    async def read(self, tenant: str, entries: Sequence[ManifestEntry]) -> AsyncIterator[tuple[str, bytes]]:
        self.reads += 1
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the store is away")
        while not self.gate.is_set():
            await asyncio.sleep(0.01)
        for entry in entries:
            data = self.blobs[entry.digest]
            half = len(data) // 2
            yield entry.digest, data[:half]
            if data[half:]:
                yield entry.digest, data[half:]


class LocalHarness:
    """The local backend on a root of its own, its event loop in a thread."""

    name = "local"
    grain = timedelta(0)
    """How coarse the backend's clock is."""
    patience = 1.0
    """What waiting times are multiplied by."""

    def __init__(self, **options: Any) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="himalia-contract-"))
        self.image = sys.prefix
        self.folders = Folders()
        options.setdefault("disk_reserve_bytes", 0)
        self.options = LocalOptions(node_name="here", **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.backend = self._open()

    def _open(self) -> LocalBackend:
        backend = LocalBackend(self.root, self.options, self.folders)
        self.run(backend.start())
        return backend

    def restart_platform(self) -> None:
        """Another platform process takes over: nothing but the files is left of the old one."""
        self.run(self.backend.close())
        self.backend = self._open()

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 60) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def close(self) -> None:
        for (workload, attempt), replicas in self.observe().items():
            if all(item.exit_reason is not None for item in replicas):
                continue
            self.run(self.backend.stop(workload, attempt, grace_seconds=0))
            self.wait_ended(workload, attempt, len(replicas))
            self.run(self.backend.delete(workload, attempt))
        self.run(self.backend.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self.root)

    # --- plans ----------------------------------------------------------------------------------

    def plan(self, *command: str, **changes: Any) -> WorkloadPlan:
        base = WorkloadPlan(
            workload=f"w{next(_numbers)}",
            attempt=1,
            kind="run",
            tenant="acme",
            owner="ada",
            image=self.image,
            command=command,
            resources=Resources(cpu_millis=1000, memory_bytes=256 * MIB),
            grace_seconds=2,
        )
        return replace(base, **changes)

    def shell(self, script: str, **changes: Any) -> WorkloadPlan:
        return self.plan("/bin/sh", "-c", script, **changes)

    def python(self, script: str, *arguments: str, **changes: Any) -> WorkloadPlan:
        return self.plan("python", "-I", "-c", script, *arguments, **changes)

    def needs_homes(self) -> None:
        """Skips a test where homes cannot be had."""

    # --- what is there --------------------------------------------------------------------------

    def apply(self, plan: WorkloadPlan) -> WorkloadPlan:
        self.run(self.backend.apply(plan))
        return plan

    def stop(self, plan: WorkloadPlan, grace_seconds: int = 2) -> None:
        self.run(self.backend.stop(plan.workload, plan.attempt, grace_seconds=grace_seconds))

    def delete(self, plan: WorkloadPlan) -> None:
        self.run(self.backend.delete(plan.workload, plan.attempt))

    def observe(self) -> dict[tuple[str, int], tuple[ObservedReplica, ...]]:
        found = self.run(_listed(self.backend))
        return {(item.workload, item.attempt): item.replicas for item in found}

    def replica(self, plan: WorkloadPlan, index: int = 0) -> ObservedReplica | None:
        replicas = self.observe().get((plan.workload, plan.attempt), ())
        return next((item for item in replicas if item.index == index), None)

    def wait(
        self, plan: WorkloadPlan, condition: Callable[[ObservedReplica], bool], seconds: float = 20, index: int = 0
    ) -> ObservedReplica:
        end = time.monotonic() + seconds * self.patience
        while True:
            seen = self.replica(plan, index)
            if seen is not None and condition(seen):
                return seen
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s; last seen: {seen}; output: {self.output(plan)!r}")
            time.sleep(0.01)

    def wait_running(self, plan: WorkloadPlan) -> ObservedReplica:
        return self.wait(plan, lambda seen: seen.state is ReplicaState.RUNNING)

    def wait_end(self, plan: WorkloadPlan, seconds: float = 20, index: int = 0) -> ObservedReplica:
        return self.wait(plan, lambda seen: seen.exit_reason is not None, seconds, index)

    def wait_ended(self, workload: str, attempt: int, replicas: int) -> None:
        until(
            lambda: all(item.exit_reason is not None for item in self.observe().get((workload, attempt), ())),
            f"{workload} did not end",
        )

    def output(self, plan: WorkloadPlan, replica: int = 0, offset: int = 0) -> str:
        async def read() -> bytes:
            stream = self.backend.logs(plan.workload, plan.attempt, replica=replica, offset=offset)
            return b"".join([piece async for _, piece in stream])

        return self.run(read()).decode(errors="replace")

    def result(self, plan: WorkloadPlan) -> str:
        """Run a plan to its end, which must be a good one, and answer its output."""
        self.apply(plan)
        seen = self.wait_end(plan)
        text = self.output(plan)
        assert seen.exit_reason == "completed", f"{seen.exit_reason}: {seen.message}\n{text}"
        return text

    def execute(self, plan: WorkloadPlan, *command: str) -> tuple[int, str]:
        code, output = self.run(self.backend.execute(plan.workload, plan.attempt, command))
        return code, output.decode()

    def node(self) -> NodeCapacity:
        (node,) = self.run(_nodes(self.backend))
        return node

    # --- particular to this backend -------------------------------------------------------------

    def directory(self, plan: WorkloadPlan, replica: int = 0) -> Path:
        return self.root / "attempts" / plan.workload / str(plan.attempt) / f"r{replica}"

    def shim_pid(self, plan: WorkloadPlan, replica: int = 0) -> int:
        return journal.lock_holder(str(self.directory(plan, replica)))

    def status(self, plan: WorkloadPlan) -> dict[str, Any]:
        status = journal.read_status(str(self.directory(plan)))
        assert status is not None
        return status


async def _listed(backend: LocalBackend) -> Sequence[Any]:
    return await backend.observe()


async def _nodes(backend: LocalBackend) -> Sequence[NodeCapacity]:
    return await backend.nodes()


def only_local(reason: str) -> pytest.MarkDecorator:
    """For what one machine alone can promise, or does in a way of its own; ``reason`` says which."""
    return pytest.mark.parametrize("harness", ["local"], indirect=True)


def until(condition: Callable[[], bool], message: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, message
        time.sleep(0.01)


def processes_below(pid: int) -> list[int]:
    """All descendants of a process, from /proc."""
    found, pending = [], [pid]
    while pending:
        parent = pending.pop()
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except OSError:
            continue
        found += [int(child) for child in children]
        pending += [int(child) for child in children]
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def uid_of(pid: int) -> int:
    return os.stat(f"/proc/{pid}").st_uid
