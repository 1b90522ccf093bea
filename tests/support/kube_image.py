"""Makes a container image of a runtime environment from a root file system; no daemon, no registry.

The root file system is put together from this machine: a shell, a few commands, the Python that the
environment was built on, every system library that any of them loads, and the environment itself. The
result is an archive in the OCI image layout, which ``ctr images import``, ``kind load image-archive``
and others take.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from himalia_hub.develop.images.registry import Environment

COMMANDS = ("sh", "cat", "cp", "dirname", "echo", "env", "id", "ls", "mkdir", "mv", "realpath", "rm", "sleep", "stat")
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/:/bin/sh\njovyan:x:1000:1000:jovyan:/home/jovyan:/bin/sh\n",
    "etc/group": "root:x:0:\njovyan:x:1000:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
UNUSED = frozenset({"test", "tests", "idlelib", "turtledemo", "__pycache__", "config-3.11-x86_64-linux-gnu"})
PLACE = "opt/himalia/environment"


def make_image(environment: Environment, reference: str, archive: Path) -> None:
    """Write the image's archive; takes about a second per 100 MB."""
    python = Path(sys.base_prefix)
    layers = [_Layer(archive.parent / "system.tar"), _Layer(archive.parent / "environment.tar")]
    with layers[0] as system:
        system.links(LINKS)
        for name in ("tmp", "var/tmp"):
            system.folder(name, 0o1777)
        system.folder("home/jovyan", 0o755, owner=1000)
        for name, text in ACCOUNTS.items():
            system.text(name, text)
        programs = [Path(shutil.which(name) or f"/usr/bin/{name}") for name in COMMANDS]
        system.files((f"usr/bin/{path.name}", path.resolve()) for path in programs)
        interpreter = list(_tree(python / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}", UNUSED))
        shared = [path for path in [*interpreter, *_tree(environment.path)] if ".so" in path.name]
        binaries = [python / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}", *programs, *shared]
        system.files((str(path).lstrip("/"), path) for path in _libraries(binaries))
        system.files((str(path).lstrip("/"), path) for path in [*python.glob("lib/libpython*"), binaries[0]])
        system.files((str(path).lstrip("/"), path) for path in interpreter)
    with layers[1] as own:
        own.files((f"{PLACE}/{path.relative_to(environment.path)}", path) for path in _tree(environment.path))
    _write(archive, reference, layers)
    for layer in layers:
        layer.path.unlink()


def _merged(path: Path) -> Path:
    """Where a path lies once ``/bin`` and ``/lib`` are links below ``/usr``."""
    return Path(re.sub(r"^/(bin|sbin|lib|lib64)/", r"/usr/\1/", str(path)))


def _tree(root: Path, without: frozenset[str] = frozenset()) -> Iterator[Path]:
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in without)
        here = Path(folder)
        yield from (here / name for name in sorted(files))
        yield from (here / name for name in names if (here / name).is_symlink())


def _libraries(binaries: Iterable[Path]) -> list[Path]:
    """System libraries that the dynamic linker loads for any of these, with the links that name them."""
    listed = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    named = {Path(found) for found in re.findall(r"(?m)(?:=> |^\s*)(/(?:usr/)?lib\S+) \(0x", listed)}
    found: set[Path] = set()
    for path in named:
        at = _merged(path)
        found |= {at, _merged(Path(os.path.realpath(at)))}
        if at.is_symlink() and not at.readlink().is_absolute():
            found.add(at.parent / at.readlink())
    return sorted(found)


class _Layer:
    """A tar file whose parents exist and whose digest is known at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digest = ""
        self._seen: set[str] = set()

    def __enter__(self) -> _Layer:
        self._tar = tarfile.open(self.path, "w", format=tarfile.PAX_FORMAT)
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()
        with self.path.open("rb") as file:
            self.digest = hashlib.file_digest(file, "sha256").hexdigest()

    def _new(self, name: str) -> bool:
        if name in self._seen:
            return False
        self._seen.add(name)
        parent = name.rpartition("/")[0]
        if parent:
            self.folder(parent, 0o755)
        return True

    def folder(self, name: str, mode: int, owner: int = 0) -> None:
        if self._new(name):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, owner, owner
            self._tar.addfile(info)

    def links(self, links: dict[str, str]) -> None:
        for name, target in links.items():
            self.folder(target, 0o755)
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            self._tar.addfile(info)

    def text(self, name: str, text: str) -> None:
        if self._new(name):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o644
            self._tar.addfile(info, io.BytesIO(text.encode()))

    def files(self, files: Iterable[tuple[str, Path]]) -> None:
        for name, path in files:
            if self._new(name):
                info = self._tar.gettarinfo(path, name)
                info.uid = info.gid = 0
                info.uname = info.gname = ""
                if info.islnk():  # a hard link into what is not in this image
                    info.type, info.linkname, info.size = tarfile.REGTYPE, "", path.stat().st_size
                if info.isreg():
                    with path.open("rb") as file:
                        self._tar.addfile(info, file)
                else:
                    self._tar.addfile(info)


def _write(archive: Path, reference: str, layers: list[_Layer]) -> None:
    path = f"PATH=/{PLACE}/bin:/usr/local/bin:/usr/bin:/bin"
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
        "config": {"Env": [path, "LANG=C.UTF-8", "PYTHONUNBUFFERED=1"], "User": "1000:1000"},
    }
    blobs: dict[str, bytes] = {}

    def blob(kind: str, value: Any) -> dict[str, Any]:
        data = json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        media_type = f"application/vnd.oci.image.{kind}.v1+json"
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    described = [
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": f"sha256:{layer.digest}",
            "size": layer.path.stat().st_size,
        }
        for layer in layers
    ]
    manifest = blob("manifest", {"schemaVersion": 2, "config": blob("config", config), "layers": described})
    manifest["annotations"] = {
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
    }
    with tarfile.open(archive, "w") as tar:
        texts = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
        texts["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode()
        for name, data in [*texts.items(), *((f"blobs/sha256/{digest}", data) for digest, data in blobs.items())]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for layer in layers:
            tar.add(layer.path, f"blobs/sha256/{layer.digest}")
