"""The one tree of errors a person can meet; ``api`` renders them, nothing else does.

Each class carries a stable ``code`` that clients branch on. A message says what was refused,
which value caused it and what would work. Messages are written as a key and parameters so that
the API can answer in the person's language; ``str(error)`` is the English text.
"""

from __future__ import annotations

from typing import Any


class HimaliaError(Exception):
    """Base of all expected errors.

    Args:
        message: One or two English sentences.
        zh: The same in Simplified Chinese.
        field: The input field at fault, as the client spelled it (``labels[2].name``).
        rule: The rule that was broken, short (``1-50 characters``).
        value: The offending value, shortened by the renderer; never a secret.
        hint: What to do about it.
        details: Further machine-readable facts (numbers of a refused quota, dependants).
    """

    code = "internal_error"
    status = 500

    def __init__(
        self,
        message: str,
        *,
        zh: str = "",
        field: str | None = None,
        rule: str | None = None,
        value: Any = None,
        hint: str = "",
        hint_zh: str = "",
        code: str | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.zh = zh or message
        self.field = field
        self.rule = rule
        self.value = value
        self.hint = hint
        self.hint_zh = hint_zh or hint
        self.details = details
        if code is not None:
            self.code = code

    def within(self, part: str) -> None:
        """Name the field as the client sent it, inside of ``part``; for checks that know the field alone."""
        if self.field is None:
            return
        self.field, inner = f"{part}.{self.field}", self.field
        if self.message.startswith(inner):
            self.message = f"{part}.{self.message}"
            self.args = (self.message,)
        if self.zh.startswith(inner):
            self.zh = f"{part}.{self.zh}"


class InvalidInput(HimaliaError):
    code = "invalid_input"
    status = 422


class BrokenRule(ValueError):
    """What a schema's own validator raises, so that the refusal names it in both languages.

    Args:
        rule: The rule in English, short (``with its time zone``).
        zh: The same in Simplified Chinese.
        field: Which field, where the validator looks at several.
        value: The offending value, where it is not the validated one.
    """

    def __init__(self, rule: str, zh: str, field: str = "", value: Any = None) -> None:
        super().__init__(rule)
        self.rule, self.zh, self.field, self.value = rule, zh, field, value


class NotAuthenticated(HimaliaError):
    code = "not_authenticated"
    status = 401


class NotPermitted(HimaliaError):
    code = "not_permitted"
    status = 403


class StepUpRequired(HimaliaError):
    """The permission is held, but only a recent proof of presence unlocks it (TEN-17)."""

    code = "step_up_required"
    status = 403


class NotFound(HimaliaError):
    """Missing, foreign and out of reach look exactly alike (TEN-10)."""

    code = "not_found"
    status = 404

    def __init__(self, message: str = "Not found, or not visible to you.", **kwargs: Any) -> None:
        kwargs.setdefault("zh", "未找到，或您无权查看。")
        super().__init__(message, **kwargs)


class Conflict(HimaliaError):
    code = "conflict"
    status = 409


class InvalidTransition(Conflict):
    """The object's state does not allow the action; ``details`` name both."""

    code = "invalid_transition"


class InUse(Conflict):
    """Something depends on it; ``details['dependants']`` names what (GEN-5)."""

    code = "in_use"


class StaleVersion(HimaliaError):
    """Somebody changed it since it was read (GEN-7)."""

    code = "stale_version"
    status = 412


class VersionRequired(HimaliaError):
    code = "version_required"
    status = 428


class TooLarge(HimaliaError):
    code = "too_large"
    status = 413


class QuotaExceeded(HimaliaError):
    """``details``: level, resource, used, limit, asked (TEN-8)."""

    code = "quota_exceeded"
    status = 409


class BalanceTooLow(HimaliaError):
    """``details``: balance_micros, needed_micros (TEN-4)."""

    code = "balance_too_low"
    status = 402


class BackendUnavailable(HimaliaError):
    code = "backend_unavailable"
    status = 503
