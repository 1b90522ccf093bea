"""Recomputes every bill from the shims' journals and the price history, and names every difference.

Shares nothing with metering and charging: the standard library, a database driver and the files'
format. Reads in one snapshot, writes nothing, needs no running platform.

Sources, strongest first
    journals    ``<root>/attempts/<workload>/<attempt>/r<n>/journal`` and, of forgotten attempts,
                ``<root>/journals/<month>.jsonl``: what the process beside each replica wrote down
    facts       ``usage_facts``: how far running work was proven, and all of it where this machine
                has no journal (a cluster's bills)
    prices      ``price_entries``
Compared with bills, their lines, their postings, accounts and holds. Times are integers of
microseconds since 1970, money is integers of micros.
"""

from __future__ import annotations

import json
import re
import sqlite3
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

HOUR = 3_600_000_000
UNIT = {"cpu": 1000, "memory": 2**30, "storage": 2**30}
UNSEEN_SECONDS = 60
"""Work younger than this may be unknown to the platform yet."""
Key = tuple[int, int, int]
"""Workload id, attempt, replica."""
_TIMES = frozenset(("at", "opened_at", "started_at", "ended_at", "valid_from", "charged_until"))


@dataclass(slots=True)
class Report:
    """What was compared and what differs; empty ``differences`` mean that everything agrees."""

    bills: int = 0
    intervals: int = 0
    without_journal: int = 0
    postings: int = 0
    total_micros: int = 0
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Written:
    """One replica as its journal tells it; ``ended`` None while it runs or when nobody wrote the end."""

    started: int
    ended: int | None
    alive: int
    cpu_millis: int
    memory_bytes: int


# -- reading -------------------------------------------------------------------------------------


class Rows:
    """Rows of a SQLite or PostgreSQL database as dictionaries, all of one snapshot."""

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        self._sqlite = scheme.startswith("sqlite")
        if self._sqlite:
            self._connection: Any = sqlite3.connect(f"file:{rest[1:]}?mode=ro", uri=True, isolation_level=None)
            self._connection.execute("BEGIN")
        else:
            import psycopg

            self._connection = psycopg.connect(f"postgresql://{rest}")
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._connection.read_only = True

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def of(self, statement: str) -> Iterator[dict[str, Any]]:
        cursor = self._connection.execute(statement)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield {name: self._plain(name, value) for name, value in zip(names, row, strict=True)}

    def _plain(self, name: str, value: Any) -> Any:
        if name in _TIMES and isinstance(value, datetime):
            return _microseconds_of(value)
        if name == "accelerators" and isinstance(value, str):
            return json.loads(value)
        return value


def _microseconds_of(moment: datetime) -> int:
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + moment.microsecond


def _microseconds(seconds: float) -> int:
    return round(Fraction(seconds) * 1_000_000)


def read_journals(root: Path) -> dict[Key, Written]:
    """Every replica that ever occupied anything on this machine."""
    found: dict[Key, Written] = {}
    for path in sorted((root / "journals").glob("*.jsonl")):
        for line in path.read_bytes().split(b"\n"):
            _take(found, _parsed(line), None)
    for path in sorted((root / "attempts").glob("*/*/r*/journal")):
        lines = [parsed for line in path.read_bytes().split(b"\n") if (parsed := _parsed(line)) is not None]
        beat = path.with_name("heartbeat")
        data = beat.read_bytes() if beat.exists() else b""
        _take(found, lines, struct.unpack_from("<d", data)[0] if len(data) >= 8 else None)
    return found


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None  # torn by a power loss, or the empty end of the file


def _take(found: dict[Key, Written], lines: Any, beat: float | None) -> None:
    if not isinstance(lines, list):
        return
    accepted = start = end = None
    for line in lines:
        event = line.get("event")
        if event == "accepted":
            accepted = line
        elif event == "start":
            start = line
        elif event == "exit" and (end is None or "written_by" not in line):
            end = line
    number = re.fullmatch(r"w(\d+)", accepted["workload"]) if accepted else None
    if accepted is None or start is None or number is None:
        return
    started = _microseconds(start["started_at"])
    ended = max(started, _microseconds(end["ended_at"])) if end else None
    alive = ended if ended is not None else max(started, _microseconds(beat or 0.0))
    key = (int(number[1]), int(accepted["attempt"]), int(accepted["replica"]))
    found.setdefault(key, Written(started, ended, alive, start["cpu_millis"], start["memory_bytes"]))


# -- pricing, written a second time ----------------------------------------------------------------


