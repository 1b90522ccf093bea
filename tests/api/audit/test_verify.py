"""SEC-1: the chains are recomputed by other code, which finds whatever was done to the real database."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.audit import service as audit
from himalia_hub.audit.anchors import FILE, AnchorWriter
from himalia_hub.audit.archiving import RETENTION, Archiver
from himalia_hub.audit.verify import Report, verify
from himalia_hub.core import clock
from himalia_hub.core.db import Database
from himalia_hub.core.tables import Setting
from himalia_hub.migrations import migrate
from himalia_hub.platform import assembly
from tests.support.service import World

KEY = bytes(range(32))
ENTRIES = 12


@pytest.fixture
def log(database_url: str) -> Any:
    """A database with two chains of entries, its guards dropped as an intruder would."""
    assembly.import_tables()
    db = Database(database_url)
    migrate.upgrade(db)

    def fill(session: Session) -> None:
        for number in range(ENTRIES):
            for tenant in (None, 7):
                audit.record(
                    session, "made.up", tenant_id=tenant, object_id=number, detail={"ü": 1.5, "n": [None, "数"]}
                )
        if db.is_sqlite:
            names = session.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for name in names:
                session.execute(sa.text(f"DROP TRIGGER {name}"))
        else:
            session.execute(sa.text("DROP FUNCTION audit_append_only CASCADE"))

    db.write_now(fill)
    yield db
    db.close()


def check(db: Database, **more: Any) -> Report:
    url = db.url if db.is_sqlite else db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return verify(url, **more)


def do(db: Database, *statements: str) -> None:
    db.write_now(lambda session: [session.execute(sa.text(statement)) for statement in statements])


def test_a_whole_log_has_no_difference(log: Database) -> None:
    report = check(log)
    assert (report.differences, report.entries, report.chains) == ([], 2 * ENTRIES, 2)


WHERE = "WHERE chain = 7 AND position = 5"
SPARE = "chain, position, at, category, tenant_id, actor_tenant_id, user_id, actor_name, roles, address, session, action, object_kind, object_id, outcome, detail, request_id, previous, digest"  # noqa: E501
TAMPERINGS: dict[str, tuple[list[str], str]] = {
    "a changed outcome": ([f"UPDATE audit_entries SET outcome = 'refused' {WHERE}"], "entry 5 .* was changed"),
    "a changed actor": ([f"UPDATE audit_entries SET actor_name = 'x' {WHERE}"], "entry 5 .* was changed"),
    "a changed detail": ([f"UPDATE audit_entries SET detail = '{{}}' {WHERE}"], "entry 5 .* was changed"),
    "an entry of another organisation": (
        [f"UPDATE audit_entries SET tenant_id = 8 {WHERE}"],
        "entry 5 .* was changed",
    ),
    "a removed entry": ([f"DELETE FROM audit_entries {WHERE}"], "entry 6 .* entry 5 before it is missing"),
    "the removed first": (
        ["DELETE FROM audit_entries WHERE chain = 7 AND position = 1"],
        "entry 1 before it is missing",
    ),
    "the removed last": (
        [f"DELETE FROM audit_entries WHERE chain = 7 AND position = {ENTRIES}"],
        f"chain 7: ends at entry {ENTRIES - 1}, but {ENTRIES} were written",
    ),
    "a whole removed chain": (
        ["DELETE FROM audit_entries WHERE chain = 7"],
        f"chain 7: ends at entry 0, but {ENTRIES}",
    ),
    "two that changed places": (
        [
            f"UPDATE audit_entries SET position = 1000 {WHERE}",
            "UPDATE audit_entries SET position = 5 WHERE chain = 7 AND position = 6",
            "UPDATE audit_entries SET position = 6 WHERE chain = 7 AND position = 1000",
        ],
        "entry 5 .* does not follow",
    ),
    "an inserted copy": (
        [
            f"INSERT INTO audit_entries ({SPARE}) SELECT {SPARE.replace('position', str(ENTRIES + 1), 1)} "
            "FROM audit_entries WHERE chain = 7 AND position = 5"
        ],
        f"entry {ENTRIES + 1} .* does not follow",
    ),
    "an inserted chain without a head": (
        [
            f"INSERT INTO audit_entries ({SPARE}) SELECT {SPARE.replace('chain', '9', 1)} "
            "FROM audit_entries WHERE chain = 7 AND position = 1"
        ],
        "chain 9: has 1 entries and no head",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found(log: Database, name: str) -> None:
    statements, sentence = TAMPERINGS[name]
    do(log, *statements)
    differences = check(log).differences
    import re

    assert any(re.search(sentence, found) for found in differences), differences


def anchor(db: Database, folder: Path) -> Path:
    """Anchors of the present ends, written by the platform's own writer."""
    import asyncio
    import types

    (folder / "key").write_text(KEY.hex())
    config = types.SimpleNamespace(state_dir=folder, encryption_key_file=folder / "key")
    platform: Any = types.SimpleNamespace(db=db, config=config)
    asyncio.run(AnchorWriter(platform).step())
    return folder / FILE


