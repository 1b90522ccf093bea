"""From a request to an answer: match, authenticate, authorise, validate, run, render.

The order is fixed and the same for every route: an unknown path is 404; a caller nobody knows is
401; a permission that no role of the actor grants is 403 before anything is looked up; then the
input is read and checked, then the handler runs in one transaction together with its audit entry
and its idempotency record.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import pydantic_core
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from tornado import httputil, iostream, web

from himalia_hub.api import auditing, once, problems, validation
from himalia_hub.api.context import Context
from himalia_hub.api.routes import Raw, Reply, Route, Router, Stream
from himalia_hub.audit.changes import Watched
from himalia_hub.auth import tokens
from himalia_hub.auth.actor import Actor
from himalia_hub.core.errors import (
    Conflict,
    HimaliaError,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    StepUpRequired,
    TooLarge,
)

log = logging.getLogger("himalia.api")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def to_json(value: Any) -> bytes:
    """Serialise plain values, models and moments."""
    return pydantic_core.to_json(value, fallback=str)


def etag_of(result: Any) -> str | None:
    version = result.get("version") if isinstance(result, dict) else getattr(result, "version", None)
    return f'"{version}"' if isinstance(version, int) and not isinstance(version, bool) else None


class BodyQueue:
    """A streaming body with back-pressure: the socket waits while the handler is busy."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=4)
        self.received = 0

    async def put(self, chunk: bytes | None) -> None:
        await self._queue.put(chunk)

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._queue.get()) is not None:
            yield chunk

    async def drain(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()


@web.stream_request_body
class ApiHandler(web.RequestHandler):
    """The only request handler of the API."""

    SUPPORTED_METHODS = METHODS

    def initialize(self, platform: Any, router: Router) -> None:
        self.platform = platform
        self.router = router
        self.route: Route | None = None
        self.values: list[str] = []
        self.actor: Actor | None = None
        self.failure: HimaliaError | None = None
        self.body_parts: list[bytes] = []
        self.body_size = 0
        self.stream: BodyQueue | None = None
        self.running: asyncio.Task[Any] | None = None

    # -- before the body ---------------------------------------------------------------------

    async def prepare(self) -> None:
        sent = self.request.headers.get("X-Request-Id", "")
        self.request_id = sent if 0 < len(sent) <= 64 and sent.isalnum() else secrets.token_hex(8)
        self.set_header("X-Request-Id", self.request_id)
        languages = self.request.headers.get("Accept-Language", "")
        self.language = "zh" if languages.lower().startswith("zh") else "en"
        try:
            self.route = self._match()
            self.actor = self._authenticate()
            self._authorise(self.route, self.actor)
            limit = self.route.max_body
            declared = int(self.request.headers.get("Content-Length") or 0)
            if declared > limit:
                raise self._too_large(declared, limit)
            self.request.connection.set_max_body_size(limit + 1)  # type: ignore[union-attr]
            if self.route.streams_body:
                self.stream = BodyQueue()
                self.running = asyncio.ensure_future(self._run())
                self.running.add_done_callback(lambda _: asyncio.ensure_future(self._release()))
        except HimaliaError as error:
            self.failure = error

    async def _release(self) -> None:
        if self.stream is not None:
            await self.stream.drain()

    def _match(self) -> Route:
        found = self.router.match(self.request.path)
        if found is None:
            raise NotFound("No such address in this API.", zh="此 API 中没有该地址。")
        methods, values = found
        # Decoded after the split, so that an encoded slash stays inside its parameter.
        self.values = [unquote(value) if "%" in value else value for value in values]
        route = methods.get(self.request.method or "")
        if route is None:
            allowed = ", ".join(sorted(methods))
            error = InvalidInput(
                f"{self.request.method} is not offered here; use {allowed}.",
                zh=f"此处不支持 {self.request.method}；可用：{allowed}。",
                code="method_not_allowed",
            )
            error.status = 405
            self.set_header("Allow", allowed)
            raise error
        return route

    def _authenticate(self) -> Actor | None:
        assert self.route is not None
        if self.route.permission is None:
            return None
        header = self.request.headers.get("Authorization", "")
        scheme, _, secret = header.partition(" ")
        name = None
        if scheme.lower() == "basic":
            try:
                name, _, secret = base64.b64decode(secret).decode().partition(":")
            except ValueError:
                secret = ""
        if scheme.lower() not in ("bearer", "basic", "token") or not secret:
            raise NotAuthenticated(
                "No token was sent.",
                zh="未发送令牌。",
                hint="Send Authorization: Bearer <token>.",
                hint_zh="请发送 Authorization: Bearer <令牌>。",
            )
        return tokens.authenticate(
            self.platform,
            secret.strip(),
            name=name,
            step_up=self.request.headers.get("Himalia-Step-Up"),
            tenant=self.request.headers.get("Himalia-Tenant"),
            address=self.request.remote_ip or "",
        )

    def _authorise(self, route: Route, actor: Actor | None) -> None:
        if route.permission is None:
            return
        assert actor is not None
        if actor.reach(route.permission) is not None:
            return
        if route.internal:
            raise NotFound("No such address in this API.", zh="此 API 中没有该地址。")
        if route.permission in actor.held and not actor.stepped_up:
            raise StepUpRequired(
                "This needs a fresh proof that it is you.",
                zh="此操作需要重新确认是您本人。",
                hint="Confirm with your password in the window that opens, then try again.",
                hint_zh="请在弹出的窗口中输入密码确认，然后重试。",
                permission=route.permission,
            )
        raise NotPermitted(
            f"Your roles do not include {route.permission}.",
            zh=f"您的角色不包含权限 {route.permission}。",
            hint="Ask an administrator of your organisation for a role that includes it.",
            hint_zh="请联系组织管理员授予包含该权限的角色。",
            permission=route.permission,
        )

    def _too_large(self, size: int, limit: int) -> TooLarge:
        return TooLarge(
            f"The body has {size} bytes; at most {limit} are taken here.",
            zh=f"请求体为 {size} 字节；此处最多接收 {limit} 字节。",
            field="body",
            rule=f"at most {limit} bytes",
            value=size,
        )

    async def data_received(self, chunk: bytes) -> None:
        if self.failure is not None or self.route is None:
            return
        self.body_size += len(chunk)
        if self.body_size > self.route.max_body:
            self.failure = self._too_large(self.body_size, self.route.max_body)
            return
        if self.stream is not None:
            assert self.running is not None
            if not self.running.done():
                await self.stream.put(chunk)
        else:
            self.body_parts.append(chunk)

    def on_connection_close(self) -> None:
        if self.running is not None and not self.running.done():
            self.running.cancel()

    # -- the body is here --------------------------------------------------------------------

    async def _answer(self) -> None:
        try:
            if self.failure is not None:
                raise self.failure
            if self.stream is not None and self.running is not None:
                if not self.running.done():
                    await self.stream.put(None)
                result = await self.running
            else:
                result = await self._run()
            await self._render(result)
        except iostream.StreamClosedError:
            pass
        except ValidationError as error:
            await self._fail(validation.problem_of(error))
        except HimaliaError as error:
            await self._fail(error)
        except Exception:
            log.exception("request %s: %s %s failed", self.request_id, self.request.method, self.request.path)
            await self._fail(
                HimaliaError(
                    f"The platform met an error of its own; it is logged under request {self.request_id}.",
                    zh=f"平台内部出错；已记录，请求编号 {self.request_id}。",
                    hint="Try again; if it stays, tell your administrator the request id.",
                    hint_zh="请重试；若仍失败，请将请求编号告知管理员。",
                )
            )

    get = post = put = patch = delete = _answer

    def _arguments(self, route: Route) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        for (name, kind), value in zip(route.parameters, self.values, strict=True):
            if kind is int:
                if not value.isascii() or not value.isdigit() or len(value) > 15:
                    raise NotFound()
                arguments[name] = int(value)
            else:
                arguments[name] = value
        if route.query is not None:
            raw: dict[str, Any] = {}
            for name, values in self.request.query_arguments.items():
                field = route.query.model_fields.get(name)
                many = field is not None and "list" in str(field.annotation)
                texts = [value.decode("utf-8", "replace") for value in values]
                raw[name] = texts if many else texts[-1]
            arguments["query"] = route.query.model_validate(raw)
        return arguments

    def _parse_body(self, route: Route) -> BaseModel | None:
        if route.body is None:
            return None
        data = b"".join(self.body_parts) or b"{}"
        try:
            parsed = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(
                f"The body is not JSON: {error}.", zh=f"请求体不是 JSON：{error}。", field="body", rule="JSON"
            ) from error
        return route.body.model_validate(parsed)

    def _context(self, route: Route) -> Context:
        context = Context(
            platform=self.platform,
            route=route,
            actor=self.actor,  # type: ignore[arg-type]
            request_id=self.request_id,
            language=self.language,
            headers=self.request.headers,
            content_type=self.request.headers.get("Content-Type", ""),
        )
        raw = self.request.headers.get("If-Match")
        if raw is not None:
            text = raw.strip().removeprefix("W/").strip('"')
            context.if_match = int(text) if text.isdigit() and len(text) < 16 else -1
        if self.stream is not None:
            context.body_stream = self.stream.chunks()
        return context

    async def _run(self) -> Any:
        route = self.route
        assert route is not None
        context = self._context(route)
        arguments = self._arguments(route)
        body = self._parse_body(route)
        if body is not None:
            arguments["body"] = body
        arguments = {k: v for k, v in arguments.items() if k in route.wants or k not in ("query", "body")}
        if not route.writes and not route.is_async:
            with self.platform.db.read() as connection:
                context._db = connection
                result = route.handler(context, **arguments)
            await self._audit_read(route, context, arguments)
            return result
        key = once.key_of(self.request.headers) if route.writes and route.idempotent else None
        if route.is_async:
            return await self._run_async(route, context, arguments, key)
        if route.asks is not None:
            context.told = await route.asks(context, **arguments)
        return await self._run_write(route, context, arguments, key)

    async def _run_write(self, route: Route, context: Context, arguments: dict[str, Any], key: str | None) -> Any:
        digest = self._digest(route) if key else ""

        def work(session: Session) -> Any:
            if key:
                kept = self._kept(session, key, digest)
                if kept is not None:
                    return kept
            context._db = session
            watched = Watched(session)
            result = route.handler(context, **arguments)
            session.flush()
            auditing.change(session, context, self.values, self.body_parts, result, arguments, watched.detail())
            if key:
                self._keep(session, route, key, digest, result)
            return result

        try:
            return await self.platform.db.write(work)
        except IntegrityError as error:
            return self._conflict(error)

    async def _run_async(self, route: Route, context: Context, arguments: dict[str, Any], key: str | None) -> Any:
        digest = self._digest(route) if key else ""
        if key:
            kept = await self.platform.db.write(lambda session: self._kept(session, key, digest))
            if kept is not None:
                return kept
        try:
            result = await route.handler(context, **arguments)
        except IntegrityError as error:
            return self._conflict(error)
        if route.writes:

            def finish(session: Session) -> None:
                auditing.change(session, context, self.values, self.body_parts, result, arguments, {})
                if key and not isinstance(result, Raw | Stream):
                    self._keep(session, route, key, digest, result)

            if key or route.audit is not False:
                await self.platform.db.write(finish)
        else:
            await self._audit_read(route, context, arguments)
        return result

    @staticmethod
    def _conflict(error: IntegrityError) -> Any:
        text = str(error.orig)
        if "live_name" in text or ".name" in text or "(name" in text:
            raise Conflict(
                "name: you already have one with this name.",
                zh="name：您已有同名对象。",
                field="name",
                rule="unique per owner and kind",
                code="name_taken",
            ) from error
        raise error

    # -- idempotency and audit ---------------------------------------------------------------

    def _digest(self, route: Route) -> str:
        hasher = hashlib.sha256(f"{route.method} {self.request.uri}\n".encode())
        for part in self.body_parts:
            hasher.update(part)
        return hasher.hexdigest()

    def _kept(self, session: Session, key: str, digest: str) -> Reply | None:
        assert self.actor is not None
        row = once.find(session, self.actor.user_id, key, digest)
        if row is None:
            return None
        body = json.loads(row.body) if row.body else None
        return Reply(body=body, status=row.status, headers={**row.headers, "Idempotency-Replayed": "true"})

    def _keep(self, session: Session, route: Route, key: str, digest: str, result: Any) -> None:
        assert self.actor is not None
        reply = result if isinstance(result, Reply) else Reply(body=result)
        headers = dict(reply.headers)
        tag = etag_of(reply.body)
        if tag and "ETag" not in headers:
            headers["ETag"] = tag
        body = to_json(reply.body).decode() if reply.body is not None else ""
        status = reply.status or route.status
        once.store(session, self.actor.user_id, key, digest, status=status, body=body, headers=headers)

    async def _audit_read(self, route: Route, context: Context, arguments: dict[str, Any]) -> None:
        if not auditing.is_administrative_read(route, self.actor):
            return
        assert self.actor is not None
        who = (self.actor.user_id, self.actor.token_id, self.actor.address)
        repeated = self.platform.audit_repeats.first((*who, route.operation_id, *self.values), auditing.READ_SECONDS)
        if repeated is not None:
            query = self.request.query
            await self.platform.db.write(
                lambda session: auditing.read(session, context, self.values, arguments, query, repeated)
            )

    # -- answers -----------------------------------------------------------------------------

    async def _render(self, result: Any) -> None:
        route = self.route
        assert route is not None
        if isinstance(result, Stream):
            await self._send_stream(result)
            return
        if isinstance(result, Raw):
            self.set_status(result.status)
            self.set_header("Content-Type", result.media_type)
            for name, value in result.headers.items():
                self.set_header(name, value)
            self.finish(result.data or None)
            return
        reply = result if isinstance(result, Reply) else Reply(body=result)
        for name, value in reply.headers.items():
            self.set_header(name, value)
        status = reply.status or route.status
        if reply.body is None and status in (200, 204):
            self.set_status(204)
            self.finish()
            return
        tag = etag_of(reply.body)
        if tag and "ETag" not in reply.headers:
            self.set_header("ETag", tag)
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(to_json(reply.body))

    async def _send_stream(self, result: Stream) -> None:
        self.set_status(result.status)
        self.set_header("Content-Type", result.media_type)
        self.set_header("Cache-Control", "no-store")
        for name, value in result.headers.items():
            self.set_header(name, value)
        self.running = asyncio.current_task()
        try:
            async for chunk in result.chunks:
                self.write(chunk)
                await self.flush()
            self.finish()
        except (iostream.StreamClosedError, asyncio.CancelledError):
            pass
        finally:
            closer = getattr(result.chunks, "aclose", None)
            if closer is not None:
                await closer()

    async def _fail(self, error: HimaliaError) -> None:
        if self._finished:
            return
        if auditing.is_refusal(error, self.route, self.actor, self.values):
            await self._audit_refusal(error)
        if error.status == 401:
            self.set_header("WWW-Authenticate", 'Bearer realm="himalia"')
        if self.failure is not None and self.body_size == 0 and self.request.headers.get("Content-Length", "0") != "0":
            # The body was refused unread; the connection cannot be used again.
            self.set_header("Connection", "close")
        self.clear_header("ETag")
        self.set_status(error.status)
        self.set_header("Content-Type", "application/problem+json")
        self.finish(to_json(problems.render(error, request_id=self.request_id, language=self.language)))

    async def _audit_refusal(self, error: HimaliaError) -> None:
        route, actor = self.route, self.actor
        assert route is not None
        address = self.request.remote_ip or ""
        who = (actor.user_id, actor.token_id) if actor is not None else ()
        # Whoever is not known is told apart by address alone: a flood with invented numbers is one entry a minute.
        what = (route.operation_id, *self.values) if actor is not None else ()
        repeated = self.platform.audit_repeats.first((*who, address, *what, error.code), auditing.REFUSAL_SECONDS)
        if repeated is None:
            return
        await self.platform.db.write(
            lambda session: auditing.refusal(
                session,
                error,
                route,
                actor,
                values=self.values,
                address=address,
                request_id=self.request_id,
                repeated=repeated,
            )
        )

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    def compute_etag(self) -> None:
        return None

    def log_exception(self, *args: Any) -> None:
        if args and isinstance(args[1], web.HTTPError | httputil.HTTPInputError):
            return
        super().log_exception(*args)

    def write_error(self, status_code: int, **_kwargs: Any) -> None:
        error = HimaliaError("The request could not be read.", zh="无法读取该请求。", code="bad_request")
        error.status = status_code
        self.set_header("Content-Type", "application/problem+json")
        self.finish(to_json(problems.render(error, request_id=getattr(self, "request_id", ""), language="en")))