class History:
    """The price of a resource at a moment, by looking through all entries."""

    def __init__(self, entries: Iterable[dict[str, Any]]) -> None:
        self._entries: dict[str, list[tuple[int, int, str, int]]] = {}
        for entry in entries:
            row = (entry["valid_from"], entry["id"], entry["section"], entry["picos_per_hour"])
            self._entries.setdefault(entry["resource"], []).append(row)

    def price(self, resource: str, section: str, moment: int) -> int:
        best: tuple[bool, int, int, int] | None = None
        for valid_from, number, own, picos in self._entries.get(resource, ()):
            if valid_from <= moment and own in ("", section):
                rank = (own != "", valid_from, number, picos)
                best = rank if best is None else max(best, rank)
        return best[3] if best is not None else 0

    def cut(self, resource: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The interval, cut where any price of the resource begins."""
        inside = {row[0] for row in self._entries.get(resource, ()) if start < row[0] < end}
        edges = [start, *sorted(inside), end]
        for index in range(len(edges) - 1):
            if edges[index] < edges[index + 1]:
                yield edges[index], edges[index + 1]


def priced(
    bill: dict[str, Any], spans: Iterable[tuple[int, int, dict[str, int]]], history: History
) -> dict[tuple[str, int, int], int]:
    """Microseconds by ``(resource, picos per hour, quantity)``."""
    lines: dict[tuple[str, int, int], int] = {}
    for start, end, quantities in spans:
        for resource, quantity in quantities.items():
            for left, right in history.cut(resource, start, end):
                key = (resource, history.price(resource, bill["section"], left), quantity)
                lines[key] = lines.get(key, 0) + right - left
    return lines


def amount(resource: str, picos: int, quantity: int, length: int) -> int:
    """Micros, rounded half even, which is what ``round`` of a fraction does."""
    return round(Fraction(quantity, UNIT.get(resource, 1)) * Fraction(length, HOUR) * Fraction(picos, 1_000_000))


# -- comparing -------------------------------------------------------------------------------------


class Verification:
    """One run over one database and the journals of one machine."""

    def __init__(self, rows: Rows, journals: dict[Key, Written]) -> None:
        self.rows = rows
        self.journals = journals
        self.report = Report()
        self.history = History(
            rows.of("SELECT id, resource, section, picos_per_hour, valid_from FROM price_entries ORDER BY id")
        )
        self.facts: dict[int, list[dict[str, Any]]] = {}
        for fact in rows.of(
            "SELECT id, fact, at, opened_at, workload_id, attempt, replica FROM usage_facts ORDER BY id"
        ):
            self.facts.setdefault(fact["workload_id"], []).append(fact)
        self.lines: dict[int, dict[tuple[str, int, int], tuple[int, int]]] = {}
        for line in rows.of("SELECT * FROM bill_lines"):
            key = (line["resource"], line["picos_per_hour"], line["quantity"])
            before = self.lines.setdefault(line["bill_id"], {}).get(key, (0, 0))
            self.lines[line["bill_id"]][key] = (before[0] + line["microseconds"], before[1] + line["amount_micros"])

    def run(self) -> Report:
        charged = self._ledger()
        billed = set()
        for bill in self.rows.of("SELECT * FROM bills ORDER BY id"):
            billed.add(bill["workload_id"])
            self.report.bills += 1
            self._bill(bill, charged.pop(bill["id"], 0))
        for bill_id, micros in charged.items():
            self._differs(f"ledger: {micros} micros were charged for bill row {bill_id}, which does not exist")
        self._unbilled(billed)
        return self.report

    def _differs(self, sentence: str) -> None:
        self.report.differences.append(sentence)

    def _bill(self, bill: dict[str, Any], posted: int) -> None:
        name = f"bill {bill['number']} of tenant {bill['tenant_id']} ({bill['kind']} {bill['name']!r})"
        lines = priced(bill, self._spans(bill, name), self.history)
        total = sum(amount(*key, length) for key, length in lines.items())
        self.report.total_micros += total
        if posted != total:
            self._differs(f"{name}: charged {posted} micros, recomputed {total}, difference {posted - total}")
        if bill["charged_micros"] != posted:
            self._differs(f"{name}: says {bill['charged_micros']} micros, its postings {posted}")
        shown = self.lines.get(bill["id"], {})
        for key in sorted(lines.keys() | shown.keys()):
            length = lines.get(key, 0)
            expected = (length, amount(*key, length))
            if shown.get(key, (0, 0)) != expected:
                self._differs(
                    f"{name}: {key[0]} at {key[1]} picos an hour: the bill has {shown.get(key, (0, 0))[0]} us and "
                    f"{shown.get(key, (0, 0))[1]} micros, recomputed {expected[0]} us and {expected[1]} micros"
                )

    def _spans(self, bill: dict[str, Any], name: str) -> Iterator[tuple[int, int, dict[str, int]]]:
        """``(start, end, quantities)`` of each replica, as far as this bill has charged it."""
        known: dict[Key, list[dict[str, Any]]] = {}
        for fact in self.facts.get(bill["workload_id"], ()):
            if fact["id"] <= bill["charged_fact_id"]:
                known.setdefault((fact["workload_id"], fact["attempt"], fact["replica"]), []).append(fact)
        for key, facts in known.items():
            self.report.intervals += 1
            start, end, over = _told(facts)
            cpu_millis, memory_bytes = bill["cpu_millis"], bill["memory_bytes"]
            written = self.journals.get(key)
            if written is None:
                self.report.without_journal += 1
            else:
                where = f"{name}, attempt {key[1]}, replica {key[2]}"
                start, end = self._by_journal(where, written, start, end, over)
                cpu_millis, memory_bytes = written.cpu_millis, written.memory_bytes
            quantities = {"cpu": cpu_millis, "memory": memory_bytes, **bill["accelerators"]}
            yield start, end, {resource: quantity for resource, quantity in quantities.items() if quantity}

    def _by_journal(self, where: str, written: Written, start: int, end: int, over: bool) -> tuple[int, int]:
        """The journal's own edges; for what still ran at the last charge, the fact's, if the journal bears it out."""
        if start != written.started:
            self._differs(f"{where}: facts say it began at {start} us, its journal {written.started} us")
        if over and written.ended is not None:
            if end != written.ended:
                self._differs(f"{where}: facts say it ended at {end} us, its journal {written.ended} us")
            return written.started, written.ended
        if end > written.alive:
            self._differs(f"{where}: charged until {end} us, its last proof of life is {written.alive} us")
            end = written.alive
        return written.started, max(written.started, end)

    def _unbilled(self, billed: set[int]) -> None:
        """Work in the journals that no bill knows of."""
        known = {
            (fact["workload_id"], fact["attempt"], fact["replica"]) for facts in self.facts.values() for fact in facts
        }
        recent = _microseconds(time.time() - UNSEEN_SECONDS)
        for key, written in sorted(self.journals.items()):
            if key in known and key[0] in billed:
                continue
            sentence = f"w{key[0]}, attempt {key[1]}, replica {key[2]} ran from {written.started} us and is on no bill"
            if max(written.started, written.ended or 0) > recent:
                self.report.notes.append(f"{sentence}; it is younger than {UNSEEN_SECONDS} s")
            else:
                self._differs(sentence)

    def _ledger(self) -> dict[int, int]:
        """Check accounts, serials and running balances; answers what was charged per bill row."""
        accounts = {row["id"]: row for row in self.rows.of("SELECT * FROM ledger_accounts")}
        sums = dict.fromkeys(accounts, 0)
        numbers: dict[int, int] = {}
        charged: dict[int, int] = {}
        for entry in self.rows.of("SELECT * FROM ledger_entries ORDER BY tenant_id, number"):
            self.report.postings += 1
            tenant, micros = entry["tenant_id"], entry["amount_micros"]
            sums[entry["debit_account_id"]] -= micros
            sums[entry["credit_account_id"]] += micros
            own, signed = entry["credit_account_id"], micros
            if accounts[own]["tenant_id"] != tenant:
                own, signed = entry["debit_account_id"], -micros
            name = f"posting {entry['number']} of tenant {tenant}"
            if entry["number"] != numbers.get(tenant, 0) + 1:
                self._differs(f"{name}: follows {numbers.get(tenant, 0)}")
            numbers[tenant] = entry["number"]
            if sums[own] != entry["balance_after_micros"]:
                self._differs(f"{name}: balance after {entry['balance_after_micros']} micros, recomputed {sums[own]}")
            if entry["bill_id"] is not None:
                charged[entry["bill_id"]] = charged.get(entry["bill_id"], 0) - signed
        holds: dict[int, int] = {}
        for hold in self.rows.of("SELECT tenant_id, amount_micros FROM holds"):
            holds[hold["tenant_id"]] = holds.get(hold["tenant_id"], 0) + hold["amount_micros"]
        for number, account in accounts.items():
            if account["balance_micros"] != sums[number]:
                self._differs(
                    f"account {account['key']}: has {account['balance_micros']} micros, entries {sums[number]}"
                )
            if account["held_micros"] != holds.get(account["tenant_id"] or 0, 0):
                self._differs(
                    f"account {account['key']}: {account['held_micros']} micros held, "
                    f"holds {holds.get(account['tenant_id'] or 0, 0)}"
                )
        total = sum(account["balance_micros"] for account in accounts.values())
        if total:
            self._differs(f"all accounts together have {total} micros instead of 0")
        return charged


def _told(facts: list[dict[str, Any]]) -> tuple[int, int, bool]:
    """``(start, end, whether it ended)`` of one replica, as its facts tell it."""
    start = int(facts[0]["opened_at"])
    corrected = [fact for fact in facts if fact["fact"] == "corrected"]
    closed = corrected or [fact for fact in facts if fact["fact"] == "closed"]
    if closed:
        return start, max(start, int(closed[-1]["at"])), True
    return start, max(start, *(int(fact["at"]) for fact in facts)), False


def verify(database_url: str, root: Path | None) -> Report:
    """Compare everything.

    Args:
        database_url: As in ``platform.json``.
        root: The local backend's directory; None where work runs elsewhere.
    """
    with Rows(database_url) as rows:
        verification = Verification(rows, {})
        # Read after the snapshot: whatever the database knows, the journals then hold already.
        verification.journals = read_journals(root) if root is not None else {}
        return verification.run()
