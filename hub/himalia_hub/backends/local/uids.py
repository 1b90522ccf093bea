"""A uid of the machine for each owner, the same for ever (isolation level *full*).

Ranges of different installations on one machine differ, and are outside what systems hand out
(65536-600100000 are users, containers and subordinate ids).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from himalia_hub.backends.local.journal import write_atomically

_FIRST = 1_900_000_000
_RANGES = 3000


class UidMap:
    """Persistent mapping of (tenant, owner) to uid; uids are never given to somebody else."""

    def __init__(self, path: Path, *, base: int | None, count: int) -> None:
        self._path = path
        try:
            kept = json.loads(path.read_text())
            self._base, self._uids = int(kept["base"]), dict(kept["uids"])
        except FileNotFoundError:
            self._base, self._uids = base if base is not None else _pick_base(path, count), {}
        self._count = count

    def uid(self, tenant: str, owner: str) -> int:
        """The owner's uid; a new owner gets the next one, on disk before it is used.

        Raises:
            LookupError: The range is used up.
        """
        key = f"{tenant}/{owner}"
        known = self._uids.get(key)
        if known is not None:
            return int(known)
        if len(self._uids) >= self._count:
            raise LookupError(f"all {self._count} uids of this installation are in use; raise uid_count")
        uid = self._base + len(self._uids)
        self._uids[key] = uid
        write_atomically(str(self._path), json.dumps({"base": self._base, "uids": self._uids}).encode(), sync=True)
        return uid


def _pick_base(path: Path, count: int) -> int:
    """A base by the installation's path, or one inside the user namespace we live in (a container)."""
    digest = hashlib.sha256(str(path.resolve()).encode()).digest()
    wanted = _FIRST + int.from_bytes(digest[:4], "big") % _RANGES * 65536
    spans = []
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, _, length = (int(word) for word in line.split())
        spans.append((inside, inside + length))
    if any(low <= wanted and wanted + count <= high for low, high in spans):
        return wanted
    low, high = max(spans, key=lambda span: span[1] - span[0])
    return max(low + 20_000, high - count)
