"""REL-7: what an installation holds when it is brought to revision 0002 is there afterwards, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from himalia_hub.audit.verify import verify
from himalia_hub.core.db import Database, UtcDateTime
from himalia_hub.migrations import migrate

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
GB = 1 << 30


class Old:
    """A database at the first revision, and the way to others."""

    def __init__(self, url: str) -> None:
        self.url, self.db = url, Database(url)
        self.to("0001")

    def to(self, revision: str) -> None:
        current = {"0001": 1, "0002": 2}.get(self.revision() or "", 0)
        move = command.upgrade if int(revision) > current else command.downgrade
        with self.db.engine.connect() as connection:
            move(migrate.alembic_config(connection), revision)
            connection.commit()

    def revision(self) -> str | None:
        with self.db.engine.connect() as connection:
            known = sa.inspect(connection).has_table("alembic_version")
            found = connection.scalar(sa.text("SELECT version_num FROM alembic_version")) if known else None
            connection.rollback()
        return found

    def table(self, name: str) -> sa.Table:
        table = sa.Table(name, sa.MetaData(), autoload_with=self.db.engine)
        for column in table.c:
            if column.name in ("at", "created_at", "updated_at", "deleted_at"):
                column.type = UtcDateTime()
            if column.name in ("detail", "accelerators", "bindings"):
                column.type = sa.JSON()
        return table

    def add(self, table_name: str, /, **values: Any) -> int:
        """Insert a row; what is not given is empty in the way of its type."""
        table = self.table(table_name)
        for column in table.c:
            if column.name not in values and not column.nullable and not column.primary_key:
                values[column.name] = NOW if isinstance(column.type, UtcDateTime) else _empty(column.type)
        with self.db.engine.begin() as connection:
            return int(connection.execute(sa.insert(table).values(**values)).inserted_primary_key[0])

    def rows(self, name: str) -> list[dict[str, Any]]:
        table = self.table(name)
        with self.db.engine.connect() as connection:
            found = [dict(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key)).mappings()]
            connection.rollback()
        return found


def _empty(kind: Any) -> Any:
    if isinstance(kind, sa.JSON):
        return {}
    if isinstance(kind, sa.Boolean):
        return True
    return "" if isinstance(kind, sa.String) else 0


@pytest.fixture
def old(database_url: str) -> Iterator[Old]:
    made = Old(database_url)
    yield made
    made.db.close()


def log(old: Old, count: int = 5, *, tenants: tuple[int | None, ...] = (None, 7, 8)) -> None:
    """Entries as the first release chained them: one chain, moments as text."""
    previous = "0" * 64
    for n in range(count):
        values = {
            "at": NOW + timedelta(seconds=n, microseconds=n),
            "tenant_id": tenants[n % len(tenants)],
            "user_id": n,
            "actor_name": f"李{n}",
            "roles": "member",
            "address": "127.0.0.1",
            "session": "",
            "action": "sign_in.password" if n % 2 else "dataset.create",
            "object_kind": "dataset",
            "object_id": str(n),
            "outcome": "done",
            "detail": {"名": ["é", n, 1.5, None]},
            "request_id": "",
        }
        plain = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items()}
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256((previous + text).encode()).hexdigest()
        old.add("audit_entries", **values, previous=previous, digest=digest)
        previous = digest


def told(old: Old) -> dict[str, Any]:
    (entry,) = (row for row in old.rows("audit_entries") if row["action"] == "audit.chain_anew")
    return entry


def test_the_log_is_whole_by_organisation_and_says_what_it_was(old: Old) -> None:
    """SEC-1"""
    log(old)
    before = old.rows("audit_entries")
    old.to("0002")
    report = verify(old.url)
    assert report.differences == [] and (report.entries, report.chains) == (6, 3)
    after = old.rows("audit_entries")
    kept = [name for name in before[0] if name not in ("previous", "digest", "user_id")]
    assert [{k: row[k] for k in kept} for row in after[:5]] == [{k: row[k] for k in kept} for row in before]
    assert told(old)["outcome"] == "done"
    assert told(old)["detail"] == {"entries": 5, "ended": before[-1]["digest"], "first_altered": None}


def test_an_entry_altered_before_is_named_and_not_made_whole_in_silence(old: Old) -> None:
    """SEC-1"""
    log(old)
    with old.db.engine.begin() as connection:
        connection.execute(sa.text("UPDATE audit_entries SET actor_name = 'nobody' WHERE id = 3"))
    old.to("0002")
    assert verify(old.url).differences == []
    assert told(old)["outcome"] == "failed" and told(old)["detail"]["first_altered"] == 3


def test_an_empty_log_stays_empty(old: Old) -> None:
    old.to("0002")
    assert old.rows("audit_entries") == [] and old.rows("audit_heads") == []


def test_a_spec_with_accelerators_becomes_one_of_each(old: Old) -> None:
    """CON-1"""
    plain = old.add("resource_specs", name="small", cpu_millis=1000, memory_bytes=GB, scenario="any", accelerators={})
    cards = {"nvidia.com/gpu": 1, "huawei.com/Ascend910-2c": 2}
    both = old.add(
        "resource_specs", name="cards", cpu_millis=4000, memory_bytes=8 * GB, scenario="any", accelerators=cards
    )
    old.add("resource_specs", name="1 gpu", cpu_millis=1000, memory_bytes=GB, scenario="any", accelerators={})
    old.add("tenants", id=7, code="acme", name="Acme")
    old.add("users", id=9, tenant_id=7, number=1, name="ada", name_key="ada", source="local")
    old.add("notebooks", tenant_id=7, owner_id=9, number=1, name="a", server_name="a", spec_id=both)
    old.add("notebooks", tenant_id=7, owner_id=9, number=2, name="b", server_name="b", spec_id=plain)
    old.to("0002")
    specs = {row["name"]: row for row in old.rows("resource_specs")}
    assert {name: (row["kind"], row["accelerators"], row["cpu_millis"]) for name, row in specs.items()} == {
        "small": ("basic", {}, 1000),
        "cards": ("basic", {}, 4000),
        "1 gpu": ("basic", {}, 1000),
        "1 gpu (2)": ("gpu", {"nvidia.com/gpu": 1}, 0),
        "2 Ascend910-2c": ("vnpu", {"huawei.com/Ascend910-2c": 2}, 0),
    }
    chosen = [row["accelerator_spec_id"] for row in old.rows("notebooks")]
    assert chosen == [specs["2 Ascend910-2c"]["id"], None]
    assert [row["guest"] for row in old.rows("users")] in ([False], [0])


def test_back_to_the_first_revision_and_forth_again(old: Old) -> None:
    """INS-2"""
    log(old)
    old.add("tenants", id=7, code="acme", name="Acme")
    old.add("users", id=9, tenant_id=7, number=1, name="ada", name_key="ada", source="local")
    old.add("user_roles", user_id=9, role="member")
    people = old.rows("users")
    old.to("0002")
    old.to("0001")
    assert old.rows("users") == people
    assert len(old.rows("audit_entries")) == 6
    old.to("0002")
    assert verify(old.url).differences == []
    entries = [row for row in old.rows("audit_entries") if row["action"] == "audit.chain_anew"]
    assert [row["outcome"] for row in entries] == ["done", "done"]
