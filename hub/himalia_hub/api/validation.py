"""What a broken schema says: field, rule and value, in both languages (GEN-3, GEN-9).

Pydantic names its rules in English and for programmers; the table here says them for people. A rule
that a schema states itself is a :class:`~himalia_hub.core.errors.BrokenRule`. Values under a secret's
name are never repeated, and others only without what looks like a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from himalia_hub.audit import masking
from himalia_hub.core.errors import BrokenRule, InvalidInput

SECRET_FIELD = re.compile(r"pass(word|phrase|wd)|secret|token|credential|letters|answer", re.IGNORECASE)
LONGEST_VALUE = 120

_TIME = ("a time such as 2027-01-31T08:00:00Z", "时间，例如 2027-01-31T08:00:00Z")
_LIST = ("a list", "列表")
_NUMBER = ("a number", "数字")
_OBJECT = ("an object", "对象")
_TEXT = ("a text", "文本")
_WHOLE = ("a whole number", "整数")
_YES_NO = ("true or false", "true 或 false")

RULES: dict[str, tuple[str, str]] = {
    "bool_parsing": _YES_NO,
    "bool_type": _YES_NO,
    "datetime_from_date_parsing": _TIME,
    "datetime_parsing": _TIME,
    "datetime_type": _TIME,
    "dict_type": _OBJECT,
    "extra_forbidden": ("no field of this name exists here", "此处没有该字段"),
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": ("a finite number", "有限的数字"),
    "greater_than": ("more than {gt}", "大于 {gt}"),
    "greater_than_equal": ("at least {ge}", "不小于 {ge}"),
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": ("a whole number of fewer digits", "位数更少的整数"),
    "int_type": _WHOLE,
    "less_than": ("less than {lt}", "小于 {lt}"),
    "less_than_equal": ("at most {le}", "不大于 {le}"),
    "list_type": _LIST,
    "literal_error": ("one of {expected}", "以下之一：{expected}"),
    "missing": ("required", "必填"),
    "model_attributes_type": _OBJECT,
    "model_type": _OBJECT,
    "none_required": ("nothing (null)", "空（null）"),
    "string_pattern_mismatch": ("text of the form {pattern}", "符合格式 {pattern} 的文本"),
    "string_too_long": ("at most {max_length} characters", "最多 {max_length} 个字符"),
    "string_too_short": ("at least {min_length} characters", "至少 {min_length} 个字符"),
    "string_type": _TEXT,
    "string_unicode": ("text of valid characters", "有效字符的文本"),
    "timezone_aware": ("a time with its zone, such as 2027-01-31T08:00:00Z", "带时区的时间，例如 2027-01-31T08:00:00Z"),
    "too_long": ("at most {max_length} entries", "最多 {max_length} 项"),
    "too_short": ("at least {min_length} entries", "至少 {min_length} 项"),
}
"""Pydantic's type of error to the rule, in English and Chinese; the braces are filled from its context."""


BRANCHES = frozenset(("[key]", "constrained-str", "constrained-int", "str", "int", "float", "bool"))
"""What pydantic adds to a location: which branch of a union, or that a dictionary's key is meant."""


def field_name(location: tuple[Any, ...], more: str = "") -> str:
    """``("labels", 2, "name")`` as the client spells it: ``labels[2].name``."""
    if len(location) > 1 and location[-1] in BRANCHES:
        location = location[:-1]
    name = ""
    for part in location:
        name += f"[{part}]" if isinstance(part, int) else (f".{part}" if name else str(part))
    return ".".join(part for part in (name, more) if part)


def _rule(item: Mapping[str, Any]) -> tuple[str, str]:
    context = dict(item.get("ctx") or {})
    cause = context.get("error")
    if isinstance(cause, BrokenRule):
        return cause.rule, cause.zh
    if isinstance(cause, Exception):
        return str(cause), str(cause)
    found = RULES.get(item["type"])
    if found is None:
        return str(item["msg"]), str(item["msg"])
    if "expected" in context:
        context["expected"] = str(context["expected"]).replace(" or ", ", ")
    english, chinese = (words.format(**context) for words in found)
    return english, chinese


def _value(item: Mapping[str, Any], field: str) -> Any:
    """The value as it may be repeated; None where there is none to show."""
    cause = (item.get("ctx") or {}).get("error")
    value = item.get("input")
    if isinstance(cause, BrokenRule) and cause.value is not None:
        value = cause.value
    if item["type"] == "missing" or isinstance(value, dict | list):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    if SECRET_FIELD.search(field) and not item["type"].startswith(("int_", "bool_", "float_")):
        return masking.MASK if value else None
    if isinstance(value, bytes):
        value = value[:60].decode(errors="replace")
    return masking.text(str(value), LONGEST_VALUE)


def problem_of(error: ValidationError) -> InvalidInput:
    """One error that names every field, its rule and its value; the first one leads."""
    found: dict[str, dict[str, Any]] = {}
    for item in error.errors(include_url=False, include_context=True):
        cause = (item.get("ctx") or {}).get("error")
        field = field_name(item["loc"], cause.field if isinstance(cause, BrokenRule) else "")
        english, chinese = _rule(item)
        if field in found:  # another branch of a union: either rule would do
            row = found[field]
            row["rule"], row["rule_zh"] = f"{row['rule']}, or {english}", f"{row['rule_zh']}，或{chinese}"
        else:
            found[field] = {"field": field, "rule": english, "rule_zh": chinese, "value": _value(item, field)}
    rows = list(found.values())
    first = rows[0]
    shown = shown_zh = ""
    if first["value"] is not None:
        shown, shown_zh = f", and it is {first['value']!r}", f"，当前值为 {first['value']!r}"
    return InvalidInput(
        f"{first['field'] or 'The body'}: {first['rule']}{shown}.",
        zh=f"{first['field'] or '请求体'}：{first['rule_zh']}{shown_zh}。",
        field=first["field"],
        rule=first["rule"],
        value=first["value"],
        errors=rows,
    )
