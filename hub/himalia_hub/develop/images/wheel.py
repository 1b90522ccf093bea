"""Our own part of every runtime environment, packed as a wheel.

It holds what people import (SDK, magics, runner), the server extension and the prebuilt Lab
extension, and nothing of the hub. The same sources give the same bytes, so that its digest can
be part of an environment's.
"""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import himalia

LABEXTENSION = "share/jupyter/labextensions/@himalia/lab"
SERVER_CONFIG = "etc/jupyter/jupyter_server_config.d"
_EPOCH = (2020, 1, 1, 0, 0, 0)


def build_wheel() -> tuple[str, bytes]:
    """File name and content of the wheel for the ``himalia`` that this process imports."""
    version = himalia.__version__
    stem = f"himalia-{version}"
    members = dict(_members(f"{stem}.data/data"))
    members[f"{stem}.dist-info/METADATA"] = _metadata(version).encode("utf-8")
    members[f"{stem}.dist-info/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: himalia\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    members[f"{stem}.dist-info/entry_points.txt"] = _entry_points().encode("utf-8")
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{name},sha256={_hash(content)},{len(content)}" for name, content in sorted(members.items())]
    members[record] = ("\n".join([*lines, f"{record},,"]) + "\n").encode("utf-8")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(members.items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return f"{stem}-py3-none-any.whl", buffer.getvalue()


def _members(data: str) -> Iterator[tuple[str, bytes]]:
    package = Path(himalia.__file__).parent
    labextension = _first(package / "labextension", Path(sys.prefix) / LABEXTENSION)
    config = _first(package / "jupyter-config", Path(sys.prefix) / SERVER_CONFIG)
    for path in _files(package):
        inside = path.relative_to(package)
        if inside.parts[0] not in {"labextension", "jupyter-config"}:
            yield f"himalia/{inside.as_posix()}", path.read_bytes()
    for path in _files(labextension):
        yield f"{data}/{LABEXTENSION}/{path.relative_to(labextension).as_posix()}", path.read_bytes()
    for path in _files(config):
        if path.name.startswith("himalia"):
            yield f"{data}/{SERVER_CONFIG}/{path.relative_to(config).as_posix()}", path.read_bytes()


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".pyc", ".map"}
    )


def _first(*folders: Path) -> Path:
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def _metadata(version: str) -> str:
    requires = [line for line in metadata.requires("himalia") or [] if "extra ==" not in line]
    lines = ["Metadata-Version: 2.1", "Name: himalia", f"Version: {version}", "Requires-Python: >=3.11"]
    return "\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires), ""])


def _entry_points() -> str:
    """Those of the installed distribution that lead into ``himalia`` itself."""
    groups: dict[str, list[str]] = {}
    for point in metadata.distribution("himalia").entry_points:
        if point.value.split(":")[0].split(".")[0] == "himalia":
            groups.setdefault(point.group, []).append(f"{point.name} = {point.value}")
    text = []
    for group in sorted(groups):
        text += [f"[{group}]", *sorted(groups[group]), ""]
    return "\n".join(text)


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode("ascii")
