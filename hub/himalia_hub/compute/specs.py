"""Resource specs: the sizes people choose from, and the first ones of a new installation (CON-1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.compute import resources as res
from himalia_hub.compute.schemas import SpecCreate
from himalia_hub.compute.tables import ResourceSpec
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput, NotFound
from himalia_hub.core.tables import Setting

SCENARIOS = ("notebook", "training", "inference", "annotation", "visualisation", "any")
GIB = 2**30
SEEDED = "compute.specs_seeded"
_SIZES = (
    ("CPU mini", 500, 1 * GIB),
    ("CPU small", 1000, 2 * GIB),
    ("CPU medium", 2000, 4 * GIB),
    ("CPU large", 4000, 8 * GIB),
    ("CPU extra large", 8000, 16 * GIB),
)


def resources_of(spec: Any) -> Resources:
    """The resources of one replica of this size."""
    return Resources(
        cpu_millis=spec.cpu_millis,
        memory_bytes=spec.memory_bytes,
        disk_bytes=spec.disk_bytes,
        accelerators={name: int(count) for name, count in spec.accelerators.items()},
    )


def to_wire(spec: Any, price_per_hour_micros: int = 0) -> dict[str, Any]:
    return {
        "id": spec.id,
        "name": spec.name,
        "scenario": spec.scenario,
        "resources": resources_to_wire(resources_of(spec)),
        "accelerator_label": spec.accelerator_label,
        "price_per_hour_micros": price_per_hour_micros,
        "version": spec.version,
    }


def resources_to_wire(resources: Resources) -> dict[str, Any]:
    return {
        "cpu_millis": resources.cpu_millis,
        "memory_bytes": resources.memory_bytes,
        "disk_bytes": resources.disk_bytes,
        "accelerators": dict(resources.accelerators),
    }


def offered(db: Db, scenario: str | None = None) -> Sequence[Any]:
    """Live specs, small before large; with a scenario those of ``any`` and of it."""
    statement = sa.select(ResourceSpec.__table__).where(ResourceSpec.deleted_at.is_(None))
    if scenario is not None and scenario != "any":
        statement = statement.where(ResourceSpec.scenario.in_((scenario, "any")))
    rows = db.execute(statement).all()
    return sorted(rows, key=lambda r: (sum(map(int, r.accelerators.values())), r.cpu_millis, r.memory_bytes, r.id))


def get(db: Db, spec_id: int, *, field: str = "spec_id", scenario: str | None = None) -> Any:
    """One live spec that serves a scenario, as a row.

    Raises:
        InvalidInput: Unknown, deleted, or meant for something else; names ``field``.
    """
    row = db.execute(
        sa.select(ResourceSpec.__table__).where(ResourceSpec.id == spec_id, ResourceSpec.deleted_at.is_(None))
    ).first()
    if row is None:
        raise InvalidInput(
            f"{field}: there is no resource spec {spec_id}.",
            zh=f"{field}：不存在资源规格 {spec_id}。",
            field=field,
            rule="the id of a resource spec",
            value=spec_id,
            hint="Choose one of GET /specs.",
            hint_zh="请从资源规格列表中选择。",
        )
    if scenario is not None and row.scenario not in (scenario, "any"):
        raise InvalidInput(
            f"{field}: {row.name!r} is for {row.scenario}, not for {scenario}.",
            zh=f"{field}：规格 {row.name!r} 适用于 {row.scenario}，不适用于 {scenario}。",
            field=field,
            rule=f"a resource spec for {scenario}",
            value=spec_id,
        )
    return row


def check_fits(resources: Resources, nodes: Sequence[NodeCapacity]) -> None:
    """Refuse counts that no one node has, naming the largest (CON-1)."""
    for name, asked in res.amounts(resources).items():
        most = res.largest(nodes, name)
        if asked > most:
            field = name if name in res.BASE else f"accelerators.{name}"
            raise InvalidInput(
                f"{field}: the largest machine has {res.show(name, most)}; {res.show(name, asked)} was given.",
                zh=f"{field}：最大的机器为 {res.show(name, most)}；填写的是 {res.show(name, asked)}。",
                field=field,
                rule=f"at most {res.show(name, most)}",
                value=asked,
            )


def defaults(nodes: Sequence[NodeCapacity]) -> list[dict[str, Any]]:
    """Sizes that fit the machines at hand: CPU ones, and one per kind of accelerator. Pure."""
    chosen: list[dict[str, Any]] = []
    for name, cpu_millis, memory_bytes in _SIZES:
        if res.fits_a_node({res.CPU: cpu_millis, res.MEMORY: memory_bytes}, nodes):
            chosen.append({"name": name, "cpu_millis": cpu_millis, "memory_bytes": memory_bytes, "accelerators": {}})
    kinds = res.ordered({n for node in nodes for n in res.amounts(node.allocatable)} - set(res.BASE))
    for kind in kinds:
        best = max(nodes, key=lambda node: res.amounts(node.allocatable).get(kind, 0)).allocatable
        count = res.amounts(best)[kind]
        share = {
            "cpu_millis": min(4000, best.cpu_millis // count // 500 * 500 or 500),
            "memory_bytes": min(16 * GIB, best.memory_bytes // count // GIB * GIB or GIB),
        }
        short = kind.rpartition("/")[2]
        chosen.append(
            {"name": f"1 × {short}"[:32], **share, "accelerators": {kind: 1}, "accelerator_label": short[:64]}
        )
    return chosen


def seed(session: Session, nodes: Sequence[NodeCapacity]) -> bool:
    """Give a new installation its first sizes, once; False when that was done before."""
    if session.get(Setting, SEEDED) is not None:
        return False
    session.add(Setting(key=SEEDED, value={"at": clock.to_wire(clock.now())}))
    if session.execute(sa.select(ResourceSpec.id).limit(1)).first() is None:
        moment = clock.now()
        session.add_all([ResourceSpec(created_at=moment, updated_at=moment, **values) for values in defaults(nodes)])
    session.flush()
    return True


def create(session: Session, body: SpecCreate, nodes: Sequence[NodeCapacity]) -> ResourceSpec:
    """A new size; refused when no node has that much."""
    check_fits(Resources(body.cpu_millis, body.memory_bytes, body.disk_bytes, body.accelerators), nodes)
    moment = clock.now()
    row = ResourceSpec(created_at=moment, updated_at=moment, **body.model_dump())
    session.add(row)
    session.flush()
    return row


def find(session: Session, spec_id: int) -> ResourceSpec:
    """A live spec for an administrator to change, locked."""
    row = session.execute(
        sa.select(ResourceSpec).where(ResourceSpec.id == spec_id, ResourceSpec.deleted_at.is_(None)).with_for_update()
    ).scalar_one_or_none()
    if row is None:
        raise NotFound()
    return row
