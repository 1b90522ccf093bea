"""Recomputes the chains of the audit log and names every entry that was changed, removed, inserted or moved.

Shares nothing with writing: the standard library, a database driver and the description of the
form. Reads in one snapshot, writes nothing, needs no running platform.

An entry's digest is the SHA-256 of the digest before it (64 zeros for the first) followed by the
JSON of its columns but ``id``, ``previous`` and ``digest``: keys sorted, no spaces, not ASCII-only,
moments as microseconds since 1970. Where a chain ends is told by ``audit_heads`` and, outside the
database, by the lines of ``audit-anchors.jsonl``, each signed with the installation's key.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COLUMNS = (
    "chain",
    "position",
    "at",
    "category",
    "tenant_id",
    "actor_tenant_id",
    "user_id",
    "actor_name",
    "roles",
    "address",
    "session",
    "action",
    "object_kind",
    "object_id",
    "outcome",
    "detail",
    "request_id",
)
MOST_NAMED = 200
Fetch = Callable[[str], bytes]


@dataclass(slots=True)
class Report:
    """What was read and what is wrong; no ``differences`` mean that every chain is whole."""

    entries: int = 0
    chains: int = 0
    archived: int = 0
    anchors: int = 0
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Source:
    """One snapshot of a database by a bare driver."""

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        if scheme.startswith("sqlite"):
            self._connection: Any = sqlite3.connect(f"file:{rest[1:]}?mode=ro", uri=True, isolation_level=None)
            self._connection.execute("BEGIN")
        else:
            import psycopg

            self._connection = psycopg.connect(f"postgresql://{rest}")
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._connection.read_only = True

    def rows(self, statement: str) -> Iterator[dict[str, Any]]:
        cursor = self._connection.execute(statement)
        names = [column[0] for column in cursor.description]
        while batch := cursor.fetchmany(1000):
            for row in batch:
                yield dict(zip(names, row, strict=True))

    def close(self) -> None:
        self._connection.close()


def _plain(name: str, value: Any) -> Any:
    if name == "at" and isinstance(value, datetime.datetime):
        seconds = int(value.replace(microsecond=0).timestamp())
        return seconds * 1_000_000 + value.microsecond
    if name == "detail" and isinstance(value, str):
        return json.loads(value)
    return value


def _digest_of(entry: dict[str, Any]) -> str:
    content = {name: _plain(name, entry[name]) for name in COLUMNS}
    written = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(entry["previous"].encode() + written.encode()).hexdigest()


def _archived(source: _Source, fetch: Fetch | None, report: Report) -> Iterator[dict[str, Any]]:
    for archive in source.rows("SELECT * FROM audit_archives ORDER BY first_id"):
        name = f"archive of entries {archive['first_id']} to {archive['last_id']}"
        if fetch is None:
            report.differences.append(f"{name}: the object store was not named, so it cannot be read")
            continue
        try:
            data = fetch(archive["key"])
        except Exception as error:
            report.differences.append(f"{name}: cannot be read ({type(error).__name__})")
            continue
        if hashlib.sha256(data).hexdigest() != archive["sha256"]:
            report.differences.append(f"{name}: its bytes were changed")
        try:
            lines = gzip.decompress(data).splitlines()
            entries = [json.loads(line) for line in lines]
        except (OSError, EOFError, ValueError):
            report.differences.append(f"{name}: cannot be read as archived entries")
            continue
        if len(entries) != archive["entries"]:
            report.differences.append(f"{name}: holds {len(entries)} entries instead of {archive['entries']}")
        report.archived += len(entries)
        yield from entries


@dataclass(slots=True)
class _Chain:
    position: int = 0
    digest: str = "0" * 64


class _Check:
    def __init__(self, report: Report) -> None:
        self.report = report
        self.chains: dict[int, _Chain] = {}
        self.wanted: dict[tuple[int, int], list[str]] = {}
        """Digests that anchors remember, by chain and position; what is left at the end is missing."""

    def differs(self, sentence: str) -> None:
        if len(self.report.differences) < MOST_NAMED:
            self.report.differences.append(sentence)

    def entry(self, entry: dict[str, Any]) -> None:
        self.report.entries += 1
        chain = self.chains.setdefault(entry["chain"], _Chain())
        name = f"chain {entry['chain']}, entry {entry['position']} (id {entry['id']})"
        position = entry["position"]
        if position != chain.position + 1:
            if position <= chain.position:
                self.differs(f"{name}: inserted or moved, it stands after entry {chain.position}")
            else:
                gone = (
                    f"{chain.position + 1}"
                    if position == chain.position + 2
                    else f"{chain.position + 1} to {position - 1}"
                )
                self.differs(f"{name}: entry {gone} before it is missing")
        elif entry["previous"] != chain.digest:
            self.differs(f"{name}: does not follow the entry before it")
        if _digest_of(entry) != entry["digest"]:
            self.differs(f"{name}: was changed")
        for digest in self.wanted.pop((entry["chain"], position), []):
            if digest != entry["digest"]:
                self.differs(f"{name}: is not the one that was anchored outside the database")
        chain.position, chain.digest = position, entry["digest"]

    def heads(self, heads: dict[int, tuple[int, str]]) -> None:
        for number, (position, digest) in heads.items():
            found = self.chains.get(number, _Chain())
            if found.position < position:
                self.differs(f"chain {number}: ends at entry {found.position}, but {position} were written")
            elif (found.position, found.digest) != (position, digest):
                self.differs(f"chain {number}: ends at entry {found.position}, its head says {position}")
        for number, found in self.chains.items():
            if number not in heads:
                self.differs(f"chain {number}: has {found.position} entries and no head")
        for number, position in sorted(self.wanted):
            self.differs(f"chain {number}, entry {position}: was anchored outside the database and is missing")


def _anchors(path: Path | None, key: bytes | None, check: _Check) -> None:
    report = check.report
    if path is None or not path.exists():
        report.notes.append("there are no anchors outside the database: its end is proven by the database alone")
        return
    if key is None:
        report.notes.append("there is no encryption key: anchors are compared, their signatures are not")
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            anchor = json.loads(line)
            chain, position, digest, mac = (anchor[name] for name in ("chain", "position", "digest", "mac"))
        except (ValueError, KeyError, TypeError):
            check.differs(f"anchor in line {number}: cannot be read")
            continue
        if key is not None:
            message = f"audit-anchor\0{chain}\0{position}\0{digest}\0{anchor.get('at')}".encode()
            if not hmac.compare_digest(hmac.new(key, message, hashlib.sha256).hexdigest(), str(mac)):
                check.differs(f"anchor in line {number}: is not signed by this installation")
                continue
        report.anchors += 1
        check.wanted.setdefault((chain, position), []).append(digest)


def verify(
    database_url: str, *, anchors: Path | None = None, key: bytes | None = None, fetch: Fetch | None = None
) -> Report:
    """Check everything.

    Args:
        database_url: As in ``platform.json``.
        anchors: The file of anchors outside the database.
        key: The installation's encryption key (32 bytes), which signs anchors.
        fetch: Reads an object of the object store by its key; None where nothing was archived.
    """
    report = Report()
    check = _Check(report)
    _anchors(anchors, key, check)  # before the snapshot: whatever is anchored, the snapshot then holds
    source = _Source(database_url)
    try:
        heads = {row["chain"]: (row["position"], row["digest"]) for row in source.rows("SELECT * FROM audit_heads")}
        last: dict[int, int] = {}
        for entry in _archived(source, fetch, report):
            last[entry["chain"]] = max(last.get(entry["chain"], 0), entry["position"])
            check.entry(entry)
        for entry in source.rows("SELECT * FROM audit_entries ORDER BY chain, position, id"):
            archived_twice = entry["position"] <= last.get(entry["chain"], 0)
            if not archived_twice:
                check.entry(entry)
        check.heads(heads)
    finally:
        source.close()
    report.chains = len(check.chains)
    return report
