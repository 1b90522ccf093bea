"""Wishes: any accelerator that suffices, resolved among the offers of this installation (BEY-23)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from himalia_hub.backends.protocol import NodeCapacity, NodeTerm, Resources, WorkloadPlan
from himalia_hub.compute import plans
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.tables import ResourceSpec, Workload
from himalia_hub.core import clock
from tests.support.data import ok
from tests.support.service import World, live_world, make_config

GIB = 2**30
GPU, MIG, NPU, VNPU = "nvidia.com/gpu", "nvidia.com/mig-3g.40gb", "huawei.com/Ascend910", "huawei.com/Ascend310P-4c"


def node(name: str, product: str = "", **cards: int) -> NodeCapacity:
    resources = {{"gpu": GPU, "mig": MIG, "npu": NPU, "vnpu": VNPU}[kind]: count for kind, count in cards.items()}
    labels = {"nvidia.com/gpu.product": product} if product else {}
    return NodeCapacity(name, Resources(64_000, 256 * GIB, 0, resources), Resources(0, 0), labels=labels)


NODES = (
    node("small", "Tesla-T4", gpu=4),
    node("large", "NVIDIA-A100-SXM4-80GB", gpu=8),
    node("cut", mig=2),
    node("ring", npu=8),
    node("parted", vnpu=3),
)
OFFERED = {
    "T4": ("gpu", {GPU: 1}, "T4", "4"),
    "A100": ("gpu", {GPU: 1}, "A100", "4"),
    "half A100": ("gpu_mig", {MIG: 1}, None, "12"),
    "NPU": ("npu", {NPU: 1}, "910", "3"),
    "4 NPU": ("npu", {NPU: 4}, "910", "3"),
    "part of an NPU": ("vnpu", {VNPU: 1}, None, "2"),
}


class Offers:
    """A world with cards of every form, and the ids of its specs."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.engine = world.live.platform.get(Engine)
        with world.alpha.administrator.client(step_up=True) as client:
            made = client.post("/specs", json={"name": "basic", "cpu_millis": 1000, "memory_bytes": GIB})
            self.basic = ok(made, 201)["id"]
            self.ids = {}
            for name, (kind, accelerators, label, _) in OFFERED.items():
                body = {"name": name, "kind": kind, "accelerators": accelerators, "accelerator_label": label}
                self.ids[name] = ok(client.post("/specs", json=body), 201)["id"]
            prices = {next(iter(cards)): price for _, cards, _, price in OFFERED.values()}
            entries = [{"resource": name, "price_per_hour": price} for name, price in prices.items()]
            ok(client.put("/prices", json={"entries": entries}))
            ok(client.post("/recharges", json={"tenant": "alpha", "amount_micros": 10**9}), 201)

    def ask(self, path: str, body: dict[str, Any]) -> Any:
        with self.world.alpha.member.client() as client:
            return client.post(path, json=body)

    def resolve(self, **wish: Any) -> Any:
        return ok(self.ask("/accelerators/resolve", {"spec_id": self.basic, **wish}))

    def names(self, **wish: Any) -> list[str]:
        return [offer["spec"]["name"] for offer in self.resolve(**wish)["offers"]]

    def old_spec(self, body: dict[str, Any]) -> int:
        """A spec from before the rule, which today's API refuses."""
        moment = clock.now()
        values = {"cpu_millis": 0, "memory_bytes": 0, "disk_bytes": 0, "scenario": "any", "version": 1}

        def insert(session: Any) -> int:
            row = ResourceSpec(created_at=moment, updated_at=moment, **values, **body)
            session.add(row)
            session.flush()
            return int(row.id)

        return int(self.world.live.write(insert))

    def occupy(self, name: str, **cards: int) -> None:
        """These cards of a node are work for others, as the backend sees it."""
        taken = node(name, **cards).allocatable.accelerators
        self.engine.nodes = tuple(
            replace(one, occupied=Resources(0, 0, 0, taken)) if one.name == name else one for one in self.engine.nodes
        )

    def specs_of(self, kind: str) -> list[Any]:
        statement = sa.select(Workload.spec, Workload.accelerators).where(Workload.kind == kind).order_by(Workload.id)
        return list(self.world.live.write(lambda session: session.execute(statement).all()))


