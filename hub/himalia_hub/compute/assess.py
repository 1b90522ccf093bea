"""May this start: the one assessment behind verdicts and admission (BEY-1, TEN-8).

A verdict shows what :func:`assess` finds; a submission locks, asks the same function and then
reserves. So what a form says is what a start does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.compute import queue, quotas
from himalia_hub.compute import resources as res
from himalia_hub.compute.expected import Expected
from himalia_hub.compute.phases import Phase
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock, money
from himalia_hub.core.admission import Estimate, Payer
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class TooBig:
    """A number that no node of the installation can give, or that a card's topology forbids."""

    resource: str
    asked: int
    largest: int
    whole: bool
    """True when each replica fits some node but all together exceed every node together."""
    counts: tuple[int, ...] = ()
    """Where the topology forbids it: how many of the card one start may have (BEY-23)."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything that is known about a start before it is made."""

    asked: Mapping[str, int]
    levels: tuple[quotas.Level, ...]
    too_big: TooBig | None
    short: quotas.Shortfall | None
    estimate: Estimate
    fits_now: bool
    lacks: str | None
    """The resource it would wait for."""
    position: int
    bound_at: datetime | None
    """By when deadlines alone make room; None when somebody would have to stop something."""

    @property
    def too_dear(self) -> bool:
        """The hold is not covered; what costs nothing always starts (TEN-4)."""
        return self.estimate.hold_micros > max(0, self.estimate.balance_micros)

    @property
    def waits(self) -> bool:
        """It may be submitted and has no room yet."""
        return self.too_big is None and self.short is None and not self.too_dear and not self.fits_now


def too_big(
    resources: Resources,
    replicas: int,
    nodes: Sequence[NodeCapacity],
    counts: Mapping[str, tuple[int, ...]] | None = None,
) -> TooBig | None:
    """The number that can never be satisfied, or None.

    Args:
        counts: How many of a card one replica may have, where not any number: cards of one ring, one vNPU.
    """
    one, whole = res.amounts(resources), res.amounts(resources, replicas)
    for name, allowed in (counts or {}).items():
        if one.get(name) and one[name] not in allowed:
            return TooBig(name, one[name], max(allowed), whole=False, counts=allowed)
    for name in res.ordered(one):
        if one[name] > (most := res.largest(nodes, name)):
            return TooBig(name, one[name], most, whole=False)
    everything = res.total(nodes)
    for name in res.ordered(whole):
        if whole[name] > everything.get(name, 0):
            return TooBig(name, whole[name], everything.get(name, 0), whole=True)
    if not res.fits_a_node(one, nodes):
        name = res.ordered(one)[-1]
        return TooBig(name, one[name], res.largest(nodes, name), whole=False)
    return None


_LAST_ID = 2**62
"""Behind every workload that waits already."""
_LIVE = (
    Workload.id,
    Workload.phase,
    Workload.priority,
    Workload.cpu_millis,
    Workload.memory_bytes,
    Workload.accelerators,
    Workload.replicas,
    Workload.admitted_at,
    Workload.started_at,
    Workload.deadline_seconds,
)


def resources_of(row: Any) -> Resources:
    """The resources of one replica of a workload's row."""
    return Resources(
        cpu_millis=row.cpu_millis,
        memory_bytes=row.memory_bytes,
        disk_bytes=getattr(row, "disk_bytes", 0),
        accelerators={name: int(count) for name, count in row.accelerators.items()},
    )


def live(db: Db) -> tuple[list[queue.Occupying], list[queue.Waiting]]:
    """Who has room and who waits for it, over all tenants."""
    return sort_live(db.execute(sa.select(*_LIVE).where(Workload.ended_at.is_(None))).all())


def sort_live(rows: Sequence[Any]) -> tuple[list[queue.Occupying], list[queue.Waiting]]:
    """The same from rows that were read already."""
    occupying: list[queue.Occupying] = []
    waiting: list[queue.Waiting] = []
    for row in rows:
        asked = res.amounts(resources_of(row), row.replicas)
        if row.admitted_at is not None:
            ends = None
            if row.deadline_seconds:
                ends = (row.started_at or row.admitted_at) + timedelta(seconds=row.deadline_seconds)
            occupying.append(queue.Occupying(asked, ends))
        elif row.phase == Phase.QUEUED:
            waiting.append(queue.Waiting(row.id, row.priority, asked))
    return occupying, waiting


@dataclass(frozen=True, slots=True)
class Situation:
    """What any start by this payer meets, read once for as many sizes as are to be assessed."""

    payer: Payer
    levels: tuple[quotas.Level, ...]
    nodes: Sequence[NodeCapacity]
    occupying: Sequence[queue.Occupying]
    waiting: Sequence[queue.Waiting]
    missing: tuple[str, ...] = ()
    """What the tenant needs some quota of and has none of."""
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """See :func:`too_big`."""


