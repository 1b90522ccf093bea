"""A workload's life on real sandboxed processes: from submission to its facts."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from himalia_hub.core.db import Database
from himalia_hub.core.usage import UsageFact
from tests.api.compute.conftest import Machine, wait_for


def facts_from(db: Database, workload_id: int) -> list[Any]:
    with db.engine.connect() as connection:
        statement = sa.select(UsageFact.__table__).where(UsageFact.workload_id == workload_id)
        return list(connection.execute(statement.order_by(UsageFact.id)))


def facts_of(machine: Machine, workload_id: int) -> list[Any]:
    return facts_from(machine.world.live.platform.db, workload_id)


def test_a_script_runs_logs_and_is_metered(machine: Machine) -> None:
    """OPS-2, BEY-2, NB-12: one open and one closed fact, log, steps, exit code."""
    member = machine.world.alpha.member
    workload_id = machine.submit(member, "import time; print('hello from', __import__('os').getcwd()); time.sleep(0.3)")
    row = machine.until(workload_id, "succeeded", "failed")
    assert (row.phase, row.reason, row.exit_code) == ("succeeded", None, 0), row.message
    edges = [fact for fact in facts_of(machine, workload_id) if fact.fact in ("opened", "closed")]
    assert [fact.fact for fact in edges] == ["opened", "closed"]
    assert edges[1].source == "exit"
    assert 0.3 <= (edges[1].at - edges[0].at).total_seconds() < 5
    assert edges[0].tenant_id == row.tenant_id and edges[0].cpu_millis == 250
    with member.client() as client:
        wait_for(lambda: client.get(f"/workloads/{row.number}").json()["last_lines"] == ["hello from /tmp"])
        shown = client.get(f"/workloads/{row.number}").json()
        assert [step["name"] for step in shown["steps"]][:2] == ["admitted", "scheduled"]
        assert all(step["state"] == "done" for step in shown["steps"])
        log = client.get(f"/workloads/{row.number}/log")
        assert log.text == "hello from /tmp\n"
        assert log.headers["Himalia-Log-Next"] == str(len(log.content))
        assert log.headers["Himalia-Log-End"] == "true"
        part = client.get(f"/workloads/{row.number}/log?offset=6&limit=4")
        assert (part.text, part.headers["Himalia-Log-Offset"], part.headers["Himalia-Log-End"]) == (
            "from",
            "6",
            "false",
        )
