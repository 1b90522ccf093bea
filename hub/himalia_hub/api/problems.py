"""Errors on the wire: RFC 9457 problem details, in the person's language, rendered once."""

from __future__ import annotations

from typing import Any

from himalia_hub.core.errors import HimaliaError

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