def look(
    db: Db,
    payer: Payer,
    *,
    nodes: Sequence[NodeCapacity],
    defaults: Mapping[str, int],
    single_machine: bool,
    counts: Mapping[str, tuple[int, ...]] | None = None,
) -> Situation:
    """Read quotas and queue; ``nodes`` are the backend's as last seen, ``defaults`` a tenant's unset limits."""
    occupying, waiting = live(db)
    limits = quotas.limits_of(db, quotas.TENANT, payer.tenant_id)
    missing = quotas.missing(limits, defaults, single_machine=single_machine)
    return Situation(payer, tuple(quotas.levels(db, payer, defaults)), nodes, occupying, waiting, missing, counts or {})


@dataclass(frozen=True, slots=True)
class Part:
    """One workload of a start: what each of its replicas asks for."""

    resources: Resources
    replicas: int = 1


def assess(
    situation: Situation, resources: Resources, replicas: int, estimate: Estimate, *, priority: int = 0
) -> Assessment:
    """Look at size, quotas, money and room. Pure.

    Args:
        resources: What one replica asks for.
        estimate: What it would cost.
        priority: Its place in the queue is behind all of the same and of higher priority.
    """
    return assess_parts(situation, [Part(resources, replicas)], estimate, priority=priority)


def assess_parts(situation: Situation, parts: Sequence[Part], estimate: Estimate, *, priority: int = 0) -> Assessment:
    """The same for a start of several workloads, admitted together or not at all (variants of a service).

    Args:
        estimate: What all of them cost together.
    """
    asked: res.Amounts = {}
    for part in parts:
        asked = res.add(asked, res.amounts(part.resources, part.replicas))
    occupying, waiting, nodes = situation.occupying, situation.waiting, situation.nodes
    capacity = res.total(nodes)
    found = [quotas.naming(level, asked) for level in situation.levels]
    mine = [
        queue.Waiting(_LAST_ID + index, priority, res.amounts(part.resources, part.replicas))
        for index, part in enumerate(parts)
    ]
    left = queue.free(capacity, occupying)
    fits_now = {me.workload_id for me in mine} <= set(queue.admissible([*waiting, *mine], left))
    ahead = [w for w in waiting if w.priority >= priority]
    lacks = None
    if not fits_now:
        needed = dict(asked)
        for work in ahead:
            needed = res.add(needed, work.asked)
        lacks = next(iter(res.short_of(needed, left)), None)
    return Assessment(
        asked=asked,
        levels=tuple(found),
        too_big=next(
            filter(None, (too_big(part.resources, part.replicas, nodes, situation.counts) for part in parts)), None
        ),
        short=_without_quota(situation, asked) or quotas.shortfall(found, asked),
        estimate=estimate,
        fits_now=fits_now,
        lacks=lacks,
        position=len(ahead) + 1,
        bound_at=None if fits_now else queue.expected_start(asked, ahead, capacity, occupying),
    )


def _without_quota(situation: Situation, asked: Mapping[str, int]) -> quotas.Shortfall | None:
    """The tenant has none of something that every tenant needs."""
    if not situation.missing:
        return None
    first = situation.missing[0]
    tenant = situation.levels[-1]
    used = next((line.used for line in tenant.lines if line.resource == first), 0)
    return quotas.Shortfall(quotas.TENANT, tenant.name, first, 0, used, asked.get(first, 0), missing=situation.missing)


def _too_big_sentences(big: TooBig) -> tuple[str, str]:
    asked, most = res.show(big.resource, big.asked), res.show(big.resource, big.largest)
    if big.counts == (1,):
        return (
            f"One start may have one {big.resource}; {big.asked} were asked for.",
            f"每个任务只能使用 1 个 {big.resource}；本次申请 {big.asked} 个。",
        )
    if big.counts:
        allowed = ", ".join(map(str, big.counts))
        return (
            f"{big.resource} is given in counts of {allowed}, so that the cards lie in one ring; {big.asked} were"
            " asked for.",
            f"{big.resource} 只能按 {allowed} 张申请，以保证位于同一互联环内；本次申请 {big.asked} 张。",
        )
    if big.largest == 0:
        return (
            f"No machine of this installation has {res.name_en(big.resource)}; {asked} was asked for.",
            f"本平台没有任何机器具备{res.name_zh(big.resource)}；本次申请 {asked}。",
        )
    if big.whole:
        return (
            f"All machines together have {most}; {asked} was asked for, so this can never start.",
            f"全部机器共有 {most}；本次申请 {asked}，永远无法启动。",
        )
    return (
        f"The largest machine has {most}; {asked} was asked for, so this can never start.",
        f"最大的机器只有 {most}；本次申请 {asked}，永远无法启动。",
    )


