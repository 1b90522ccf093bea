"""Bills and postings as documents (OPS-4, OPS-5)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from himalia_hub.backends.protocol import Resources
from himalia_hub.billing import exports, handlers
from tests.api.money.facts import GIB, NOON, Time, Work, charge, moved_clock, recharge, set_prices
from tests.support.service import World


@pytest.fixture(autouse=True)
def moved() -> Iterator[Time]:
    with moved_clock() as time:
        yield time


@pytest.fixture
def bills(moved: Time, world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Five settled bills; batches of two, so that an export spans several."""
    monkeypatch.setattr(handlers, "EXPORT_BATCH", 2)
    set_prices(world, cpu="0.10", memory="0.05", **{"nvidia.com/gpu": "7.5"})
    recharge(world, "100")
    for number in range(1, 6):
        gpu = {"nvidia.com/gpu": 1} if number == 5 else {}
        work = Work(world, world.alpha.member, number, resources=Resources(2000, 3 * GIB, accelerators=gpu))
        work.tell("opened", NOON, NOON)
        moved.move(minutes=1)
        work.end(moved.now, NOON)
        charge(world)
    return world


def export(world: World, path: str, person: Any = None, language: str = "en", **query: Any) -> bytes:
    with (person or world.alpha.member).client(step_up=True, **{"Accept-Language": language}) as client:
        answer = client.get(path, params=query).raise_for_status()
        assert "attachment" in answer.headers["Content-Disposition"]
        return answer.content


def table(data: bytes) -> list[dict[str, str]]:
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_bills_as_csv_round_once_to_the_currencys_smallest_unit(bills: World) -> None:
    rows = table(export(bills, "/bills/export"))
    assert [row["Name"] for row in rows] == [f"run {n}" for n in range(1, 6)]
    first, last = rows[0], rows[4]
    # One minute of 2 cores and 3 GiB: 0.003333 + 0.0025, in a document 0.01 as a total, 0.00 each.
    assert (first["CPU cost"], first["Memory cost"], first["Total"], first["Currency"]) == (
        "0.00",
        "0.00",
        "0.01",
        "CNY",
    )
    assert (first["Started"], first["Ended"], first["Duration (s)"]) == (
        "2026-11-21 12:00:00",
        "2026-11-21 12:01:00",
        "60.0",
    )
    assert (first["CPU price per core and hour"], first["User"], first["State"]) == (
        "0.1",
        bills.alpha.member.name,
        "settled",
    )
    assert (last["Accelerators"], last["Accelerator cost"], last["Total"]) == ("nvidia.com/gpu x 1", "0.62", "0.65")


def test_bills_as_xlsx_are_numbers_and_dates(bills: World) -> None:
    data = export(bills, "/bills/export", format="xlsx", language="zh", offset_minutes=480)
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0] == tuple(zh for _, zh in exports.BILL_HEAD)
    assert len(rows) == 6
    last = dict(zip(rows[0], rows[5], strict=True))
    assert last["开始时间"] == datetime(2026, 11, 21, 20)
    assert (last["总费用"], last["内存（GiB）"], last["状态"], last["类型"]) == (0.65, 3, "已结清", "训练")


def test_filters_and_reach_hold_for_exports(bills: World) -> None:
    assert table(export(bills, "/bills/export", bills.alpha.colleague)) == []
    assert table(export(bills, "/bills/export", bills.beta.tenant_admin)) == []
    assert len(table(export(bills, "/bills/export", bills.alpha.tenant_admin, resource="nvidia.com/gpu"))) == 1
    with bills.alpha.member.client() as client:
        assert client.get("/bills/export?format=pdf").status_code == 422
        assert client.get("/ledger/export").status_code == 403


def test_the_ledger_as_csv_and_xlsx(bills: World) -> None:
    rows = table(export(bills, "/ledger/export", bills.alpha.tenant_admin))
    assert [row["Type"] for row in rows] == ["recharge"] + ["charge"] * 5
    assert (rows[0]["Amount"], rows[0]["Balance after"]) == ("100.00", "100.00")
    assert rows[5]["Bill"] == "B-alpha-000005"
    data = export(bills, "/ledger/export", bills.alpha.tenant_admin, format="xlsx", type="charge")
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    assert sheet is not None
    assert sheet.max_row == 6


async def _batches(*batches: list[exports.Row]) -> Any:
    for batch in batches:
        yield batch


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2", "@SUM(A1)", "\t=1"])
def test_names_that_look_like_formulas_stay_text(text: str) -> None:
    import asyncio

    async def collect(form: str) -> bytes:
        return b"".join(
            [chunk async for chunk in exports.FORMATS[form][0](["Name", "Total"], _batches([(text, Decimal("-1.50"))]))]
        )

    row = table(asyncio.run(collect("csv")))[0]
    assert (row["Name"], row["Total"]) == ("'" + text, "-1.50")
    sheet = openpyxl.load_workbook(io.BytesIO(asyncio.run(collect("xlsx")))).active
    assert sheet is not None
    assert (sheet["A2"].value, sheet["A2"].data_type, sheet["B2"].value) == (text, "s", -1.5)
