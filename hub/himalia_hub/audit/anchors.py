"""Tells the ends of the chains to a file outside the database, so that cutting one short is seen.

Lines are appended, never edited, and signed with the installation's encryption key. Whoever can
change the database alone can neither forge nor roll back what stands here.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
from pathlib import Path

import sqlalchemy as sa

from himalia_hub.audit.tables import AuditHead
from himalia_hub.core import clock
from himalia_hub.platform.parts import Platform

FILE = "audit-anchors.jsonl"


def key_of(path: Path | None) -> bytes | None:
    """The installation's key, from the file that seals secrets."""
    if path is None or not path.exists():
        return None
    return bytes.fromhex(path.read_text(encoding="ascii").strip())


class AnchorWriter:
    """Appends the heads that moved since the last time; a restart repeats the present ones."""

    name = "audit-anchors"
    interval_seconds = 15.0
    wakes_on_commit = False

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._path = platform.config.state_dir / FILE
        self._key = key_of(platform.config.encryption_key_file)
        self._told: dict[int, int] = {}

    async def step(self) -> None:
        with self._platform.db.read() as db:
            heads = db.execute(sa.select(AuditHead.chain, AuditHead.position, AuditHead.digest)).all()
        moved = [head for head in heads if self._told.get(head.chain) != head.position]
        if not moved:
            return
        moment = clock.to_wire(clock.now())
        lines = []
        for head in moved:
            message = f"audit-anchor\0{head.chain}\0{head.position}\0{head.digest}\0{moment}".encode()
            mac = hmac.new(self._key, message, hashlib.sha256).hexdigest() if self._key else ""
            anchor = {"at": moment, "chain": head.chain, "position": head.position, "digest": head.digest, "mac": mac}
            lines.append(json.dumps(anchor) + "\n")
        await asyncio.to_thread(self._append, "".join(lines).encode())
        self._told.update({head.chain: head.position for head in moved})

    def _append(self, data: bytes) -> None:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, data)
            os.fsync(file)
        finally:
            os.close(file)
