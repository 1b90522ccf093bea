"""Errors a caller meets, rendered as RFC 9457 in English or Chinese."""

from __future__ import annotations

from typing import Any


class Problem(Exception):
    """``code`` is stable; ``message`` and ``zh`` name field, rule, value and what to do."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        zh: str,
        *,
        field: str | None = None,
        rule: str | None = None,
        value: Any = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.zh = status, code, message, zh
        self.field, self.rule, self.value = field, rule, value

    def body(self, language: str) -> dict[str, Any]:
        chinese = language.strip().lower().startswith("zh")
        return {
            "type": "about:blank",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "code": self.code,
            "detail": self.zh if chinese else self.message,
            "field": self.field,
            "rule": self.rule,
            "value": self.value,
        }


def invalid(message: str, zh: str, *, field: str, rule: str | None = None, value: Any = None) -> Problem:
    return Problem(422, "invalid_input", message, zh, field=field, rule=rule, value=value)
