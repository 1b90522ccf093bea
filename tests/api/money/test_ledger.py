"""Balance, recharges, income and expense (TEN-4, OPS-3, OPS-5)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from himalia_hub.billing import ledger, service
from himalia_hub.billing.tables import LedgerAccount, LedgerEntry
from tests.support.service import ADMIN_CREDENTIAL, World


def recharge(world: World, amount: Any, tenant: str | None = "alpha", note: str = "", **headers: str) -> Any:
    body = {"amount_micros": amount, "note": note, **({"tenant": tenant} if tenant else {})}
    with world.alpha.administrator.client(step_up=True) as client:
        return client.post("/recharges", json=body, headers=headers)


def balance(world: World) -> dict[str, Any]:
    with world.alpha.member.client() as client:
        return client.get("/balance").raise_for_status().json()  # type: ignore[no-any-return]


def test_a_recharge_raises_the_balance_and_a_negative_one_lowers_it(world: World) -> None:
    first = recharge(world, 100_000_000, note="Bank transfer 7")
    assert first.status_code == 201, first.text
    posting = first.json()
    assert (posting["type"], posting["amount_micros"], posting["balance_after_micros"]) == (
        "recharge",
        100_000_000,
        100_000_000,
    )
    assert posting["serial"] == "L-alpha-000001"
    assert recharge(world, -40_000_000).json()["balance_after_micros"] == 60_000_000
    found = balance(world)
    assert (found["balance_micros"], found["available_micros"], found["held_micros"]) == (60_000_000, 60_000_000, 0)
    assert (found["lasts_until"], found["tenant"]["code"]) == (None, "alpha")
    with world.alpha.tenant_admin.client(step_up=True) as client:
        listed = client.get("/ledger").raise_for_status().json()
        assert [item["amount_micros"] for item in listed["items"]] == [-40_000_000, 100_000_000]
        assert listed["items"][1]["note"] == "Bank transfer 7"
        assert listed["items"][1]["user"]["name"] == world.alpha.administrator.name
        assert client.get("/ledger?type=charge").json()["items"] == []
    with world.beta.member.client() as client:
        assert client.get("/balance").json()["balance_micros"] == 0


@pytest.mark.parametrize(("amount", "value"), [(0, 0), (10**15 + 1, 10**15 + 1), (1.5, 1.5), (True, True), ("5", "5")])
def test_bad_amounts_are_refused_and_move_nothing(world: World, amount: Any, value: Any) -> None:
    answer = recharge(world, amount)
    assert answer.status_code == 422
    assert (answer.json()["field"], answer.json()["value"]) == ("amount_micros", value)
    assert balance(world)["balance_micros"] == 0


def test_who_may_recharge_and_read_the_ledger(world: World) -> None:
    for person in (world.alpha.tenant_admin, world.alpha.member, world.alpha.department_admin):
        with person.client(step_up=True) as client:
            assert client.post("/recharges", json={"amount_micros": 1}).json()["code"] == "not_permitted"
    with world.alpha.member.client(step_up=True) as client:
        assert client.get("/ledger").status_code == 403
    recharge(world, 5, tenant="beta").raise_for_status()
    with world.alpha.tenant_admin.client(step_up=True, **{"Himalia-Tenant": "beta"}) as client:
        assert client.get("/ledger").status_code == 404
    with world.alpha.administrator.client(step_up=True, **{"Himalia-Tenant": "beta"}) as client:
        assert [item["amount_micros"] for item in client.get("/ledger").json()["items"]] == [5]
    assert recharge(world, 5, tenant="gamma").json()["field"] == "tenant"


def test_the_machines_administrator_recharges_by_code(world: World) -> None:
    with world.live.internal(ADMIN_CREDENTIAL) as client:
        answer = client.post("/admin/recharges", json={"tenant": "beta", "amount_micros": 9_000_000, "note": "start"})
        assert answer.status_code == 201, answer.text
        assert answer.json()["user"]["name"] == "local_admin"
        assert client.post("/admin/recharges", json={"amount_micros": 1}).json()["field"] == "tenant"
        listed = client.get("/admin/balances").raise_for_status().json()
    assert {item["tenant"]["code"]: item["balance_micros"] for item in listed["items"]} == {
        "alpha": 0,
        "beta": 9_000_000,
    }
    assert listed["sum_of_accounts_micros"] == 0


def test_the_same_key_recharges_once(world: World) -> None:
    """GEN-6 for money: a repeated request is answered the same and moves nothing more."""
    key = {"Idempotency-Key": "order-17"}
    first, second = recharge(world, 1_000_000, **key), recharge(world, 1_000_000, **key)
    assert first.json() == second.json()
    assert recharge(world, 2_000_000, **key).status_code == 422
    assert balance(world)["balance_micros"] == 1_000_000


def test_a_cause_is_posted_once(world: World) -> None:
    def twice(session: Any) -> list[int]:
        return [
            service.recharge(session, world.alpha.tenant_id, 5, user_name="x", key="demo").number,
            service.recharge(session, world.alpha.tenant_id, 5, user_name="x", key="demo").number,
        ]

    assert world.live.write(twice) == [1, 1]
    assert balance(world)["balance_micros"] == 5


def test_parallel_recharges_all_count_and_accounts_sum_to_zero(world: World) -> None:
    """OPS-3: serials have no gaps, balances follow entry by entry, all accounts sum to zero."""
    amounts = [1_000_000 + n for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        assert {answer.status_code for answer in pool.map(lambda amount: recharge(world, amount), amounts)} == {201}
    assert balance(world)["balance_micros"] == sum(amounts)
    with world.live.platform.db.engine.connect() as db:
        entries = db.execute(sa.select(LedgerEntry.__table__).order_by(LedgerEntry.number)).all()
        assert [entry.number for entry in entries] == list(range(1, 25))
        running = 0
        for entry in entries:
            running += entry.amount_micros
            assert entry.balance_after_micros == running
        assert ledger.sum_of_accounts(db) == 0
        funding = db.execute(sa.select(LedgerAccount.balance_micros).where(LedgerAccount.key == "funding")).scalar_one()
        assert funding == -sum(amounts)


@pytest.mark.parametrize("statement", ["UPDATE ledger_entries SET amount_micros = 1", "DELETE FROM ledger_entries"])
def test_the_database_itself_refuses_to_rewrite_the_ledger(world: World, statement: str) -> None:
    recharge(world, 100).raise_for_status()
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        world.live.write(lambda session: session.execute(sa.text(statement)))
    assert balance(world)["balance_micros"] == 100
