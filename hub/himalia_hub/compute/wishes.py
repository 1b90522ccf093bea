"""Wishes: "one accelerator with at least 24 GB, CUDA or CANN" instead of a named spec (BEY-23).

A wish is resolved among the accelerator specs that are offered for the scenario and that nodes really
have: what starts now first, then the cheaper, then the least that suffices. Which cards suffice is
told by ``backends/kubernetes/accelerators``, what a start with each would meet by the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from himalia_hub.auth.actor import Actor
from himalia_hub.backends.cards import names
from himalia_hub.backends.kubernetes.accelerators import (
    Catalogue,
    Choice,
    Neutral,
    count_problem,
    keep_to,
    satisfies,
    stock,
)
from himalia_hub.backends.protocol import NodeCapacity, NodeTerm, Resources
from himalia_hub.compute import resources as res
from himalia_hub.compute import specs
from himalia_hub.compute.assess import Part
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.schemas import AcceleratorWish
from himalia_hub.compute.tables import Workload
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput

FIELD = "accelerator_wish"
CODE = "no_accelerator"
_RANK = {"starts_now": 0, "waits": 1, "never_fits": 3}
_WRITTEN = {"rocm": "ROCm"}


@dataclass(frozen=True, slots=True)
class Offered:
    """An accelerator spec with the cards that it may mean on the nodes of now; ``others`` it does not mean."""

    spec: Any
    resource: str
    count: int
    cards: tuple[Choice, ...]
    others: tuple[Choice, ...]

    @property
    def best(self) -> Choice:
        return self.cards[-1]


@dataclass(frozen=True, slots=True)
class Fit:
    """A spec that satisfies a wish, and what keeps its pod on the cards that do."""

    offered: Offered
    cards: tuple[Choice, ...]
    terms: tuple[NodeTerm, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to satisfy a wish, with what a start would meet."""

    fit: Fit
    verdict: dict[str, Any]

    @property
    def spec(self) -> Any:
        return self.fit.offered.spec

    @property
    def memory_bytes(self) -> int:
        """The least that the card has."""
        return self.fit.cards[0].memory_bytes

    @property
    def rank(self) -> tuple[int, int, int, int]:
        return (
            _RANK.get(self.verdict["verdict"], 2),
            self.verdict["price_per_hour_micros"],
            self.memory_bytes,
            self.spec.id,
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing satisfies a wish."""

    part: str
    rule: str
    value: Any
    text: str
    zh: str
    hint: str
    hint_zh: str
    nearest: Any | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """Every way to satisfy a wish, the best first; where there is none, why."""

    offers: Sequence[Offer]
    problem: Problem | None
    frameworks: Sequence[str]
    """Those that any offer here runs."""


def neutral(wish: AcceleratorWish) -> Neutral:
    return Neutral(wish.memory_bytes, wish.count, tuple(wish.frameworks))


# -- which specs suffice. Pure --------------------------------------------------------------------


def on_nodes(found: Sequence[Any], catalogue: Catalogue, nodes: Sequence[NodeCapacity]) -> list[Offered]:
    """Those accelerator specs whose cards ready nodes have. Pure."""
    answer = []
    for spec in found:
        resource, count = next((name, int(amount)) for name, amount in spec.accelerators.items())
        called = spec.accelerator_label or ""
        cards = [card for card in stock(catalogue, nodes, {resource: called}) if card.resource == resource]
        mine = [card for card in cards if called and names(called, card.product)] or cards
        if mine:
            others = tuple(card for card in cards if card not in mine)
            answer.append(Offered(spec, resource, count, tuple(mine), others))
    return answer


def fits(wish: Neutral, found: Sequence[Offered], catalogue: Catalogue) -> list[Fit]:
    """The specs that satisfy a wish. Pure."""
    answer = []
    for one in found:
        good = tuple(card for card in one.cards if satisfies(wish, card, catalogue))
        if one.count != wish.count or not good:
            continue
        terms = keep_to(good, [*one.others, *(card for card in one.cards if card not in good)], catalogue)
        if terms is not None:
            answer.append(Fit(one, good, terms))
    return answer


def problem(wish: Neutral, found: Sequence[Offered], catalogue: Catalogue) -> Problem:
    """Which part of a wish nothing here satisfies, and what comes nearest. Pure."""
    said, said_zh = words(wish)
    if not found:
        return Problem(
            "",
            "an accelerator that is offered here",
            None,
            f"{said}: no accelerator is offered here.",
            f"{said_zh}：此处未提供任何加速器。",
            "Start without one, or ask an administrator to offer one.",
            "可不使用加速器启动，或联系管理员提供加速器规格。",
        )
    spoken = [one for one in found if not wish.frameworks or one.best.framework in wish.frameworks]
    if not spoken:
        there = frameworks_text(sorted({one.best.framework for one in found if one.best.framework}))
        asked = frameworks_text(wish.frameworks)
        near = min(found, key=lambda one: (abs(one.count - wish.count), one.best.memory_bytes < wish.memory_bytes))
        text = f"no card here runs {asked}; those here run {there or 'no framework that is known'}"
        zh = f"此处没有支持 {asked} 的加速卡，仅有 {there or '未知框架'}"
        return _problem("frameworks", f"one of {there}", list(wish.frameworks), said, said_zh, text, zh, near)
    enough = [one for one in spoken if one.best.memory_bytes >= wish.memory_bytes]
    if not enough:
        near = max(spoken, key=lambda one: (one.best.memory_bytes, -abs(one.count - wish.count)))
        kind = frameworks_text(wish.frameworks)
        if not near.best.memory_bytes:
            text, zh = "nobody knows the memory of the cards here", "此处加速卡的显存未知"
        else:
            size = res.show(res.MEMORY, near.best.memory_bytes)
            text = f"the largest {kind + ' ' if kind else ''}card here has {size}"
            zh = f"此处最大的{' ' + kind + ' ' if kind else ''}加速卡显存为 {size}"
        rule = f"at most {res.show(res.MEMORY, near.best.memory_bytes)}"
        return _problem("memory_bytes", rule, wish.memory_bytes, said, said_zh, text, zh, near)
    return _count_problem(wish, enough, said, said_zh, catalogue)


def _count_problem(wish: Neutral, enough: Sequence[Offered], said: str, said_zh: str, catalogue: Catalogue) -> Problem:
    """Cards with enough memory are offered, but not so many to one start."""
    exact = next((one for one in enough if one.count == wish.count), None)
    if exact is not None and count_problem(catalogue.of(exact.resource), wish.count) is None:
        most = max(card.most for card in exact.cards if card.memory_bytes >= wish.memory_bytes)
        if most < wish.count:
            near = next((one for one in enough if one.count <= most), exact)
            text, zh = f"no machine that is up has more than {most} of them", f"当前可用的机器最多有 {most} 张"
            return _problem("count", f"at most {most}", wish.count, said, said_zh, text, zh, near)
        text = f"machines have different cards under the name {exact.resource} and no label tells them apart"
        zh = f"不同机器上的 {exact.resource} 型号不同，且没有标签可以区分"
        return _problem(
            "memory_bytes", "cards that labels tell apart", wish.memory_bytes, said, said_zh, text, zh, exact
        )
    counts = sorted({one.count for one in enough})
    near = min(enough, key=lambda one: (one.count < wish.count, abs(one.count - wish.count), one.best.memory_bytes))
    listed = ", ".join(map(str, counts))
    forbidden = next(filter(None, (count_problem(catalogue.of(one.resource), wish.count) for one in enough)), None)
    text = f"what suffices is offered in counts of {listed}" + (f" ({forbidden})" if forbidden else "")
    return _problem(
        "count", f"one of {listed}", wish.count, said, said_zh, text, f"满足条件的加速器只按 {listed} 张提供", near
    )


def _problem(part: str, rule: str, value: Any, said: str, said_zh: str, text: str, zh: str, near: Offered) -> Problem:
    card = f"{near.spec.name} ({card_text(near.count, near.best)})"
    return Problem(
        part,
        rule,
        value,
        f"{said}: {text}.",
        f"{said_zh}：{zh}。",
        f"The nearest offer is {card}.",
        f"最接近的规格为 {card}。",
        near.spec,
    )


def card_text(count: int, card: Choice) -> str:
    """``1 × 16 GiB, CUDA``."""
    size = res.show(res.MEMORY, card.memory_bytes) if card.memory_bytes else "?"
    return ", ".join(filter(None, (f"{count} × {size}", frameworks_text([card.framework]))))


def frameworks_text(found: Sequence[str]) -> str:
    return "/".join(_WRITTEN.get(name, name.upper()) for name in found if name)


def words(wish: Neutral) -> tuple[str, str]:
    """The wish as a person would say it, in both languages."""
    size, spoken = res.show(res.MEMORY, wish.memory_bytes), frameworks_text(wish.frameworks)
    english = f"{wish.count} accelerator{'s' if wish.count > 1 else ''}"
    chinese = f"{wish.count} 张加速卡"
    if wish.memory_bytes:
        english += f" with at least {size}{' each' if wish.count > 1 else ''}"
        chinese += f"，每张显存至少 {size}"
    return (f"{english}, {spoken}", f"{chinese}，{spoken}") if spoken else (english, chinese)


def why(ranked: Sequence[Offer]) -> tuple[str, str]:
    """Why the first offer was taken, in both languages. Pure."""
    if not ranked:
        return "", ""
    first, kind = ranked[0], ranked[0].rank[0]
    if len(ranked) == 1:
        return "It is the only offer here that suffices.", "此处仅有该规格满足条件。"
    same = [one for one in ranked if one.rank[0] == kind]
    now = first.verdict["verdict"] == "starts_now"
    if len(same) == 1:
        if now:
            return "It starts now; the others do not.", "可立即启动，其余规格不能立即启动。"
        return "It can start sooner than the others.", "比其余规格更早可启动。"
    of, of_zh = (
        ("Of those that start now", "在可立即启动的规格中")
        if now
        else ("Of the offers that suffice", "在满足条件的规格中")
    )
    if first.rank[1] < same[1].rank[1]:
        return f"{of} it costs least.", f"{of_zh}价格最低。"
    return (
        f"{of} none costs less, and it has the least memory that suffices.",
        f"{of_zh}价格不高于其他规格，且显存刚好够用。",
    )


# -- resolving ------------------------------------------------------------------------------------


def resolve(
    engine: Engine,
    db: Db,
    actor: Actor,
    wish: AcceleratorWish,
    *,
    scenario: str | None,
    basic: Resources = specs.NOTHING,
    replicas: int = 1,
    before: Sequence[Part] = (),
    permitted: bool = True,
) -> Resolved:
    """Look for every way to satisfy a wish.

    Args:
        basic: What is added to the accelerator: the basic spec's resources.
        before: Parts of the same start that are chosen already; they take room, quota and balance too.
    """
    asked = neutral(wish)
    found = on_nodes(specs.offered(db, scenario, "accelerator"), engine.catalogue, engine.nodes)
    frameworks = sorted({one.best.framework for one in found if one.best.framework})
    ways = fits(asked, found, engine.catalogue)
    if not ways:
        return Resolved((), problem(asked, found, engine.catalogue), frameworks)
    starts = [[*before, Part(specs.add(basic, specs.resources_of(way.offered.spec)), replicas)] for way in ways]
    verdicts = engine.verdicts_of_starts(db, actor, starts, specs.section_of(scenario), permitted=permitted)
    offers = [
        Offer(way, _as_nodes_are(verdict, way, engine.nodes)) for way, verdict in zip(ways, verdicts, strict=True)
    ]
    return Resolved(sorted(offers, key=lambda offer: offer.rank), None, frameworks)


def sizes(engine: Engine, db: Db, scenario: str) -> list[int]:
    """The memory that single cards on offer have, in bytes, ascending: what a wish for one can sensibly ask."""
    found = on_nodes(specs.offered(db, scenario, "accelerator"), engine.catalogue, engine.nodes)
    return sorted({card.memory_bytes for one in found if one.count == 1 for card in one.cards if card.memory_bytes})


def _as_nodes_are(verdict: dict[str, Any], way: Fit, nodes: Sequence[NodeCapacity]) -> dict[str, Any]:
    """Where only some nodes of the resource have the card: it waits while all of those are taken. Pure."""
    if not way.terms or verdict["verdict"] != "starts_now":
        return verdict
    resource, count = way.offered.resource, way.offered.count
    for node in nodes:
        meant = all(node.labels.get(term.key) in term.values for term in way.terms)
        left = node.allocatable.accelerators.get(resource, 0) - node.occupied.accelerators.get(resource, 0)
        if node.ready and meant and left >= count:
            return verdict
    card = way.offered.spec.accelerator_label or way.offered.spec.name
    return {
        **verdict,
        "verdict": "waits",
        "sentence": f"This waits for {card}: all that there are work for others.",
        "sentence_zh": f"需要等待 {card}：目前全部被占用。",
        "resource": resource,
    }


def choose(
    engine: Engine,
    db: Db,
    actor: Actor,
    spec_id: int,
    accelerator_spec_id: int | None,
    wish: AcceleratorWish | None,
    *,
    scenario: str | None = None,
    field: str = "",
    replicas: int = 1,
    before: Sequence[Part] = (),
) -> specs.Choice:
    """The specs of a start, a wish resolved to the best that there is now.

    Raises:
        InvalidInput: As :func:`specs.choose`; ``no_accelerator`` where nothing satisfies the wish.
    """
    if wish is None:
        return specs.choose(db, spec_id, accelerator_spec_id, scenario=scenario, field=field)
    chosen = specs.choose(db, spec_id, None, scenario=scenario, field=field)
    found = resolve(
        engine, db, actor, wish, scenario=scenario, basic=chosen.resources, replicas=replicas, before=before
    )
    if found.problem is not None:
        raise refusal(found.problem, field)
    best = found.offers[0]
    kept = {
        **wish.model_dump(),
        "accelerator_spec_id": best.spec.id,
        "node_terms": [
            {"key": term.key, "operator": term.operator, "values": list(term.values)} for term in best.fit.terms
        ],
    }
    return specs.Choice(chosen.basic, best.spec, kept)


def refusal(why_not: Problem, field: str = "") -> InvalidInput:
    name = f"{field}{FIELD}" + (f".{why_not.part}" if why_not.part else "")
    return InvalidInput(
        f"{name}: {why_not.text}",
        zh=f"{name}：{why_not.zh}",
        field=name,
        rule=why_not.rule,
        value=why_not.value,
        hint=why_not.hint,
        hint_zh=why_not.hint_zh,
        code=CODE,
        nearest=specs.accelerator_ref(why_not.nearest),
    )


def wish_of(db: Db, workload_id: int | None, accelerator_spec_id: int | None) -> AcceleratorWish | None:
    """The wish that an earlier start was made with, while what it was resolved to is still asked for."""
    if workload_id is None:
        return None
    spec = db.execute(sa.select(Workload.spec).where(Workload.id == workload_id)).scalar()
    kept: Mapping[str, Any] | None = (spec or {}).get("wish")
    if kept is None or kept["accelerator_spec_id"] != accelerator_spec_id:
        return None
    return AcceleratorWish.model_validate(specs.wish_to_wire(kept))


def answer_to_wire(wish: AcceleratorWish, found: Resolved, prices: Mapping[int, int]) -> dict[str, Any]:
    """The ``AcceleratorAnswer`` of the API.

    Args:
        prices: Of each spec alone, by its id.
    """
    text, zh = why(found.offers)
    why_not = found.problem
    return {
        "wish": wish.model_dump(),
        "offers": [
            {
                "spec": specs.to_wire(offer.spec, prices[offer.spec.id]),
                "form": offer.fit.cards[0].form,
                "framework": offer.fit.cards[0].framework,
                "card": offer.spec.accelerator_label or offer.fit.cards[0].product or offer.fit.offered.resource,
                "memory_bytes": offer.memory_bytes,
                "verdict": offer.verdict,
            }
            for offer in found.offers
        ],
        "frameworks": list(found.frameworks),
        "why": text,
        "why_zh": zh,
        "problem": None
        if why_not is None
        else {
            "field": why_not.part,
            "rule": why_not.rule,
            "sentence": why_not.text,
            "sentence_zh": why_not.zh,
            "hint": why_not.hint,
            "hint_zh": why_not.hint_zh,
            "nearest": specs.accelerator_ref(why_not.nearest),
        },
    }
