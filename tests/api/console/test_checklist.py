"""The checklist of a new installation and a new organisation: what is missing and who can do it (CON-6)."""

from __future__ import annotations

from typing import Any

import httpx
from sqlalchemy.orm import Session

from himalia_hub.auth.permissions import ADMINISTRATOR, TENANT_ADMIN
from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.compute.engine import Engine
from himalia_hub.tenancy import service as tenancy
from tests.support.service import World, add_person

GIB = 2**30
GPU = "nvidia.com/gpu"
NODES = (NodeCapacity("one", Resources(8000, 16 * GIB, 100 * GIB, {GPU: 2}), Resources(0, 0)),)


def items(checklist: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["key"]: item for item in checklist["items"]}


def ask(client: httpx.Client, **query: str) -> dict[str, Any]:
    return client.get("/checklist", params=query).raise_for_status().json()  # type: ignore[no-any-return]


def test_a_new_organisation_is_led_to_its_first_work(world: World) -> None:
    engine = world.live.platform.get(Engine)
    engine.nodes, engine.single_machine = NODES, False

    def found(session: Session) -> Any:
        tenant = tenancy.create_tenant(session, code="fresh", name="Fresh")
        return tenant.id

    tenant_id = world.live.write(found)
    with world.alpha.administrator.client(step_up=True) as client:
        start = ask(client, tenant="fresh")
        assert start["organisation"]["code"] == "fresh" and not start["organisation"]["complete"]
        mine = items(start["organisation"])
        done = {key for key, item in mine.items() if item["done"]}
        assert done == {"recharge", "member_quota"}, "all is free, and nobody is there yet"
        assert mine["quota"]["missing"] == ["cpu_millis", "memory_bytes", "storage_bytes", "image_bytes"]
        assert mine["prices"]["missing"] == ["cpu", "memory", "storage", GPU]
        chinese = client.get("/checklist", params={"tenant": "fresh"}, headers={"Accept-Language": "zh-CN"})
        zh = items(chinese.raise_for_status().json()["organisation"])
        assert zh["prices"]["detail"] == f"尚未设置，按免费计：CPU、内存、存储、{GPU}。"
        assert "CPU, memory, storage" in mine["prices"]["detail"]
        assert (mine["quota"]["roles"][0], mine["quota"]["may"]) == (ADMINISTRATOR, True)
        assert TENANT_ADMIN in mine["departments"]["roles"] and TENANT_ADMIN not in mine["quota"]["roles"]
        installation = items(start["installation"])
        assert installation["organisation"]["done"] and installation["organisation"]["have"] == 3

        entries = [{"resource": name, "price_per_hour": "0.5"} for name in ("cpu", "memory", "storage", GPU)]
        client.put("/prices", json={"entries": entries}).raise_for_status()
        assert not items(ask(client, tenant="fresh")["organisation"])["recharge"]["done"], "now work has a price"
        client.post("/recharges", json={"tenant": "fresh", "amount_micros": 10**9}).raise_for_status()
        limits = {"cpu_millis": 8000, "memory_bytes": GIB, "storage_bytes": GIB}
        quota = {"level": "tenant", "subject": "fresh", "limits": limits}
        client.put("/quotas", json=quota, headers={"If-Match": '"1"'}).raise_for_status()
        assert items(ask(client, tenant="fresh")["organisation"])["quota"]["missing"] == ["image_bytes"]
        quota["limits"] = {"image_bytes": 1}
        client.put("/quotas", json=quota, headers={"If-Match": '"2"'}).raise_for_status()

    def people(session: Session) -> Any:
        department = tenancy.create_department(session, tenant_id, "Vision")
        chief = add_person(world.live, session, tenant_id, "freshchief", (TENANT_ADMIN,), None)
        add_person(world.live, session, tenant_id, "freshmember", ("member",), department.id)
        return chief

    chief = world.live.write(people)
    with chief.client(step_up=True) as client:
        last = ask(client)
        assert last["installation"] is None
        lacking = [key for key, item in items(last["organisation"]).items() if not item["done"]]
        assert lacking == ["member_quota"]
        item = items(last["organisation"])["member_quota"]
        assert (item["have"], item["may"]) == (1, True)
        assert items(last["organisation"])["prices"]["may"] is False
        quota = {"level": "department", "subject": 1, "limits": {"cpu_millis": 4000}}
        client.put("/quotas", json=quota, headers={"If-Match": '"1"'}).raise_for_status()
        assert ask(client)["organisation"]["complete"]
        chinese = client.get("/checklist", headers={"Accept-Language": "zh"}).json()["organisation"]["items"]
        assert [one["title"] for one in chinese][:2] == ["管理员", "配额"]


def test_a_checklist_is_for_administrators_and_within_reach(world: World) -> None:
    with world.alpha.tenant_admin.client(step_up=True) as client:
        assert client.get("/checklist?tenant=beta").status_code == 404
        assert client.get("/checklist?tenant=nobody").status_code == 404
        assert client.get("/checklist").json()["organisation"]["code"] == "alpha"
    with world.alpha.tenant_admin.client() as client:
        assert client.get("/checklist").json()["code"] == "step_up_required"
    with world.alpha.member.client() as client:
        assert client.get("/checklist").status_code == 403
