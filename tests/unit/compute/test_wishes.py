"""Which offers satisfy a wish, and what is said where none does (BEY-23)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from himalia_hub.backends.kubernetes.accelerators import Catalogue, Neutral
from himalia_hub.backends.protocol import NodeCapacity, NodeTerm, Resources
from himalia_hub.compute import wishes

GIB = 2**30
GPU, NPU = "nvidia.com/gpu", "huawei.com/Ascend910"
KNOWN = Catalogue()


def node(name: str, resource: str, count: int, product: str = "", **more: Any) -> NodeCapacity:
    labels = {"nvidia.com/gpu.product": product} if product else {}
    return NodeCapacity(name, Resources(1, 1, 0, {resource: count}), Resources(0, 0), labels=labels, **more)


def spec(number: int, name: str, resource: str, count: int = 1, label: str | None = None) -> Any:
    return SimpleNamespace(
        id=number,
        name=name,
        kind="gpu",
        accelerators={resource: count},
        accelerator_label=label,
        cpu_millis=0,
        memory_bytes=0,
        disk_bytes=0,
    )


MIXED = (node("a", GPU, 4, "Tesla-T4"), node("b", GPU, 8, "NVIDIA-A100-SXM4-80GB"))
ONE, FOUR, EIGHT = spec(1, "one", GPU), spec(2, "four T4", GPU, 4, "T4"), spec(3, "eight", GPU, 8)


def fits(wish: Neutral, *found: Any, nodes: tuple[NodeCapacity, ...] = MIXED) -> list[tuple[str, tuple[NodeTerm, ...]]]:
    ways = wishes.fits(wish, wishes.on_nodes(found, KNOWN, nodes), KNOWN)
    return [(way.offered.spec.name, way.terms) for way in ways]


def said(wish: Neutral, *found: Any, nodes: tuple[NodeCapacity, ...] = MIXED) -> wishes.Problem:
    assert fits(wish, *found, nodes=nodes) == []
    return wishes.problem(wish, wishes.on_nodes(found, KNOWN, nodes), KNOWN)


def test_a_spec_means_the_cards_that_its_label_names() -> None:
    term = NodeTerm("nvidia.com/gpu.product", "In", ("Tesla-T4",))
    assert fits(Neutral(0, 4), ONE, FOUR, EIGHT) == [("four T4", (term,))], "four A100 would be another spec"
    assert fits(Neutral(24 * GIB, 4), FOUR) == [], "a T4 has 16"
    assert fits(Neutral(0), ONE) == [("one", ())], "any card will do, so any node will"
    (large,) = fits(Neutral(24 * GIB), ONE)
    assert large[1] == (NodeTerm("nvidia.com/gpu.product", "In", ("NVIDIA-A100-SXM4-80GB",)),)


def test_an_unlabelled_card_beside_a_labelled_one_is_kept_out() -> None:
    term = NodeTerm("nvidia.com/gpu.product", "In", ("NVIDIA-A100-SXM4-80GB",))
    assert fits(Neutral(24 * GIB), ONE, nodes=(MIXED[1], node("c", GPU, 1))) == [("one", (term,))]


A100 = "NVIDIA-A100-SXM4-80GB"


@pytest.mark.parametrize(
    ("wish", "nodes", "part", "words"),
    [
        (Neutral(24 * GIB, 8), (node("b", GPU, 6, A100),), "count", "no machine that is up has more than 6"),
        (Neutral(24 * GIB), (node("b", GPU, 8, A100, ready=False),), "", "no accelerator is offered"),
        (Neutral(1), (node("c", GPU, 1),), "memory_bytes", "nobody knows the memory"),
        (Neutral(0, 2), MIXED, "count", "offered in counts of 1, 8"),
    ],
)
def test_what_is_said_where_nothing_satisfies(
    wish: Neutral, nodes: tuple[NodeCapacity, ...], part: str, words: str
) -> None:
    found = said(wish, ONE, EIGHT, nodes=nodes)
    assert (found.part, words in found.text) == (part, True), found
    assert found.zh != found.text and found.hint_zh != found.hint


def test_cards_that_no_label_tells_apart_are_not_offered() -> None:
    """A driver reports the memory of both, feature discovery the product of neither."""
    nodes = tuple(
        NodeCapacity(mib, Resources(1, 1, 0, {GPU: 1}), Resources(0, 0), labels={"nvidia.com/gpu.memory": mib})
        for mib in ("15360", "81920")
    )
    found = said(Neutral(24 * GIB), ONE, nodes=nodes)
    assert found.part == "memory_bytes" and "no label tells them apart" in found.text


def test_a_forbidden_count_names_the_ring() -> None:
    found = said(Neutral(0, 3), spec(4, "ring", NPU, 4), nodes=(node("n", NPU, 8),))
    assert "counts of 1, 2, 4, 8" in found.text and found.nearest.name == "ring"
