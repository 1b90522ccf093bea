"""Makes routes live in Traefik: write by rename, look at Traefik's API, go back if it does not take.

One writer at a time (the platform process with the controllers). What is written is the whole
file; the last one that Traefik took is kept beside it and put back when a new one is not live
within :data:`LIVE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from himalia_hub.backends.protocol import BackendError, ServiceRoute
from himalia_hub.platform.config import Traefik, secret_of
from himalia_hub.serving.gateway import render

FILE = "gateway.yml"
LIVE_SECONDS = 6.0
log = logging.getLogger("himalia.gateway")


class TraefikGateway:
    """Implements ``RouteBackend`` for a Traefik that watches a directory."""

    def __init__(self, config: Traefik, programs_host: str) -> None:
        self._config = config
        self._host = programs_host
        self._file = config.dynamic_dir / FILE
        self._lock = asyncio.Lock()
        self._applied: str | None = None

    async def apply_routes(self, routes: Sequence[ServiceRoute]) -> None:
        """Make exactly these routes live; verified before returning, else the old ones stay."""
        async with self._lock:
            try:
                content, mark = render.text(render.document(routes, self._host))
            except ValueError as error:
                raise BackendError(f"the routes were not written: {error}", retryable=False) from error
            if content == self._applied:
                return
            before = await asyncio.to_thread(_read, self._file)
            if before != content:
                await asyncio.to_thread(_replace, self._file, content)
            problem = await self._until_live(mark)
            if problem is None:
                self._applied = content
                return
            if before is None:
                await asyncio.to_thread(self._file.unlink, missing_ok=True)
            elif before != content:
                await asyncio.to_thread(_replace, self._file, before)
                await self._until_live(_mark_in(before))
            log.error("the new routes did not become live, the last good ones were put back: %s", problem)
            raise BackendError(f"the gateway did not take the routes: {problem}", retryable=True)

    async def _until_live(self, mark: str) -> str | None:
        """None once Traefik shows the mark and nothing of ours is in error; else what is wrong."""
        if not self._config.api_url:
            return None
        deadline = asyncio.get_running_loop().time() + LIVE_SECONDS
        problem: str | None = "Traefik's API did not answer"
        while True:
            with contextlib.suppress(HTTPClientError, OSError, ValueError, KeyError):
                live, problem = judge(await self._raw(), mark)
                if live:
                    return problem
            if asyncio.get_running_loop().time() > deadline:
                return problem
            await asyncio.sleep(0.05)

    async def _raw(self) -> dict[str, Any]:
        request = HTTPRequest(
            f"{self._config.api_url}/api/rawdata",
            auth_username=self._config.api_user or None,
            auth_password=secret_of(self._config.api_password_file),
            connect_timeout=2,
            request_timeout=3,
        )
        answer = await AsyncHTTPClient().fetch(request)
        found: dict[str, Any] = json.loads(answer.body)
        return found


def judge(raw: dict[str, Any], mark: str) -> tuple[bool, str | None]:
    """What Traefik's raw data says about our file: is it the one in force, and what is wrong with it."""
    if f"{mark}@file" not in (raw.get("middlewares") or {}):
        return False, "the new file is not loaded"
    for kind in ("routers", "services", "middlewares"):
        for name, entry in (raw.get(kind) or {}).items():
            if name.startswith("serving-") and (entry.get("status") == "disabled" or entry.get("error")):
                return True, f"{kind[:-1]} {name}: {entry.get('error') or 'disabled'}"
    return True, None


def _mark_in(content: str) -> str:
    found = re.search(rf"{render.MARK}[0-9a-f]+", content)
    return found.group() if found else ""


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _replace(path: Path, content: str) -> None:
    """Write beside the watched directory's files and rename; a reader sees all of it or the old one."""
    temporary = path.parent.parent / f".{path.name}.new"
    temporary.write_text(content)
    temporary.chmod(0o600)
    temporary.replace(path)
