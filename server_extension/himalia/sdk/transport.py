"""HTTP to the platform: identity, idempotency keys, retries, errors. Knows no objects."""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx

from himalia import __version__
from himalia.sdk.errors import NotConnected, from_problem
from himalia.sdk.settings import Settings

AWAY = frozenset({429, 502, 503, 504})
Body = bytes | Callable[[], Iterable[bytes]]


class Transport:
    """One connection pool to one platform as one person; safe to share among threads.

    Args:
        settings: Where and who.
        retry_seconds: How long a call waits for a platform that restarts.
    """

    def __init__(self, settings: Settings, *, retry_seconds: float = 60.0, timeout_seconds: float = 60.0) -> None:
        self.settings = settings
        self._retry_seconds = retry_seconds
        self._http = httpx.Client(
            base_url=settings.api_url + "/",
            headers={
                "Authorization": f"Bearer {settings.token}",
                "Accept-Language": settings.language,
                "User-Agent": f"himalia-python/{__version__}",
            },
            timeout=httpx.Timeout(timeout_seconds, connect=5.0),
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        json: Any = None,
        body: Body | None = None,
        headers: dict[str, str] | None = None,
        version: int | None = None,
        keyed: bool = True,
    ) -> httpx.Response:
        """Send until answered below 400; a write with a key is safe to try again.

        Args:
            path: Below the API's base, ``/datasets``.
            body: Raw bytes, or what makes them anew for each try.
            version: The version that was seen, for ``If-Match``.
            keyed: With an ``Idempotency-Key``; routes that answer a secret take none.

        Raises:
            HimaliaError: The platform's refusal.
            NotConnected: No answer within the retry time.
        """
        sent = dict(headers or {})
        if keyed and method not in ("GET", "HEAD"):
            sent.setdefault("Idempotency-Key", str(uuid.uuid4()))
        if version is not None:
            sent["If-Match"] = f'"{version}"'
        parameters = {key: _text(value) for key, value in (query or {}).items() if value is not None}
        # Without a key a second try could have a second effect, so there is none.
        deadline = time.monotonic() + (self._retry_seconds if keyed else 0.0)
        pause = 0.2
        while True:
            try:
                response = self._http.request(
                    method,
                    path.lstrip("/"),
                    params=parameters,
                    json=json,
                    content=body() if callable(body) else body,
                    headers=sent,
                )
                if response.status_code < 400:
                    return response
                if response.status_code not in AWAY or time.monotonic() + pause > deadline:
                    raise _problem(response)
                told = response.headers.get("Retry-After", "")
                pause = max(pause, min(float(told), 30.0)) if told.isdecimal() else pause
            except httpx.TransportError as error:
                if time.monotonic() + pause > deadline:
                    raise self._unreachable(error) from None
            time.sleep(pause * random.uniform(0.6, 1.0))  # noqa: S311 - jitter
            pause = min(pause * 2, 10.0)

    @contextlib.contextmanager
    def stream(
        self, path: str, *, query: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """A GET whose body is read as it comes; not tried again once it has begun."""
        try:
            with self._http.stream(
                "GET",
                path.lstrip("/"),
                params=query,
                headers=headers,
                timeout=httpx.Timeout(None, connect=5.0, read=300.0),
            ) as response:
                if response.status_code >= 400:
                    response.read()
                    raise _problem(response)
                yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET."""
        return self.request("GET", path, query=query).json()

    def post(self, path: str, json: Any = None) -> Any:
        """The JSON of a POST, or None when nothing is answered."""
        response = self.request("POST", path, json={} if json is None else json)
        return response.json() if response.content else None

    def _unreachable(self, error: Exception) -> NotConnected:
        return NotConnected(
            f"The platform at {self.settings.api_url} does not answer ({type(error).__name__}).",
            hint="It may be restarting; try again in a moment. If it stays away, ask whoever runs it.",
        )


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _problem(response: httpx.Response) -> Exception:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    return from_problem(response.status_code, problem, response.text)
