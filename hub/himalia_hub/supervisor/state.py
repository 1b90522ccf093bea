"""The state directory: one installation's files, its lock, its secrets and its ports.

Everything below the directory is readable by its owner alone, because it holds the secrets of
the hub and the platform. Nothing else of the installation lies outside it, so copying the
directory while nothing runs copies the installation.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from himalia_hub.supervisor.errors import SupervisorError
from himalia_hub.supervisor.ports import choose_ports

SECRETS = (
    "hub-service",
    "platform-token",
    "admin",
    "s3-root",
    "traefik-api",
    "cookie",
    "crypt",
    "encryption",
)
"""Each is 32 random bytes, hexadecimal, in a file of its own."""


def default_state_directory(environment: Mapping[str, str], *, root: bool) -> Path:
    """Where an installation lives when nobody says otherwise."""
    if root:
        return Path("/var/lib/himalia")
    named = environment.get("XDG_DATA_HOME")
    base = Path(named) if named else Path(environment.get("HOME", ".")) / ".local" / "share"
    return base / "himalia"


def write_file(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file by rename, so that a reader sees the old text or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@dataclass(frozen=True, slots=True)
class Installation:
    """What an installation remembers between starts."""

    id: str
    created_at: str
    port: int | None
    ports: Mapping[str, int]


class StateDirectory:
    """One installation's directory, held exclusively from :meth:`hold` to :meth:`release`."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._lock: int | None = None

    def path(self, *parts: str) -> Path:
        return self.root.joinpath(*parts)

    def secret_path(self, name: str) -> Path:
        return self.root / "secrets" / name

    def secret(self, name: str) -> str:
        return self.secret_path(name).read_text(encoding="ascii").strip()

    def hold(self) -> None:
        """Create what is missing and take the lock.

        Raises:
            SupervisorError: another process holds it, or the directory cannot be written.
        """
        try:
            for folder in ("", "secrets", "logs", "traefik/dyn", "objects", "workloads", "keycheck"):
                directory = self.root / folder
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.root.chmod(0o700)
            lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SupervisorError(
                f"The state directory {self.root} cannot be used: {error.strerror}.",
                "Choose another one with --state-dir.",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise SupervisorError(
                f"Another Himalia (process {holder}) already runs on the state directory {self.root}.",
                "Stop that one first, or start a second installation with another --state-dir and another --port.",
            ) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode("ascii"), 0)
        self._lock = lock
        self._make_secrets()

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _make_secrets(self) -> None:
        for name in SECRETS:
            path = self.secret_path(name)
            if not path.exists():
                write_file(path, secrets.token_hex(32) + "\n")

    def installation(self) -> Installation | None:
        try:
            data: dict[str, Any] = json.loads(self.path("installation.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return Installation(data["id"], data["created_at"], data.get("port"), data.get("ports", {}))

    def settle(self, names: Iterable[str], *, port: int) -> Installation:
        """Remember the public port and choose the inner ones, the earlier ones where still free.

        Workloads outlive a supervisor and reach the platform by address, so an inner port
        changes only when somebody else has taken it.
        """
        earlier = self.installation()
        ports = choose_ports(names, preferred=earlier.ports if earlier else {}, avoid={port})
        settled = Installation(
            id=earlier.id if earlier else secrets.token_hex(8),
            created_at=earlier.created_at if earlier else datetime.now(UTC).isoformat(),
            port=port,
            ports=ports,
        )
        write_file(
            self.path("installation.json"),
            json.dumps(
                {
                    "schema": 1,
                    "id": settled.id,
                    "created_at": settled.created_at,
                    "port": port,
                    "ports": dict(ports),
                },
                indent=1,
            ),
        )
        return settled
