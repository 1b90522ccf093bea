"""Rows of workloads to the API's ``Workload``; used by the engine's routes and by nouns that embed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from himalia_hub.compute import assess, live, specs
from himalia_hub.compute import resources as res
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.expected import UNKNOWN, Expected
from himalia_hub.compute.phases import Phase
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.tenancy.tables import Department, User


def select_workloads() -> sa.Select[Any]:
    """Workloads with the names of their owner and department."""
    return (
        sa.select(
            Workload.__table__,
            User.number.label("owner_number"),
            User.display_name.label("owner_name"),
            Department.number.label("department_number"),
            Department.name.label("department_name"),
        )
        .join(User, User.id == Workload.owner_id)
        .outerjoin(Department, Department.id == Workload.department_id)
    )


class Renderer:
    """Renders workloads of one request; looks queue and costs up once for all of them."""

    def __init__(self, engine: Engine, db: Db, language: str, rows: Sequence[Any]) -> None:
        self._engine = engine
        self._db = db
        self._zh = language == "zh"
        self._costs = engine.budget.costs(db, [row.id for row in rows]) if rows else {}
        self._queue: dict[int, tuple[int, Expected]] | None = None

    def cost(self, row: Any) -> int:
        return int(self._costs.get(row.id, 0))

    def message(self, row: Any) -> str:
        return str(row.message_zh if self._zh else row.message)

    def queued(self, row: Any) -> tuple[int | None, Expected]:
        """Place in the queue from 1, and when it probably starts; (None, nothing known) of what does not wait."""
        if row.phase != Phase.QUEUED:
            return None, UNKNOWN
        if self._queue is None:
            self._queue = self._engine.outlook.of_queue(self._db, res.total(self._engine.nodes))
        return self._queue.get(row.id, (None, UNKNOWN))

    def steps(self, row: Any) -> list[dict[str, Any]]:
        """The start-up tree, from admission on."""
        admitted = row.admitted_at is not None
        state = "done" if admitted else "failed" if row.ended_at is not None else "active"
        position, _ = self.queued(row)
        detail = "" if position is None else f"排队第 {position} 位" if self._zh else f"place {position} in the queue"
        first = {
            "name": "admitted",
            "state": state,
            "detail": detail,
            "started_at": clock.to_wire(row.created_at),
            "ended_at": clock.to_wire(row.admitted_at),
        }
        return [first, *(self._step(step) for step in row.steps)]

    def _step(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """A step as its person reads it; the detail is kept in Chinese beside the English where it is a sentence."""
        shown = {name: value for name, value in step.items() if name != "detail_zh"}
        return {**shown, "detail": step["detail_zh"]} if self._zh and step.get("detail_zh") else shown

    def render(self, row: Any) -> dict[str, Any]:
        """One workload; ``row`` is from :func:`select_workloads`."""
        resources = assess.resources_of(row)
        position, expected = self.queued(row)
        sample = self._engine.live.newest(row.id)
        usage = None
        if sample is not None and row.ended_at is None:
            usage = live.to_wire(sample, row.cpu_millis * row.replicas, row.memory_bytes * row.replicas)
        return {
            "id": row.number,
            "kind": row.kind,
            "name": row.name,
            "object": {"kind": row.object_kind, "id": row.object_number, "name": row.name},
            "owner": {"id": row.owner_number, "name": row.owner_name},
            "department": (
                {"id": row.department_number, "name": row.department_name}
                if row.department_number is not None
                else None
            ),
            "phase": row.phase,
            "reason": row.reason,
            "message": self.message(row),
            "phase_since": clock.to_wire(row.phase_since),
            "queue_position": position,
            "expected_start_at": clock.to_wire(expected.start_at),
            "expected_start_latest_at": clock.to_wire(expected.latest_at),
            "attempt": row.attempt,
            "replicas_ready": row.replicas_ready,
            "replicas_total": row.replicas,
            "resources": specs.resources_to_wire(resources),
            "price_per_hour_micros": row.price_per_hour_micros,
            "cost_micros": self.cost(row),
            "steps": self.steps(row),
            "usage": usage,
            "last_lines": row.last_lines,
            "priority": row.priority,
            "deadline_seconds": row.deadline_seconds,
            "created_at": clock.to_wire(row.created_at),
            "updated_at": clock.to_wire(row.updated_at),
            "started_at": clock.to_wire(row.started_at),
            "ended_at": clock.to_wire(row.ended_at),
            "exit_code": row.exit_code,
            "version": row.version,
        }


def one(engine: Engine, db: Db, language: str, workload_id: int | None) -> dict[str, Any] | None:
    """The ``Workload`` embedded in a noun's answer, by row id; None without one."""
    if workload_id is None:
        return None
    row = db.execute(select_workloads().where(Workload.id == workload_id)).first()
    return Renderer(engine, db, language, [row]).render(row) if row is not None else None


def many(engine: Engine, db: Db, language: str, workload_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The same for a list: row id to ``Workload``."""
    rows = db.execute(select_workloads().where(Workload.id.in_(list(workload_ids)))).all()
    renderer = Renderer(engine, db, language, rows)
    return {row.id: renderer.render(row) for row in rows}
