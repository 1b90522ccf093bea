"""Quotas of three levels: what a sheet shows, what may be set, what an empty organisation can do (TEN-3, TEN-7)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from himalia_hub.core.errors import QuotaExceeded
from tests.api.compute.conftest import Machine
from tests.api.compute.test_limits import put
from tests.support.service import ADMIN_CREDENTIAL

GIB = 2**30
NEEDED = ("cpu_millis", "memory_bytes", "storage_bytes", "image_bytes")
SLEEP = "import time; time.sleep(60)"


def lines(sheet: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {line["resource"]: line for line in sheet["resources"]}


def test_a_sheet_shows_use_limits_above_and_what_is_left(machine: Machine) -> None:
    """TEN-3, TEN-7, TEN-8: used (number and %), available, and the limits above."""
    alpha = machine.world.alpha
    with alpha.administrator.client(step_up=True) as client:
        assert put(client, "tenant", "alpha", {"cpu_millis": 4000}).status_code == 200
    with alpha.tenant_admin.client(step_up=True) as client:
        assert put(client, "department", 1, {"cpu_millis": 1000}).status_code == 200
    machine.until(machine.submit(alpha.colleague, SLEEP), "running")
    with alpha.department_admin.client(step_up=True) as client:
        assert put(client, "user", alpha.member.number, {"cpu_millis": 900}).status_code == 200
        answer = client.get(f"/quotas?level=user&subject={alpha.member.number}")
        sheet = answer.json()
        assert answer.headers["ETag"] == f'"{sheet["version"]}"'
        assert (sheet["may_set"], sheet["updated_by"]) == (True, alpha.department_admin.name)
        line = lines(sheet)["cpu_millis"]
        assert (line["limit"], line["effective"], line["highest"]) == (900, 900, 1000)
        assert (line["used"], line["used_percent"]) == (0, 0.0)
        assert line["available"] == 750, "the colleague's 250 are gone from the department's 1000"
        assert [(one["level"], one["limit"], one["used"]) for one in line["above"]] == [
            ("department", 1000, 250),
            ("tenant", 4000, 250),
        ]
        unlimited = lines(sheet)["memory_bytes"]
        assert unlimited["limit"] is None and unlimited["effective"] == 16 * GIB, "as the level above"
        department = client.get("/quotas?level=department&subject=1").json()
        assert department["may_set"] is False
        line = lines(department)["cpu_millis"]
        assert (line["used"], line["used_percent"], line["available"]) == (250, 25.0, 750)


def test_sheets_of_a_level_come_in_pages_within_reach(machine: Machine) -> None:
    alpha = machine.world.alpha
    with alpha.tenant_admin.client(step_up=True) as client:
        first = client.get("/quota-sheets?level=user&limit=4").json()
        rest = client.get(f"/quota-sheets?level=user&limit=500&cursor={first['next_cursor']}").json()
        names = [item["name"] for item in (*first["items"], *rest["items"])]
        assert first["total"] == len(names) == 11 and names == sorted(names)
        within = client.get("/quota-sheets?level=user&department=1").json()
        assert within["total"] == 10 and alpha.outsider.name not in [item["name"] for item in within["items"]]
        assert [item["subject"] for item in client.get("/quota-sheets?level=department").json()["items"]] == ["1"]
        assert [item["subject"] for item in client.get("/quota-sheets?level=tenant").json()["items"]] == ["alpha"]
        assert client.get("/quota-sheets?level=user&tenant=beta").status_code == 404
        found = client.get("/quota-sheets?level=user&q=outsid").json()["items"]
        assert [item["name"] for item in found] == [alpha.outsider.name]
    with alpha.department_admin.client(step_up=True) as client:
        assert client.get("/quota-sheets?level=user").json()["total"] == 10
        assert client.get("/quota-sheets?level=tenant").status_code == 404
    with alpha.administrator.client(step_up=True) as client:
        assert client.get("/quota-sheets?level=tenant").json()["total"] == 2
        assert client.get("/quota-sheets?level=user&tenant=beta").json()["total"] == 11
    with alpha.member.client() as client:
        assert client.get("/quota-sheets").status_code == 403


def test_two_people_editing_do_not_overwrite_each_other(machine: Machine) -> None:
    body = {"level": "department", "subject": 1, "limits": {"cpu_millis": 1000}}
    with machine.world.alpha.tenant_admin.client(step_up=True) as client:
        assert client.put("/quotas", json=body).status_code == 428
        assert client.put("/quotas", json=body, headers={"If-Match": '"1"'}).status_code == 200
        stale = client.put("/quotas", json=body, headers={"If-Match": '"1"'})
        assert (stale.status_code, stale.json()["details"]["current_version"]) == (412, 2)


def test_lowering_below_use_stops_nothing_and_blocks_new_work(machine: Machine) -> None:
    """TEN-7."""
    alpha = machine.world.alpha
    first = machine.submit(alpha.member, SLEEP)
    machine.until(first, "running")
    with alpha.tenant_admin.client(step_up=True) as client:
        assert put(client, "user", alpha.member.number, {"cpu_millis": 100}).status_code == 200
        line = lines(client.get(f"/quotas?level=user&subject={alpha.member.number}").json())["cpu_millis"]
        assert (line["used"], line["used_percent"], line["available"]) == (250, 250.0, 0)
    with pytest.raises(QuotaExceeded) as refused:
        machine.submit(alpha.member, SLEEP)
    facts = refused.value.details
    assert (facts["level"], facts["resource"], facts["used"], facts["limit"], facts["asked"]) == (
        "user",
        "cpu_millis",
        250,
        100,
        250,
    )
    assert machine.row(first).phase == "running"


def test_no_limit_below_is_left_higher_than_the_one_above(machine: Machine) -> None:
    """TEN-7: lowering an organisation is refused while a department has more, or takes it down along."""
    alpha = machine.world.alpha
    number = alpha.member.number
    with alpha.tenant_admin.client(step_up=True) as client:
        assert put(client, "department", 1, {"cpu_millis": 3000}).status_code == 200
        assert put(client, "user", number, {"cpu_millis": 2500}).status_code == 200
    with alpha.administrator.client(step_up=True) as client:
        refused = put(client, "tenant", "alpha", {"cpu_millis": 2499})
        assert (refused.status_code, refused.json()["code"]) == (409, "limits_below")
        assert refused.json()["details"]["count"] == 2 and refused.json()["details"]["highest"] == 3000
        assert put(client, "tenant", "alpha", {"cpu_millis": 3000}).status_code == 200, "equal is not above"
        assert put(client, "tenant", "alpha", {"cpu_millis": 2499}, lower_below=True).status_code == 200
        for level, subject in (("department", 1), ("user", number)):
            sheet = client.get(f"/quotas?level={level}&subject={subject}").json()
            assert lines(sheet)["cpu_millis"]["limit"] == 2499 and sheet["version"] == 3


@pytest.mark.parametrize("resource", NEEDED)
def test_an_organisation_without_any_of_the_four_runs_nothing(machine: Machine, resource: str) -> None:
    """TEN-3: the refusal and the verdict say which is missing."""
    beta = machine.world.beta
    with machine.world.alpha.administrator.client(step_up=True) as client:
        sheet = put(client, "tenant", "beta", {resource: 0}).json()
        assert sheet["missing"] == [resource]
    with pytest.raises(QuotaExceeded) as refused:
        machine.submit(beta.member, SLEEP)
    assert refused.value.details["missing"] == [resource] and refused.value.details["level"] == "tenant"
    with beta.member.client() as client:
        spec = client.get("/specs?kind=basic").json()[0]["id"]
        verdict = client.post("/verdict", json={"spec_id": spec}).json()
        assert (verdict["verdict"], verdict["missing"], verdict["level"]) == ("over_quota", [resource], "tenant")
        assert str(refused.value) == verdict["sentence"]
    with machine.world.alpha.administrator.client(step_up=True) as client:
        assert put(client, "tenant", "beta", {resource: GIB if "bytes" in resource else 1000}).json()["missing"] == []
    machine.submit(beta.member, SLEEP)


def test_queues_may_reserve_no_more_than_the_organisation_has(machine: Machine) -> None:
    """TEN-3: the share that queues may reserve."""
    with machine.world.alpha.administrator.client(step_up=True) as client:
        assert put(client, "tenant", "alpha", {"cpu_millis": 2000}, reservable={"cpu_millis": 2000}).status_code == 200
        over = put(client, "tenant", "alpha", {}, reservable={"cpu_millis": 2001})
        assert (over.status_code, over.json()["field"]) == (422, "reservable.cpu_millis")
        assert put(client, "tenant", "alpha", {"cpu_millis": 1999}).status_code == 422, "the share would exceed it"
        sheet = put(client, "tenant", "alpha", {"cpu_millis": 1999}, lower_below=True).json()
        assert lines(sheet)["cpu_millis"]["reservable"] == 1999
        assert put(client, "department", 1, {}, reservable={"cpu_millis": 1}).status_code == 422


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("0", 200),
        (str(2**60), 422),
        (str(2**60 + 1), 422),
        ("-1", 422),
        ("1.5", 422),
        ("true", 422),
        ("NaN", 422),
        ("Infinity", 422),
        ("1e400", 422),
        ('"5"', 422),
        ("null", 200),
        ("[]", 422),
        ("9" * 400, 422),
    ],
)
def test_limits_are_whole_numbers_of_the_resource(machine: Machine, value: str, status: int) -> None:
    """What is not a whole number from 0 on is refused by name; 2^60 is a number, but more than the organisation has."""
    body = json.dumps({"level": "user", "subject": 1, "limits": {"cpu_millis": "here"}}).replace('"here"', value)
    with machine.world.alpha.tenant_admin.client(step_up=True) as client:
        headers = {"If-Match": '"1"', "Content-Type": "application/json"}
        answer = client.put("/quotas", content=body, headers=headers)
        assert answer.status_code == status, answer.text
        if status == 422 and value not in ("NaN", "Infinity"):
            assert "cpu_millis" in answer.json()["field"]


@pytest.mark.parametrize("resource", ["gpu", "cpu", "disk_bytes", "/gpu", "nvidia.com/", "nvidia.com/g pu", "x" * 129])
def test_only_resources_have_quotas(machine: Machine, resource: str) -> None:
    with machine.world.alpha.administrator.client(step_up=True) as client:
        assert put(client, "tenant", "alpha", {resource: 1}).status_code == 422
        assert put(client, "tenant", "alpha", {"nvidia.com/gpu": 4, "huawei.com/Ascend910-2c": 8}).status_code == 200


def test_the_machine_sets_quotas_too(machine: Machine) -> None:
    with machine.world.live.internal(ADMIN_CREDENTIAL) as client:
        body = {"level": "tenant", "subject": "beta", "tenant": "beta", "limits": {"image_bytes": 5 * GIB}}
        sheet = client.put("/admin/quotas", json=body).raise_for_status().json()
        assert lines(sheet)["image_bytes"]["limit"] == 5 * GIB and sheet["updated_by"] == "local_admin"
        assert client.get("/admin/quotas?level=tenant&subject=nobody").status_code == 404
