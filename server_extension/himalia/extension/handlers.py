"""Requests of the panels: who may send them, what is passed on, and what is not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from http.client import responses
from typing import Any
from urllib.parse import unquote

from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado import web
from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError

from himalia.extension import HimaliaExtension
from himalia.extension.upstream import Exchange, Unreachable, Upstream

MAX_BODY_BYTES = 1 << 40
LET_GO_SECONDS = 30.0
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# What reaches the platform. Cookies, Authorization and forwarding headers of the browser do not.
PASSED_ON = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Himalia-Step-Up",
    "Himalia-Tenant",
    "Idempotency-Key",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "Last-Event-ID",
    "Range",
    "X-Request-ID",
)
# What does not come back: hop by hop, the connection's own, and everything that sets state here.
KEPT_BACK = frozenset(
    (
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "clear-site-data",
        "connection",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "server",
        "set-cookie",
        "strict-transport-security",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    )
)

_SENTENCES = {
    "owner_only": (
        "Only the owner of this notebook server may use its Himalia panels.",
        "只有此笔记本服务器的所有者才能使用 Himalia 面板。",
    ),
    "not_found": ("There is no such address.", "没有此地址。"),
    "platform_unavailable": (
        "The platform does not answer right now. It is probably restarting; your work is safe. Try again in a moment.",
        "平台暂时没有响应,可能正在重启;您的工作不会丢失。请稍后重试。",
    ),
    "outcome_unknown": (
        "The connection broke off before the platform answered. Repeating with the same key is safe.",
        "平台答复前连接中断。使用相同的键重试是安全的。",
    ),
}


class PanelHandler(APIHandler):
    """Owner only; problems as RFC 9457; reading is no activity (NB-4, BEY-4), writing is."""

    extension: HimaliaExtension
    upstream: Upstream

    def initialize(self, extension: HimaliaExtension, upstream: Upstream) -> None:
        self.extension, self.upstream = extension, upstream
        # Polling and streams read. A person labelling for hours writes, and is not idle.
        self._track_activity = self.request.method not in SAFE_METHODS

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        owner = self.extension.owner
        user = self.current_user
        if owner and (user is None or user.username != owner):
            raise web.HTTPError(403, reason="owner_only")

    def finish(self, *args: Any, **kwargs: Any) -> Any:
        # APIHandler's own would overwrite the content type of what is passed through.
        self.update_api_activity()
        return super(JupyterHandler, self).finish(*args, **kwargs)

    def problem(self, status: int, code: str) -> None:
        """Answer with a problem of this server's own."""
        english, chinese = _SENTENCES.get(code, (responses.get(status, "Error"), responses.get(status, "Error")))
        language = self.request.headers.get("Accept-Language", "").strip().lower()
        self.clear()
        self.set_status(status)
        self.set_header("Content-Type", "application/problem+json")
        self.set_header("Cache-Control", "no-store")
        if status == 503:
            self.set_header("Retry-After", "2")
        body = {
            "type": "about:blank",
            "title": code.replace("_", " ").capitalize(),
            "status": status,
            "code": code,
            "detail": chinese if language.startswith("zh") else english,
            "field": None,
            "rule": None,
            "value": None,
            "hint": "",
            "details": {},
            "request_id": self.request.headers.get("X-Request-ID", ""),
        }
        self.finish(json.dumps(body, ensure_ascii=False))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        reason = getattr(error, "reason", None)
        known = {403: "not_permitted", 404: "not_found", 405: "method_not_allowed", 400: "invalid_input"}
        self.problem(status_code, reason if reason in _SENTENCES else known.get(status_code, "internal_error"))


