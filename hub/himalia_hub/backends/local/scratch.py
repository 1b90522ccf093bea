"""The files and folders of a replica's own that its sandbox shows. Standard library only: shims load this."""

from __future__ import annotations

import os

from himalia_hub.backends.local import addresses
from himalia_hub.backends.local.sandbox import Bind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ACCOUNTS = (
    (
        "/etc/passwd",
        f"{addresses.USER}:x:{addresses.UID}:{addresses.UID}::{addresses.HOME}:/bin/bash\n"
        "nobody:x:65534:65534::/nonexistent:/bin/false\n",
    ),
    ("/etc/group", f"{addresses.USER}:x:{addresses.UID}:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost himalia\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
)


def prepare_binds(directory: str, spec: dict[str, Any]) -> list[Bind]:
    """The plan's binds, scratch folders where it has none, accounts, and its small files.

    All that is made belongs to the owner's uid, so that it can be read (and scratch written) inside.
    """
    binds = [Bind(source, dest, writable=w, device=d) for source, dest, w, d in spec["binds"]]
    uid = spec["uid"]
    asked = [(f"scratch-{index}", dest) for index, dest in enumerate(spec["scratch"])]
    for name, dest in (("tmp", "/tmp"), ("var-tmp", "/var/tmp"), ("home", addresses.HOME), *asked):
        if any(bind.dest == dest for bind in binds):
            continue
        path = os.path.join(directory, "scratch", name)
        os.makedirs(path, exist_ok=True)
        if uid is not None:
            os.chown(path, uid, uid)
        binds.append(Bind(path, dest, writable=True))
    folder = os.path.join(directory, "files")
    os.makedirs(folder, exist_ok=True)
    files = [*((dest, text, 0o444) for dest, text in _ACCOUNTS), *spec["files"]]
    for index, (dest, text, mode) in enumerate(files):
        path = os.path.join(folder, str(index))
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        if uid is not None:
            os.chown(path, uid, uid)
        os.chmod(path, mode)
        binds.append(Bind(path, dest))
    return binds
