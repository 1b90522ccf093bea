"""The route table: one declaration per operation, from which everything else is made.

A route names its method, path, permission, request and response types and handler. Dispatch,
validation, authorisation, audit, OpenAPI, the TypeScript types and the matrix test all read it.

Handlers come in two kinds. A plain function runs inside one transaction (a read snapshot for GET,
the writer's transaction otherwise). An ``async`` function runs on the event loop and opens its own
units of work by ``await ctx.write(...)``; it is for bodies that stream and for network calls.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from himalia_hub.auth.permissions import BY_NAME

Handler = TypeVar("Handler", bound=Callable[..., Any])

BASE_PATH = "/services/himalia/api/v1"
INTERNAL_PATH = "/services/himalia/internal/v1"
DEFAULT_MAX_BODY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API."""

    method: str
    path: str
    permission: str | None
    """None only for what the world may read (health); the matrix test lists them by name."""
    handler: Callable[..., Any]
    summary: str
    tag: str
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    response: Any = None
    status: int = 200
    if_match: bool = False
    """The update needs the version the client saw (GEN-7)."""
    streams_body: bool = False
    body_type: str = "application/json"
    response_type: str = "application/json"
    max_body: int = DEFAULT_MAX_BODY
    internal: bool = False
    audit: bool | None = None
    """None: writes are audited; False for what happens many times a minute."""
    idempotent: bool = True
    """Keeps answers by Idempotency-Key; off for bodies that are idempotent by content."""
    keeps_key: bool = False
    """The handler keeps answers by Idempotency-Key itself: a streamed body is known only at its end."""
    asks: Callable[..., Awaitable[Any]] | None = None
    """What a plain handler needs from another service: awaited with its arguments before the unit of work, so
    that none is held open meanwhile; the handler finds the answer in ``ctx.told``. It refuses nothing itself."""
    object_kind: str = ""
    is_async: bool = False
    parameters: tuple[tuple[str, type], ...] = ()
    wants: frozenset[str] = frozenset()

    @property
    def full_path(self) -> str:
        return (INTERNAL_PATH if self.internal else BASE_PATH) + self.path

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def operation_id(self) -> str:
        return f"{self.tag}.{self.handler.__name__}"


@dataclass(slots=True)
class Reply:
    """An answer that is more than a JSON body with the route's status."""

    body: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Raw:
    """Bytes as they are, with their media type; ranges are the handler's business."""

    data: bytes
    media_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Stream:
    """A body of unknown length, sent as it comes; closed when the client goes away."""

    chunks: AsyncIterator[bytes]
    media_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class RouteTable:
    """The routes of one noun; ``tag`` names it in the reference."""

    def __init__(self, tag: str, *, internal: bool = False) -> None:
        self.tag = tag
        self.internal = internal
        self.routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self.routes)

    def add(
        self, method: str, path: str, *, permission: str | None, summary: str, **options: Any
    ) -> Callable[[Handler], Handler]:
        """Declare a route; path parameters take their types from the handler's annotations."""
        if permission is not None and permission not in BY_NAME:
            raise ValueError(f"{method} {path}: permission {permission!r} is not in the table")

        def register(handler: Handler) -> Handler:
            signature = inspect.signature(handler, eval_str=True)
            names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
            for name in names:
                if name not in signature.parameters:
                    raise TypeError(f"{method} {path}: {handler.__name__} takes no {name!r}")
            self.routes.append(
                Route(
                    method=method,
                    path=path,
                    permission=permission,
                    handler=handler,
                    summary=summary,
                    tag=self.tag,
                    internal=self.internal,
                    is_async=inspect.iscoroutinefunction(handler),
                    parameters=tuple((name, signature.parameters[name].annotation) for name in names),
                    wants=frozenset(signature.parameters) - frozenset(names) - {"ctx"},
                    **options,
                )
            )
            return handler

        return register

    def get(self, path: str, *, permission: str | None, summary: str, **options: Any) -> Callable[[Handler], Handler]:
        return self.add("GET", path, permission=permission, summary=summary, **options)

    def post(self, path: str, *, permission: str | None, summary: str, **options: Any) -> Callable[[Handler], Handler]:
        return self.add("POST", path, permission=permission, summary=summary, **options)

    def put(self, path: str, *, permission: str | None, summary: str, **options: Any) -> Callable[[Handler], Handler]:
        return self.add("PUT", path, permission=permission, summary=summary, **options)

    def patch(self, path: str, *, permission: str | None, summary: str, **options: Any) -> Callable[[Handler], Handler]:
        options.setdefault("if_match", True)
        return self.add("PATCH", path, permission=permission, summary=summary, **options)

    def delete(
        self, path: str, *, permission: str | None, summary: str, **options: Any
    ) -> Callable[[Handler], Handler]:
        options.setdefault("status", 204)
        return self.add("DELETE", path, permission=permission, summary=summary, **options)


class Router:
    """Finds a route by walking the path's segments; literals win over parameters."""

    def __init__(self, tables: list[RouteTable]) -> None:
        self.routes: list[Route] = [route for table in tables for route in table]
        self._root: dict[str, Any] = {}
        for route in self.routes:
            node = self._root
            for part in route.full_path.strip("/").split("/"):
                node = node.setdefault("{}" if part.startswith("{") else part, {})
            methods = node.setdefault("", {})
            if route.method in methods:
                raise ValueError(f"{route.method} {route.full_path} is declared twice")
            methods[route.method] = route

    def match(self, path: str) -> tuple[dict[str, Route], list[str]] | None:
        """The routes of this path by method, with the parameters' raw values."""
        node = self._root
        values: list[str] = []
        for part in path.strip("/").split("/"):
            child = node.get(part) if part and part != "{}" else None
            if child is None:
                child = node.get("{}") if part else None
                if child is None:
                    return None
                values.append(part)
            node = child
        methods = node.get("")
        return (methods, values) if methods else None
