"""Every field of tenancy, quotas, specs, money and the audit log, a value on each side of its limit.

TEN-1, TEN-3, TEN-4, TEN-5, TEN-6, TEN-7, TEN-9, TEN-21, CON-1, OPS-1, SEC-1, SEC-3. The policy's, senders',
tokens' and passwords' fields are in ``tests/api/identity/test_bad_input.py``, sources' in
``tests/api/sign_in/test_sources.py``.
"""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.compute.engine import Engine
from tests.support.bad_input import CHINESE, Field, Wrong, check, client_of, get, placed, post, state
from tests.support.data import ok
from tests.support.service import World

ORGANISATION = {"code": "o{n}", "name": "o{n}", "administrator": {"name": "orgadmin{n}"}}
DEPARTMENT = {"name": "Room {n}"}
GROUP = {"name": "group{n}"}
MEMBER = {"name": "somebody{n}"}
ROLE = {"name": "Role {n}", "permissions": {"data.dataset.read": "own"}}
SPEC = {"name": "size {n}", "cpu_millis": 100, "memory_bytes": 2**24}
CARDS = {"name": "cards {n}", "kind": "gpu", "accelerators": {"nvidia.com/gpu": 1}}
LABEL = {
    "inside": ["abcd", "a" * 32, "a-b9", "2026"],
    "outside": ["abc", "a" * 33, "Abcd", "-abc", "abc-", "ab_cd", "ab cd", "аbcd", "abcd\n", ""],
}
LONG_TEXT = {"inside": ["", "述" * 256], "outside": ["x" * 257, Wrong("a\u0000b", shown="x00")]}
SIGN_IN_NAME = ["abc12", "a" * 33, "jane-doe", "jane doe", "jаnedoe", "张三张三张三", ""]
DISPLAY_NAME = ["x" * 65, "Ja\u200bne", "a\u202eb", "a\nb"]
NO_TIME = [
    "tomorrow",
    Wrong("2020-01-01T00:00:00Z", shown="2020-01-01T00:00:00"),
    Wrong("2099-01-01T00:00:00", shown="2099-01-01T00:00:00"),
]


def patch(path: str, field: str) -> Any:
    """Edits the object at ``path`` at its present version."""

    def send(client: httpx.Client, value: Any, _: int) -> httpx.Response:
        version = client.get(path).headers["ETag"]
        return client.patch(path, json=placed({}, field, value), headers={"If-Match": version})

    return send


def limits(name: str) -> Any:
    def send(client: httpx.Client, value: Any, _: int) -> httpx.Response:
        version = client.get("/quotas", params={"level": "tenant", "subject": "alpha"}).headers["ETag"]
        body = {"level": "tenant", "subject": "alpha", "limits": {name: value}}
        return client.put("/quotas", json=body, headers={"If-Match": version})

    return send


def reservable(name: str) -> Any:
    """How much of 8 cores the queues may reserve, at the organisation's level."""

    def send(client: httpx.Client, value: Any, _: int) -> httpx.Response:
        version = client.get("/quotas", params={"level": "tenant", "subject": "alpha"}).headers["ETag"]
        limit = {"cpu_millis": 8000} if name == "cpu_millis" else {}
        body = {"level": "tenant", "subject": "alpha", "limits": limit, "reservable": {name: value}}
        return client.put("/quotas", json=body, headers={"If-Match": version})

    return send


def quota(**changes: Any) -> Any:
    """``changes`` of a member's quota, with the value where ``None`` stands."""

    def send(client: httpx.Client, value: Any, _: int) -> httpx.Response:
        body = {"level": "department", "subject": 1, "limits": {"image_bytes": 1}} | {
            key: value if given is None else given for key, given in changes.items()
        }
        version = client.get("/quotas", params={"level": "department", "subject": 1}).headers["ETag"]
        return client.put("/quotas", json=body, headers={"If-Match": version})

    return send


def price(field: str, **more: Any) -> Any:
    def send(client: httpx.Client, value: Any, _: int) -> httpx.Response:
        entry = {"resource": "cpu", "price_micros_per_hour": 1, **more, field: value}
        return client.put("/prices", json={"entries": [{k: v for k, v in entry.items() if v != "-"}]})

    return send


def resource_name(client: httpx.Client, value: Any, _: int) -> httpx.Response:
    version = client.get("/quotas", params={"level": "tenant", "subject": "alpha"}).headers["ETag"]
    body = {"level": "tenant", "subject": "alpha", "limits": {value: 5}}
    return client.put("/quotas", json=body, headers={"If-Match": version})


