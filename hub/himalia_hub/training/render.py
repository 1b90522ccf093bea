"""Rows of jobs and runs to their wire shapes; lists look costs and metrics up once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from himalia_hub.compute import wire
from himalia_hub.compute.engine import Engine
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.tenancy.tables import Department, User
from himalia_hub.training import metrics, rules, service
from himalia_hub.training.tables import Job, Run

PEOPLE = (
    User.number.label("owner_number"),
    User.display_name.label("owner_name"),
    Department.number.label("department_number"),
    Department.name.label("department_name"),
)


def select_jobs() -> sa.Select[Any]:
    return (
        sa.select(Job.__table__, *PEOPLE)
        .join(User, User.id == Job.owner_id)
        .outerjoin(Department, Department.id == Job.department_id)
    )


def select_runs() -> sa.Select[Any]:
    return (
        sa.select(Run.__table__, *PEOPLE, Job.number.label("job_number"), Job.name.label("job_name"))
        .join(User, User.id == Run.owner_id)
        .join(Job, Job.id == Run.job_id)
        .outerjoin(Department, Department.id == Run.department_id)
    )


def people(row: Any) -> dict[str, Any]:
    department = None
    if row.department_number is not None:
        department = {"id": row.department_number, "name": row.department_name}
    return {"owner": {"id": row.owner_number, "name": row.owner_name}, "department": department}


class RunRenderer:
    """Renders the runs of one answer."""

    def __init__(self, engine: Engine, db: Db, language: str, rows: Sequence[Any]) -> None:
        self._engine, self._db, self._language = engine, db, language
        self._metrics = metrics.last_values(db, [row.id for row in rows]) if rows else {}
        workloads = [row.workload_id for row in rows if row.workload_id is not None]
        self._costs = engine.budget.costs(db, workloads) if workloads else {}

    def message(self, row: Any) -> str:
        return str(row.message_zh if self._language == "zh" else row.message)

    def summary(self, row: Any) -> dict[str, Any]:
        progress = None
        if row.progress_step is not None:
            progress = {"step": row.progress_step, "total": row.progress_total}
        return {
            "id": row.number,
            "number": row.number,
            "version": rules.version_name(row.run_index),
            "phase": row.phase,
            "reason": row.reason,
            "message": self.message(row),
            "metrics_last": self._metrics.get(row.id, {}),
            "progress": progress,
            "cost_micros": int(self._costs.get(row.workload_id, 0)),
            "created_at": clock.to_wire(row.created_at),
        }

    def full(self, row: Any, workload: dict[str, Any] | None) -> dict[str, Any]:
        by_path = {one["path"]: _data(one) for one in row.inputs}
        validation = by_path.get(rules.input_path(1)) if row.request.get("validation") else None
        lines = (workload or {}).get("last_lines") or row.last_lines
        return {
            **self.summary(row),
            **people(row),
            "name": row.name,
            "job": {"id": row.job_number, "name": row.job_name},
            "run_version": rules.version_name(row.run_index),
            "workload": workload,
            "algorithm": row.algorithm,
            "environment": row.environment,
            "dataset": by_path.get(rules.input_path(0)),
            "validation": validation,
            "inputs": [{**_data(one), "path": one["path"]} for one in row.inputs],
            "parameters": row.parameters,
            "command": service.show(row.command),
            "environment_variables": row.variables,
            "code": row.code,
            "spec": row.spec,
            "model_version": row.model,
            "notebook_source": row.code is not None,
            "exit_code": row.exit_code,
            "last_lines": lines,
            "files_complete": row.files_complete,
            "updated_at": clock.to_wire(row.updated_at),
            "started_at": clock.to_wire(row.started_at),
            "ended_at": clock.to_wire(row.ended_at),
        }

    def many(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        ids = [row.workload_id for row in rows if row.workload_id is not None]
        workloads = wire.many(self._engine, self._db, self._language, ids) if ids else {}
        return [self.full(row, workloads.get(row.workload_id)) for row in rows]


def _data(one: dict[str, Any]) -> dict[str, Any]:
    return {"id": one["id"], "name": one["name"], "version": one["version"], "digest": one["digest"]}


def one_run(engine: Engine, db: Db, language: str, run_id: int) -> dict[str, Any]:
    """A run by row id."""
    row = db.execute(select_runs().where(Run.id == run_id)).one()
    return RunRenderer(engine, db, language, [row]).many([row])[0]


def jobs(engine: Engine, db: Db, language: str, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Jobs with the summary of their newest run."""
    ids = [row.id for row in rows]
    last_ids = [row.last_run_id for row in rows if row.last_run_id is not None]
    last = db.execute(sa.select(Run.__table__).where(Run.id.in_(last_ids), Run.deleted_at.is_(None))).all()
    counts: dict[int, int] = {
        row.job_id: row.number_of
        for row in db.execute(
            sa.select(Run.job_id, sa.func.count().label("number_of"))
            .where(Run.job_id.in_(ids), Run.deleted_at.is_(None))
            .group_by(Run.job_id)
        )
    }
    renderer = RunRenderer(engine, db, language, last)
    summaries = {row.id: renderer.summary(row) for row in last}
    return [
        {
            "id": row.number,
            "name": row.name,
            **people(row),
            "description": row.description,
            "type": row.type,
            "notebook_source": row.script,
            "latest_run": summaries.get(row.last_run_id),
            "runs": counts.get(row.id, 0),
            "created_at": clock.to_wire(row.created_at),
            "updated_at": clock.to_wire(row.updated_at),
            "version": row.version,
        }
        for row in rows
    ]


def one_job(engine: Engine, db: Db, language: str, job_id: int) -> dict[str, Any]:
    row = db.execute(select_jobs().where(Job.id == job_id)).one()
    return jobs(engine, db, language, [row])[0]
