"""Errors on the wire: RFC 9457 problem details, in the person's language, rendered once."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from himalia_hub.core.errors import HimaliaError, InvalidInput

TITLES = {
    "invalid_input": ("The input is not valid", "输入无效"),
    "not_authenticated": ("Sign in first", "请先登录"),
    "not_permitted": ("Not permitted", "没有权限"),
    "step_up_required": ("Confirm that it is you", "请确认是您本人"),
    "not_found": ("Not found", "未找到"),
    "conflict": ("Conflict", "冲突"),
    "invalid_transition": ("Not possible in this state", "当前状态不允许此操作"),
    "in_use": ("Still in use", "仍在使用"),
    "stale_version": ("Changed meanwhile", "已被修改"),
    "version_required": ("Version missing", "缺少版本"),
    "too_large": ("Too large", "过大"),
    "quota_exceeded": ("Over quota", "超出配额"),
    "balance_too_low": ("Balance too low", "余额不足"),
    "backend_unavailable": ("Temporarily unavailable", "暂时不可用"),
    "internal_error": ("Something went wrong", "出现错误"),
}


def render(error: HimaliaError, *, request_id: str, language: str) -> dict[str, Any]:
    """The problem document of one error."""
    chinese = language == "zh"
    title = TITLES.get(error.code) or TITLES.get(type(error).code) or TITLES["internal_error"]
    value = error.value
    if isinstance(value, str) and len(value) > 120:
        value = value[:120] + "…"
    return {
        "type": f"urn:himalia:error:{error.code}",
        "title": title[1 if chinese else 0],
        "status": error.status,
        "code": error.code,
        "detail": error.zh if chinese else error.message,
        "field": error.field,
        "rule": error.rule,
        "value": value,
        "hint": error.hint_zh if chinese else error.hint,
        "details": error.details,
        "request_id": request_id,
    }


def _field_name(location: tuple[Any, ...]) -> str:
    name = ""
    for part in location:
        name += f"[{part}]" if isinstance(part, int) else (f".{part}" if name else str(part))
    return name


_RULES_ZH = {
    "missing": "必填",
    "extra_forbidden": "不允许的字段",
    "string_too_short": "太短",
    "string_too_long": "太长",
    "string_pattern_mismatch": "格式不符",
    "greater_than_equal": "太小",
    "less_than_equal": "太大",
    "int_parsing": "应为整数",
    "json_invalid": "不是有效的 JSON",
}


def from_validation(error: ValidationError) -> InvalidInput:
    """One error naming every field, its rule and its value; the first one leads."""
    rows: list[dict[str, Any]] = []
    for item in error.errors(include_url=False, include_context=True):
        cause = item.get("ctx", {}).get("error")
        value = item.get("input")
        if item["type"] == "missing" or isinstance(value, dict | list):
            value = None
        if isinstance(value, bytes):
            value = value[:60].decode(errors="replace")
        rows.append(
            {
                "field": _field_name(item["loc"]),
                "rule": str(cause) if cause is not None else item["msg"],
                "rule_zh": _RULES_ZH.get(item["type"], item["msg"]),
                "value": value,
            }
        )
    first = rows[0]
    shown = f", and it is {first['value']!r}" if first["value"] is not None else ""
    return InvalidInput(
        f"{first['field'] or 'The body'}: {first['rule']}{shown}.",
        zh=f"{first['field'] or '请求体'}：{first['rule_zh']}（{first['rule']}）"
        + (f"，当前值为 {first['value']!r}。" if first["value"] is not None else "。"),
        field=first["field"],
        rule=first["rule"],
        value=first["value"],
        errors=rows,
    )
