"""Resource specs: basic and accelerator, each rule on both sides of its limit, and what a start adds up (CON-1)."""

from __future__ import annotations

from typing import Any

import pytest

from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.compute import specs
from himalia_hub.compute.engine import Engine
from tests.support.service import World

GIB, MIB = 2**30, 2**20
GPU, MIG, NPU, VNPU = "nvidia.com/gpu", "nvidia.com/mig-1g.5gb", "huawei.com/Ascend910", "huawei.com/Ascend910-2c"
NODES = (
    NodeCapacity("plain", Resources(16_000, 32 * GIB), Resources(0, 0)),
    NodeCapacity(
        "cards",
        Resources(8_000, 64 * GIB, accelerators={GPU: 4, MIG: 7, NPU: 8, VNPU: 3}),
        Resources(0, 0),
        labels={"nvidia.com/gpu.product": "A100-40"},
    ),
)


@pytest.fixture
def platform(world: World) -> World:
    """A world whose machines have cards of every kind."""
    world.live.platform.get(Engine).nodes = NODES
    return world


def make(world: World, **values: Any) -> Any:
    with world.alpha.administrator.client(step_up=True) as client:
        return client.post("/specs", json=values)


BASIC = {"name": "a basic one", "cpu_millis": 1000, "memory_bytes": GIB}
CARD = {"name": "one card", "kind": "gpu", "accelerators": {GPU: 1}, "accelerator_label": "A100"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({}, None),
        ({"name": "x" * 32}, None),
        ({"name": "x" * 33}, "name"),
        ({"name": "   "}, "name"),
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "\u5c0f\u578b\u89c4\u683c"}, None),
        ({"cpu_millis": 1}, None),
        ({"cpu_millis": 0}, "cpu_millis"),
        ({"cpu_millis": -1}, "cpu_millis"),
        ({"cpu_millis": 16_000}, None),
        ({"cpu_millis": 16_001}, "cpu_millis"),
        ({"cpu_millis": 1.5}, "cpu_millis"),
        ({"cpu_millis": True}, "cpu_millis"),
        ({"cpu_millis": 10**30}, "cpu_millis"),
        ({"memory_bytes": 16 * MIB}, None),
        ({"memory_bytes": 16 * MIB - 1}, "memory_bytes"),
        ({"memory_bytes": 64 * GIB}, None),
        ({"memory_bytes": 64 * GIB + 1}, "memory_bytes"),
        ({"accelerators": {GPU: 1}}, "accelerators"),
        ({"scenario": "visualisation"}, None),
        ({"scenario": "mining"}, "scenario"),
        ({"kind": "tpu"}, "kind"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_basic_specs(platform: World, change: dict[str, Any], field: str | None) -> None:
    answer = make(platform, **{**BASIC, **change})
    assert answer.status_code == (201 if field is None else 422), answer.text
    if field is not None:
        assert answer.json()["field"] == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({}, None),
        ({"accelerators": {GPU: 4}}, None),
        ({"accelerators": {GPU: 5}}, f"accelerators.{GPU}"),
        ({"accelerators": {GPU: 0}}, f"accelerators.{GPU}"),
        ({"accelerators": {"example.com/gpu": 1}}, "accelerators.example.com/gpu"),
        ({"kind": "gpu_mig", "accelerators": {MIG: 7}}, None),
        ({"kind": "gpu_mig", "accelerators": {MIG: 8}}, f"accelerators.{MIG}"),
        ({"kind": "npu", "accelerators": {NPU: 8}}, None),
        ({"kind": "vnpu", "accelerators": {VNPU: 1}}, None),
        ({"kind": "npu", "accelerators": {VNPU: 1}}, "kind"),
        ({"kind": "gpu", "accelerators": {MIG: 1}}, "kind"),
        ({"accelerators": {}}, "accelerators"),
        ({"accelerators": {GPU: 1, NPU: 1}}, "accelerators"),
        ({"accelerators": {"gpu": 1}}, "accelerators"),
        ({"cpu_millis": 1}, "cpu_millis"),
        ({"memory_bytes": GIB}, "memory_bytes"),
    ],
)
def test_accelerator_specs(platform: World, change: dict[str, Any], field: str | None) -> None:
    answer = make(platform, **{**CARD, **change})
    assert answer.status_code == (201 if field is None else 422), answer.text
    if field is not None:
        assert answer.json()["field"] == field


def test_the_form_says_the_largest(platform: World) -> None:
    with platform.alpha.member.client() as client:
        largest = client.get("/spec-limits").json()
    assert (largest["cpu_millis"], largest["memory_bytes"], largest["nodes"]) == (16_000, 64 * GIB, 2)
    card = next(one for one in largest["accelerators"] if one["resource"] == GPU)
    assert card == {"resource": GPU, "kind": "gpu", "cards": ["A100-40"], "largest": 4, "total": 4, "nodes": 1}
    assert [one["kind"] for one in largest["accelerators"]] == ["npu", "vnpu", "gpu", "gpu_mig"]