@pytest.fixture
def offers(database_url: str, tmp_path: Path) -> Iterator[Offers]:
    folder = tmp_path / "environments" / "science-0a1b2c3d4e5f"
    folder.mkdir(parents=True)
    record = {
        "name": "science",
        "title": "Science",
        "title_zh": "科学计算",
        "digest": "0a1b2c3d4e5f",
        "python": "3.11",
        "packages": {},
        "size_bytes": 1,
        "uses": ["notebook", "training"],
        "built_at": "2026-01-01T00:00:00Z",
    }
    (folder / "himalia-environment.json").write_text(json.dumps(record))
    worlds = live_world(make_config(tmp_path / "state", database_url, environments_root=str(folder.parent)))
    world = next(worlds)
    world.live.platform.get(Engine).nodes = NODES
    yield Offers(world)
    for _ in worlds:
        raise AssertionError


def test_offers_are_ranked_by_start_then_price_then_memory(offers: Offers) -> None:
    found = offers.resolve(memory_bytes=24 * GIB)
    assert [(one["spec"]["name"], one["form"], one["memory_bytes"] // GIB) for one in found["offers"]] == [
        ("NPU", "npu", 32),
        ("A100", "gpu", 80),
        ("half A100", "mig", 40),
    ]
    first = found["offers"][0]
    assert (first["framework"], first["verdict"]["verdict"]) == ("cann", "starts_now")
    assert first["verdict"]["price_per_hour_micros"] == first["spec"]["price_per_hour_micros"] == 3_000_000
    assert first["verdict"]["uses"] == {"cpu_millis": 1000, "memory_bytes": GIB, NPU: 1}, "with the basic spec"
    assert found["why"] == "Of those that start now it costs least." and found["problem"] is None
    assert offers.names(memory_bytes=24 * GIB, frameworks=["cuda"]) == ["A100", "half A100"]
    assert offers.names(memory_bytes=16 * GIB, frameworks=["cuda"]) == ["T4", "A100", "half A100"], "least of a price"
    assert offers.names(memory_bytes=12 * GIB, frameworks=["cann"]) == ["part of an NPU", "NPU"]
    assert offers.names(count=4) == ["4 NPU"], "four cards are offered in one ring only"
    assert len(offers.names()) == 5
    assert found["frameworks"] == offers.resolve(frameworks=["rocm"])["frameworks"] == ["cann", "cuda"]


def test_what_starts_now_comes_before_what_is_cheaper(offers: Offers) -> None:
    with offers.world.alpha.administrator.client(step_up=True) as client:
        body = {"name": "all", "kind": "npu", "accelerators": {NPU: 8}}
        eight = ok(client.post("/specs", json=body), 201)["id"]
    full = {"name": "full", "spec_id": offers.basic, "accelerator_spec_id": eight}
    ok(offers.ask("/notebooks", full), 201)
    found = offers.resolve(memory_bytes=24 * GIB)
    assert [one["spec"]["name"] for one in found["offers"]] == ["A100", "half A100", "NPU"]
    waits = found["offers"][-1]["verdict"]
    assert (waits["verdict"], waits["resource"], waits["queue_position"]) == ("waits", NPU, 1)
    only = offers.resolve(memory_bytes=24 * GIB, frameworks=["cann"])
    assert only["why"] == "It is the only offer here that suffices."


def test_one_name_for_two_cards_goes_to_the_nodes_that_have_the_larger(offers: Offers) -> None:
    """The resource is the same on both, so the pod is kept from the small one by its label."""
    wish = {"memory_bytes": 80 * GIB, "frameworks": ["cuda"]}
    ok(offers.ask("/notebooks", {"name": "big", "spec_id": offers.basic, "accelerator_wish": wish}), 201)
    (started,) = offers.specs_of("notebook")
    plan = WorkloadPlan("w1", 1, "notebook", "alpha", "u1", "image", ("run",), Resources(1, 1))
    term = NodeTerm("nvidia.com/gpu.product", "In", ("NVIDIA-A100-SXM4-80GB",))
    assert plans.placed(plan, started.spec).placement.terms == (term,)
    assert plans.placed(plan, {}) is plan
    offers.occupy("large", gpu=8)
    (found,) = offers.resolve(**wish)["offers"]
    assert (found["verdict"]["verdict"], found["verdict"]["resource"]) == ("waits", GPU), "the free T4s do not help"


NOTHING: tuple[tuple[dict[str, Any], str, str, str, str | None], ...] = (
    ({"memory_bytes": 81 * GIB, "frameworks": ["cuda"]}, "memory_bytes", "at most 80 GiB",
     "the largest CUDA card here has 80 GiB", "A100"),
    ({"memory_bytes": 40 * GIB, "frameworks": ["cann"]}, "memory_bytes", "at most 32 GiB",
     "the largest CANN card here has 32 GiB", "NPU"),
    ({"frameworks": ["rocm"]}, "frameworks", "one of CANN/CUDA", "no card here runs ROCm", None),
    ({"count": 3, "frameworks": ["cann"]}, "count", "one of 1, 4",
     "counts of 1, 2, 4, 8 so that the cards lie in one ring", "4 NPU"),
    ({"count": 2, "frameworks": ["cann"], "memory_bytes": 12 * GIB}, "count", "one of 1, 4",
     "offered in counts of 1, 4", "4 NPU"),
    ({"count": 8, "memory_bytes": 80 * GIB}, "count", "one of 1", "offered in counts of 1", "A100"),
)  # fmt: skip
"""A wish, the part of it that nothing satisfies, the rule, what is said, and what comes nearest."""


def test_a_wish_that_nothing_satisfies_says_what_comes_nearest(offers: Offers) -> None:
    for wish, field, rule, said, nearest in NOTHING:
        found = offers.resolve(**wish)
        assert found["offers"] == [] and found["why"] == ""
        problem = found["problem"]
        assert (problem["field"], problem["rule"]) == (field, rule) and said in problem["sentence"], wish
        assert problem["nearest"]["name"] in problem["hint"]
        assert nearest in (None, problem["nearest"]["name"]), wish
        refused = offers.ask("/verdict", {"parts": [{"spec_id": offers.basic, "accelerator_wish": wish}]})
        answer = refused.json()
        assert (refused.status_code, answer["code"]) == (422, "no_accelerator")
        assert (answer["field"], answer["rule"]) == (f"parts[0].accelerator_wish.{field}", rule)
        assert said in answer["detail"] and answer["hint"] == problem["hint"]
        body = {"name": "never", "spec_id": offers.basic, "accelerator_wish": wish}
        assert offers.ask("/notebooks", body).json()["code"] == "no_accelerator"
    assert offers.specs_of("notebook") == []


def test_a_start_takes_a_wish_and_keeps_it(offers: Offers) -> None:
    """Notebook, script, repetition: what was chosen and what was wished for are both shown."""
    wish = {"count": 1, "memory_bytes": 24 * GIB, "frameworks": ["cuda", "cann"]}
    asked = {"spec_id": offers.basic, "accelerator_wish": wish}
    verdict = ok(offers.ask("/verdict", {**asked, "scenario": "notebook"}))
    assert (verdict["verdict"], verdict["uses"][NPU]) == ("starts_now", 1)
    made = ok(offers.ask("/notebooks", {"name": "one", **asked}), 201)
    assert made["spec"]["accelerator_spec"]["id"] == offers.ids["NPU"]
    assert made["spec"]["accelerator_wish"] == wish
    run = ok(offers.ask("/scripts", {"name": "script", "code": "print(1)", **asked}), 201)
    assert run["spec"]["accelerator_spec"]["name"] == "NPU" and run["spec"]["accelerator_wish"] == wish
    with offers.world.alpha.member.client() as client:
        assert ok(client.get(f"/notebooks/{made['id']}"))["spec"]["accelerator_wish"] == wish
        ok(client.post(f"/runs/{run['id']}/stop", json={}), 202)
        # The rings are gone by the time it is repeated: the wish is resolved anew.
        offers.engine.nodes = tuple(one for one in NODES if one.name != "ring")
        again = ok(client.post(f"/runs/{run['id']}/repeat", json={}), 201)
        assert again["spec"]["accelerator_spec"]["name"] == "A100" and again["spec"]["accelerator_wish"] == wish
        both = client.post("/verdict", json={**asked, "accelerator_spec_id": offers.ids["NPU"]})
        assert (both.status_code, both.json()["field"]) == (422, "accelerator_wish")
        named = ok(client.post("/notebooks", json={"name": "two", "spec_id": offers.basic}), 201)
        assert named["spec"]["accelerator_wish"] is None


def test_a_stopped_notebook_wishes_again_until_it_is_edited(offers: Offers) -> None:
    asked = {"spec_id": offers.basic, "accelerator_wish": {"memory_bytes": 24 * GIB}}
    made = ok(offers.ask("/notebooks", {"name": "one", **asked}), 201)
    path = f"/notebooks/{made['id']}"
    end = sa.update(Workload).values(phase="stopped", ended_at=clock.now())

    def stopped(client: Any) -> None:
        offers.world.live.write(lambda session: session.execute(end))
        offers.world.live.write(lambda session: session.execute(sa.text("update notebooks set phase = 'stopped'")))

    with offers.world.alpha.member.client() as client:
        stopped(client)
        offers.engine.nodes = tuple(one for one in NODES if one.name != "ring")
        again = ok(client.post(f"{path}/start", json={}), 202)
        assert again["spec"]["accelerator_spec"]["name"] == "A100", "the rings are gone"
        assert again["spec"]["accelerator_wish"]["memory_bytes"] == 24 * GIB
        stopped(client)
        edited = client.patch(
            path, json={"accelerator_spec_id": offers.ids["T4"]}, headers={"If-Match": f'"{again["version"]}"'}
        )
        assert ok(edited)["spec"]["accelerator_wish"] is None
        assert ok(client.post(f"{path}/start", json={}), 202)["spec"]["accelerator_spec"]["name"] == "T4"


def test_parts_of_one_start_do_not_wish_for_the_same_card(offers: Offers) -> None:
    """A service's variants start together: the second takes what the first leaves."""
    offers.engine.nodes = (node("cut", mig=2), node("large", "NVIDIA-A100-SXM4-80GB", gpu=8))
    part = {"spec_id": offers.basic, "accelerator_wish": {"memory_bytes": 40 * GIB}, "replicas": 8}
    verdict = ok(offers.ask("/verdict", {"parts": [part, {**part, "replicas": 2}], "scenario": "inference"}))
    assert verdict["verdict"] == "starts_now"
    assert (verdict["uses"][GPU], verdict["uses"][MIG]) == (8, 2)


FORBIDDEN = ((NPU, "npu", 3, f"1 or 2 or 4 or 8 of {NPU}"), (VNPU, "vnpu", 2, f"1 of {VNPU}"))


def test_counts_that_the_topology_forbids_are_refused_before_anything_exists(offers: Offers) -> None:
    """Three of a ring, two static vNPUs: at the spec, at the verdict and at the start, not at the pod."""
    for resource, kind, count, rule in FORBIDDEN:
        body = {"name": f"odd {kind}", "kind": kind, "accelerators": {resource: count}}
        with offers.world.alpha.administrator.client(step_up=True) as client:
            refused = client.post("/specs", json=body)
            assert (refused.status_code, refused.json()["field"]) == (422, f"accelerators.{resource}")
        asked = {"spec_id": offers.basic, "accelerator_spec_id": offers.old_spec(body)}
        verdict = ok(offers.ask("/verdict", asked))
        assert (verdict["verdict"], verdict["resource"], verdict["asked"]) == ("never_fits", resource, count)
        refused = offers.ask("/notebooks", {"name": "odd", **asked})
        answer = refused.json()
        assert (refused.status_code, answer["code"], answer["field"]) == (409, "never_fits", "accelerator_spec_id")
        assert (answer["rule"], answer["value"]) == (rule, count)
        assert answer["hint"].startswith("Take an accelerator spec")
        assert f"odd {kind}" not in offers.names(count=count)
    assert offers.specs_of("notebook") == []


def test_cards_that_nobody_knows_are_offered_to_who_asks_for_no_memory(offers: Offers) -> None:
    """The local machine tells no product: the name that people gave the card says its size."""
    offers.engine.nodes = (node("here", gpu=2),)
    assert offers.names(memory_bytes=40 * GIB) == ["A100"] and offers.names(memory_bytes=41 * GIB) == []
    assert offers.names(memory_bytes=16 * GIB) == ["T4", "A100"]
    offers.engine.nodes = ()
    assert offers.resolve(frameworks=["cuda"])["problem"]["sentence"].endswith("no accelerator is offered here.")


def test_the_start_page_shows_what_a_start_would_take(offers: Offers) -> None:
    """Each size with the card that suffices best now; the start that the hub asks for takes it."""
    user = offers.world.alpha.member.hub_name
    with offers.world.live.internal() as client:

        def page(**more: Any) -> Any:
            return ok(client.get("/start-page", params={"user": user, **more}))

        plain = page()
        assert [size // GIB for size in plain["card_sizes"]] == [12, 16, 32, 40, 80] and plain["least_bytes"] is None
        shown = page(least_bytes=24 * GIB)
        (profile,) = shown["profiles"]
        assert (shown["least_bytes"], shown["accelerator"]) == (24 * GIB, None)
        assert (profile["card"], profile["verdict"]["uses"][NPU]) == ("NPU", 1)
        assert page(least_bytes=81 * GIB)["least_bytes"] is None, "what is not there any more is no longer chosen"
        body = {"hub_user": user, "name": "from-the-page", "spec_id": offers.basic, "environment": "science"}
        wish = {"count": 1, "memory_bytes": 24 * GIB, "frameworks": []}
        made = ok(client.post("/notebooks", json={**body, "accelerator_wish": wish}), 201)
    assert made["spec"]["accelerator_spec"]["name"] == profile["card"]
    assert made["spec"]["accelerator_wish"] == wish