@web.stream_request_body
class ApiHandler(PanelHandler):
    """``<base>himalia/api/v1/…`` → the platform, any method, both bodies streamed."""

    def initialize(self, extension: HimaliaExtension, upstream: Upstream) -> None:
        super().initialize(extension, upstream)
        self._received: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._whole_body = asyncio.Event()
        self._let_go = asyncio.Event()
        self._refusal: web.HTTPError | None = None
        self._forwarding: asyncio.Task[None] | None = None

    def check_xsrf_cookie(self) -> None:
        try:
            super().check_xsrf_cookie()
        except web.HTTPError as error:
            self._refusal = error

    async def prepare(self) -> None:  # type: ignore[override]
        connection: Any = self.request.connection
        connection.set_max_body_size(MAX_BODY_BYTES)  # ours is never held in memory
        try:
            await super().prepare()
        except web.HTTPError as error:
            self._refusal = self._refusal or error
        # Refusals are answered once the body was let go: an answer before its end would be lost
        # to the reset of a connection with unread data.
        if self._refusal is None:
            self._forwarding = asyncio.create_task(self._forward())
        else:
            self._let_go.set()

    async def data_received(self, chunk: bytes) -> None:
        await self._hand_over(chunk)

    async def _hand_over(self, chunk: bytes | None) -> None:
        if self._let_go.is_set():
            return
        tasks = [asyncio.create_task(self._received.put(chunk)), asyncio.create_task(self._let_go.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    async def _all_methods(self, _path: str) -> None:
        self._whole_body.set()
        if self._refusal is not None:
            raise self._refusal
        if self._forwarding is not None:
            await self._hand_over(None)
            await asyncio.wait({self._forwarding})
            if not self._forwarding.cancelled():  # cancelled: the browser has gone
                self._forwarding.result()

    get = head = post = put = patch = delete = _all_methods

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._let_go.set()
        if self._forwarding is not None:
            self._forwarding.cancel()

    async def _body(self) -> AsyncIterator[bytes]:
        while (chunk := await self._received.get()) is not None:
            yield chunk

    async def _body_let_go(self) -> None:
        """Read what the browser still sends, so that it sees the answer; half a minute at most."""
        self._let_go.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._whole_body.wait(), LET_GO_SECONDS)

    async def _forward(self) -> None:
        target = self._target()
        if target is None:
            await self._body_let_go()
            self.problem(404, "not_found")
            return
        headers = HTTPHeaders()
        for name in PASSED_ON:
            if name in self.request.headers:
                headers[name] = self.request.headers[name]
        headers["Authorization"] = f"Bearer {self.extension.token}"
        has_body = "Content-Length" in headers or "Transfer-Encoding" in self.request.headers
        method = str(self.request.method)
        if not has_body and method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = "0"
        try:
            exchange = await self.upstream.exchange(method, target, headers, self._body if has_body else None)
        except Unreachable as error:
            self.log.warning("Himalia: %s %s: %s", method, target.partition("?")[0], error)
            await self._body_let_go()
            unknown = error.sent and method not in SAFE_METHODS
            self.problem(503, "outcome_unknown" if unknown else "platform_unavailable")
            return
        await self._answer(exchange)

    def _target(self) -> str | None:
        """Raw path and query below the API's base; None for what tries to leave it."""
        prefix = self.base_url.rstrip("/") + "/himalia/api/v1"
        path, _, query = str(self.request.uri).partition("?")
        raw = path[path.find(prefix) + len(prefix) :] if prefix in path else unquote(self.request.path)
        plain = unquote(unquote(raw))
        if "\\" in plain or "\0" in plain or any(part in (".", "..") for part in plain.split("/")) or "//" in plain:
            return None
        kept = [pair for pair in query.split("&") if pair and pair.partition("=")[0] not in ("token", "_xsrf")]
        return raw + ("?" + "&".join(kept) if kept else "")

    async def _answer(self, exchange: Exchange) -> None:
        self.set_status(exchange.status, responses.get(exchange.status, "Unknown"))
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
        self.set_header("X-Content-Type-Options", "nosniff")
        for name in {name.lower() for name in exchange.headers if name.lower() not in KEPT_BACK}:
            values = exchange.headers.get_list(name)
            self.clear_header(name)
            for value in values:
                self.add_header(name, value)
        kind = exchange.headers.get("Content-Type", "")
        if exchange.status == 206 or "ETag" in exchange.headers or kind.startswith("text/event-stream"):
            self._transforms = []  # compressing would break ranges, or hold back events
        try:
            async for chunk in exchange.chunks():
                self.write(chunk)
                await self.flush()
            await self._body_let_go()
            self.finish()
        except StreamClosedError:
            pass  # the browser has gone
        except Unreachable as error:
            self.log.warning("Himalia: the platform's answer broke off: %s", error)
            if self._headers_written:
                # A short body must not look whole: the browser sees a broken transfer.
                connection: Any = self.request.connection
                connection.stream.close()
            else:
                self.problem(503, "outcome_unknown")
        finally:
            exchange.close()

    def compute_etag(self) -> str | None:
        return None  # the platform's, or none


class ContextHandler(PanelHandler):
    """``<base>himalia/context``: where this server stands, answered without the platform."""

    def get(self) -> None:
        environment = os.environ.get
        workload = environment("HIMALIA_WORKLOAD_ID", "")
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        hub = environment("HIMALIA_HUB_URL") or environment("JUPYTERHUB_PUBLIC_HUB_URL") or ""
        if not hub and environment("JUPYTERHUB_HOST"):
            hub = environment("JUPYTERHUB_HOST", "") + environment("JUPYTERHUB_BASE_URL", "/").rstrip("/") + "/hub/"
        answer = {
            "api_ready": self.upstream.configured and bool(self.extension.token),
            "hub_url": hub or None,
            "user": self.extension.owner or None,
            "server_name": environment("JUPYTERHUB_SERVER_NAME"),
            "workload_id": int(workload) if workload.isdecimal() else None,
            "language": (environment("HIMALIA_LANGUAGE") or "").partition(".")[0] or None,
        }
        self.finish(json.dumps(answer))
