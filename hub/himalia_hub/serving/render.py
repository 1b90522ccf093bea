"""Rows of services to their wire shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from himalia_hub.compute import wire
from himalia_hub.compute.engine import Engine
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.platform.parts import Platform
from himalia_hub.serving.service import latest_revision
from himalia_hub.serving.tables import InferenceService, ServiceKey, ServiceVariant
from himalia_hub.tenancy.tables import Department, Tenant, User


def select_services() -> sa.Select[Any]:
    return (
        sa.select(
            InferenceService.__table__,
            User.number.label("owner_number"),
            User.display_name.label("owner_name"),
            Department.number.label("department_number"),
            Department.name.label("department_name"),
            Tenant.code.label("tenant_code"),
        )
        .join(User, User.id == InferenceService.owner_id)
        .join(Tenant, Tenant.id == InferenceService.tenant_id)
        .outerjoin(Department, Department.id == InferenceService.department_id)
    )


def address(platform: Platform, tenant_code: str, slug: str) -> str:
    """Where programs call the service."""
    return f"{platform.config.public.api_url}/serving/{tenant_code}/{slug}/infer"


def many(platform: Platform, db: Db, language: str, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Services with their variants, workloads and costs, each looked up once."""
    ids = [row.id for row in rows]
    variants: dict[int, list[Any]] = {service_id: [] for service_id in ids}
    spent: dict[int, list[int]] = {service_id: [] for service_id in ids}
    for variant in db.execute(
        sa.select(ServiceVariant.__table__).where(ServiceVariant.service_id.in_(ids)).order_by(ServiceVariant.id)
    ):
        if variant.state == "current":
            variants[variant.service_id].append(variant)
        if variant.workload_id is not None:
            spent[variant.service_id].append(variant.workload_id)
    engine = platform.get(Engine)
    every = [workload for found in spent.values() for workload in found]
    costs = engine.budget.costs(db, every) if every else {}
    shown = [v.workload_id for found in variants.values() for v in found if v.workload_id is not None]
    workloads = wire.many(engine, db, language, shown) if shown else {}
    return [
        _one(
            platform,
            db,
            language,
            row,
            variants[row.id],
            workloads,
            sum(int(costs.get(workload, 0)) for workload in spent[row.id]),
        )
        for row in rows
    ]


def _one(
    platform: Platform,
    db: Db,
    language: str,
    row: Any,
    variants: Sequence[Any],
    workloads: dict[int, dict[str, Any]],
    cost: int,
) -> dict[str, Any]:
    shown = [_variant(variant, workloads.get(variant.workload_id)) for variant in variants]
    if row.phase in ("stopped", "failed"):
        asked = {variant["name"] for variant in shown}
        shown += [
            _planned(variant) for variant in latest_revision(db, row.id, row.revision) if variant["name"] not in asked
        ]
    running = [v["workload"] for v in shown if v["workload"] is not None and v["workload"]["ended_at"] is None]
    department = None
    if row.department_number is not None:
        department = {"id": row.department_number, "name": row.department_name}
    return {
        "id": row.number,
        "name": row.name,
        "owner": {"id": row.owner_number, "name": row.owner_name},
        "department": department,
        "framework": "platform",
        "protocol": "http",
        "description": row.description,
        "phase": row.phase,
        "reason": row.reason,
        "message": row.message_zh if language == "zh" else row.message,
        "variants": shown,
        "revision": row.revision,
        "live_revision": row.live_revision,
        "address": address(platform, row.tenant_code, row.slug),
        "replicas_ready": sum(variant["ready"] for variant in shown),
        "replicas_total": sum(variant["replicas"] for variant in shown),
        "calls_total": row.calls_total,
        "calls_failed": row.calls_failed,
        "cost_micros": cost,
        "price_per_hour_micros": sum(workload["price_per_hour_micros"] for workload in running),
        "created_at": clock.to_wire(row.created_at),
        "updated_at": clock.to_wire(row.updated_at),
        "version": row.version,
    }


def _variant(variant: Any, workload: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "name": variant.name,
        "model": {key: variant.model[key] for key in ("id", "name", "version")},
        "weight_percent": variant.weight_percent,
        "spec": variant.spec,
        "replicas": variant.replicas,
        "ready": workload["replicas_ready"] if workload else 0,
        "environment": variant.environment,
        "phase": workload["phase"] if workload else "stopped",
        "message": workload["message"] if workload else "",
        "workload": workload,
    }


def _planned(variant: dict[str, Any]) -> dict[str, Any]:
    """A variant of the newest revision that was never started."""
    return {
        "name": variant["name"],
        "model": {key: variant["model"][key] for key in ("id", "name", "version")},
        "weight_percent": variant["weight_percent"],
        "spec": variant["spec"],
        "replicas": variant["replicas"],
        "ready": 0,
        "environment": variant["environment"],
        "phase": "stopped",
        "message": "",
        "workload": None,
    }


def one(platform: Platform, db: Db, language: str, service_id: int) -> dict[str, Any]:
    row = db.execute(select_services().where(InferenceService.id == service_id)).one()
    return many(platform, db, language, [row])[0]


def key(row: ServiceKey | Any) -> dict[str, Any]:
    return {
        "id": row.number,
        "name": row.name,
        "prefix": row.prefix,
        "created_at": clock.to_wire(row.created_at),
        "expires_at": clock.to_wire(row.expires_at),
        "requests_per_minute": row.requests_per_minute,
    }
