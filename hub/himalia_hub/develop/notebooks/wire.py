"""Rows of notebooks to the shapes of the panels and of the start page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from himalia_hub.compute import specs, wire
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.phases import Phase
from himalia_hub.compute.tables import ResourceSpec, Workload
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.develop.notebooks.tables import Notebook
from himalia_hub.platform.parts import Platform
from himalia_hub.tenancy.tables import Department, User


def select_notebooks() -> sa.Select[Any]:
    return (
        sa.select(
            Notebook.__table__,
            User.number.label("owner_number"),
            User.display_name.label("owner_name"),
            User.hub_name.label("hub_name"),
            Department.number.label("department_number"),
            Department.name.label("department_name"),
        )
        .join(User, User.id == Notebook.owner_id)
        .outerjoin(Department, Department.id == Notebook.department_id)
    )


class Renderer:
    """Renders notebooks of one request; reads workloads, specs and costs once for all."""

    def __init__(self, platform: Platform, db: Db, language: str, rows: Sequence[Any]) -> None:
        self._platform = platform
        engine = platform.get(Engine)
        ids = [row.workload_id for row in rows if row.workload_id is not None]
        self._workloads = wire.many(engine, db, language, ids) if ids else {}
        self._wishes = _wishes(db, ids) if ids else {}
        spec_ids = {row.spec_id for row in rows} | {row.accelerator_spec_id for row in rows}
        found = db.execute(sa.select(ResourceSpec.__table__).where(ResourceSpec.id.in_(spec_ids - {None})))
        self._specs = {spec.id: spec for spec in found}
        self._costs = self._all_costs(engine, db, rows)

    @staticmethod
    def _all_costs(engine: Engine, db: Db, rows: Sequence[Any]) -> dict[int, int]:
        """Row id to the cost of all its starts."""
        by_number = {(row.tenant_id, row.number): row.id for row in rows}
        workloads = db.execute(
            sa.select(Workload.id, Workload.tenant_id, Workload.object_number).where(
                Workload.object_kind == "notebook",
                Workload.tenant_id.in_({row.tenant_id for row in rows}),
                Workload.object_number.in_([row.number for row in rows]),
            )
        ).all()
        costs = engine.budget.costs(db, [w.id for w in workloads]) if workloads else {}
        sums: dict[int, int] = {}
        for w in workloads:
            row_id = by_number.get((w.tenant_id, w.object_number))
            if row_id is not None:
                sums[row_id] = sums.get(row_id, 0) + int(costs.get(w.id, 0))
        return sums

    def _spec(self, row: Any) -> dict[str, Any]:
        choice = specs.Choice(self._specs[row.spec_id], self._specs.get(row.accelerator_spec_id))
        return {
            "id": choice.basic.id,
            "name": choice.basic.name,
            "resources": specs.resources_to_wire(choice.resources),
            "accelerator_spec": specs.accelerator_ref(choice.accelerator),
            "accelerator_wish": specs.wish_to_wire(self._wish(row)),
        }

    def _wish(self, row: Any) -> Mapping[str, Any] | None:
        """What the last start wished for, while the notebook is not edited to something else."""
        kept = self._wishes.get(row.workload_id)
        return kept if kept is not None and kept["accelerator_spec_id"] == row.accelerator_spec_id else None

    def render(self, row: Any) -> dict[str, Any]:
        """The ``Notebook`` of the API."""
        workload = self._workloads.get(row.workload_id)
        return {
            "id": row.number,
            "name": row.name,
            "server_name": row.server_name,
            "owner": {"id": row.owner_number, "name": row.owner_name},
            "department": (
                {"id": row.department_number, "name": row.department_name}
                if row.department_number is not None
                else None
            ),
            "spec": self._spec(row),
            "environment": row.environment,
            "bindings": row.bindings,
            "profile": row.profile,
            "description": row.description,
            "phase": row.phase,
            "reason": workload["reason"] if workload else None,
            "message": workload["message"] if workload else "",
            "workload": workload,
            "url": lab_url(self._platform, row) if row.phase == Phase.RUNNING else None,
            "cost_micros": self._costs.get(row.id, 0),
            "stop_when_idle_seconds": row.stop_when_idle_seconds,
            "created_at": clock.to_wire(row.created_at),
            "updated_at": clock.to_wire(row.updated_at),
            "version": row.version,
        }

    def for_start_page(self, row: Any, usual_seconds: float | None) -> dict[str, Any]:
        """The ``StartPageNotebook`` of the hub."""
        workload = self._workloads.get(row.workload_id)
        live = workload is not None and workload["ended_at"] is None
        return {
            "id": row.number,
            "name": row.name,
            "server_name": row.server_name,
            "description": row.description,
            "spec": self._spec(row),
            "environment": row.environment,
            "profile": row.profile,
            "phase": row.phase,
            "reason": workload["reason"] if workload else None,
            "message": workload["message"] if workload else "",
            "phase_since": workload["phase_since"] if workload else None,
            "queue_position": workload["queue_position"] if workload else None,
            "expected_start_at": workload["expected_start_at"] if workload else None,
            "expected_start_latest_at": workload["expected_start_latest_at"] if workload else None,
            "price_per_hour_micros": workload["price_per_hour_micros"] if workload else 0,
            "cost_micros": self._costs.get(row.id, 0),
            "steps": workload["steps"] if workload else [],
            "last_lines": workload["last_lines"] if workload else [],
            "created_at": clock.to_wire(row.created_at),
            "started_at": workload["started_at"] if live and workload else None,
            "expected_start_seconds": row.start_seconds if row.start_seconds is not None else usual_seconds,
            "version": row.version,
        }


def _wishes(db: Db, ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    rows = db.execute(sa.select(Workload.id, Workload.spec).where(Workload.id.in_(ids)))
    return {row.id: row.spec["wish"] for row in rows if row.spec.get("wish")}


def lab_url(platform: Platform, row: Any) -> str:
    """Where Lab of this notebook opens: on its owner's own host."""
    public = urlsplit(platform.config.public.hub_url)
    return f"{public.scheme}://{row.hub_name}.{public.netloc}/user/{row.hub_name}/{row.server_name}/lab"
