"""The platform's errors as Python exceptions, one class per ``code`` a program branches on."""

from __future__ import annotations

from typing import Any


class HimaliaError(Exception):
    """Base of everything the SDK raises on purpose.

    Attributes:
        code: Stable; branch on it or on the class, never on the text.
        message: What was refused and why, in the language asked for.
        field, rule, value: The input at fault, where there is one.
        hint: What to do about it.
        details: Further facts, such as the numbers of a refused quota.
        request_id: What an administrator finds in the log.
        status: The HTTP status; 0 when nothing was answered.
    """

    code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        field: str | None = None,
        rule: str | None = None,
        value: Any = None,
        hint: str = "",
        details: dict[str, Any] | None = None,
        request_id: str = "",
        status: int = 0,
    ) -> None:
        super().__init__(message)
        self.message, self.code = message, code or self.code
        self.field, self.rule, self.value, self.hint = field, rule, value, hint
        self.details, self.request_id, self.status = details or {}, request_id, status

    def __str__(self) -> str:
        text = self.message
        for error in self.details.get("errors") or []:
            if isinstance(error, dict) and error.get("message"):
                text += f"\n  {error.get('field')}: {error['message']}"
        if self.hint:
            text += f"\n→ {self.hint}"
        if self.request_id:
            text += f"\n  ({self.code}, request {self.request_id})"
        return text

    def _render_traceback_(self) -> list[str]:
        """IPython shows this in place of a traceback: the sentence is what helps."""
        return [f"\x1b[31m{type(self).__name__}\x1b[0m: {self}"]


class NotConnected(HimaliaError):
    """There is no address or token, or the platform does not answer."""

    code = "not_connected"


class NotAuthenticated(HimaliaError):
    code = "not_authenticated"


class NotPermitted(HimaliaError):
    code = "not_permitted"


class StepUpRequired(HimaliaError):
    code = "step_up_required"


class NotFound(HimaliaError):
    code = "not_found"


class InvalidInput(HimaliaError):
    code = "invalid_input"


class Conflict(HimaliaError):
    code = "conflict"


class InvalidTransition(Conflict):
    code = "invalid_transition"


class InUse(Conflict):
    code = "in_use"


class StaleVersion(HimaliaError):
    code = "stale_version"


class TooLarge(HimaliaError):
    code = "too_large"


class QuotaExceeded(HimaliaError):
    code = "quota_exceeded"


class BalanceTooLow(HimaliaError):
    code = "balance_too_low"


class Unavailable(HimaliaError):
    """The platform or what it runs on is away; it was tried again already."""

    code = "backend_unavailable"


class WorkFailed(HimaliaError):
    """A run, task or service that was waited for ended otherwise than hoped."""

    code = "work_failed"


class WaitedTooLong(HimaliaError):
    """The time given to ``wait`` is over; the work itself goes on."""

    code = "waited_too_long"


def _tree(base: type[HimaliaError]) -> dict[str, type[HimaliaError]]:
    classes = {}
    for child in base.__subclasses__():
        classes[child.code] = child
        classes |= _tree(child)
    return classes


BY_CODE = _tree(HimaliaError)
BY_STATUS: dict[int, type[HimaliaError]] = {
    401: NotAuthenticated,
    403: NotPermitted,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: InvalidInput,
    503: Unavailable,
}


def from_problem(status: int, problem: Any, text: str = "") -> HimaliaError:
    """The exception for an answer of 400 or above; ``problem`` is its JSON, if it was any."""
    told = problem if isinstance(problem, dict) else {}
    code = str(told.get("code") or "")
    kind = BY_CODE.get(code) or BY_STATUS.get(status, HimaliaError)
    return kind(
        str(told.get("detail") or told.get("title") or text[:300] or f"The platform answered {status}."),
        code=code,
        field=told.get("field"),
        rule=told.get("rule"),
        value=told.get("value"),
        hint=str(told.get("hint") or ""),
        details=told.get("details") if isinstance(told.get("details"), dict) else {},
        request_id=str(told.get("request_id") or ""),
        status=status,
    )
