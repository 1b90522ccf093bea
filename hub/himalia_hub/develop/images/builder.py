"""Builds the runtime environments: locked packages, our own wheel, Lab's defaults (IMG-5).

An environment is addressed by its content, made once, shared read-only between people, and its
files are hard links into uv's cache. Building is safe to repeat after any kill: the record is
written last and a directory without one is thrown away.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from himalia_hub.develop.images.definitions import DEFINITIONS, EnvironmentDefinition
from himalia_hub.develop.images.registry import RECORD, Environment, EnvironmentRegistry
from himalia_hub.develop.images.wheel import build_wheel

RECIPE = "4"
"""Part of each digest; raised when the steps below change what they make."""

PAGE_CONFIG = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
SERVER_SETTINGS: dict[str, Any] = {
    # Sockets in the person's own folder instead of ports: a second line behind the network.
    "KernelManager": {"transport": "ipc"},
    "LabApp": {"extension_manager": "readonly", "news_url": None},
    # Looking for language servers runs Node.js at each start; none is installed here.
    "LanguageServerManager": {"autodetect": False},
}
SETTINGS_OVERRIDES: dict[str, Any] = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}
Report = Callable[[str], None]


class BuildError(Exception):
    """An environment could not be made; the text ends with what the tool said."""


def environments_root(prefix: Path) -> Path:
    """Where environments live: beside the platform's own Python, or where the variable says."""
    named = os.environ.get("HIMALIA_ENVIRONMENTS")
    return Path(named) if named else prefix / "share" / "himalia" / "environments"


def build_missing(root: Path, *, names: tuple[str, ...] = (), report: Report = lambda _text: None) -> None:
    """Make what the definitions ask for and ``root`` lacks; quick when nothing is missing.

    Raises:
        BuildError: a step failed.
    """
    wheel = build_wheel()
    for definition in DEFINITIONS:
        if names and definition.name not in names:
            continue
        digest = environment_digest(definition, wheel[1])
        if not (root / f"{definition.name}-{digest}" / RECORD).exists():
            with _building(root):
                EnvironmentBuilder(root, report).build(definition, digest, wheel)


def environment_digest(definition: EnvironmentDefinition, wheel: bytes) -> str:
    """Twelve hexadecimal characters that name exactly this content."""
    digest = hashlib.sha256()
    for part in (RECIPE.encode(), platform.python_version().encode(), definition.lock.read_bytes(), wheel):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:12]


@contextmanager
def _building(root: Path) -> Iterator[None]:
    """One builder at a time; another process's result is then found finished."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class EnvironmentBuilder:
    """Makes one environment below ``root`` with uv."""

    def __init__(self, root: Path, report: Report) -> None:
        self.root = root
        self._report = report

    def build(self, definition: EnvironmentDefinition, digest: str, wheel: tuple[str, bytes]) -> None:
        path = self.root / f"{definition.name}-{digest}"
        if (path / RECORD).exists():
            return
        began = time.monotonic()
        if path.exists():
            shutil.rmtree(path)
        twin = self._same_lock(definition)
        if twin is not None:
            self._report(f"{definition.name}: taking the packages of {twin.reference}")
            self._clone(twin.path, path)
        else:
            count = definition.lock.read_text(encoding="utf-8").count("==")
            self._report(f"{definition.name}: installing {count} packages")
            self._install(definition, path)
        self._add_own(path, wheel)
        self._configure(path)
        record = self._describe(definition, digest, path)
        temporary = path / f".{RECORD}"
        temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
        temporary.rename(path / RECORD)
        self._report(f"{definition.name}: ready, {time.monotonic() - began:.0f} s")

    def _same_lock(self, definition: EnvironmentDefinition) -> Environment | None:
        """An environment that differs in our own wheel only: its packages need no second look."""
        wanted = _lock_digest(definition)
        for environment in EnvironmentRegistry(self.root).all():
            record = json.loads((environment.path / RECORD).read_text(encoding="utf-8"))
            if environment.name == definition.name and record.get("lock_digest") == wanted:
                return environment
        return None

    def _clone(self, source: Path, target: Path) -> None:
        shutil.copytree(source, target, symlinks=True, copy_function=_link)
        (target / RECORD).unlink()
        _uv("pip", "uninstall", "--python", str(target / "bin" / "python"), "himalia")

    def _install(self, definition: EnvironmentDefinition, path: Path) -> None:
        base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        _uv("venv", "--relocatable", "--no-project", "--python", str(base), str(path))
        _uv(
            "pip",
            "install",
            "--python",
            str(path / "bin" / "python"),
            "--require-hashes",
            "--link-mode",
            "hardlink",
            "--compile-bytecode",
            "-r",
            str(definition.lock),
        )

    def _add_own(self, path: Path, wheel: tuple[str, bytes]) -> None:
        name, content = wheel
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.write_bytes(content)
            _uv(
                "pip",
                "install",
                "--python",
                str(path / "bin" / "python"),
                "--no-deps",
                "--no-index",
                "--link-mode",
                "copy",
                "--compile-bytecode",
                str(file),
            )

    def _configure(self, path: Path) -> None:
        _write_json(path / "etc/jupyter/labconfig/page_config.json", PAGE_CONFIG)
        _write_json(path / "etc/jupyter/jupyter_server_config.json", SERVER_SETTINGS)
        _write_json(path / "share/jupyter/lab/settings/overrides.json", SETTINGS_OVERRIDES)

    def _describe(self, definition: EnvironmentDefinition, digest: str, path: Path) -> dict[str, Any]:
        listing = json.loads(_uv("pip", "list", "--python", str(path / "bin" / "python"), "--format", "json"))
        return {
            "name": definition.name,
            "title": definition.title,
            "title_zh": definition.title_zh,
            "digest": digest,
            "lock_digest": _lock_digest(definition),
            "python": platform.python_version(),
            "packages": {entry["name"]: entry["version"] for entry in listing},
            "size_bytes": _size(path),
            "uses": list(definition.uses),
            "built_at": datetime.now(UTC).isoformat(),
        }


def _lock_digest(definition: EnvironmentDefinition) -> str:
    content = definition.lock.read_bytes() + RECIPE.encode() + platform.python_version().encode()
    return hashlib.sha256(content).hexdigest()


def _uv(*arguments: str) -> str:
    """Run uv with a umask that lets everybody read what it makes."""
    beside = Path(sys.executable).parent / "uv"
    command = [str(beside) if beside.exists() else "uv", "--no-progress", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, capture_output=True, text=True, umask=0o022, env=environment, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-1500:]
        raise BuildError(f"`uv {' '.join(arguments[:2])}` failed:\n{said}")
    return done.stdout


def _link(source: str, target: str) -> str:
    os.link(source, target, follow_symlinks=False)
    return target


def _write_json(path: Path, value: Any) -> None:
    """By rename: the file may be a hard link that another environment shares."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    temporary.chmod(0o644)
    temporary.rename(path)


def _size(path: Path) -> int:
    return sum(entry.lstat().st_size for entry in path.rglob("*") if not entry.is_symlink() and entry.is_file())


def main() -> int:
    """``python -m himalia_hub.develop.images.builder``: what ``make`` calls at installation."""
    root = environments_root(Path(sys.prefix))
    try:
        build_missing(root, report=_say)
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"  environment  {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
