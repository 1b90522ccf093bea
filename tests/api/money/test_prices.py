"""Setting and seeing prices (OPS-1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from himalia_hub.core import clock
from tests.support.service import ADMIN_CREDENTIAL, World


def put(world: World, *entries: dict[str, Any], **headers: str) -> Any:
    with world.live.internal(ADMIN_CREDENTIAL) as client:
        return client.put("/admin/prices", json={"entries": list(entries)}, headers=headers)


def current(world: World) -> dict[tuple[str, str | None], dict[str, Any]]:
    with world.alpha.member.client() as client:
        listed = client.get("/prices").raise_for_status().json()
    return {(entry["resource"], entry["section"]): entry for entry in listed["entries"] if entry["state"] != "future"}


def test_unset_prices_are_zero_and_shown_as_such(world: World) -> None:
    found = current(world)
    for resource, unit in (("cpu", "core"), ("memory", "GiB"), ("storage", "GiB")):
        entry = found[resource, None]
        assert (entry["state"], entry["price_micros_per_hour"], entry["unit"]) == ("unset", 0, unit)


def test_prices_are_exact_dated_and_say_who_set_them(world: World) -> None:
    later = clock.to_wire(clock.now() + timedelta(hours=1))
    answer = put(
        world,
        {"resource": "cpu", "price_micros_per_hour": 100_000},
        {"resource": "memory", "price_per_hour": "0.000031944444"},
        {"resource": "nvidia.com/gpu", "section": "training", "price_micros_per_hour": 5_000_000},
        {"resource": "cpu", "price_micros_per_hour": 200_000, "from": later},
    )
    assert answer.status_code == 200, answer.text
    found = current(world)
    assert found["cpu", None]["price_micros_per_hour"] == 100_000
    assert found["cpu", None]["set_by"] == "local_admin"
    assert found["memory", None]["price_per_hour"] == "0.000031944444"
    assert found["memory", None]["price_micros_per_hour"] == 32
    assert found["nvidia.com/gpu", "training"]["unit"] == "card"
    planned = [entry for entry in answer.json()["entries"] if entry["state"] == "future"]
    assert [(entry["resource"], entry["price_per_hour"], entry["from"]) for entry in planned] == [("cpu", "0.2", later)]

    put(world, {"resource": "cpu", "price_micros_per_hour": 0}).raise_for_status()
    with world.alpha.member.client() as client:
        history = client.get("/prices?history=true").json()["entries"]
    assert [
        entry["price_per_hour"] for entry in history if entry["resource"] == "cpu" and entry["state"] == "past"
    ] == ["0.1"]


@pytest.mark.parametrize(
    ("entry", "field", "value"),
    [
        ({"resource": "cpu", "price_micros_per_hour": -1}, "entries[1].price_micros_per_hour", "-0.000001"),
        ({"resource": "cpu", "price_per_hour": "-0.5"}, "entries[1].price_micros_per_hour", "-0.5"),
        ({"resource": "cpu", "price_per_hour": "a lot"}, "entries[1].price_per_hour", "a lot"),
        ({"resource": "cpu", "price_per_hour": "0.1234567890123"}, "entries[1].price_per_hour", "0.1234567890123"),
        ({"resource": "cpu", "price_micros_per_hour": 0.5}, "entries[1].price_micros_per_hour", 0.5),
        (
            {"resource": "cpu", "price_micros_per_hour": 10**12 + 1},
            "entries[1].price_micros_per_hour",
            "1000000.000001",
        ),
        ({"resource": "luck", "price_micros_per_hour": 1}, "entries[1].resource", "luck"),
        ({"resource": "cpu", "section": "kitchen", "price_micros_per_hour": 1}, "entries[1].section", "kitchen"),
        ({"resource": "cpu", "price_micros_per_hour": 1, "from": "2020-01-01T00:00:00Z"}, "entries[1].from", None),
        ({"resource": "cpu", "price_micros_per_hour": 1, "from": "2090-01-01T00:00:00"}, "entries[1].from", None),
        ({"resource": "cpu"}, "entries[1].price_micros_per_hour", None),
    ],
)
def test_bad_prices_are_refused_by_field_rule_and_value_and_change_nothing(
    world: World, entry: dict[str, Any], field: str, value: Any
) -> None:
    answer = put(world, {"resource": "memory", "price_micros_per_hour": 7}, entry)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["field"] == field
    assert problem["rule"]
    if value is not None:
        assert problem["value"] == value
    assert current(world)["memory", None]["state"] == "unset"


def test_only_platform_administrators_set_prices_after_step_up(world: World) -> None:
    body = {"entries": [{"resource": "cpu", "price_micros_per_hour": 1}]}
    with world.alpha.administrator.client() as client:
        refused = client.put("/prices", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
    with world.alpha.tenant_admin.client(step_up=True) as client:
        assert client.put("/prices", json=body).json()["code"] == "not_permitted"
    with world.alpha.administrator.client(step_up=True) as client:
        assert client.put("/prices", json=body).status_code == 200


@pytest.mark.parametrize("statement", ["UPDATE price_entries SET picos_per_hour = 0", "DELETE FROM price_entries"])
def test_the_database_itself_refuses_to_rewrite_prices(world: World, statement: str) -> None:
    put(world, {"resource": "cpu", "price_micros_per_hour": 1}).raise_for_status()
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        world.live.write(lambda session: session.execute(sa.text(statement)))