def fields_of(of: str, who: str, *fields: Field) -> list[Field]:
    return [Field(f.name, f.send, f.inside, f.outside, f.who if f.who != "tenant_admin" else who, f.secret, of)
            for f in fields]  # fmt: skip


ORGANISATIONS = fields_of(
    "organisation",
    "administrator",
    Field("code", post("/organisations", ORGANISATION, "code"), **LABEL),
    Field("code", post("/organisations", ORGANISATION, "code"), [], ["admin", "default", "kube-system", "hub"]),
    Field("code", post("/organisations", ORGANISATION, "code"), [], [Wrong(7, shown="7"), Wrong(None)]),
    Field("name", post("/organisations", ORGANISATION, "name"), **LABEL),
    Field("description", post("/organisations", ORGANISATION, "description"), **LONG_TEXT),
    Field("enabled", post("/organisations", ORGANISATION, "enabled"), [True, False], ["perhaps", 7]),
    Field("valid_until", post("/organisations", ORGANISATION, "valid_until"), ["2099-01-01T00:00:00Z", None], NO_TIME),
    Field(
        "administrator.name",
        post("/organisations", ORGANISATION, "administrator.name"),
        ["chief1", "c" * 32],
        SIGN_IN_NAME,
    ),
    Field(
        "administrator.display_name",
        post("/organisations", ORGANISATION, "administrator.display_name"),
        ["张三", "x" * 64],
        DISPLAY_NAME,
    ),
    Field("quota", post("/organisations", ORGANISATION, "quota"), [], [5]),
    Field("name", patch("/organisations/2", "name"), ["bet-a"], ["abc", "a" * 33, "BETA"]),
    Field("description", patch("/organisations/2", "description"), **LONG_TEXT),
    Field("valid_until", patch("/organisations/2", "valid_until"), ["2099-01-01T00:00:00Z", None], NO_TIME),
    Field("code", patch("/organisations/2", "code"), [], ["gamma"]),
)
DEPARTMENTS = fields_of(
    "department",
    "tenant_admin",
    Field(
        "name",
        post("/departments", DEPARTMENT, "name"),
        ["智能视觉", "Room", "R" * 32, "a_b-1 室"],
        ["abc", "R" * 33, "    ", "Room!", "Rооm", "Room\t1", "房间🙂间"],
    ),
    Field("description", post("/departments", DEPARTMENT, "description"), **LONG_TEXT),
    Field("members", post("/departments", DEPARTMENT, "members"), [[1], []], [Wrong([99_999], shown="99999")]),
    Field(
        "administrators",
        post("/departments", DEPARTMENT, "administrators"),
        [[]],
        [Wrong([99_999], shown="99999")],
    ),
    Field("name", patch("/departments/1", "name"), ["Vision", "视觉视觉"], ["abc", "R" * 33]),
    Field("add", post("/departments/1/members", {}, "add"), [[3]], [Wrong([99_999], shown="99999")]),
    Field("remove", post("/departments/1/members", {}, "remove"), [[3]], [Wrong([99_999], shown="99999")]),
)
GROUPS = fields_of(
    "group",
    "tenant_admin",
    Field("name", post("/groups", GROUP, "name"), ["a", "组", "g" * 32, "a-b_9"], ["", "g" * 33, "-a", "a-", "a b"]),
    Field("description", post("/groups", GROUP, "description"), **LONG_TEXT),
    Field("external_name", post("/groups", GROUP, "external_name"), ["cn=a,o=b", "x" * 512], ["x" * 513]),
    Field("roles", post("/groups", GROUP, "roles"), [["annotator"], []], [Wrong(["emperor"], shown="emperor")]),
    Field("members", post("/groups", GROUP, "members"), [[1]], [Wrong([99_999], shown="99999")]),
)
MEMBERS = fields_of(
    "member",
    "tenant_admin",
    Field("name", post("/members", MEMBER, "name"), ["abc123", "m" * 32, "JaneDoe"], SIGN_IN_NAME),
    Field("display_name", post("/members", MEMBER, "display_name"), ["张三", "x" * 64, "", "\t"], DISPLAY_NAME),
    Field("department", post("/members", MEMBER, "department"), [1, None], [99, "Vision"]),
    Field(
        "roles",
        post("/members", MEMBER, "roles"),
        [["annotator"], ["member", "annotator"]],
        [Wrong(["emperor"], shown="emperor"), Wrong(["department_administrator"], shown="department_administrator")],
    ),
    Field("guest", post("/members", MEMBER, "guest"), [True, False], ["perhaps"]),
    Field("roles", post("/members", {**MEMBER, "guest": True}, "roles"), [["annotator"]], [Wrong(["member"])]),
    Field("limit", get("/members", "limit"), [1, 500], [Wrong(0, shown="'0'"), Wrong(501, shown="'501'"), "many"]),
    Field("sort", get("/members", "sort"), ["name", "-created_at"], ["secret", "name; drop"]),
    Field("cursor", get("/members", "cursor"), [], ["###", "e30"]),
    Field("q", get("/members", "q"), ["", "x" * 200], ["x" * 201]),
    Field(
        "signed_in_after",
        get("/members", "signed_in_after"),
        ["2026-01-01T00:00:00Z"],
        ["2026-01-01T00:00:00", "yesterday"],
    ),
    Field("members", post("/members/links", {}, "members"), [], [Wrong([]), Wrong(7, shown="7"), Wrong([1] * 501)]),
)
ROLES = fields_of(
    "role",
    "tenant_admin",
    Field(
        "name",
        post("/roles", ROLE, "name"),
        ["Lead", "L" * 32, "标注负责", "a-b_c d"],
        ["abc", "L" * 33, "-abc", "ab!c", "abc ", "auditor"],
    ),
    Field("description", post("/roles", ROLE, "description"), **LONG_TEXT),
    Field(
        "permissions",
        post("/roles", ROLE, "permissions"),
        [{"data.dataset.read": "own"}, {"data.dataset.read": "organisation"}],
        [
            Wrong({}),
            Wrong({"data.dataset.fly": "own"}, shown="data.dataset.fly"),
            Wrong({"data.dataset.read": "far"}, shown="'far'", field="permissions.data.dataset.read"),
            Wrong({"data.dataset.read": "platform"}, shown="'platform'", field="permissions.data.dataset.read"),
        ],
    ),
    Field("scope", post("/roles", ROLE, "scope"), ["organisation"], ["world"]),
    Field("scope", post("/roles", ROLE, "scope"), ["platform"], ["department"], "administrator"),
)
QUOTAS = fields_of(
    "quota",
    "administrator",
    Field("limits.cpu_millis", limits("cpu_millis"), [0, 2**60, None], [-1, 2**60 + 1, 1.5, "8", True]),
    Field("limits.memory_bytes", limits("memory_bytes"), [0, 2**60, None], [-1, 2**60 + 1]),
    Field("limits.storage_bytes", limits("storage_bytes"), [0, 2**60, None], [-1, 2**60 + 1]),
    Field("limits.image_bytes", limits("image_bytes"), [2**60, 8 * 2**30], [-1, 2**60 + 1]),
    Field("limits.nvidia.com/gpu", limits("nvidia.com/gpu"), [0, 1000, None], [-1, 2**60 + 1]),
    Field("limits.luck", resource_name, [], [Wrong("luck", shown="luck")]),
    Field("level", quota(level=None), ["department"], ["planet"], "tenant_admin"),
    Field("subject", quota(subject=None), [1, "1"], [Wrong([1], shown="")]),
    Field("limits", quota(limits=None), [{"image_bytes": 1}], [Wrong({}, shown="")]),
    Field(
        "limits.image_bytes",
        quota(limits=None),
        [{"image_bytes": 8 * 2**30}],
        [Wrong({"image_bytes": 8 * 2**30 + 2**20}, shown="8")],
    ),
    Field("reservable", quota(reservable=None), [], [Wrong({"cpu_millis": 1}, shown="")]),
    Field("reservable.cpu_millis", reservable("cpu_millis"), [8000, 0], [-1, 1.5, "8", Wrong(8001, shown="8")]),
    Field("reservable.luck", reservable("luck"), [], [Wrong(1, shown="luck")]),
    Field("limit", get("/quota-sheets", "limit"), [1, 500], [Wrong(0, shown="'0'"), Wrong(501, shown="'501'")]),
)
SPECS = fields_of(
    "spec",
    "administrator",
    Field("name", post("/specs", SPEC, "name"), ["a", "规" * 32, "GPU 1×"], ["", "   ", "s" * 33, "a\nb"]),
    Field("kind", post("/specs", SPEC, "kind"), ["basic"], ["quantum"]),
    Field("scenario", post("/specs", SPEC, "scenario"), ["any", "training"], ["party"]),
    Field("cpu_millis", post("/specs", SPEC, "cpu_millis"), [1, 64_000], [0, -1, 1.5, Wrong(64_001, shown="64.001")]),
    Field(
        "memory_bytes",
        post("/specs", SPEC, "memory_bytes"),
        [2**24, 2**36],
        [2**24 - 1, -1, Wrong(2**36 + 2**30, shown="65")],
    ),
    Field("accelerators", post("/specs", SPEC, "accelerators"), [{}], [Wrong({"nvidia.com/gpu": 1}, "nvidia.com/gpu")]),
    Field(
        "accelerators.nvidia.com/gpu",
        post("/specs", CARDS, "accelerators"),
        [{"nvidia.com/gpu": 1}, {"nvidia.com/gpu": 8}],
        [Wrong({"nvidia.com/gpu": n}, str(n)) for n in (0, 9, 1025)],
    ),
    Field("accelerators", post("/specs", CARDS, "accelerators"), [], [Wrong({}, "0"), Wrong({"luck": 1}, "luck")]),
    Field("kind", post("/specs", {**CARDS, "kind": "gpu"}, "kind"), ["gpu"], ["npu", "gpu_mig"]),
    Field("cpu_millis", post("/specs", CARDS, "cpu_millis"), [0], [1]),
    Field("accelerator_label", post("/specs", CARDS, "accelerator_label"), ["H" * 64, None], ["H" * 65]),
)
MONEY = fields_of(
    "money",
    "administrator",
    Field("entries[0].resource", price("resource"), ["cpu", "nvidia.com/gpu"], ["luck", ""]),
    Field("entries[0].section", price("section"), ["training", None], ["kitchen"]),
    Field(
        "entries[0].price_micros_per_hour",
        price("price_micros_per_hour"),
        [0, 10**12],
        [Wrong(-1, "-0.000001"), Wrong(10**12 + 1, "1000000.000001"), 0.5, "1"],
    ),
    Field(
        "entries[0].price_per_hour",
        price("price_per_hour", price_micros_per_hour="-"),
        ["0", "0.123456789012"],
        ["a lot", "0.1234567890123"],
    ),
    Field(
        "entries[0].from",
        price("from"),
        ["2099-01-01T00:00:00Z", None],
        [Wrong("2020-01-01T00:00:00Z", "2020-01-01"), Wrong("2099-01-01T00:00:00", "2099-01-01"), "soon"],
    ),
    Field("entries", lambda c, value, _: c.put("/prices", json={"entries": value}), [], [Wrong([])]),
    Field(
        "amount_micros",
        post("/recharges", {"amount_micros": 1}, "amount_micros"),
        [1, -1],
        [0, 10**30, -(10**30), 0.5, "5"],
    ),
    Field("note", post("/recharges", {"amount_micros": 1}, "note"), ["n" * 255], ["n" * 256]),
)
AUDIT = fields_of(
    "audit",
    "administrator",
    Field("from", get("/audit-entries", "from"), ["2026-01-01T00:00:00Z"], ["2026-01-01T00:00:00", "lately"]),
    Field("to", get("/audit-entries", "to"), ["2026-01-01T00:00:00+08:00"], ["2026-01-01T00:00:00", "never"]),
    Field("category", get("/audit-entries", "category"), ["operation", "security"], ["gossip"]),
    Field("limit", get("/audit-entries", "limit"), [1, 500], [Wrong(0, "'0'"), Wrong(501, "'501'")]),
    Field("cursor", get("/audit-entries", "cursor"), ["5"], ["x", "-1"]),
    Field("q", get("/audit-entries", "q"), ["x" * 200], ["x" * 201]),
    Field("actor", get("/audit-entries", "actor"), ["x" * 512], ["x" * 513]),
    Field("action", get("/audit-entries", "action"), ["x" * 128], ["x" * 129]),
    Field("outcome", get("/audit-entries", "outcome"), ["done"], ["x" * 33]),
    Field("address", get("/audit-entries", "address"), ["192.0.2.1"], ["x" * 65]),
    Field("colour", get("/audit-entries", "colour"), [], ["red"]),
    Field("format", get("/audit-entries/export", "format"), ["csv", "jsonl"], ["pdf"]),
)
TOKENS = fields_of(
    "api_token",
    "member",
    Field("name", post("/api-tokens", {}, "name"), ["t", "令" * 64], ["", "  ", "t" * 65, "a\u200bb"]),
    Field(
        "permissions",
        post("/api-tokens", {"name": "ci"}, "permissions"),
        [["data.dataset.read"], [], None],
        [Wrong(["data.dataset.fly"], shown="data.dataset.fly")],
    ),
    Field("reach", post("/api-tokens", {"name": "ci"}, "reach"), ["own"], ["world"]),
    Field("expires_at", post("/api-tokens", {"name": "ci"}, "expires_at"), ["2099-01-01T00:00:00Z", None], NO_TIME),
)


