"""TEN-6: members from CSV: a trial, a report per line, repeating changes nothing; template and export."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.data import ok, problem
from tests.support.service import ADMIN_CREDENTIAL, World


@pytest.fixture
def admin(world: World) -> Iterator[httpx.Client]:
    with world.alpha.tenant_admin.client(step_up=True) as client:
        yield client


def bring(client: httpx.Client, data: bytes | str, **query: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Import a file; answers the finished import and its lines."""
    content = data.encode() if isinstance(data, str) else data
    made = ok(client.post("/member-imports", content=content, params=query, headers={"Content-Type": "text/csv"}), 202)
    scope = {key: value for key, value in query.items() if key == "organisation"}
    deadline = time.monotonic() + 60
    while made["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, made
        time.sleep(0.02)
        made = ok(client.get(f"/member-imports/{made['id']}", params=scope))
    assert made["state"] == "succeeded", made
    lines = ok(client.get(f"/member-imports/{made['id']}/lines", params={**scope, "limit": 1000}))
    return made, lines


FILE = """\
name,display_name,department,roles,guest
janedoe,Jane Doe,Vision,member,no
johndoe,John Doe,,member;department_administrator,no
x,Too Short,,,
labeller1,,,,yes
janedoe,Twice,,,
someone1,Some,Nowhere,,
someone2,,Vision,emperor,
someone3,,,Administrator,
alphamember,Renamed,,,
betamember,,,,
someone4,,,,perhaps
someone5,,Vision,member;department_administrator,
"""
REPORT = [
    (2, "created", None, None),
    (3, "refused", "roles", "department_administrator"),
    (4, "refused", "name", "x"),
    (5, "created", None, None),
    (6, "refused", "name", "janedoe"),
    (7, "refused", "department", "Nowhere"),
    (8, "refused", "roles", "emperor"),
    (9, "refused", "roles", ""),
    (10, "changed", None, None),
    (11, "refused", "name", "betamember"),
    (12, "refused", "guest", "perhaps"),
    (13, "created", None, None),
]


def told(lines: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    found = []
    for line in lines:
        fault = line["problems"][0] if line["problems"] else {"field": None, "value": None}
        found.append((line["line"], line["outcome"], fault["field"], fault["value"]))
    return found


def members(client: httpx.Client) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in ok(client.get("/members", params={"limit": 100}))["items"]}


def test_ten_6_a_trial_reports_each_line_and_changes_nothing(world: World, admin: httpx.Client) -> None:
    before = members(admin)
    made, lines = bring(admin, FILE, dry_run=True)
    assert told(lines) == REPORT
    assert made["counts"] == {"created": 3, "changed": 1, "refused": 8} and made["done"] == made["total"] == 12
    assert all(p["rule"] and p["message"] and p["message_zh"] for line in lines for p in line["problems"])
    assert members(admin) == before


def test_ten_6_importing_does_what_the_trial_said_and_repeating_changes_nothing(
    world: World, admin: httpx.Client
) -> None:
    _, lines = bring(admin, FILE)
    assert told(lines) == REPORT
    now = members(admin)
    assert now["janedoe"]["department"]["name"] == "Vision" and now["janedoe"]["display_name"] == "Jane Doe"
    assert now["labeller1"]["guest"] is True and now["labeller1"]["roles"] == ["annotator"]
    assert now["alphamember"]["display_name"] == "Renamed" and now["alphamember"]["roles"] == ["member"]
    assert now["someone5"]["roles"] == ["department_administrator", "member"]
    again, lines = bring(admin, FILE)
    assert again["counts"] == {"unchanged": 4, "refused": 8}
    assert members(admin) == now
    refused = ok(admin.get(f"/member-imports/{again['id']}/lines", params={"outcome": "refused", "after": 9}))
    assert [line["line"] for line in refused] == [11, 12]


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        pytest.param("utf-8", "utf-8", id="utf-8"),
        pytest.param("utf-8-sig", "utf-8", id="byte-order-mark"),
        pytest.param("gb18030", "gb18030", id="gb18030"),
    ],
)
def test_ten_6_encodings_of_spreadsheets(world: World, admin: httpx.Client, encoding: str, named: str) -> None:
    text = "用户名,显示名,部门,角色,访客\r\nzhangsan1,张三,Vision,member,否\r\n"
    made, lines = bring(admin, text.encode(encoding))
    assert made["encoding"] == named and [line["outcome"] for line in lines] == ["created"]
    assert members(admin)["zhangsan1"]["display_name"] == "张三"


