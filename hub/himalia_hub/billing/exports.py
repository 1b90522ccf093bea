"""Bills and postings as documents: .csv as a stream, .xlsx through a file that never holds all rows in memory.

Documents are the only place where amounts are rounded to the currency's smallest unit (OPS-1).
Text that a spreadsheet would take for a formula is kept text.
"""

from __future__ import annotations

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import xlsxwriter

from himalia_hub.core import money

Row = Sequence[Any]
Batches = AsyncIterator[list[Row]]
CSV, XLSX = "text/csv; charset=utf-8", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CHUNK = 64 * 1024
XLSX_ROWS = 1_048_575
"""What one sheet takes below its head; more rows go on in further sheets."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

BILL_HEAD = (
    ("Serial number", "账单编号"),
    ("Name", "作业名称"),
    ("Type", "类型"),
    ("Section", "业务分区"),
    ("Organisation", "组织"),
    ("Department", "部门"),
    ("User", "用户"),
    ("Created", "创建时间"),
    ("Started", "开始时间"),
    ("Ended", "结束时间"),
    ("Duration (s)", "时长（秒）"),
    ("Nodes", "节点"),
    ("Replicas", "副本数"),
    ("CPU cores", "CPU 核数"),
    ("Memory (GiB)", "内存（GiB）"),
    ("Accelerators", "加速卡"),
    ("CPU price per core and hour", "CPU 单价（每核时）"),
    ("Memory price per GiB and hour", "内存单价（每 GiB 时）"),
    ("Accelerator price per card and hour", "加速卡单价（每卡时）"),
    ("CPU cost", "CPU 费用"),
    ("Memory cost", "内存费用"),
    ("Storage cost", "存储费用"),
    ("Accelerator cost", "加速卡费用"),
    ("Total", "总费用"),
    ("Currency", "币种"),
    ("State", "状态"),
)
LEDGER_HEAD = (
    ("Serial number", "流水号"),
    ("Time", "时间"),
    ("Type", "类型"),
    ("Amount", "金额"),
    ("Balance after", "余额"),
    ("Currency", "币种"),
    ("Organisation", "组织"),
    ("Department", "部门"),
    ("User", "用户"),
    ("Bill", "账单"),
    ("Note", "备注"),
)
WORDS_ZH = {
    "open": "未结清",
    "settled": "已结清",
    "recharge": "充值",
    "charge": "扣费",
    "refund": "退款",
    "notebook": "Notebook",
    "run": "训练",
    "service_variant": "在线服务",
    "annotation": "标注",
    "training": "训练",
    "inference": "推理",
    "storage": "存储",
    "data_processing": "数据处理",
    "visualisation": "可视化",
}


def head(names: Sequence[tuple[str, str]], language: str) -> list[str]:
    return [name[1 if language == "zh" else 0] for name in names]


def _local(text: str | None, offset: timedelta) -> datetime | None:
    """A wire moment as the clock on the person's wall shows it."""
    if text is None:
        return None
    return (datetime.fromisoformat(text) + offset).replace(tzinfo=None, microsecond=0)


def _word(word: str, language: str) -> str:
    return WORDS_ZH.get(word, word) if language == "zh" else word


def bill_row(bill: dict[str, Any], currency: dict[str, Any], offset: timedelta, language: str) -> Row:
    """One bill as a row of the document, from its wire shape."""
    costs = {"cpu": 0, "memory": 0, "storage": 0, "accelerator": 0}
    prices: dict[str, list[str]] = {name: [] for name in costs}
    for line in bill["lines"]:
        name = line["resource"] if line["resource"] in costs else "accelerator"
        costs[name] += line["amount_micros"]
        if line["unit_price"] not in prices[name]:
            prices[name].append(line["unit_price"])
    digits = currency["digits"]
    resources = bill["resources"]
    return (
        bill["serial"],
        bill["name"],
        _word(bill["kind"], language),
        _word(bill["section"], language),
        bill["tenant"]["name"],
        (bill["department"] or {}).get("name", ""),
        bill["user"]["name"],
        _local(bill["created_at"], offset),
        _local(bill["started_at"], offset),
        _local(bill["ended_at"], offset),
        Decimal(str(bill["duration_seconds"])),
        ", ".join(bill["nodes"]),
        bill["replicas"],
        Decimal(resources["cpu_millis"]) / 1000,
        Decimal(resources["memory_bytes"]) / 2**30,
        ", ".join(f"{name} x {count}" for name, count in sorted(resources["accelerators"].items())),
        "; ".join(prices["cpu"]),
        "; ".join(prices["memory"]),
        "; ".join(prices["accelerator"]),
        *(money.for_document(costs[name], digits) for name in ("cpu", "memory", "storage", "accelerator")),
        money.for_document(bill["total_micros"], digits),
        currency["code"],
        _word(bill["state"], language),
    )


def posting_row(
    posting: dict[str, Any], tenant: str, currency: dict[str, Any], offset: timedelta, language: str
) -> Row:
    """One ledger entry as a row of the document, from its wire shape."""
    return (
        posting["serial"],
        _local(posting["at"], offset),
        _word(posting["type"], language),
        money.for_document(posting["amount_micros"], currency["digits"]),
        money.for_document(posting["balance_after_micros"], currency["digits"]),
        currency["code"],
        tenant,
        (posting["department"] or {}).get("name", ""),
        (posting["user"] or {}).get("name", ""),
        (posting["bill"] or {}).get("serial", ""),
        posting["note"],
    )


def _csv_cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return "" if value is None else value


async def as_csv(names: Sequence[str], batches: Batches) -> AsyncIterator[bytes]:
    """UTF-8 with a byte order mark, so that spreadsheets read Chinese rightly."""

    def lines(rows: Sequence[Row]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([_csv_cell(value) for value in row] for row in rows)
        return text.getvalue().encode()

    yield b"\xef\xbb\xbf" + lines([names])
    async for rows in batches:
        yield lines(rows)


async def as_xlsx(names: Sequence[str], batches: Batches) -> AsyncIterator[bytes]:
    """A workbook; rows go to a temporary file as they come."""
    with tempfile.TemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
        options = {"constant_memory": True, "tmpdir": folder, "strings_to_formulas": False, "strings_to_urls": False}
        book = xlsxwriter.Workbook(file, options)
        bold, moment = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})

        def sheet() -> Any:
            made = book.add_worksheet()
            made.freeze_panes(1, 0)
            made.set_column(0, len(names) - 1, 18)
            made.write_row(0, 0, names, bold)
            return made

        page, filled = sheet(), 0
        async for rows in batches:
            for row in rows:
                if filled == XLSX_ROWS:
                    page, filled = sheet(), 0
                filled += 1
                _write(page, filled, row, moment)
        await asyncio.to_thread(book.close)
        file.seek(0)
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


def _write(page: Any, number: int, row: Row, moment: Any) -> None:
    for column, value in enumerate(row):
        if value is None:
            continue
        if isinstance(value, datetime):
            page.write_datetime(number, column, value, moment)
        elif isinstance(value, str):
            page.write_string(number, column, value)
        else:
            page.write_number(number, column, value)


FORMATS: dict[str, tuple[Callable[[Sequence[str], Batches], AsyncIterator[bytes]], str]] = {
    "csv": (as_csv, CSV),
    "xlsx": (as_xlsx, XLSX),
}
