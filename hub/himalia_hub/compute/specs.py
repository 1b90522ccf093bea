"""Resource specs: the sizes people choose from, and the first ones of a new installation (CON-1).

A start takes one basic spec (CPU and memory) and, where the work uses one, one accelerator spec
(a count of one resource); :func:`choose` adds them up, and everything after it sees one sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.compute import resources as res
from himalia_hub.compute.schemas import SpecCreate, SpecUpdate
from himalia_hub.compute.tables import ResourceSpec
from himalia_hub.core import clock, names
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput, NotFound
from himalia_hub.core.tables import Setting

SECTIONS = {"any": "training"}
"""A scenario is its price section; what serves any is shown at the price of training."""
SCENARIOS = ("notebook", "training", "inference", "annotation", "visualisation", "any")
BASIC = "basic"
KINDS = (BASIC, res.GPU, res.GPU_MIG, res.NPU, res.VNPU)
LONGEST_NAME = 32
LEAST_MEMORY = 16 * 2**20
GIB = 2**30
NOTHING = Resources(0, 0)
SEEDED = "compute.specs_seeded"
_SIZES = (
    ("CPU mini", 500, 1 * GIB),
    ("CPU small", 1000, 2 * GIB),
    ("CPU medium", 2000, 4 * GIB),
    ("CPU large", 4000, 8 * GIB),
    ("CPU extra large", 8000, 16 * GIB),
)


def section_of(scenario: str | None) -> str:
    return SECTIONS.get(scenario or "any", scenario or "any")


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
        "kind": spec.kind,
        "scenario": spec.scenario,
        "resources": resources_to_wire(resources_of(spec)),
        "accelerator_label": spec.accelerator_label,
        "price_per_hour_micros": price_per_hour_micros,
        "version": spec.version,
    }


@dataclass(frozen=True, slots=True)
class Choice:
    """What a start takes per node: a basic spec and, where it uses one, an accelerator spec, as rows."""

    basic: Any
    accelerator: Any | None = None
    wish: Mapping[str, Any] | None = None
    """Where the accelerator was not named but wished for: the wish and what it was resolved to (``wishes.py``)."""

    @property
    def resources(self) -> Resources:
        """Both added up: what one replica occupies, is counted, priced and billed."""
        one = resources_of(self.basic)
        return one if self.accelerator is None else add(one, resources_of(self.accelerator))

    @property
    def accelerator_id(self) -> int | None:
        return None if self.accelerator is None else int(self.accelerator.id)

    @property
    def kept(self) -> dict[str, Any]:
        """What a workload's spec keeps of the choice."""
        return {} if self.wish is None else {"wish": dict(self.wish)}

    def to_wire(self, price_per_hour_micros: int = 0) -> dict[str, Any]:
        """The basic spec with the resources of both, and which accelerator spec was added."""
        return {
            **to_wire(self.basic, price_per_hour_micros),
            "resources": resources_to_wire(self.resources),
            "accelerator_spec": accelerator_ref(self.accelerator),
            "accelerator_wish": wish_to_wire(self.wish),
        }


def add(one: Resources, two: Resources) -> Resources:
    return Resources(
        cpu_millis=one.cpu_millis + two.cpu_millis,
        memory_bytes=one.memory_bytes + two.memory_bytes,
        disk_bytes=one.disk_bytes + two.disk_bytes,
        accelerators=res.add(one.accelerators, two.accelerators),
    )


