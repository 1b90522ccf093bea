"""An attempt's folder: its plan without secrets, what was assigned to it, its replicas.

``attempts/<workload>/<attempt>/`` holds ``plan.json`` and ``r0`` … ``r<n-1>``. Secrets are never
written: they travel to each shim through a pipe. Synchronous; the backend calls it in threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from himalia_hub.backends.local import journal, unsafe
from himalia_hub.backends.local.replica import ReplicaFiles
from himalia_hub.backends.protocol import ExitReason, FolderMount, Resources, WorkloadPlan

Key = tuple[str, int]
_ORPHAN_SECONDS = 120


@dataclass(slots=True)
class AttemptFiles:
    """One attempt on disk. ``accelerators`` maps a resource name to the indices it was given."""

    directory: Path
    workload: str
    attempt: int
    tenant: str
    resources: Resources
    folders: tuple[str, ...]
    accelerators: list[dict[str, list[int]]]
    replicas: list[ReplicaFiles] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return self.workload, self.attempt

    def accepted(self) -> bool:
        """Whether at least one replica exists for ever: its shim has written that it does."""
        return any(replica.accepted() for replica in self.replicas)

    def ended(self) -> bool:
        return all(replica.ended() for replica in self.replicas)


class AttemptStore:
    """All attempts under ``attempts``; loads each plan once."""

    def __init__(self, root: Path, node: str) -> None:
        self._root = root
        self._node = node
        self._known: dict[Key, AttemptFiles] = {}
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def find(self, workload: str, attempt: int) -> AttemptFiles | None:
        key = (workload, attempt)
        known = self._known.get(key)
        if known is None:
            known = self._load(self._root / workload / str(attempt))
            if known is not None:
                self._known[key] = known
        return known

    def all(self) -> list[AttemptFiles]:
        found = []
        for workload in os.scandir(self._root):
            for attempt in os.scandir(workload.path):
                if attempt.name.isdigit():
                    files = self.find(workload.name, int(attempt.name))
                    if files is not None:
                        found.append(files)
        return found

    def _load(self, directory: Path) -> AttemptFiles | None:
        try:
            data = json.loads((directory / journal.PLAN).read_bytes())
        except (FileNotFoundError, ValueError):
            return None  # the crash came before the plan: it never existed
        resources = Resources(**data["resources"])
        files = AttemptFiles(
            directory,
            data["workload"],
            data["attempt"],
            data["tenant"],
            resources,
            tuple(data["folders"]),
            data["accelerators"],
        )
        for index in range(data["replicas"]):
            files.replicas.append(ReplicaFiles(directory / f"r{index}", index, self._node))
        return files

    def create(self, plan: WorkloadPlan, accelerators: list[dict[str, list[int]]]) -> AttemptFiles:
        directory = self._root / plan.workload / str(plan.attempt)
        for index in range(plan.replicas):
            (directory / f"r{index}").mkdir(parents=True, exist_ok=True, mode=0o700)
        data = {
            "workload": plan.workload,
            "attempt": plan.attempt,
            "kind": plan.kind,
            "tenant": plan.tenant,
            "owner": plan.owner,
            "image": plan.image,
            "replicas": plan.replicas,
            "resources": {**asdict(plan.resources), "accelerators": dict(plan.resources.accelerators)},
            "folders": [mount.manifest for mount in plan.mounts if isinstance(mount, FolderMount)],
            "accelerators": accelerators,
            "created_at": time.time(),
        }
        journal.write_atomically(str(directory / journal.PLAN), json.dumps(data).encode())
        self._known.pop((plan.workload, plan.attempt), None)
        files = self.find(plan.workload, plan.attempt)
        assert files is not None
        return files

    def remove(self, files: AttemptFiles) -> None:
        for replica in files.replicas:
            unsafe.remove_socket_folder(str(replica.directory))  # a shim that was killed left its own
        shutil.rmtree(files.directory)
        self._known.pop(files.key, None)
        with contextlib.suppress(OSError):  # other attempts of the workload are still there
            files.directory.parent.rmdir()

    def remove_orphans(self) -> None:
        """Remove what an earlier platform planned and no shim ever took, once no shim can any more."""
        for files in self.all():
            age = time.time() - (files.directory / journal.PLAN).stat().st_mtime
            untaken = not any(replica.accepted() or replica.shim_pid() for replica in files.replicas)
            if untaken and age > _ORPHAN_SECONDS:
                self.remove(files)

    def record_end(self, files: AttemptFiles, reason: ExitReason, message: str, step: str = "") -> None:
        """End replicas that no shim ever took, so that they are observed as ended and never started."""
        for replica in files.replicas:
            lock = journal.take_lock(str(replica.directory))
            if lock is None:
                continue
            try:
                if not replica.accepted():
                    _write_end_without_start(files, replica, reason, message, step)
            finally:
                os.close(lock)


def _write_end_without_start(
    files: AttemptFiles, replica: ReplicaFiles, reason: ExitReason, message: str, step: str
) -> None:
    now = time.time()
    steps: list[dict[str, Any]] = []
    if step:
        steps.append({"name": step, "state": "failed", "detail": message, "started_at": now, "ended_at": now})
    status: dict[str, Any] = {
        "phase": "accepted",
        "started_at": None,
        "addresses": {},
        "cgroups": [],
        "steps": steps,
        "exit": None,
    }
    facts = {"reason": reason.value, "exit_code": None, "signal": None, "message": message, "ended_at": now}
    replica.write_end(status, facts)
