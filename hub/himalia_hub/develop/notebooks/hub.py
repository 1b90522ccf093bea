"""The platform's calls to the hub's REST API: users and named servers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import httpx

from himalia_hub.platform.config import HubAccess, secret_of

log = logging.getLogger("himalia.hub")
TIMEOUT_SECONDS = 15.0


class HubUnavailable(Exception):
    """The hub did not answer, or answered with an error of its own; trying again can help."""


class HubRefused(Exception):
    """The hub can never do what was asked; its sentence in both languages."""

    def __init__(self, code: str, text: str, zh: str) -> None:
        super().__init__(text)
        self.code, self.text, self.zh = code, text, zh


class HubClient:
    """Speaks for the service ``himalia``; every call may be repeated."""

    def __init__(self, access: HubAccess) -> None:
        self._access = access
        self._client: httpx.AsyncClient | None = None

    @property
    def configured(self) -> bool:
        return bool(self._access.api_url)

    async def _send(self, method: str, path: str, body: object = None) -> httpx.Response:
        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=self._access.api_url.rstrip("/"),
                headers={"Authorization": f"token {secret_of(self._access.token_file) or ''}"},
                timeout=TIMEOUT_SECONDS,
                trust_env=False,
            )
        try:
            answer = await self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise HubUnavailable(f"{method} {path}: {type(error).__name__}") from error
        if answer.status_code >= 500 or answer.status_code in (401, 403, 429):
            raise HubUnavailable(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer

    async def start(self, user: str, server: str, options: Mapping[str, str] | None = None) -> bool:
        """Ask for a server. False: the hub still holds an earlier one, which has to go first.

        ``options`` are the spawner's ``user_options``: the chosen profile, or nothing of the start before.
        """
        path, body = f"/users/{user}/servers/{server}", {"user_options": dict(options or {})}
        answer = await self._for_user("POST", user, path, body)
        if answer.status_code == 400:
            log.info("the hub cannot start %s/%s yet: %s", user, server, answer.text[:200])
            return False
        return answer.status_code in (201, 202)

    async def stop(self, user: str, server: str, *, remove: bool = False) -> bool:
        """Ask the hub to let go of a server; True once it has."""
        path = f"/users/{user}/servers/{server}"
        answer = await self._send("DELETE", path, {"remove": True} if remove else None)
        return answer.status_code in (204, 404)

    async def preview(self, user: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What a start of this person would hand over or, with a plan in ``body``, make (``config/previews.py``).

        Raises:
            HubRefused: It can never be made; says why.
        """
        return await self._asked("POST", user, "preview", dict(body))

    async def profiles(self, user: str) -> list[dict[str, Any]]:
        """What this person can choose of the spawner's configured profiles (``config/profiles.py``).

        Raises:
            HubRefused: The configuration's list cannot be read.
        """
        return list((await self._asked("GET", user, "profiles"))["profiles"])

    async def _for_user(self, method: str, user: str, path: str, body: object = None) -> httpx.Response:
        """A call about a person whom the hub may not know yet."""
        answer = await self._send(method, path, body)
        if answer.status_code == 404:
            await self._send("POST", f"/users/{user}")
            answer = await self._send(method, path, body)
        return answer

    async def _asked(self, method: str, user: str, what: str, body: object = None) -> dict[str, Any]:
        answer = await self._for_user(method, user, f"/himalia/users/{user}/{what}", body)
        if answer.status_code == 200:
            return dict(answer.json())
        if answer.status_code == 409:
            told = answer.json()
            raise HubRefused(str(told["code"]), str(told["detail"]), str(told["detail_zh"]))
        raise HubUnavailable(f"{what}: {answer.status_code} {answer.text[:200]}")

    async def end_sessions(self, user: str, identity: dict[str, Any] | None) -> None:
        """Have the hub and this person's servers forget every browser.

        ``identity`` is whom the platform still takes the person for; None: they may not go on.
        """
        answer = await self._send("POST", f"/himalia/users/{user}/sessions-ended", {"identity": identity})
        if answer.status_code not in (200, 404):
            raise HubUnavailable(f"sessions-ended: {answer.status_code} {answer.text[:200]}")

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
