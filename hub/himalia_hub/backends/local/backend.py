"""Workloads as sandboxed processes on this machine; see ``docs/design/local-backend.md``.

The facade of this package: an asynchronous object that the platform holds. It keeps nothing that
matters in memory. Attempts live in folders and run under shims, so another instance on the same
root sees the same attempts and goes on with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from himalia_hub.backends import cards
from himalia_hub.backends.local import accelerators, cgroups, control, disk, journal, logfile, names, records
from himalia_hub.backends.local.attempts import AttemptFiles, AttemptStore, Key
from himalia_hub.backends.local.cache import ContentSource, FolderError, NodeCache
from himalia_hub.backends.local.ending import size as size_text
from himalia_hub.backends.local.isolation import Isolation, bwrap_path, detect_isolation
from himalia_hub.backends.local.launcher import Launcher, LaunchError
from himalia_hub.backends.local.options import LocalOptions, machine_memory_bytes
from himalia_hub.backends.local.replica import ReplicaFiles, remove_groups
from himalia_hub.backends.local.uids import UidMap
from himalia_hub.backends.protocol import (
    BackendError,
    ExitReason,
    FolderMount,
    HomeMount,
    NodeCapacity,
    ObservedReplica,
    ObservedWorkload,
    ReplicaState,
    Resources,
    StartStep,
    WorkloadPlan,
)

T = TypeVar("T")
_THREADS = 8
_FOLLOW_SECONDS = 0.15
_FETCH_PAUSES = (0.2, 0.5, 1, 2, 4, 8, 15, 30, 60)
"""Seconds between tries of fetching a folder: about two minutes, as long as a store may be away."""
log = logging.getLogger("himalia.backends.local")


class _Preparation:
    """Folders being fetched for an attempt that no shim has yet; what ``observe`` shows of it."""

    def __init__(self, replicas: int) -> None:
        self.replicas = replicas
        self.task: asyncio.Task[None] | None = None
        self.trouble = ""
        self.started_at = datetime.now(UTC)
        self.done_bytes = 0
        self.total_bytes = 0

    def progress(self, done: int, total: int) -> None:
        self.done_bytes, self.total_bytes, self.trouble = done, total, ""

    def detail(self) -> str:
        text = f"{size_text(self.done_bytes)} of {size_text(self.total_bytes)}"
        return f"{text}; trying again: {self.trouble}" if self.trouble else text


class LocalBackend:
    """The ``Backend`` of one machine.

    Args:
        root: Where homes, attempts, journals and the cache live; made if missing. One instance
            at a time may use it (the supervisor sees to that).
        options: See :class:`LocalOptions`.
        content: Where read-only folders come from; plans with a ``FolderMount`` fail without it.

    Call :meth:`start` once before anything else and :meth:`close` at the end; workloads go on.
    """

    name: Literal["local", "kubernetes"] = "local"

    def __init__(self, root: Path, options: LocalOptions | None = None, content: ContentSource | None = None) -> None:
        self.root = root
        self.options = options or LocalOptions()
        self.content = content
        self.isolation: Isolation | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="local-backend")
        self._locks: dict[Key, asyncio.Lock] = {}
        self._assigning = asyncio.Lock()
        self._preparing: dict[Key, _Preparation] = {}
        self._starting: set[Key] = set()
        self._looking = threading.Lock()  # two looks at once would write a lost shim's end twice

    async def start(self) -> Isolation:
        """Find the level of isolation and take over what already runs here.

        Raises:
            BackendError: No level works here; the message says what helps.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = await detect_isolation(self.options.isolation)
        if found.level is None:
            raise BackendError(f"{found.reason} {found.hint}".strip(), retryable=False)
        self.isolation = found
        await self._call(self._open, found)
        return found

    def _open(self, found: Isolation) -> None:
        assert found.level is not None
        (self.root / "homes").mkdir(exist_ok=True, mode=0o700)
        self._store = AttemptStore(self.root / "attempts", self.options.node_name)
        self._store.remove_orphans()
        self._cache = NodeCache(self.root / "cache", bytes_max=self.options.cache_bytes_max)
        self._uids = None
        if found.level == "full":
            self._uids = UidMap(self.root / "uids.json", base=self.options.uid_base, count=self.options.uid_count)
        group = f"himalia-{_tag(self.root)}"
        self.limits = cgroups.detect(group)
        relay_file = self.root / "relay.json"
        journal.write_atomically(str(relay_file), json.dumps(dict(self.options.relay)).encode())
        self._launcher = Launcher(
            root=self.root,
            options=self.options,
            level=found.level,
            bwrap=bwrap_path() or "",
            layout=self.limits,
            group_prefix=group,
            relay_file=relay_file,
        )

    async def close(self) -> None:
        """Stop fetching and waiting; running attempts are left alone."""
        tasks = [item.task for item in self._preparing.values() if item.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=True)

    async def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _lock(self, key: Key) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())

    # --- workloads ------------------------------------------------------------------------------

    async def apply(self, plan: WorkloadPlan) -> None:
        names.check_plan(plan)
        key = (plan.workload, plan.attempt)
        async with self._lock(key):
            if key in self._preparing:
                return
            files = await self._call(self._store.find, *key)
            if files is not None and await self._call(_all_accepted, files):
                return
            if files is None or (key not in self._starting and not await self._call(files.accepted)):
                # Also one that an earlier platform planned and never started: its accelerators may
                # have been given to somebody else since.
                files = await self._create(plan)
            missing = [m for m in plan.mounts if isinstance(m, FolderMount)]
            if all(self._cache.find(plan.tenant, mount.manifest) for mount in missing):
                await self._launch(plan, files, datetime.now(UTC))
                return
            preparation = _Preparation(plan.replicas)
            self._preparing[key] = preparation
            preparation.task = asyncio.create_task(self._prepare(plan, files, preparation))

    async def _create(self, plan: WorkloadPlan) -> AttemptFiles:
        free = await self._call(disk.free_bytes, str(self.root))
        if free < self.options.disk_reserve_bytes:
            raise BackendError(
                f"the machine has {size_text(free)} of disk left, less than its reserve of "
                f"{size_text(self.options.disk_reserve_bytes)}",
                retryable=True,
            )
        async with self._assigning:
            taken = await self._call(self._taken_accelerators)
            given = accelerators.assign(self.options.accelerators, taken, plan)
            files = await self._call(self._store.create, plan, given)
            self._starting.add(files.key)
            return files

    def _counts(self, files: AttemptFiles) -> bool:
        """Whether an attempt holds what it was given: it exists for ever, or is being started here."""
        return files.key in self._starting or files.accepted()

    def _taken_accelerators(self) -> dict[str, set[int]]:
        taken: dict[str, set[int]] = {}
        for files in filter(self._counts, self._store.all()):
            for replica, given in zip(files.replicas, files.accelerators, strict=True):
                if not replica.ended():
                    for resource, indices in given.items():
                        taken.setdefault(resource, set()).update(indices)
        return taken

    async def _prepare(self, plan: WorkloadPlan, files: AttemptFiles, preparation: _Preparation) -> None:
        """Fetch folders, then launch; whatever goes wrong becomes the attempt's end."""
        key = files.key
        try:
            await self._fetch(plan, preparation)
            await self._launch(plan, files, preparation.started_at)
            await self._call(self._cache.evict, await self._call(self._folders_in_use))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            message = f"Its input could not be made available: {error}."
            await self._call(self._store.record_end, files, ExitReason.START_FAILED, message, "mounts")
        finally:
            self._preparing.pop(key, None)

    async def _fetch(self, plan: WorkloadPlan, preparation: _Preparation) -> None:
        """All folders of a plan; waits out a store that restarts, not a folder that cannot exist."""
        if self.content is None:
            raise FolderError("this installation has no source of folders")
        for mount in plan.mounts:
            if not isinstance(mount, FolderMount):
                continue
            for pause in (*_FETCH_PAUSES, None):
                try:
                    await self._cache.ensure(plan.tenant, mount.manifest, self.content, preparation.progress)
                    break
                except (FolderError, LookupError):
                    raise
                except Exception as error:
                    if pause is None:
                        raise
                    log.warning("fetching %s for %s: %s", mount.manifest, plan.workload, error)
                    preparation.trouble = str(error)
                    await asyncio.sleep(pause)

    def _folders_in_use(self) -> set[tuple[str, str]]:
        return {
            (files.tenant, manifest) for files in self._store.all() if not files.ended() for manifest in files.folders
        }

    async def _launch(self, plan: WorkloadPlan, files: AttemptFiles, since: datetime) -> None:
        folders: dict[str, Path] = {}
        for mount in plan.mounts:
            if isinstance(mount, FolderMount):
                place = self._cache.find(plan.tenant, mount.manifest)
                if place is None:
                    raise BackendError("an input folder went away while starting", retryable=True)
                folders[mount.path] = place
        try:
            uid = self._uids.uid(plan.tenant, plan.owner) if self._uids is not None else None
            homes = await self._call(self._make_homes, plan, uid)
            await asyncio.gather(
                *(
                    self._call(self._launcher.launch, plan, files, index, uid, homes, folders, since)
                    for index in range(plan.replicas)
                    if not files.replicas[index].accepted()
                )
            )
            self._starting.discard(files.key)
        except (LaunchError, OSError, LookupError) as error:
            raise BackendError(f"the shim could not be started: {error}", retryable=True) from error

    def _make_homes(self, plan: WorkloadPlan, uid: int | None) -> dict[str, Path]:
        homes = {}
        for mount in plan.mounts:
            if isinstance(mount, HomeMount):
                home = self._home(plan.tenant, mount.key)
                _make_folders(self.root, home)
                if uid is not None and home.stat().st_uid != uid:
                    _give(home, uid)
                homes[mount.path] = home
        return homes

    async def stop(self, workload: str, attempt: int, *, grace_seconds: int) -> None:
        names.check_segment("workload", workload)
        key = (workload, attempt)
        preparation = self._preparing.get(key)
        if preparation is not None and preparation.task is not None:
            preparation.task.cancel()
            await asyncio.gather(preparation.task, return_exceptions=True)
        async with self._lock(key):
            files = await self._call(self._store.find, *key)
            if files is None:
                return
            await self._call(self._store.record_end, files, ExitReason.STOPPED, "It was stopped before it started.")
            for replica in files.replicas:
                await self._call(_ask_to_stop, replica, grace_seconds)

    async def delete(self, workload: str, attempt: int) -> None:
        names.check_segment("workload", workload)
        key = (workload, attempt)
        async with self._lock(key):
            files = await self._call(self._store.find, *key)
            if files is None:
                return
            observed = await self._call(self._look_at, files)
            live = key in self._preparing or any(
                item.state in (ReplicaState.PENDING, ReplicaState.RUNNING) for item in observed
            )
            if live:
                raise BackendError(f"attempt {attempt} of {workload} still runs; stop it first", retryable=True)
            await self._call(self._forget, files)
        self._locks.pop(key, None)

    def _forget(self, files: AttemptFiles) -> None:
        self._starting.discard(files.key)
        for replica in files.replicas:
            status = replica.status()
            if status is not None and not remove_groups(status["cgroups"], seconds=5.0):
                raise BackendError("its control group could not be removed", retryable=True)
            records.archive(self.root, replica.directory)
        self._store.remove(files)

    async def observe(self) -> Sequence[ObservedWorkload]:
        observed = await self._call(self._observe)
        for (workload, attempt), preparation in list(self._preparing.items()):
            observed.append(ObservedWorkload(workload, attempt, _pending(self.options.node_name, preparation)))
        return observed

    def _observe(self) -> list[ObservedWorkload]:
        with self._looking:
            return self._look()

    def _look_at(self, files: AttemptFiles) -> list[ObservedReplica]:
        with self._looking:
            return _observe_all(files)

    def _look(self) -> list[ObservedWorkload]:
        found = []
        for files in self._store.all():
            if files.key in self._preparing:
                continue
            try:
                replicas = _observe_all(files)
            except FileNotFoundError:
                continue  # deleted while we looked
            if replicas:
                found.append(ObservedWorkload(files.workload, files.attempt, tuple(replicas)))
        return found

    async def logs(
        self, workload: str, attempt: int, *, replica: int = 0, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[tuple[int, bytes]]:
        files = await self._find_replica(workload, attempt, replica)
        directory = str(files.directory)
        while True:
            ended = await self._call(lambda: files.ended() or not files.shim_pid())
            start, data = await self._call(logfile.read, directory, offset)
            if data:
                yield start, data
                offset = start + len(data)
            elif not follow or ended:
                return
            else:
                await asyncio.sleep(_FOLLOW_SECONDS)

    async def execute(
        self, workload: str, attempt: int, command: Sequence[str], *, replica: int = 0
    ) -> tuple[int, bytes]:
        files = await self._find_replica(workload, attempt, replica)
        directory = await self._call(os.open, str(files.directory), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            reader, writer = await asyncio.open_unix_connection(control.address(directory))
        except (FileNotFoundError, ConnectionError) as error:
            raise BackendError(f"attempt {attempt} of {workload} does not run", retryable=False) from error
        finally:
            os.close(directory)
        try:
            writer.write(json.dumps({"command": list(command)}).encode() + b"\n")
            head = await reader.readline()
            if not head:
                raise BackendError("the replica ended while the command ran", retryable=False)
            answer = json.loads(head)
            return int(answer["exit_code"]), await reader.readexactly(answer["bytes"])
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise BackendError("the replica ended while the command ran", retryable=False) from error
        finally:
            writer.close()

    async def _find_replica(self, workload: str, attempt: int, replica: int) -> ReplicaFiles:
        names.check_segment("workload", workload)
        files = await self._call(self._store.find, workload, attempt)
        if files is None or not 0 <= replica < len(files.replicas):
            raise BackendError(f"there is no replica {replica} of attempt {attempt} of {workload}", retryable=False)
        return files.replicas[replica]

    # --- nodes and spaces -----------------------------------------------------------------------

    async def nodes(self) -> Sequence[NodeCapacity]:
        options = self.options
        allocatable = Resources(
            cpu_millis=options.cpu_millis or (os.cpu_count() or 1) * 1000,
            memory_bytes=options.memory_bytes or machine_memory_bytes(),
            disk_bytes=options.disk_bytes or _disk_capacity(str(self.root)),
            accelerators=dict(options.accelerators),
        )
        occupied = await self._call(self._occupied)
        labels = {**(cards.machine_labels() if options.accelerators else {}), **options.node_labels}
        return [NodeCapacity(options.node_name, allocatable, occupied, ready=True, labels=labels)]

    def _occupied(self) -> Resources:
        total = Resources(0, 0)
        for files in filter(self._counts, self._store.all()):
            for replica in files.replicas:
                if not replica.ended():
                    total = _sum(total, files.resources)
        return total

    def _home(self, tenant: str, key: str) -> Path:
        names.check_segment("tenant", tenant)
        names.check_key("home key", key)
        return self.root / "homes" / tenant / key

    async def ensure_space(self, tenant: str) -> None:
        names.check_segment("tenant", tenant)
        await self._call(_make_folders, self.root, self.root / "homes" / tenant)

    async def remove_space(self, tenant: str) -> None:
        names.check_segment("tenant", tenant)
        for folder in (self.root / "homes" / tenant, self.root / "cache" / tenant):
            await self._call(_remove_tree, folder)

    async def remove_home(self, tenant: str, key: str) -> None:
        await self._call(_remove_tree, self._home(tenant, key))

    async def home_bytes(self, tenant: str, key: str) -> int:
        return await self._call(disk.used_bytes, [str(self._home(tenant, key))])


def _all_accepted(files: AttemptFiles) -> bool:
    return all(replica.accepted() for replica in files.replicas)


def _observe_all(files: AttemptFiles) -> list[ObservedReplica]:
    """The replicas that exist; empty before any shim accepted, so that ``apply`` is called again."""
    observed = [replica.observe() for replica in files.replicas]
    return [item for item in observed if item is not None]


def _pending(node: str, preparation: _Preparation) -> tuple[ObservedReplica, ...]:
    steps = (
        StartStep("scheduled", "done", node, preparation.started_at, preparation.started_at),
        StartStep("mounts", "active", preparation.detail(), preparation.started_at),
    )
    return tuple(
        ObservedReplica(index=index, state=ReplicaState.PENDING, node=node, steps=steps)
        for index in range(preparation.replicas)
    )


def _ask_to_stop(replica: ReplicaFiles, grace_seconds: int) -> None:
    if replica.ended():
        return
    request = json.dumps({"grace_seconds": grace_seconds}).encode()
    journal.write_atomically(str(replica.directory / journal.STOP), request, sync=True)
    pid = replica.shim_pid()
    if not pid:
        return
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if replica.shim_pid() == pid:  # the descriptor names the lock's holder, not its pid's next user
            signal.pidfd_send_signal(handle, signal.SIGUSR1)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def _sum(left: Resources, right: Resources) -> Resources:
    counts: Mapping[str, int] = {
        name: left.accelerators.get(name, 0) + right.accelerators.get(name, 0)
        for name in {*left.accelerators, *right.accelerators}
    }
    return replace(
        left,
        cpu_millis=left.cpu_millis + right.cpu_millis,
        memory_bytes=left.memory_bytes + right.memory_bytes,
        disk_bytes=left.disk_bytes + right.disk_bytes,
        accelerators=counts,
    )


def _disk_capacity(path: str) -> int:
    facts = os.statvfs(path)
    return facts.f_blocks * facts.f_frsize


def _make_folders(root: Path, folder: Path) -> None:
    """Make a folder and those above it, each closed to everybody else."""
    for path in reversed([folder, *folder.parents]):
        if path.is_relative_to(root):
            path.mkdir(exist_ok=True, mode=0o700)


def _give(folder: Path, uid: int) -> None:
    os.chown(folder, uid, uid, follow_symlinks=False)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(parent, name), uid, uid, follow_symlinks=False)


def _remove_tree(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _tag(root: Path) -> str:
    """Tells control groups of several installations on one machine apart."""
    import hashlib

    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]
