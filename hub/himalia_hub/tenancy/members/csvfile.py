"""The CSV of members: reading what people's spreadsheets write, and writing what they can open. Pure.

Columns are known by their English or Chinese head, in any order. Files are UTF-8 with or without a
byte order mark, or GB18030 as Chinese spreadsheets save them.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from himalia_hub.core.errors import InvalidInput
from himalia_hub.tenancy.wording import refuse

MOST_LINES = 20_000
HEADS = {
    "name": "用户名",
    "display_name": "显示名",
    "department": "部门",
    "roles": "角色",
    "guest": "访客",
}
EXPORTED = {
    "id": "编号",
    **HEADS,
    "groups": "用户组",
    "source": "来源",
    "enabled": "已启用",
    "last_sign_in_at": "最近登录",
    "created_at": "创建时间",
}
TRUE = frozenset(("yes", "true", "1", "是"))
FALSE = frozenset(("", "no", "false", "0", "否"))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def decode(data: bytes) -> tuple[str, str]:
    """The text and the name of its encoding; :class:`InvalidInput` for anything else."""
    if data.startswith(codecs.BOM_UTF8):
        data = data[len(codecs.BOM_UTF8) :]
        names: tuple[str, ...] = ("utf-8",)
    else:
        names = ("utf-8", "gb18030")
    for name in names:
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, name
    raise refuse("body", "a CSV file in UTF-8 or GB18030", "UTF-8 或 GB18030 编码的 CSV 文件", f"{len(data)} bytes")


def read(data: bytes) -> tuple[list[dict[str, Any]], str]:
    """``[{"line", column: text…}]`` and the encoding. Lines count as an editor counts them, from 1."""
    text, encoding = decode(data)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = next(reader, None)
        if not head or not any(head):
            raise refuse("body", "a first line with the columns' names", "首行为列名", "")
        columns = [_column(cell) for cell in head]
        _check_columns(columns)
        rows: list[dict[str, Any]] = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(rows) >= MOST_LINES:
                raise refuse("body", f"at most {MOST_LINES} lines", f"最多 {MOST_LINES} 行", len(rows) + 1)
            rows.append(_row(reader.line_num, columns, cells))
    except csv.Error as error:
        raise refuse(
            "body", f"CSV; line {reader.line_num}: {error}", f"CSV 格式；第 {reader.line_num} 行", ""
        ) from error
    if not rows:
        raise refuse("body", "at least one line below the columns' names", "列名之下至少一行", "")
    return rows, encoding


def _column(cell: str) -> str:
    word = cell.strip().casefold().replace(" ", "_")
    chinese = {head: name for name, head in HEADS.items()}
    return chinese.get(cell.strip(), word)


def _check_columns(columns: Sequence[str]) -> None:
    unknown = [column for column in columns if column not in HEADS]
    known = ", ".join(HEADS)
    if unknown:
        raise refuse("header", f"columns: {known}", f"列：{'、'.join(HEADS.values())}", unknown[0])
    if len(set(columns)) != len(columns):
        raise refuse("header", "each column once", "每列只出现一次", ", ".join(columns))
    if "name" not in columns:
        raise refuse("header", "a column name", "包含“用户名”列", ", ".join(columns))


def _row(line: int, columns: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"line": line}
    for column, cell in zip(columns, cells, strict=False):
        row[column] = _unguarded(cell.strip())
    if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
        row["extra"] = cells[len(columns)]
    return row


def roles_in(text: str) -> list[str]:
    """Roles of a cell: separated by ``;`` (also the full-width one) or ``|``."""
    for mark in "；|":
        text = text.replace(mark, ";")
    return [role.strip() for role in text.split(";") if role.strip()]


def flag_in(text: str) -> bool:
    word = text.strip().casefold()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise InvalidInput(
        f"guest: {text!r} is not yes or no.",
        zh=f"guest：{text!r} 应为 是 或 否。",
        field="guest",
        rule="yes or no",
        value=text,
    )


def _guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def heads(columns: dict[str, str], language: str) -> list[str]:
    return list(columns.values()) if language == "zh" else list(columns)


def write(rows: Iterable[Sequence[str]]) -> bytes:
    """Lines as CSV, without a byte order mark."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    for row in rows:
        writer.writerow([_guarded(cell) for cell in row])
    return target.getvalue().encode()


def template(language: str) -> bytes:
    """A file to fill in: columns and one example line; spreadsheets know it as UTF-8."""
    example = (
        ["zhangsan1", "张三", "", "member", "否"] if language == "zh" else ["janedoe1", "Jane", "", "member", "no"]
    )
    return codecs.BOM_UTF8 + write([heads(HEADS, language), example])
