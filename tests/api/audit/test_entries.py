"""SEC-1: what is written to the audit log, who sees it, filters and export."""

from __future__ import annotations

import csv
import functools
import io
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.audit import service as audit
from himalia_hub.audit.tables import AuditEntry, AuditHead
from himalia_hub.core import clock
from himalia_hub.core.tables import Setting
from tests.support.service import World


def entries(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/audit-entries", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def make_group(client: httpx.Client, name: str = "Shapes") -> dict[str, Any]:
    answer = client.post("/label-groups", json={"name": name, "labels": [{"name": "round"}]})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_change_tells_who_what_before_and_after(world: World) -> None:
    """SEC-1: time, actor, role, address, session, organisation, object, action, outcome, before and after."""
    with world.alpha.member.client() as client:
        group = make_group(client)
        path = f"/label-groups/{group['id']}"
        changed = client.patch(path, json={"description": "new words"}, headers={"If-Match": f'"{group["version"]}"'})
        assert changed.status_code == 200, changed.text
    with world.alpha.tenant_admin.client(step_up=True) as admin:
        newest = entries(admin, actor=world.alpha.member.name, q="label")[0]
    assert newest["object"] == str(group["id"])
    assert newest["outcome"] == "done"
    assert newest["roles"] == ["member"]
    assert newest["address"] == "127.0.0.1"
    assert newest["session"].startswith("notebook:")
    assert newest["organisation"]["code"] == "alpha"
    assert newest["category"] == "operation"
    assert newest["detail"]["sent"] == {"description": "new words"}
    (change,) = newest["detail"]["changes"]
    assert change["before"]["description"] == ""
    assert change["after"]["description"] == "new words"


def test_refusals_are_written(world: World) -> None:
    """SEC-1: 401, 403 and what is not there or not theirs, each once while it is repeated."""
    with world.beta.member.client() as client:
        foreign = make_group(client)["id"]
    with world.live.client("hmt_" + "x" * 43) as unknown:
        assert unknown.get("/me").status_code == 401
    with world.alpha.member.client() as client:
        for _ in range(3):
            assert client.get(f"/label-groups/{foreign}").status_code == 404
        assert client.get("/audit-entries").status_code == 403
    with world.alpha.auditor.client(step_up=True) as auditor:
        refused = entries(auditor, outcome="refused")
    told = [(entry["detail"]["status"], entry["actor"]) for entry in refused]
    assert sorted(told) == sorted([(401, ""), (403, world.alpha.member.name), (404, world.alpha.member.name)])
    assert {entry["category"] for entry in refused} == {"security"}


def test_administrative_reads_are_written_once_while_they_repeat(world: World) -> None:
    """SEC-1: reading with a reach beyond one's own; a member's reading of own things is none."""
    with world.alpha.member.client() as client:
        group = make_group(client)
        client.get("/label-groups")
    with world.alpha.tenant_admin.client(step_up=True) as admin:
        for _ in range(3):
            assert admin.get(f"/label-groups/{group['id']}").status_code == 200
        read = entries(admin, outcome="read")
    assert [entry["object"] for entry in read if entry["object"]] == [str(group["id"])]
    assert {entry["actor"] for entry in read} == {world.alpha.tenant_admin.name}


def test_who_sees_what(world: World) -> None:
    """SEC-1: an organisation's administrators see theirs, auditors and the platform's all, nobody else any."""
    for tenancy in (world.alpha, world.beta):
        with tenancy.member.client() as client:
            make_group(client)
    with world.alpha.tenant_admin.client(step_up=True) as admin:
        assert {entry["organisation"]["code"] for entry in entries(admin)} == {"alpha"}
        foreign = admin.get("/audit-entries", params={"organisation": "beta"})
        missing = admin.get("/audit-entries", params={"organisation": "gamma"})
        assert foreign.status_code == missing.status_code == 404
        own = entries(admin)[0]["id"]
        assert admin.get(f"/audit-entries/{own}").json()["id"] == own
    with world.alpha.auditor.client(step_up=True) as auditor:
        assert {(e["organisation"] or {}).get("code") for e in entries(auditor)} >= {"alpha", "beta"}
        theirs = entries(auditor, organisation="beta")
        assert {entry["organisation"]["code"] for entry in theirs} == {"beta"}
    with world.alpha.tenant_admin.client(step_up=True) as admin:
        assert admin.get(f"/audit-entries/{theirs[0]['id']}").status_code == 404
    for role in ("member", "department_admin", "reader", "operator", "annotator", "open_api"):
        with world.alpha.people[role].client(step_up=True) as client:
            assert client.get("/audit-entries").status_code == 403, role
    with world.alpha.tenant_admin.client() as client:
        assert client.get("/audit-entries").json()["code"] == "step_up_required"


def test_where_duties_are_separated_only_the_auditor_reads(world: World) -> None:
    """SEC-1, TEN-11."""

    def separate(session: Session) -> None:
        session.merge(Setting(key="separated_duties", value={"on": True}))

    world.live.write(separate)
    with world.alpha.administrator.client(step_up=True) as client:
        assert client.get("/audit-entries").status_code == 403
        assert client.get("/audit-entries/export").status_code == 403
    with world.alpha.auditor.client(step_up=True) as client:
        assert client.get("/audit-entries").status_code == 200


def test_what_the_platform_did_in_an_organisation_hides_who(world: World) -> None:
    """SEC-1: the organisation sees it; the platform's names and addresses are another organisation's."""
    with world.alpha.administrator.client(step_up=True) as client:
        sent = client.post("/recharges", json={"tenant": "beta", "amount_micros": 5_000_000, "note": "n"})
        assert sent.status_code == 201, sent.text
    with world.beta.tenant_admin.client(step_up=True) as admin:
        (entry,) = [e for e in entries(admin) if e["by_platform"]]
        assert entry["action"] == "money.create_recharge"
        assert (entry["actor"], entry["address"], entry["actor_organisation"]) == ("", "", None)
        name = world.alpha.administrator.name
        assert entries(admin, actor=name) == []
        assert [e for e in entries(admin, q=name) if e["by_platform"]] == []
    with world.alpha.auditor.client(step_up=True) as auditor:
        (entry,) = [e for e in entries(auditor, organisation="beta") if e["by_platform"]]
        assert entry["actor"] == name


def test_filters_and_pages(world: World) -> None:
    """SEC-1, GEN-1: every filter narrows; pages hold each entry once while others are written."""
    start = clock.now()
    with world.alpha.member.client() as client:
        made = [make_group(client, f"group-{n}")["id"] for n in range(12)]
        client.delete(f"/label-groups/{made[0]}")
    with world.alpha.auditor.client(step_up=True) as auditor:
        mine = {"actor": world.alpha.member.name, "from": start.isoformat()}
        assert len(entries(auditor, **mine)) == 13
        assert len(entries(auditor, **mine, action="data.label_groups.delete")) == 1
        assert len(entries(auditor, **mine, object=str(made[0]))) == 2
        assert entries(auditor, **mine, address="10.0.0.1") == []
        assert entries(auditor, **mine, category="security") == []
        assert entries(auditor, to=start.isoformat(), actor=world.alpha.member.name) == []
        assert len(entries(auditor, **mine, q="LABEL_GROUPS.DEL")) == 1
        assert entries(auditor, **mine, q="%") == []
        assert [entry["object"] for entry in entries(auditor, **mine, q="delete a label")] == [str(made[0])]
        assert [entry["object"] for entry in entries(auditor, **mine, q="删除标签组")] == [str(made[0])]
        seen: list[int] = []
        cursor = None
        while True:
            page = auditor.get("/audit-entries", params={**mine, "limit": 5, **({"cursor": cursor} if cursor else {})})
            seen += [entry["id"] for entry in page.json()["items"]]
            with world.alpha.member.client() as client:
                make_group(client, f"later-{len(seen)}")
            cursor = page.json()["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 13
        assert auditor.get("/audit-entries", params={"cursor": "x"}).json()["field"] == "cursor"
        assert auditor.get("/audit-entries", params={"limit": 501}).status_code == 422


def test_an_entry_is_told_in_the_readers_language(world: World) -> None:
    """SEC-1, GEN-9: in words beside the names; exports hold the names alone."""
    with world.alpha.member.client() as client:
        make_group(client)
    with world.alpha.tenant_admin.client(step_up=True) as admin:
        mine = {"actor": world.alpha.member.name, "action": "data.label_groups.create_group"}
        (english,) = entries(admin, **mine)
        assert (english["action_words"], english["object_words"]) == ("Create a label group", "label group")
        admin.headers["Accept-Language"] = "zh-CN"
        (chinese,) = entries(admin, **mine)
        assert (chinese["action_words"], chinese["object_words"]) == ("创建标签组", "标签组")
        assert chinese["action"] == english["action"] == "data.label_groups.create_group"
        one = admin.get(f"/audit-entries/{english['id']}").json()
        assert one == chinese
        exported = admin.get("/audit-entries/export", params={**mine, "format": "jsonl"})
        assert set(chinese) - set(json.loads(exported.text)) == {"action_words", "object_words"}


def test_export_streams_every_entry_of_the_range(world: World) -> None:
    """SEC-1: any range by API, .csv and JSON lines; formulas stay text."""

    def work(session: Session) -> None:
        for number in range(2500):
            audit.record(session, "made.up", actor_name="=1+1", tenant_id=world.alpha.tenant_id, object_id=number)

    world.live.write(work)
    with world.alpha.tenant_admin.client(step_up=True) as admin:
        answer = admin.get("/audit-entries/export", params={"action": "made.up"})
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [row["object"] for row in rows] == [str(number) for number in range(2499, -1, -1)]
        assert {row["actor"] for row in rows} == {"'=1+1"}
        answer = admin.get("/audit-entries/export", params={"action": "made.up", "format": "jsonl"})
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert len(lines) == 2500
        assert lines[0]["actor"] == "=1+1"
        assert admin.get("/audit-entries/export", params={"format": "xml"}).status_code == 422


def test_the_platform_cannot_edit_or_remove_an_entry(world: World) -> None:
    """SEC-1: the database itself refuses, on the platform's own connection."""
    world.live.write(lambda session: audit.record(session, "made.up"))
    for statement in (
        sa.update(AuditEntry).values(outcome="nothing"),
        sa.delete(AuditEntry),
        sa.delete(AuditEntry).where(AuditEntry.id == 1),
    ):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            world.live.write(functools.partial(Session.execute, statement=statement))
    methods = {"POST", "PUT", "PATCH", "DELETE"}
    from himalia_hub.api.openapi import all_routes

    assert [r.path for r in all_routes() if "audit-entries" in r.path and r.method in methods] == []


def test_two_writers_of_one_chain_never_fork_it(world: World) -> None:
    """SEC-1: replicas write at once; positions have no gap and no twin."""
    from concurrent.futures import ThreadPoolExecutor

    from himalia_hub.core.db import Database

    replicas = [Database(world.live.config.database_url) for _ in range(4)]

    def write(db: Database) -> None:
        for _ in range(25):
            db.write_now(lambda s: audit.record(s, "made.up", tenant_id=world.beta.tenant_id))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, replicas))
    for db in replicas:
        db.close()
    with world.live.platform.db.engine.connect() as reading:
        chain = world.beta.tenant_id
        rows = reading.execute(sa.select(AuditEntry.position).where(AuditEntry.chain == chain)).scalars().all()
        head = reading.execute(sa.select(AuditHead.position).where(AuditHead.chain == chain)).scalar_one()
    assert sorted(rows) == list(range(1, head + 1))
    assert head >= 100


def test_an_entry_is_written_with_its_change_or_not_at_all(world: World) -> None:
    """SEC-1: the entry is part of the unit of work."""
    before = clock.now() - timedelta(seconds=0)
    with world.alpha.member.client() as client:
        make_group(client, "twice")
        assert client.post("/label-groups", json={"name": "twice", "labels": [{"name": "a"}]}).status_code == 409
    with world.alpha.auditor.client(step_up=True) as auditor:
        found = entries(auditor, actor=world.alpha.member.name, **{"from": before.isoformat()})
    assert [entry["outcome"] for entry in found] == ["done"]
