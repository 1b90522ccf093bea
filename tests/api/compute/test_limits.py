"""Setting quotas and sizes: who may, what is refused, what the numbers say (TEN-3, TEN-7, CON-1)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from himalia_hub.compute import schemas
from himalia_hub.core.errors import QuotaExceeded
from himalia_hub.data.content import usage
from tests.api.compute.conftest import Machine

GIB = 2**30


def put(client: Any, level: str, subject: str | int, limits: dict[str, int | None], **more: Any) -> Any:
    """Set limits as a form does: read the sheet, send its version."""
    query = {"level": level, "subject": subject, **({"tenant": more["tenant"]} if "tenant" in more else {})}
    read = client.get("/quotas", params=query)
    headers = {"If-Match": read.headers.get("ETag", '"1"')}
    return client.put("/quotas", json={"level": level, "subject": subject, "limits": limits, **more}, headers=headers)


def test_who_may_set_whose(machine: Machine) -> None:
    alpha, beta = machine.world.alpha, machine.world.beta
    member, outsider = alpha.member.number, alpha.outsider.number
    one = {"cpu_millis": 1000}
    with alpha.department_admin.client(step_up=True) as client:
        assert put(client, "user", member, one).status_code == 200
        assert put(client, "user", outsider, one).status_code == 404, "not of the department"
        assert put(client, "department", 1, one).status_code == 404, "one's own ceiling"
    with alpha.tenant_admin.client(step_up=True) as client:
        assert put(client, "user", outsider, one).status_code == 200
        assert put(client, "department", 1, one).status_code == 200
        assert put(client, "tenant", "alpha", one).status_code == 404, "set by the platform"
        assert put(client, "tenant", "beta", one).status_code == 404
        shown = client.get("/quotas?level=department&subject=1").json()
        assert {line["resource"]: line["limit"] for line in shown["resources"]}["cpu_millis"] == 1000
    with alpha.administrator.client(step_up=True) as client:
        assert put(client, "tenant", "beta", {"memory_bytes": 8 * GIB}).status_code == 200
    with alpha.member.client() as client:
        assert put(client, "user", member, one).status_code == 403
    with beta.member.client() as client:
        lines = {line["resource"]: line for line in client.get("/quota").json()["levels"][-1]["resources"]}
        assert lines["memory_bytes"]["limit"] == 8 * GIB
        assert lines["cpu_millis"]["limit"] == 8000, "what nobody set: four times the machine"


def test_no_limit_exceeds_the_level_above(machine: Machine) -> None:
    with machine.world.alpha.tenant_admin.client(step_up=True) as client:
        assert put(client, "department", 1, {"cpu_millis": 3000}).status_code == 200
        number = machine.world.alpha.member.number
        refused = put(client, "user", number, {"cpu_millis": 3001})
        assert refused.status_code == 422
        assert (refused.json()["field"], refused.json()["value"]) == ("limits.cpu_millis", 3001)
        assert refused.json()["details"]["limit"] == 3000
        assert put(client, "user", number, {"cpu_millis": 3000}).status_code == 200
        assert put(client, "user", number, {"cpu_millis": -1}).status_code == 422
        assert put(client, "user", "nobody", {"cpu_millis": 1}).status_code == 404
        assert put(client, "department", 1, {"nvidia.com/gpu": 1}).status_code == 422, "the machine has none"


def test_storage_has_its_line_and_its_refusal(machine: Machine) -> None:
    member = machine.world.alpha.member
    with machine.world.alpha.tenant_admin.client(step_up=True) as client:
        assert put(client, "user", member.number, {"storage_bytes": GIB}).status_code == 200

    def store(session: Session, size: int) -> None:
        actor = member.actor()
        usage.occupy(
            machine.world.live.platform,
            session,
            tenant_id=actor.tenant_id,
            department_id=actor.department_id,
            owner_id=actor.user_id,
            kind="dataset",
            size=size,
        )

    machine.world.live.write(lambda session: store(session, GIB - 10))
    with pytest.raises(QuotaExceeded) as refused:
        machine.world.live.write(lambda session: store(session, 11))
    facts = refused.value.details
    assert (facts["level"], facts["used"], facts["limit"], facts["asked"]) == ("user", GIB - 10, GIB, 11)
    with member.client() as client:
        line = next(
            one for one in client.get("/quota").json()["levels"][0]["resources"] if "storage" in one["resource"]
        )
        assert (line["resource"], line["used"], line["available"]) == ("storage_bytes", GIB - 10, 10)


def test_sizes_are_made_edited_and_deleted_by_the_platform(machine: Machine) -> None:
    size = {"name": "tiny", "cpu_millis": 100, "memory_bytes": 128 * 2**20}
    with machine.world.alpha.tenant_admin.client(step_up=True) as client:
        assert client.post("/specs", json=size).status_code == 403
    with machine.world.alpha.administrator.client() as client:
        assert client.post("/specs", json=size).json()["code"] == "step_up_required"
    with machine.world.alpha.administrator.client(step_up=True) as client:
        made = client.post("/specs", json=size)
        assert made.status_code == 201, made.text
        path = f"/specs/{made.json()['id']}"
        assert client.post("/specs", json=size).json()["code"] == "name_taken"
        big = client.post("/specs", json={**size, "name": "big", "cpu_millis": 99_000})
        assert (big.status_code, big.json()["field"], big.json()["rule"]) == (422, "cpu_millis", "at most 2 CPU")
        assert client.patch(path, json={"cpu_millis": 200}).status_code == 428
        assert client.patch(path, json={"cpu_millis": 200}, headers={"If-Match": '"1"'}).status_code == 200
        assert client.patch(path, json={"cpu_millis": 300}, headers={"If-Match": '"1"'}).status_code == 412
        assert client.delete(path).status_code == 204
        assert client.delete(path).status_code == 404
        again = client.post("/specs", json=size)
        assert again.status_code == 201 and again.json()["id"] != made.json()["id"]


def test_answers_have_the_shapes_they_promise(machine: Machine) -> None:
    workload_id = machine.submit(machine.world.alpha.member, "import time; time.sleep(30)")
    number = machine.until(workload_id, "running").number
    with machine.world.alpha.member.client() as client:
        for path, model in (
            ("/specs", list[schemas.Spec]),
            ("/profiles", list[schemas.Profile]),
            ("/quota", schemas.QuotaView),
            (f"/workloads/{number}", schemas.WorkloadOut),
            (f"/workloads/{number}/usage", schemas.UsageSeries),
        ):
            answer = client.get(path).json()
            shape = TypeAdapter(model)
            assert shape.dump_python(shape.validate_python(answer), mode="json") == answer, path
        listed = client.get("/workloads?active=true&kind=script").json()
        assert [item["id"] for item in listed["items"]] == [number]
        assert client.get("/workloads?active=false").json()["total"] == 0
        assert client.get("/workloads?phase=nonsense").status_code == 422