def wish_to_wire(wish: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What was wished for, without what it was resolved to."""
    return None if wish is None else {name: wish[name] for name in ("count", "memory_bytes", "frameworks")}


def accelerator_ref(spec: Any | None) -> dict[str, Any] | None:
    if spec is None:
        return None
    return {
        "id": spec.id,
        "name": spec.name,
        "kind": spec.kind,
        "accelerators": {name: int(count) for name, count in spec.accelerators.items()},
        "accelerator_label": spec.accelerator_label,
    }


def choose(
    db: Db,
    spec_id: int,
    accelerator_spec_id: int | None,
    *,
    scenario: str | None = None,
    field: str = "",
) -> Choice:
    """The specs of a start.

    Args:
        field: What the fields' names begin with (``variants[0].``).

    Raises:
        InvalidInput: One is unknown, deleted, of the wrong kind or for another scenario.
    """
    basic = get(db, spec_id, field=f"{field}spec_id", scenario=scenario)
    if basic.kind != BASIC:
        raise _wrong_kind(f"{field}spec_id", basic, "a basic resource spec", "基础资源规格")
    if accelerator_spec_id is None:
        return Choice(basic)
    name = f"{field}accelerator_spec_id"
    accelerator = get(db, accelerator_spec_id, field=name, scenario=scenario)
    if accelerator.kind == BASIC:
        raise _wrong_kind(name, accelerator, "an accelerator spec", "加速器规格")
    return Choice(basic, accelerator)


def _wrong_kind(field: str, spec: Any, wanted: str, wanted_zh: str) -> InvalidInput:
    return InvalidInput(
        f"{field}: {spec.name!r} is of kind {spec.kind}; {wanted} is needed here.",
        zh=f"{field}：规格 {spec.name!r} 的类型为 {spec.kind}；此处需要{wanted_zh}。",
        field=field,
        rule=wanted,
        value=spec.id,
        hint="Choose one of GET /specs by its kind.",
        hint_zh="请按类型从资源规格列表中选择。",
    )


def resources_to_wire(resources: Resources) -> dict[str, Any]:
    return {
        "cpu_millis": resources.cpu_millis,
        "memory_bytes": resources.memory_bytes,
        "disk_bytes": resources.disk_bytes,
        "accelerators": dict(resources.accelerators),
    }


def offered(db: Db, scenario: str | None = None, kind: str | None = None) -> Sequence[Any]:
    """Live specs, small before large; with a scenario those of ``any`` and of it.

    Args:
        kind: One of :data:`KINDS`, or ``accelerator`` for all but the basic ones.
    """
    statement = sa.select(ResourceSpec.__table__).where(ResourceSpec.deleted_at.is_(None))
    if scenario is not None and scenario != "any":
        statement = statement.where(ResourceSpec.scenario.in_((scenario, "any")))
    if kind == "accelerator":
        statement = statement.where(ResourceSpec.kind != BASIC)
    elif kind is not None:
        statement = statement.where(ResourceSpec.kind == kind)
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


Counts = Mapping[str, tuple[int, ...]]
"""How many of a card one start may have, where the topology does not allow any number."""


def check_fits(resources: Resources, nodes: Sequence[NodeCapacity], counts: Counts) -> None:
    """Refuse counts that no one node has, naming the largest (CON-1), or that a card's topology forbids (BEY-23)."""
    for name, given in resources.accelerators.items():
        if given not in counts.get(name, (given,)):
            allowed = ", ".join(map(str, counts[name]))
            raise InvalidInput(
                f"accelerators.{name}: one start may have {allowed} of it; {given} was given.",
                zh=f"accelerators.{name}：每个任务只能使用 {allowed} 张；填写的是 {given} 张。",
                field=f"accelerators.{name}",
                rule=f"one of {allowed}",
                value=given,
            )
    for name, asked in res.amounts(resources).items():
        most = res.largest(nodes, name)
        if asked > most:  # of basic specs accelerators are none, of the others CPU and memory
            field = name if name in res.BASE else f"accelerators.{name}"
            raise InvalidInput(
                f"{field}: the largest machine has {res.show(name, most)}; {res.show(name, asked)} was given.",
                zh=f"{field}：最大的机器为 {res.show(name, most)}；填写的是 {res.show(name, asked)}。",
                field=field,
                rule=f"at most {res.show(name, most)}",
                value=asked,
            )


def defaults(nodes: Sequence[NodeCapacity]) -> list[dict[str, Any]]:
    """Sizes that fit the machines at hand: basic ones, and one per kind of accelerator. Pure."""
    chosen: list[dict[str, Any]] = []
    for name, cpu_millis, memory_bytes in _SIZES:
        if res.fits_a_node({res.CPU: cpu_millis, res.MEMORY: memory_bytes}, nodes):
            chosen.append({"name": name, "cpu_millis": cpu_millis, "memory_bytes": memory_bytes, "accelerators": {}})
    for resource in res.accelerators(nodes):
        short = resource.rpartition("/")[2]
        chosen.append(
            {
                "name": f"1 × {short}"[:LONGEST_NAME],
                "kind": res.accelerator_kind(resource),
                "cpu_millis": 0,
                "memory_bytes": 0,
                "accelerators": {resource: 1},
                "accelerator_label": short[:64],
            }
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


def largest(nodes: Sequence[NodeCapacity], known: Mapping[str, str]) -> dict[str, Any]:
    """What any one node has at most, for the form of a spec (CON-1).

    Args:
        known: Card names by accelerator resource, as specs name them.
    """
    cards = {
        name: sorted(
            {label for node in nodes if (label := _card(node, name))} | ({known[name]} if name in known else set())
        )
        for name in res.accelerators(nodes)
    }
    everything = res.total(nodes)
    return {
        "cpu_millis": res.largest(nodes, res.CPU),
        "memory_bytes": res.largest(nodes, res.MEMORY),
        "nodes": sum(1 for node in nodes if node.ready),
        "accelerators": [
            {
                "resource": name,
                "kind": res.accelerator_kind(name),
                "cards": cards[name],
                "largest": res.largest(nodes, name),
                "total": everything.get(name, 0),
                "nodes": sum(1 for node in nodes if node.ready and node.allocatable.accelerators.get(name)),
            }
            for name in cards
        ],
    }


_CARD_LABELS = ("nvidia.com/gpu.product", "node.kubernetes.io/npu.chip.name", "accelerator")
"""Where device plugins and feature discovery write a node's card: NVIDIA's, Ascend's, Ascend's older."""


def _card(node: NodeCapacity, resource: str) -> str | None:
    if not node.allocatable.accelerators.get(resource):
        return None
    return next((node.labels[label] for label in _CARD_LABELS if node.labels.get(label)), None)


def card_names(db: Db) -> dict[str, str]:
    """The card that live specs name for each accelerator resource."""
    rows = db.execute(
        sa.select(ResourceSpec.accelerators, ResourceSpec.accelerator_label).where(
            ResourceSpec.deleted_at.is_(None), ResourceSpec.accelerator_label.is_not(None)
        )
    )
    return {name: row.accelerator_label for row in rows for name in row.accelerators}


def check_name(name: str) -> str:
    """1-32 characters that people can read, without spaces at the ends."""
    name = names.check_text(name, LONGEST_NAME, "name").strip()
    if not name or "\n" in name or "\t" in name:
        raise InvalidInput(
            f"name: {name!r} is not 1-32 characters on one line, not only spaces.",
            zh=f"name：{name!r} 不符合规则：1-32 个字符，单行，且不能只有空格。",
            field="name",
            rule="1-32 characters, not only spaces",
            value=name,
        )
    return name


def check_shape(values: Mapping[str, Any]) -> None:
    """A basic spec has CPU and memory, any other a count of one accelerator resource of its kind. Pure."""
    kind, accelerators = values["kind"], values["accelerators"]
    if kind == BASIC:
        if accelerators:
            raise _bad_shape("accelerators", "none in a basic spec", "基础规格不含加速器", next(iter(accelerators)))
        if not values["cpu_millis"]:
            raise _bad_shape("cpu_millis", "at least 1 in a basic spec", "基础规格至少为 1", values["cpu_millis"])
        if values["memory_bytes"] < LEAST_MEMORY:
            rule = f"at least {LEAST_MEMORY} (16 MiB) in a basic spec"
            raise _bad_shape("memory_bytes", rule, "基础规格至少为 16 MiB", values["memory_bytes"])
        return
    for name in ("cpu_millis", "memory_bytes", "disk_bytes"):
        if values[name]:
            raise _bad_shape(name, f"none in a spec of kind {kind}", f"{kind} 规格不含此项", values[name])
    if len(accelerators) != 1:
        raise _bad_shape("accelerators", f"exactly one in a spec of kind {kind}", "须恰好一种", len(accelerators))
    resource = next(iter(accelerators))
    if not res.is_accelerator(resource):
        raise _bad_shape("accelerators", "a resource name such as nvidia.com/gpu", "如 nvidia.com/gpu 的名称", resource)
    if (actual := res.accelerator_kind(resource)) != kind:
        raise _bad_shape("kind", f"{actual} for {resource}", f"{resource} 属于 {actual}", kind)


def _bad_shape(field: str, rule: str, rule_zh: str, value: Any) -> InvalidInput:
    return InvalidInput(
        f"{field}: {rule}, and it is {value!r}.",
        zh=f"{field}：{rule_zh}，当前值为 {value!r}。",
        field=field,
        rule=rule,
        value=value,
    )


def create(session: Session, body: SpecCreate, nodes: Sequence[NodeCapacity], counts: Counts) -> ResourceSpec:
    """A new size; refused when no node has that much."""
    values = {**body.model_dump(), "name": check_name(body.name)}
    check_shape(values)
    check_fits(resources_of(body), nodes, counts)
    moment = clock.now()
    row = ResourceSpec(created_at=moment, updated_at=moment, **values)
    session.add(row)
    session.flush()
    return row


def edit(session: Session, row: ResourceSpec, body: SpecUpdate, nodes: Sequence[NodeCapacity], counts: Counts) -> None:
    """Change what is given; running work keeps what it was started with."""
    given = body.model_dump(exclude_unset=True)
    for name, value in given.items():
        if value is not None or name == "accelerator_label":
            setattr(row, name, check_name(value) if name == "name" else value)
    columns = ("kind", "cpu_millis", "memory_bytes", "disk_bytes", "accelerators")
    check_shape({name: getattr(row, name) for name in columns})
    check_fits(resources_of(row), nodes, counts)
    row.version += 1
    row.updated_at = clock.now()
    session.flush()


def remove(row: ResourceSpec) -> None:
    """Take a size from the forms; running work keeps it."""
    row.deleted_at = clock.now()
    row.version += 1


def view(db: Db, spec_id: int) -> Any:
    """A live spec as a row, or :class:`NotFound`."""
    row = db.execute(
        sa.select(ResourceSpec.__table__).where(ResourceSpec.id == spec_id, ResourceSpec.deleted_at.is_(None))
    ).first()
    if row is None:
        raise NotFound()
    return row


def find(session: Session, spec_id: int) -> ResourceSpec:
    """A live spec for an administrator to change, locked."""
    row = session.execute(
        sa.select(ResourceSpec).where(ResourceSpec.id == spec_id, ResourceSpec.deleted_at.is_(None)).with_for_update()
    ).scalar_one_or_none()
    if row is None:
        raise NotFound()
    return row
