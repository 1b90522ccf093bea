"""Turns a plan into a shim's specification and starts the shim.

The specification, secrets included, travels through the shim's stdin and is on no disk and in no
argument list.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from himalia_hub.backends.local import accelerators
from himalia_hub.backends.local.attempts import AttemptFiles
from himalia_hub.backends.local.cgroups import Layout
from himalia_hub.backends.local.isolation import Level, shim_python
from himalia_hub.backends.local.options import LocalOptions
from himalia_hub.backends.protocol import FileMount, ScratchMount, WorkloadPlan

_ACCEPT_SECONDS = 60


class LaunchError(Exception):
    """The shim did not accept the attempt; trying again may help."""


class Launcher:
    def __init__(
        self,
        *,
        root: Path,
        options: LocalOptions,
        level: Level,
        bwrap: str,
        layout: Layout,
        group_prefix: str,
        relay_file: Path,
    ) -> None:
        self._options = options
        self._level = level
        self._bwrap = bwrap
        self._layout = layout
        self._group_prefix = group_prefix
        self._relay_file = relay_file
        self._script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launch.py")
        self._python = shim_python()

    def launch(
        self,
        plan: WorkloadPlan,
        files: AttemptFiles,
        index: int,
        uid: int | None,
        homes: Mapping[str, Path],
        folders: Mapping[str, Path],
        since: datetime,
    ) -> None:
        """Start the replica's shim and wait until it has accepted; blocks. Safe to call twice.

        Raises:
            LaunchError: It ended without accepting.
        """
        directory = str(files.replicas[index].directory)
        spec = self._specification(plan, files, index, uid, homes, folders, since)
        try:
            done = subprocess.run(
                [self._python, "-I", "-S", self._script, directory],
                input=json.dumps(spec).encode(),
                capture_output=True,
                timeout=_ACCEPT_SECONDS,
                start_new_session=True,
                cwd="/",
                env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LaunchError(f"no answer within {_ACCEPT_SECONDS} s") from error
        if done.stdout not in (b"accepted", b"exists"):
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise LaunchError(said[-1] if said else f"it ended with code {done.returncode}")

    def _specification(
        self,
        plan: WorkloadPlan,
        files: AttemptFiles,
        index: int,
        uid: int | None,
        homes: Mapping[str, Path],
        folders: Mapping[str, Path],
        since: datetime,
    ) -> dict[str, Any]:
        options = self._options
        replica = files.replicas[index]
        given = files.accelerators[index]
        environment = {
            **accelerators.environment(given),
            "HIMALIA_WORKLOAD": plan.workload,
            "HIMALIA_ATTEMPT": str(plan.attempt),
            "HIMALIA_REPLICA": str(index),
            **plan.environment,
        }
        binds = [
            *([path, path, False, False] for path in options.extra_read_only if os.path.exists(path)),
            *([str(home), path, True, False] for path, home in homes.items()),
            *([str(folder), path, False, False] for path, folder in folders.items()),
            *([device, device, True, True] for device in accelerators.devices(given)),
        ]
        began = since.timestamp()
        return {
            "workload": plan.workload,
            "attempt": plan.attempt,
            "replica": index,
            "kind": plan.kind,
            "tenant": plan.tenant,
            "owner": plan.owner,
            "node": options.node_name,
            "level": self._level,
            "uid": uid,
            "bwrap": self._bwrap,
            "image": os.path.normpath(plan.image),
            "command": list(plan.command),
            "environment": environment,
            "secrets": dict(plan.secrets),
            "working_directory": plan.working_directory,
            "cpu_millis": plan.resources.cpu_millis,
            "memory_bytes": plan.resources.memory_bytes,
            "disk_bytes": plan.resources.disk_bytes,
            "disk_reserve_bytes": options.disk_reserve_bytes,
            "disk_paths": [str(replica.directory / "scratch"), *(str(home) for home in homes.values())],
            "pids_max": options.pids_max,
            "binds": binds,
            "files": [[m.path, m.text, m.mode] for m in plan.mounts if isinstance(m, FileMount)],
            "scratch": [m.path for m in plan.mounts if isinstance(m, ScratchMount)],
            "ports": [[port.name, port.number] for port in plan.ports],
            "probe": None
            if plan.probe is None
            else {
                "port": plan.probe.port,
                "path": plan.probe.path,
                "timeout": plan.probe.timeout_seconds,
                "statuses": list(plan.probe.statuses),
            },
            "deadline_seconds": plan.deadline_seconds,
            "grace_seconds": plan.grace_seconds,
            "log_bytes_max": options.log_bytes_max,
            "relay_file": str(self._relay_file),
            "connections_max": options.connections_max,
            "egress": options.egress == "public",
            "egress_allow": list(options.egress_allow),
            "cgroups": self._layout.to_json(),
            "cgroup_name": f"{self._group_prefix}-{plan.workload}-{plan.attempt}-{index}",
            "steps": [{"name": "scheduled", "state": "done", "detail": "", "started_at": began, "ended_at": began}],
        }