@pytest.fixture(scope="module")
def world(shared_world: World) -> World:
    """With one machine of 64 cores, 64 GiB and 8 cards, so that a spec can be too large for it."""
    capacity = Resources(64_000, 2**36, 0, {"nvidia.com/gpu": 8})
    engine = shared_world.live.platform.get(Engine)
    engine.nodes = (NodeCapacity("big", capacity, Resources(0, 0)),)
    return shared_world


EVERY = [*ORGANISATIONS, *DEPARTMENTS, *GROUPS, *MEMBERS, *ROLES, *QUOTAS, *SPECS, *MONEY, *AUDIT, *TOKENS]


@pytest.mark.parametrize("field", EVERY, ids=str)
def test_both_sides_of_every_limit(world: World, field: Field) -> None:
    check(world, field)


HEAD = "name,display_name,department,roles,guest"
CSV_RIGHT = ["csvone,,,,", f"{'v' * 32},{'x' * 64},DEPARTMENT,member;annotator,no", "csvtwo,张三,,,是"]
CSV_WRONG = [
    ("abc12,,,,", "name", "abc12"),
    (f"{'c' * 33},,,,", "name", "ccccc"),
    ("jаnedoe,,,,", "name", "jаnedoe"),
    (",someone,,,", "name", ""),
    (f"csvbad1,{'x' * 65},,,", "display_name", "xxxxx"),
    ("csvbad2,,Nowhere,,", "department", "Nowhere"),
    ("csvbad3,,,emperor,", "roles", "emperor"),
    ("csvbad4,,,Administrator,", "roles", None),
    ("csvbad5,,,,perhaps", "guest", "perhaps"),
    ("csvbad6,,,member,yes", "roles", "member"),
    ("csvbad7,,,,,more", "line", "more"),
    ("csvone,,,,", "name", "csvone"),
    ("betamember,,,,", "name", "betamember"),
]


