"""HTTP to the platform for the runner: one method that tries again while the platform is away."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

AWAY = frozenset({429, 502, 503, 504})


class Refused(Exception):
    """The platform said no; trying the same again cannot help."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.code, self.detail = "", body[:300].decode("utf-8", "replace").strip()
        try:
            problem = json.loads(body)
            self.code = str(problem.get("code") or "")
            self.detail = str(problem.get("detail") or problem.get("title") or self.detail)
        except (ValueError, AttributeError):
            pass
        super().__init__(f"{status} {self.code} {self.detail}".strip())


class Away(Exception):
    """The platform could not be reached until the deadline."""


class Platform:
    """One run's way to the platform.

    Args:
        base_url: ``http://host:port/services/himalia/api/v1``.
        token: The workload's token; never written anywhere.
        deadline: Asked before each new try; a ``time.monotonic()`` value after which to give up.
        wake: When set, waiting between tries ends at once and the deadline is asked again.
    """

    def __init__(self, base_url: str, token: str, deadline: Callable[[float], float], wake: threading.Event) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"HIMALIA_API_URL must be an http or https address, not {base_url!r}.")
        self._parts = parts
        self._prefix = parts.path.rstrip("/")
        self._token = token
        self._deadline = deadline
        self._wake = wake

    def send(
        self,
        method: str,
        path: str,
        body: bytes | Callable[[], Iterator[bytes]],
        *,
        length: int | None = None,
        content_type: str = "application/json",
        key: str = "",
    ) -> bytes:
        """Send until answered; the body, or what makes it, must give the same bytes each time.

        Raises:
            Refused: A final answer of 400 or above.
            Away: No answer before the deadline.
        """
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": content_type,
            "Content-Length": str(len(body) if isinstance(body, bytes) else length),
            "Accept": "application/json",
            "User-Agent": "himalia-runner",
        }
        if key:
            headers["Idempotency-Key"] = key
        first, pause, problem = time.monotonic(), 0.2, ""
        while True:
            try:
                status, answer = self._once(method, path, body if isinstance(body, bytes) else body(), headers)
                if status < 300:
                    return answer
                if status not in AWAY:
                    raise Refused(status, answer)
                problem = f"answered {status}"
            except (OSError, http.client.HTTPException) as error:
                problem = str(error) or type(error).__name__
            left = self._deadline(first) - time.monotonic()
            if left <= 0:
                raise Away(f"the platform could not be reached ({problem})")
            wait = min(left, pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            if self._wake.is_set():
                time.sleep(min(wait, 0.5))
            else:
                self._wake.wait(wait)
            pause = min(pause * 2, 10.0)

    def _once(
        self, method: str, path: str, body: bytes | Iterator[bytes], headers: dict[str, str]
    ) -> tuple[int, bytes]:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=60)
        try:
            connection.request(method, self._prefix + path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.read(1 << 20)
        finally:
            connection.close()

    def send_json(self, method: str, path: str, value: Any, *, key: str = "") -> bytes:
        return self.send(method, path, json.dumps(value, ensure_ascii=False).encode(), key=key)
