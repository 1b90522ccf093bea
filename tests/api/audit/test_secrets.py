"""SEC-1, SEC-4: no secret reaches the audit log, whatever field or text carries it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel

from himalia_hub.api.openapi import all_routes
from himalia_hub.audit import service as audit
from himalia_hub.audit.masking import MASK, masked
from himalia_hub.audit.tables import AuditEntry
from tests.support.service import World

PLANT = "pl4nted-Secret value"
SAYS_SECRET = re.compile(
    r"pass|secret|token|credential|captcha|answer|otp|(^|_)(code|key|pin)$|dsn|private", re.IGNORECASE
)
NOT_SECRET = {"tokenizer"}


def text_fields(schema: Any, defs: dict[str, Any], name: str = "", seen: tuple[str, ...] = ()) -> set[str]:
    """Every property of a JSON schema that may hold text, at any depth."""
    found: set[str] = set()
    if not isinstance(schema, dict):
        return found
    if "$ref" in schema:
        key = schema["$ref"].rpartition("/")[2]
        return found if key in seen else text_fields(defs[key], defs, name, (*seen, key))
    if schema.get("type") == "string":
        found.add(name)
    for key, value in schema.get("properties", {}).items():
        found |= text_fields(value, defs, key, seen)
    for part in (
        *schema.get("anyOf", ()),
        *schema.get("oneOf", ()),
        schema.get("items"),
        schema.get("additionalProperties"),
    ):
        found |= text_fields(part, defs, name, seen)
    return found


def body_fields() -> set[str]:
    found: set[str] = set()
    for route in all_routes():
        if isinstance(route.body, type) and issubclass(route.body, BaseModel):
            schema = route.body.model_json_schema()
            found |= text_fields(schema, schema.get("$defs", {}))
    return found


SECRET_FIELDS = sorted(name for name in body_fields() if SAYS_SECRET.search(name) and name not in NOT_SECRET)


def test_the_walk_finds_the_fields_that_are_known() -> None:
    """Control: what the next test goes through is not empty."""
    assert {"password", "token"} <= set(SECRET_FIELDS), SECRET_FIELDS


@pytest.mark.parametrize("field", SECRET_FIELDS)
def test_every_secret_field_of_every_route_is_masked(field: str) -> None:
    for sent in ({field: PLANT}, {"a": [{field: PLANT}]}, {field: {"value": PLANT}}, {field: [PLANT]}):
        assert PLANT not in json.dumps(masked({"sent": sent})), field


@pytest.mark.parametrize(
    "text",
    [
        "hmp_" + "A" * 43,
        "see hmt_" + "b" * 43 + " there",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
        "Authorization: Bearer abcdefgh12345678",
        "https://somebody:hunter22@host/x",
        "https://host/hub/himalia/link?token=abcdef0123456789",
    ],
)
def test_what_looks_like_a_secret_is_masked_wherever_it_stands(text: str) -> None:
    kept = json.dumps(masked({"note": text}), ensure_ascii=False)
    assert MASK in kept
    for piece in ("A" * 20, "b" * 20, "MIIB", "abcdefgh12345678", "hunter22", "abcdef0123456789"):
        assert piece not in kept


def test_what_is_no_secret_stays_readable() -> None:
    """Control: masking everything would pass the tests above."""
    plain = {
        "name": "pets",
        "description": "token free? no: a key idea",
        "limits": {"cpu_millis": 4000},
        "n": [1, None],
    }
    assert masked(plain) == plain


def test_what_a_database_refuses_is_made_fit(world: World) -> None:
    """NUL, lone surrogates, numbers that are none, endless depth: the entry is written all the same."""
    deep: Any = "end"
    for _ in range(50):
        deep = [deep]
    odd = {"a\0b": "c\0d", "lone": "\ud800", "nan": float("nan"), "big": 2**70, "deep": deep, "long": "x" * 9000}
    world.live.write(lambda session: audit.record(session, "made.up", actor_name="n\0\ud800", detail=odd))
    with world.alpha.auditor.client(step_up=True) as auditor:
        (entry,) = auditor.get("/audit-entries", params={"action": "made.up"}).json()["items"]
    assert len(entry["detail"]["long"]) == 512


def test_planted_secrets_of_real_requests_are_nowhere_in_the_table(world: World) -> None:
    """Requests with secrets in body, query and credentials; then every column is searched."""
    with world.alpha.member.client() as client:
        made = client.post("/api-tokens", json={"name": "mine"})
        token = made.json()["token"]
    hub = world.live.internal()
    for path, body in (
        ("sign-in/password", {"name": world.alpha.member.name, "password": PLANT, "address": "10.1.2.3"}),
        ("sign-in/password", {"name": "nobodyatall", "password": PLANT, "address": "10.1.2.3"}),
        ("sign-in/link", {"token": PLANT, "address": "10.1.2.3"}),
        (
            "step-up",
            {"hub_user": world.alpha.member.hub_name, "password": PLANT, "session": "s", "address": "10.1.2.3"},
        ),
    ):
        hub.post(f"/{path}", json=body)
    with world.live.client(PLANT.replace(" ", "")) as unknown:
        unknown.get("/me")
    with world.alpha.administrator.client(step_up=True) as admin:
        admin.put("/senders/email", json={"kind": "smtp", "settings": {"host": "h", "password": PLANT}})
        admin.get("/audit-entries", params={"q": f"hmp_{'q' * 43}"})
        admin.post("/recharges", json={"tenant": "beta", "amount_micros": 1_000_000, "note": f"with {token}"})
    with world.live.platform.db.engine.connect() as db:
        rows = [repr(tuple(row)) for row in db.execute(sa.select(AuditEntry.__table__))]
    assert len(rows) >= 5
    table = "\n".join(rows)
    secrets = (PLANT, PLANT.replace(" ", ""), token, world.alpha.member.notebook_token, "q" * 43)
    assert [secret for secret in secrets if secret in table] == []