def test_ten_6_every_column_of_a_members_file(world: World) -> None:
    """A wrong line is refused by field, rule and value in both languages, makes nobody, and holds no other line up."""
    lines = [HEAD, *CSV_RIGHT, *(line for line, _, _ in CSV_WRONG)]
    with client_of(world, "tenant_admin", "en") as client:
        known = {row["name"] for row in ok(client.get("/members", params={"limit": 500}))["items"]}
        department = ok(client.get("/departments/1"))["name"]
        data = "\n".join(lines).replace("DEPARTMENT", department).encode()
        made = ok(client.post("/member-imports", content=data), 202)
        begun = time.monotonic()
        while ok(client.get(f"/member-imports/{made['id']}"))["state"] in ("queued", "running"):
            assert time.monotonic() - begun < 120
            time.sleep(0.05)
        report = ok(client.get(f"/member-imports/{made['id']}/lines"))
        now = {row["name"] for row in ok(client.get("/members", params={"limit": 500}))["items"]}
    assert [line["outcome"] for line in report] == ["created"] * len(CSV_RIGHT) + ["refused"] * len(CSV_WRONG)
    assert now - known == {line.partition(",")[0] for line in CSV_RIGHT}
    for (text, field, shown), line in zip(CSV_WRONG, report[len(CSV_RIGHT) :], strict=True):
        (found,) = line["problems"]
        assert found["field"] == field and found["rule"], (text, found)
        for sentence in (found["message"], found["message_zh"]):
            assert shown is None or shown in sentence, (text, found)
        assert CHINESE.search(found["message_zh"]) and not CHINESE.search(found["message"]), (text, found)


def test_a_refusal_repeats_no_secret_and_at_most_the_beginning_of_a_text(world: World) -> None:
    """SEC-4: a secret that is too long, or sent where no field is, does not come back."""
    secret = "pl4nted secret " * 100
    with client_of(world, "administrator", "en") as client:
        before = state(world.live)
        for body in (
            {"kind": "smtp", "settings": {"host": "mail", "sender_address": "a@b"}, "secret": secret},
            {"kind": "smtp", "settings": {"host": "mail", "sender_address": "a@b", "password": secret}},
        ):
            refused = client.put("/message-senders/email", json=body)
            assert refused.status_code == 422 and "pl4nted" not in refused.text, refused.text
        long = client.post("/departments", json={"name": "x" * 190, "description": "y" * 2001})
        assert long.status_code == 422 and "y" * 200 not in long.text
        assert state(world.live) == before