def never_fits(big: TooBig) -> InvalidInput:
    text, text_zh = _too_big_sentences(big)
    rule, hint, hint_zh = (
        f"at most {res.show(big.resource, big.largest)}",
        "Choose a smaller size.",
        "请选择更小的规格。",
    )
    if big.counts:
        rule = f"{' or '.join(map(str, big.counts))} of {big.resource}"
        near = max((count for count in big.counts if count < big.asked), default=min(big.counts))
        hint, hint_zh = f"Take an accelerator spec with {near}.", f"请选择含 {near} 张的加速器规格。"
    error = InvalidInput(
        text,
        zh=text_zh,
        field="accelerator_spec_id" if big.counts else "spec_id",
        rule=rule,
        value=big.asked,
        hint=hint,
        hint_zh=hint_zh,
        code="never_fits",
        resource=big.resource,
        asked=big.asked,
        limit=big.largest,
    )
    error.status = 409
    return error


def verdict(found: Assessment, *, permitted: bool = True, expected: Expected | None = None) -> dict[str, Any]:
    """The ``Verdict`` of the API; ``expected`` is when it probably starts, if it waits."""
    kind, text, text_zh = "starts_now", "This starts now.", "可立即启动。"
    resource = level = asked = used = limit = None
    position: int | None = None
    if not permitted:
        kind = "not_permitted"
        text, text_zh = "Your roles do not let you start this.", "您的角色不允许启动此任务。"
    elif found.too_big is not None:
        kind = "never_fits"
        text, text_zh = _too_big_sentences(found.too_big)
        resource, asked, limit = found.too_big.resource, found.too_big.asked, found.too_big.largest
    elif found.short is not None:
        kind = "over_quota"
        text, text_zh = quotas.sentences(found.short)
        short = found.short
        resource, level, asked, used, limit = short.resource, short.level, short.asked, short.used, short.limit
    elif found.too_dear:
        kind = "too_dear"
        needed = money.amount_text(found.estimate.hold_micros)
        free = money.amount_text(max(0, found.estimate.balance_micros))
        text = (
            f"The first 15 minutes cost {needed} and {free} of the balance is free. Ask an administrator to recharge."
        )
        text_zh = f"前 15 分钟需 {needed}，余额可用 {free}。请联系管理员充值。"
    elif not found.fits_now:
        kind, position, resource = "waits", found.position, found.lacks
        what, what_zh = (res.name_en(resource), res.name_zh(resource)) if resource else ("room", "资源")
        expected = expected or Expected(None, found.bound_at)
        when, when_zh = expected.words(clock.now())
        text = f"This waits for {what} in place {position} of the queue{when and f': {when}'}."
        text_zh = f"需要排队等待{what_zh}，排在第 {position} 位{when_zh and f'：{when_zh}'}。"
    return {
        "verdict": kind,
        "sentence": text,
        "sentence_zh": text_zh,
        "resource": resource,
        "level": level,
        "asked": asked,
        "used": used,
        "limit": limit,
        "missing": list(found.short.missing) if kind == "over_quota" and found.short else [],
        "uses": {name: amount for name, amount in found.asked.items() if amount},
        "queue_position": position,
        "expected_start_at": clock.to_wire(expected.start_at) if kind == "waits" and expected else None,
        "expected_start_latest_at": clock.to_wire(expected.latest_at) if kind == "waits" and expected else None,
        "price_per_hour_micros": found.estimate.price_per_hour_micros,
        "hold_micros": found.estimate.hold_micros,
        "balance_micros": found.estimate.balance_micros,
        "levels": levels_to_wire(found.levels, found.asked),
    }


def levels_to_wire(found: Sequence[quotas.Level], asked: Mapping[str, int] | None = None) -> list[dict[str, Any]]:
    """Levels with what would remain of each resource after the start; ``after`` may be negative."""
    rows = []
    for level in found:
        lines = []
        for line in level.lines:
            after = None
            if asked is not None and line.limit is not None:
                after = line.limit - line.used - asked.get(line.resource, 0)
            lines.append(
                {
                    "resource": line.resource,
                    "limit": line.limit,
                    "used": line.used,
                    "used_percent": line.used_percent,
                    "available": line.available,
                    "after": after,
                }
            )
        rows.append({"level": level.level, "name": level.name, "resources": lines})
    return rows