def test_editing_checks_the_whole_and_running_work_is_not_asked(platform: World) -> None:
    made = make(platform, **CARD).json()
    with platform.alpha.administrator.client(step_up=True) as client:
        path, headers = f"/specs/{made['id']}", {"If-Match": '"1"'}
        assert client.get(path).headers["ETag"] == '"1"'
        assert client.patch(path, json={"kind": "basic"}, headers=headers).status_code == 422
        assert client.patch(path, json={"cpu_millis": 1}, headers=headers).json()["field"] == "cpu_millis"
        too_many = client.patch(path, json={"accelerators": {GPU: 5}}, headers=headers)
        assert too_many.json()["rule"] == f"at most 4 × {GPU}"
        edited = client.patch(path, json={"accelerators": {GPU: 2}, "name": " two cards "}, headers=headers)
        assert (edited.status_code, edited.json()["name"]) == (200, "two cards")
        assert client.delete(path).status_code == 204
        assert client.get(path).status_code == 404
    with platform.alpha.tenant_admin.client(step_up=True) as client:
        assert client.post("/specs", json=CARD).status_code == 403


def test_a_start_takes_one_basic_and_one_accelerator_spec(platform: World) -> None:
    """CON-1: verdict, quota and price add them up."""
    basic, card = make(platform, **BASIC).json(), make(platform, **CARD).json()
    assert (basic["kind"], card["kind"]) == ("basic", "gpu")
    with platform.alpha.administrator.client(step_up=True) as client:
        entries = [
            {"resource": "cpu", "price_per_hour": "1"},
            {"resource": GPU, "price_per_hour": "10"},
        ]
        client.put("/prices", json={"entries": entries}).raise_for_status()
        money = {"tenant": "alpha", "amount_micros": 10**9}
        client.post("/recharges", json=money).raise_for_status()
    with platform.alpha.member.client() as client:
        both = {"spec_id": basic["id"], "accelerator_spec_id": card["id"], "replicas": 2}
        verdict = client.post("/verdict", json=both).json()
        assert verdict["verdict"] == "starts_now", verdict
        assert verdict["uses"] == {"cpu_millis": 2000, "memory_bytes": 2 * GIB, GPU: 2}
        assert verdict["price_per_hour_micros"] == 22_000_000
        parts = [{"spec_id": basic["id"], "accelerator_spec_id": card["id"]}] * 2
        assert client.post("/verdict", json={"parts": parts}).json() == verdict, (
            "two starts cost what two replicas cost"
        )
        five = client.post("/verdict", json={**both, "replicas": 5}).json()
        assert (five["verdict"], five["resource"], five["limit"]) == ("never_fits", GPU, 4)
        swapped = client.post("/verdict", json={"spec_id": card["id"]})
        assert (swapped.status_code, swapped.json()["field"]) == (422, "spec_id")
        swapped = client.post("/verdict", json={"spec_id": basic["id"], "accelerator_spec_id": basic["id"]})
        assert swapped.json()["field"] == "accelerator_spec_id"
        wrong = client.post("/verdict", json={"parts": [{"spec_id": basic["id"]}, {"spec_id": 999}]})
        assert wrong.json()["field"] == "parts[1].spec_id"
        assert client.post("/verdict", json={}).status_code == 422
        assert client.post("/verdict", json={"spec_id": 1, "parts": parts}).status_code == 422
        listed = client.get("/specs?kind=accelerator").json()
        assert [(one["id"], one["price_per_hour_micros"]) for one in listed] == [(card["id"], 10_000_000)]
        assert card["id"] not in [profile["spec"]["id"] for profile in client.get("/profiles").json()]


def test_the_start_page_judges_profiles_with_the_card(platform: World) -> None:
    """BEY-1: choosing an accelerator changes every profile's verdict, as the start would."""
    basic, card = make(platform, **BASIC).json(), make(platform, **CARD).json()
    with platform.live.internal() as client:
        user = platform.alpha.member.hub_name

        def page(**more: Any) -> Any:
            return client.get("/start-page", params={"user": user, **more}).raise_for_status().json()

        plain = page()
        assert [one["id"] for one in plain["accelerators"]] == [card["id"]] and plain["accelerator"] is None
        assert card["id"] not in [one["spec"]["id"] for one in plain["profiles"]]
        with_card = page(accelerator=card["id"])
        verdict = next(one["verdict"] for one in with_card["profiles"] if one["spec"]["id"] == basic["id"])
        assert verdict["uses"][GPU] == 1 and with_card["accelerator"] == card["id"]
        with platform.alpha.administrator.client(step_up=True) as admin:
            quota = {"level": "tenant", "subject": "alpha", "limits": {GPU: 0}}
            admin.put("/quotas", json=quota, headers={"If-Match": '"1"'}).raise_for_status()
        verdict = page(accelerator=card["id"])["profiles"][0]["verdict"]
        assert (verdict["verdict"], verdict["resource"], verdict["limit"]) == ("over_quota", GPU, 0)
        assert page(accelerator=999)["accelerator"] is None, "a deleted one is no longer chosen"


def test_the_first_sizes_are_basic_ones_and_one_of_each_card() -> None:
    made = specs.defaults(NODES)
    assert {one["kind"] for one in made if one["accelerators"]} == {"gpu", "gpu_mig", "npu", "vnpu"}
    for one in made:
        specs.check_shape({"kind": "basic", "disk_bytes": 0, **one})
