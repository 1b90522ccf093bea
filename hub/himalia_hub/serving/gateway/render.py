"""From routes to Traefik's dynamic configuration. Pure.

Two others write into the same directory, and one file that Traefik cannot parse stops everybody's
updates; so nothing here is free text: every field is typed, unknown fields cannot be given, and
names and addresses are matched against a pattern before they get into a rule.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from himalia_hub.backends.protocol import ServiceRoute

ENTRY_POINT = "http"
PROGRAMS, KEYCHECK = "himalia-programs@file", "himalia-keycheck@file"
SERVICE_HEADER = "X-Himalia-Service"
MARK = "serving-mark-"
"""A middleware that nothing uses; its name carries the digest of the file it is in."""

_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9_])?")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][A-Za-z0-9_-]{0,127}(@(file|internal))?$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(_Part):
    url: Annotated[str, StringConstraints(pattern=r"^http://[A-Za-z0-9.:\[\]-]+$")]


class LoadBalancer(_Part):
    servers: list[Server]
    passHostHeader: bool = True


class Share(_Part):
    name: Name
    weight: Annotated[int, Field(ge=0, le=1_000_000)]


class StickyCookie(_Part):
    name: Name
    httpOnly: bool = True
    sameSite: str = "lax"


class Sticky(_Part):
    cookie: StickyCookie


class Weighted(_Part):
    services: list[Share]
    sticky: Sticky | None = None


class TraefikService(_Part):
    loadBalancer: LoadBalancer | None = None
    weighted: Weighted | None = None


class Router(_Part):
    rule: str
    entryPoints: list[Name]
    service: Name
    middlewares: list[Name]
    priority: int | None = None


class StripPrefix(_Part):
    prefixes: list[Annotated[str, StringConstraints(pattern=r"^/serving/[A-Za-z0-9_/-]+$")]]


class Headers(_Part):
    customRequestHeaders: dict[str, str] | None = None
    customResponseHeaders: dict[str, str] | None = None
    accessControlAllowOriginList: list[str] | None = None
    accessControlAllowMethods: list[str] | None = None
    accessControlAllowHeaders: list[str] | None = None
    accessControlMaxAge: int | None = None


class Middleware(_Part):
    stripPrefix: StripPrefix | None = None
    headers: Headers | None = None


class Http(_Part):
    routers: dict[Name, Router]
    services: dict[Name, TraefikService] = {}
    middlewares: dict[Name, Middleware]


class Document(_Part):
    """The whole of ``gateway.yml``: HTTP only, nothing else can be said."""

    http: Http


def balancer_name(target: str) -> str:
    """Traefik's name of one target, as its metrics show it (with ``@file`` behind)."""
    return f"serving-{target}"


def document(routes: Sequence[ServiceRoute], programs_host: str) -> Document:
    """The configuration that makes exactly these routes live.

    Raises:
        ValueError: A name or address that may not stand in a rule; nothing is written then.
    """
    _match(_HOST, programs_host, "host")
    routers: dict[str, Router] = {
        # What no service has is asked of the key check too, which refuses it like a wrong key.
        "serving-nothing": Router(
            rule=f"Host(`{programs_host}`) && PathPrefix(`/serving/`)",
            entryPoints=[ENTRY_POINT],
            service="noop@internal",
            middlewares=[PROGRAMS, "serving-browsers", "serving-unknown", KEYCHECK],
            priority=1,
        )
    }
    services: dict[str, TraefikService] = {}
    middlewares = dict(_COMMON)
    for route in sorted(routes, key=lambda one: (one.tenant, one.service)):
        _add(route, programs_host, routers, services, middlewares)
    return Document(http=Http(routers=routers, services=services, middlewares=middlewares))


_COMMON = {
    "serving-unknown": Middleware(headers=Headers(customRequestHeaders={SERVICE_HEADER: ""})),
    # A page of any origin may call with a key it was given: no cookie is ever involved.
    "serving-browsers": Middleware(
        headers=Headers(
            accessControlAllowOriginList=["*"],
            accessControlAllowMethods=["GET", "POST", "OPTIONS"],
            accessControlAllowHeaders=["Authorization", "Content-Type"],
            accessControlMaxAge=600,
        )
    ),
    # A model's code never sees the key or token that its caller sent.
    "serving-keep-key": Middleware(headers=Headers(customRequestHeaders={"Authorization": ""})),
}


def _add(
    route: ServiceRoute,
    host: str,
    routers: dict[str, Router],
    services: dict[str, TraefikService],
    middlewares: dict[str, Middleware],
) -> None:
    tenant, service = _match(_WORD, route.tenant, "tenant"), _match(_WORD, route.service, "service")
    key = f"{tenant}-{service}-{_short(f'{tenant}/{service}')}"
    prefix = f"/serving/{tenant}/{service}"
    name = f"serving-{key}"
    middlewares[f"{name}-strip"] = Middleware(stripPrefix=StripPrefix(prefixes=[prefix]))
    middlewares[f"{name}-name"] = Middleware(
        headers=Headers(customRequestHeaders={SERVICE_HEADER: f"{tenant}/{service}"})
    )
    routers[name] = Router(
        rule=f"Host(`{host}`) && PathPrefix(`{prefix}/`)",
        entryPoints=[ENTRY_POINT],
        service=name,
        middlewares=[
            PROGRAMS,
            "serving-browsers",
            f"{name}-name",
            KEYCHECK,
            "serving-keep-key",
            f"{name}-strip",
        ],
        priority=1000 + len(prefix),
    )
    shares = []
    for target in route.targets:
        balancer = balancer_name(_match(_WORD, target.name, "target"))
        servers = [Server(url=f"http://{_match(_ADDRESS, address, 'address')}") for address in target.addresses]
        services[balancer] = TraefikService(loadBalancer=LoadBalancer(servers=servers))
        shares.append(Share(name=balancer, weight=target.weight))
    if not shares:
        services[name] = TraefikService(loadBalancer=LoadBalancer(servers=[]))
        return
    sticky = None
    if route.sticky_cookie:
        sticky = Sticky(cookie=StickyCookie(name=_match(_WORD, route.sticky_cookie, "cookie")))
    services[name] = TraefikService(weighted=Weighted(services=shares, sticky=sticky))


def text(made: Document) -> tuple[str, str]:
    """YAML, and the name of the mark whose presence at Traefik's API proves that it is live."""
    plain: dict[str, Any] = made.model_dump(exclude_none=True)
    plain["http"] = {name: section for name, section in plain["http"].items() if section}  # it refuses empty ones
    mark = MARK + _short(yaml.safe_dump(plain, sort_keys=True), 16)
    plain["http"]["middlewares"][mark] = {"headers": {"customResponseHeaders": {"X-Himalia-Mark": "1"}}}
    return yaml.safe_dump(plain, sort_keys=False, default_flow_style=False), mark


def _short(value: str, length: int = 8) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:length]


def _match(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(f"{what} {value!r} may not stand in a route")
    return value
