"""How the hub asks the platform: the internal API of ``docs/design/supervisor.md``.

The hub decides nothing about people, quotas or notebooks. A refusal comes back as
:class:`Refused` with the sentence that the person is to read.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import httpx

INTERNAL_PATH = "/services/himalia/internal/v1"


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as the platform wrote it, in the language that was asked for."""

    status: int
    code: str
    detail: str
    hint: str = ""
    field: str | None = None
    rule: str | None = None
    details: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def sentence(self) -> str:
        return f"{self.detail} {self.hint}".strip()

    def as_dict(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "hint": self.hint,
            "field": self.field,
            "rule": self.rule,
            "details": self.details,
        }


class Refused(Exception):
    """The platform said no; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence)
        self.problem = problem


class Unreachable(Exception):
    """The platform did not answer: it restarts, or the machine is overloaded."""


class PlatformClient:
    """Calls the platform with the hub's service credential.

    Args:
        url: Where the platform listens, without a path.
        credential: The hub's service credential.
        timeout_seconds: For one call.
    """

    def __init__(self, url: str, credential: str, *, timeout_seconds: float = 20.0) -> None:
        self._client = httpx.AsyncClient(
            base_url=url + INTERNAL_PATH,
            headers={"Authorization": f"Bearer {credential}"},
            timeout=timeout_seconds,
            trust_env=False,
        )

    def __deepcopy__(self, _memo: object) -> PlatformClient:
        """Configuration is copied by traitlets; the connections behind this are one."""
        return self

    async def get(self, path: str, *, language: str = "en", **query: Any) -> Any:
        """``GET``; answers the decoded JSON."""
        asked = {name: value for name, value in query.items() if value is not None}
        return await self._send("GET", path, language, params=asked)

    async def post(
        self, path: str, body: Any = None, *, language: str = "en", timeout_seconds: float | None = None
    ) -> Any:
        """``POST``; answers the decoded JSON, or None without content."""
        extra: dict[str, Any] = {} if timeout_seconds is None else {"timeout": timeout_seconds}
        return await self._send("POST", path, language, json=body if body is not None else {}, **extra)

    async def _send(self, method: str, path: str, language: str, **kwargs: Any) -> Any:
        try:
            answer = await self._client.request(method, f"/{path}", headers={"Accept-Language": language}, **kwargs)
        except httpx.HTTPError as error:
            raise Unreachable(f"{method} {path}: {type(error).__name__}") from error
        if answer.status_code >= 400:
            raise Refused(_problem(answer))
        return answer.json() if answer.content else None

    async def close(self) -> None:
        await self._client.aclose()


def _problem(answer: httpx.Response) -> Problem:
    try:
        data = answer.json()
    except ValueError:
        data = {}
    return Problem(
        status=answer.status_code,
        code=str(data.get("code") or "internal_error"),
        detail=str(data.get("detail") or data.get("title") or f"The platform answered {answer.status_code}."),
        hint=str(data.get("hint") or ""),
        field=data.get("field"),
        rule=data.get("rule"),
        details=data.get("details") or {},
    )