WRONG_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "body"),
    "head only": (b"name\n", "body"),
    "no name": (b"display_name\nx\n", "header"),
    "unknown column": (b"name,password\njanedoe,x\n", "header"),
    "column twice": (b"name,name\njanedoe,x\n", "header"),
    "not text": (b"\xff\xfe\x00\x01", "body"),
    "utf-16": ("name\njanedoe\n".encode("utf-16-le"), "body"),
    "open quote": (b'name\n"janedoe\n', "body"),
}


def test_ten_6_files_that_are_no_lists_of_members_are_refused_whole(world: World, admin: httpx.Client) -> None:
    for what, (data, field) in WRONG_FILES.items():
        refused = problem(admin.post("/member-imports", content=data), 422, "invalid_input")
        assert refused["field"] == field, what


def test_too_many_lines_are_refused(world: World, admin: httpx.Client) -> None:
    data = "name\n" + "".join(f"person{number}\n" for number in range(20_001))
    assert "20000" in problem(admin.post("/member-imports", content=data.encode()), 422, "invalid_input")["rule"]


def test_the_template_can_be_imported_as_it_is(world: World, admin: httpx.Client) -> None:
    for language in ("en", "zh"):
        answer = admin.get("/members/template", params={"language": language})
        assert answer.headers["content-type"].startswith("text/csv") and answer.content.startswith(b"\xef\xbb\xbf")
        assert "attachment" in answer.headers["content-disposition"]
        _, lines = bring(admin, answer.content, dry_run=True)
        assert [line["outcome"] for line in lines] == ["created"], lines


def test_an_export_holds_all_members_with_the_lists_filters(world: World, admin: httpx.Client) -> None:
    body = {"name": "janedoe", "display_name": '=HYPERLINK("http://x")'}
    ok(admin.post("/members", json=body), 201)
    rows = list(csv.DictReader(io.StringIO(admin.get("/members/export").content.decode("utf-8-sig"))))
    assert {row["name"] for row in rows} == set(members(admin))
    # No cell is a formula to the spreadsheet that opens it.
    assert next(row for row in rows if row["name"] == "janedoe")["display_name"].startswith("'=")
    assert "betamember" not in admin.get("/members/export").text
    only = admin.get("/members/export", params={"q": "jane", "language": "zh"}).content.decode("utf-8-sig")
    assert only.splitlines()[0].startswith("编号,用户名") and len(only.splitlines()) == 2


def test_imports_are_their_organisations(world: World, admin: httpx.Client) -> None:
    made, _ = bring(admin, "name\njanedoe\n")
    with world.beta.tenant_admin.client(step_up=True) as other:
        problem(other.get(f"/member-imports/{made['id']}"), 404, "not_found")
        problem(
            other.post("/member-imports", content=b"name\njanedoe2\n", params={"organisation": "alpha"}),
            404,
            "not_found",
        )
    with world.alpha.department_admin.client(step_up=True) as head:
        problem(head.post("/member-imports", content=b"name\njanedoe2\n"), 403, "not_permitted")


def test_the_machines_administrator_imports_into_any_organisation(world: World) -> None:
    with world.live.client(ADMIN_CREDENTIAL) as machine:
        problem(machine.post("/member-imports", content=b"name\njanedoe\n"), 422, "invalid_input")
        made, lines = bring(machine, "name,roles\njanedoe,organisation_administrator\n", organisation="beta")
    assert [line["outcome"] for line in lines] == ["created"], lines
    assert made["counts"] == {"created": 1}