def test_cutting_a_chain_with_its_head_is_found_by_the_anchors(log: Database, tmp_path: Path) -> None:
    """Truncation at the end by somebody who owns the whole database."""
    anchors = anchor(log, tmp_path)
    assert check(log, anchors=anchors, key=KEY).differences == []
    cut: Callable[[], None] = lambda: do(  # noqa: E731
        log,
        "DELETE FROM audit_entries WHERE chain = 7 AND position > 3",
        "UPDATE audit_heads SET position = 3, "
        "digest = (SELECT digest FROM audit_entries WHERE chain = 7 AND position = 3) WHERE chain = 7",
    )
    cut()
    assert check(log).differences == [], "control: without anchors the shorter chain looks whole"
    assert check(log, anchors=anchors, key=KEY).differences == [
        f"chain 7, entry {ENTRIES}: was anchored outside the database and is missing"
    ]
    lines = [json.loads(line) for line in anchors.read_text().splitlines()]
    for line in lines:
        line["position"] = min(line["position"], 3)
    anchors.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = check(log, anchors=anchors, key=KEY).differences
    assert any("is not signed by this installation" in sentence for sentence in found), found


def test_a_chain_written_anew_is_found_by_the_anchors(log: Database, tmp_path: Path) -> None:
    """An intruder who recomputes every digest after a change still cannot rewrite what was anchored."""
    anchors = anchor(log, tmp_path)
    do(log, "DELETE FROM audit_entries WHERE chain = 7", "DELETE FROM audit_heads WHERE chain = 7")

    def forge(session: Session) -> None:
        for number in range(ENTRIES):
            audit.record(session, "made.up", tenant_id=7, object_id=number, detail={"forged": True})

    log.write_now(forge)
    assert check(log).differences == []
    (found,) = check(log, anchors=anchors, key=KEY).differences
    assert "is not the one that was anchored" in found


def test_what_retention_archives_stays_searchable_and_proven(stored_world: World, s3_server: Any) -> None:
    """SEC-1: old entries move to the object store, are found by the API, and verify across the border."""
    world = stored_world
    live = world.live
    from himalia_hub.audit.archiving import store_of

    live.run(live.platform.controllers.stop())
    with world.alpha.member.client() as client:
        for number in range(5):
            sent = client.post("/label-groups", json={"name": f"old-{number}", "labels": [{"name": "a"}]})
            assert sent.status_code == 201
        last_old = clock.now()
    live.write(lambda session: session.merge(Setting(key=RETENTION, value={"days": 30})) and None)
    clock.set_source(lambda: last_old + timedelta(days=31))
    try:
        live.run(Archiver(live.platform).step())
    finally:
        clock.set_source(None)
    with live.platform.db.engine.connect() as db:
        assert db.execute(sa.text("SELECT count(*) FROM audit_entries")).scalar_one() == 0
        (archive,) = db.execute(sa.text("SELECT * FROM audit_archives")).all()
    with world.alpha.member.client() as client:
        client.post("/label-groups", json={"name": "new", "labels": [{"name": "a"}]})
    store = store_of(live.platform)
    assert store is not None

    def fetch(key: str) -> bytes:
        return bytes(live.run(store.get(key, 0, archive.bytes)))

    with world.alpha.auditor.client(step_up=True) as auditor:
        query: dict[str, Any] = {"actor": world.alpha.member.name, "limit": 2}
        seen: list[dict[str, Any]] = []
        while True:
            page = auditor.get("/audit-entries", params=query).json()
            seen += page["items"]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        names = [entry["detail"]["sent"]["name"] for entry in seen]
        assert names == ["new", "old-4", "old-3", "old-2", "old-1", "old-0"]
        old = seen[-1]["id"]
        assert auditor.get(f"/audit-entries/{old}").json()["detail"]["sent"]["name"] == "old-0"
        lines = auditor.get("/audit-entries/export", params={"format": "jsonl", "action": "data.label"}).text
        assert len(lines.splitlines()) == 6
    report = check(live.platform.db, fetch=fetch)
    assert report.differences == []
    assert report.archived == archive.entries
    broken = check(live.platform.db, fetch=lambda key: fetch(key)[:-20])
    assert any("its bytes were changed" in sentence for sentence in broken.differences)
    assert any("cannot be read" in sentence for sentence in check(live.platform.db).differences)
