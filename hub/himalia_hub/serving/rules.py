"""What a service may look like, and what to do next with one. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from himalia_hub.core.errors import InvalidInput

LONGEST_NAME, LONGEST_DESCRIPTION = 32, 200
MAX_VARIANTS, MAX_REPLICAS = 20, 10
DRAIN_SECONDS = 5.0
MODEL_DIR, PORT = "/usr/local/serving/models", 8080
ENDED = ("stopped", "succeeded", "failed", "timed_out")
_SLUG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")


def check_weights(weights: Sequence[int], field: str = "variants") -> None:
    """Percentages from 0 to 100 that sum to 100."""
    if not weights or sum(weights) != 100 or not all(0 <= weight <= 100 for weight in weights):
        raise InvalidInput(
            f"{field}: the weights sum to {sum(weights)}; they must sum to 100.",
            zh=f"{field}：权重之和为 {sum(weights)}，应为 100。",
            field=f"{field}.weight_percent" if field == "variants" else field,
            rule="0-100 each, 100 together",
            value=sum(weights),
        )


def check_variants(variants: Sequence[dict[str, Any]]) -> list[str]:
    """Their names, given or ``v1``, ``v2`` …; raises for counts, names and weights that break a rule."""
    if not 1 <= len(variants) <= MAX_VARIANTS:
        raise InvalidInput(
            f"variants: 1-{MAX_VARIANTS}; there are {len(variants)}.",
            zh=f"variants：应为 1-{MAX_VARIANTS} 个；当前为 {len(variants)} 个。",
            field="variants",
            rule=f"1-{MAX_VARIANTS}",
            value=len(variants),
        )
    check_weights([variant["weight_percent"] for variant in variants])
    total = sum(variant["replicas"] for variant in variants)
    if total > MAX_REPLICAS:
        raise InvalidInput(
            f"variants: at most {MAX_REPLICAS} replicas together; there are {total}.",
            zh=f"variants：副本总数最多 {MAX_REPLICAS} 个；当前为 {total} 个。",
            field="variants.replicas",
            rule=f"at most {MAX_REPLICAS} together",
            value=total,
        )
    names = [variant.get("name") or f"v{position}" for position, variant in enumerate(variants, 1)]
    for position, name in enumerate(names):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", name) or names.count(name) > 1:
            raise InvalidInput(
                f"variants[{position}].name: {name!r}; 1-32 letters, digits, - or _, each name once.",
                zh=f"variants[{position}].name：{name!r} 应为 1-32 个字母、数字、- 或 _，且不重复。",
                field=f"variants[{position}].name",
                rule="1-32 letters, digits, - or _; each name once",
                value=name,
            )
    return names


def slug_of(name: str, number: int, taken: set[str]) -> str:
    """The service's place in its address: the name where it can be, else made from the number."""
    plain = name if _SLUG.fullmatch(name) else f"service-{number}"
    return plain if plain not in taken else f"{plain}-{number}"


def same_deployment(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two variants run the same thing, so that only the weight differs."""
    keys = ("version_id", "spec_id", "accelerator_spec_id", "replicas", "environment")
    return all(one[key] == other[key] for key in keys)


# -- what to do next -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """A variant and what its workload is doing; ``addresses`` are of ready replicas."""

    id: int
    revision: int
    state: str
    weight: int
    phase: str | None
    reason: str | None
    message: str
    message_zh: str
    addresses: tuple[str, ...]
    drain_until: datetime | None
    workload: str = ""
    attempt: int = 0

    @property
    def ended(self) -> bool:
        return self.phase is None or self.phase in ENDED


@dataclass(frozen=True, slots=True)
class Decision:
    """What one look at a service leads to.

    Attributes:
        phase: Of the service.
        live_revision: Which revision the route names; None: none.
        routed: Ids of the variants that the route names.
        drain: Variants that no route names any more: stop them after the drain.
        stop: Variants to stop now.
    """

    phase: str
    live_revision: int | None
    routed: tuple[int, ...]
    drain: tuple[int, ...] = ()
    stop: tuple[int, ...] = ()
    reason: str | None = None
    message: str = ""
    message_zh: str = ""


def decide(wanted: str, revision: int, live_revision: int | None, variants: Sequence[Seen], now: datetime) -> Decision:
    """Roll out without failed calls: start the new, switch once all are ready, drain, stop the old.

    ``variants`` are those not yet asked to end; a variant that an edit did not change belongs to the
    new revision as it is.
    """
    if wanted != "running":
        left = tuple(variant.id for variant in variants if not variant.ended)
        return Decision("stopping" if left else "stopped", None, (), stop=left)
    current = [variant for variant in variants if variant.state == "current"]
    older = [variant for variant in variants if variant.state == "retiring"]
    drained = tuple(v.id for v in older if v.drain_until is not None and v.drain_until <= now)
    failed = next((variant for variant in current if variant.ended), None)
    waiting = failed or next((variant for variant in current if not variant.addresses), None)
    if waiting is None:
        drain = tuple(variant.id for variant in older if variant.drain_until is None)
        return Decision("running", revision, tuple(variant.id for variant in current), drain, drained)
    if live_revision is not None and live_revision != revision:
        return _rolling(revision, live_revision, current, older, failed, drained)
    routed = tuple(variant.id for variant in current if variant.addresses) if live_revision == revision else ()
    if failed is not None and not routed:
        left = tuple(variant.id for variant in variants if not variant.ended)
        return Decision("failed", None, (), (), left, failed.reason, failed.message, failed.message_zh)
    # While one of several variants restarts or has failed, the others answer with their weights.
    phase = "running" if routed else "deploying"
    return Decision(phase, live_revision, routed, (), drained, waiting.reason, waiting.message, waiting.message_zh)


def _rolling(
    revision: int,
    live: int,
    current: Sequence[Seen],
    older: Sequence[Seen],
    failed: Seen | None,
    drained: tuple[int, ...],
) -> Decision:
    """A new revision is on its way while an older one answers; if it fails, the older one stays."""
    shared = [variant for variant in current if variant.revision <= live]
    answering = [variant for variant in older if variant.drain_until is None]
    routed = tuple(variant.id for variant in [*answering, *shared] if variant.addresses)
    if failed is None:
        return Decision("running" if routed else "deploying", live, routed, (), drained)
    stop = tuple(variant.id for variant in current if not variant.ended and variant.revision > live)
    text = f"Revision {revision} failed, revision {live} goes on: {failed.message}"
    text_zh = f"修订 {revision} 失败，修订 {live} 继续服务：{failed.message_zh}"
    phase = "running" if routed else "failed"
    return Decision(phase, live, routed, (), (*stop, *drained), failed.reason, text, text_zh)
