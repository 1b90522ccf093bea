"""Which paths and sizes an import takes. Pure; a refusal is a value, not an exception."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

MOST_FILE_BYTES = 2 * 1024**3
MOST_FRAME_BYTES = 64 * 1024**2
MOST_FILES = 100_000
LONGEST_SEGMENT, LONGEST_PATH = 255, 1000
BOMB_FREE_BYTES, BOMB_RATIO = 1024**3, 100
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SKIPPED = frozenset((".ds_store", "thumbs.db", "desktop.ini"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file was left out: a code, the rule it broke, the value, and a sentence in both languages."""

    code: str
    rule: str
    value: Any
    reason: str
    reason_zh: str
    field: str = "path"


def _bad_path(rule: str, value: str, zh: str, code: str = "invalid_name") -> Refusal:
    shown = value if len(value) <= 80 else value[:80] + "…"
    return Refusal(
        code, rule, shown, f"Its path {shown!r} breaks the rule: {rule}.", f"路径 {shown!r} 不符合规则：{zh}。"
    )


def check_path(sent: Any) -> str | Refusal:
    """The path in normal form (NFC, relative, ``/``-separated), or why not (DAT-3)."""
    if not isinstance(sent, str) or not sent:
        return _bad_path("a name", str(sent), "应有名称")
    path: str = unicodedata.normalize("NFC", sent)
    try:
        path.encode()
    except UnicodeEncodeError:
        return _bad_path("valid Unicode", ascii(path), "应为有效的 Unicode")
    if path.startswith("/") or "\\" in path or (len(path) > 1 and path[1] == ":" and path[0].isalpha()):
        return _bad_path("a relative path with /", path, "应为以 / 分隔的相对路径", "path_escape")
    for segment in path.split("/"):
        if segment in (".", ".."):
            return _bad_path("no . or .. in the path", path, "路径中不能有 . 或 ..", "path_escape")
        if not segment:
            return _bad_path("no empty part", path, "不能有空的部分")
        if len(segment.encode()) > LONGEST_SEGMENT:
            return _bad_path(f"names of at most {LONGEST_SEGMENT} bytes", segment, f"名称最多 {LONGEST_SEGMENT} 字节")
    if _CONTROL.search(path):
        return _bad_path("no control characters", path, "不能含控制字符")
    if len(path.encode()) > LONGEST_PATH:
        return _bad_path(f"at most {LONGEST_PATH} bytes in all", path, f"总长最多 {LONGEST_PATH} 字节")
    return path


def check_size(size: int, most: int = MOST_FILE_BYTES) -> Refusal | None:
    """Files of 1 byte to 2 GiB (a frame: 64 MiB)."""
    if size == 0:
        return Refusal("empty", "at least one byte", 0, "It is empty.", "文件为空。", "size")
    if size > most:
        return Refusal(
            "too_large", f"at most {most} bytes", size, f"It has {size} bytes; at most {most} are taken.",
            f"文件为 {size} 字节；最多 {most} 字节。", "size",
        )  # fmt: skip
    return None


_ZH = {
    "not_a_picture": "内容不是 jpg、jpeg、png、bmp 或 webp 图片",
    "damaged": "图片已损坏，无法解码",
    "too_many_pixels": "像素过多",
    "too_large": "解码占用内存过多",
}


def from_fact(code: str, rule: str, value: Any, sentence: str) -> Refusal:
    """The refusal of what the decoding process found."""
    shown = f"（{value}）" if value is not None else ""
    return Refusal(
        code, rule, value, f"{sentence[:1].upper()}{sentence[1:]}.", f"{_ZH.get(code, code)}{shown}。", "content"
    )


def is_clutter(path: str) -> bool:
    """What file managers and archivers leave behind, which nobody means to import."""
    segments = path.lower().split("/")
    return segments[-1] in SKIPPED or "__macosx" in segments or segments[-1].startswith("._")


def folder_label(path: str) -> str | None:
    """The name of the folder a file lies in."""
    folder, _, _ = path.rpartition("/")
    return folder.rpartition("/")[2] or None


def bomb(expanded: int, packed: int) -> bool:
    """An archive that grows beyond 1 GiB and 100 times its size (DAT-3)."""
    return expanded > BOMB_FREE_BYTES and expanded > BOMB_RATIO * max(packed, 1)
