"""Traefik's configuration: one listener for everybody, two hosts, everything else on loopback.

Pure functions from values to text. The directory ``dyn`` has three writers, each with a file of
its own: the supervisor (``platform.yml``, here), the hub (``hub.toml``) and the platform's
gateway (``gateway.yml``).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

API_USER = "himalia"
ENTRY_POINT = "http"
PROGRAMS_MIDDLEWARE = "himalia-programs"
KEYCHECK_MIDDLEWARE = "himalia-keycheck"
LATENCY_BUCKETS = [0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]
"""Seconds; monitoring reads percentiles of services from them."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts are, as Traefik needs them."""

    host: str
    port: int
    api_port: int
    metrics_port: int
    platform_url: str
    keycheck_url: str
    hub_url: str
    api_url: str


def static_configuration(addresses: Addresses, dynamic_directory: str) -> str:
    """``traefik.yml``; transfers take as long as they take, so reading has no time limit."""
    listen = f"[{addresses.host}]" if ":" in addresses.host else addresses.host
    strict = {"http": {"aliasHeadersStrategy": "delete"}}
    return _yaml(
        {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "log": {"level": "WARN", "format": "json"},
            "api": {"dashboard": False},
            "entryPoints": {
                ENTRY_POINT: {
                    "address": f"{listen}:{addresses.port}",
                    "transport": {
                        "respondingTimeouts": {"readTimeout": "0s", "idleTimeout": "180s"},
                        "lifeCycle": {"graceTimeOut": "3s"},
                    },
                    "forwardedHeaders": {"insecure": False, "trustedIPs": []},
                    **strict,
                },
                "auth_api": {"address": f"127.0.0.1:{addresses.api_port}", **strict},
                "metrics": {"address": f"127.0.0.1:{addresses.metrics_port}", **strict},
            },
            "metrics": {
                "prometheus": {
                    "entryPoint": "metrics",
                    "buckets": LATENCY_BUCKETS,
                    "addServicesLabels": True,
                    "addRoutersLabels": False,
                    "addEntryPointsLabels": False,
                }
            },
            "providers": {
                "providersThrottleDuration": "0s",
                "file": {"directory": dynamic_directory, "watch": True},
            },
        }
    )


def platform_configuration(addresses: Addresses, api_password: str) -> str:
    """``platform.yml``: the API for programs, and what every program's route goes through."""
    programs_host = urlsplit(addresses.api_url).hostname or "127.0.0.1"
    to_hub = {"regex": ".*", "replacement": f"{addresses.hub_url}/", "permanent": False}
    routers = {
        "himalia-platform": {
            "rule": f"Host(`{programs_host}`) && PathPrefix(`/services/himalia/api/`)",
            "entryPoints": [ENTRY_POINT],
            "service": "himalia-platform",
            "middlewares": [PROGRAMS_MIDDLEWARE],
        },
        "himalia-front-door": {
            "rule": f"(Host(`{programs_host}`) || Host(`localhost`)) && Path(`/`)",
            "entryPoints": [ENTRY_POINT],
            "service": "noop@internal",
            "middlewares": ["himalia-to-hub"],
        },
        "himalia-traefik-api": {
            "rule": "Host(`127.0.0.1`) && PathPrefix(`/api`)",
            "entryPoints": ["auth_api"],
            "service": "api@internal",
            "middlewares": ["himalia-traefik-api"],
        },
    }
    middlewares = {
        PROGRAMS_MIDDLEWARE: {
            "headers": {
                "customRequestHeaders": {"Cookie": ""},
                "customResponseHeaders": {
                    "Set-Cookie": "",
                    "Content-Security-Policy": "sandbox",
                    "X-Content-Type-Options": "nosniff",
                },
            }
        },
        KEYCHECK_MIDDLEWARE: {
            "forwardAuth": {
                "address": f"{addresses.keycheck_url}/check",
                "authResponseHeaders": ["X-Himalia-Tenant", "X-Himalia-Caller"],
                "trustForwardHeader": False,
                "maxResponseBodySize": 65536,
            }
        },
        "himalia-to-hub": {"redirectRegex": to_hub},
        "himalia-traefik-api": {"basicAuth": {"users": [_basic_auth(API_USER, api_password)]}},
    }
    services = {"himalia-platform": {"loadBalancer": {"servers": [{"url": addresses.platform_url}]}}}
    return _yaml({"http": {"routers": routers, "middlewares": middlewares, "services": services}})


def _basic_auth(user: str, password: str) -> str:
    """An htpasswd line. SHA-1 is enough for 256 random bits, and cheap: the hub asks often."""
    digest = base64.b64encode(hashlib.sha1(password.encode("ascii"), usedforsecurity=False).digest())
    return f"{user}:{{SHA}}{digest.decode('ascii')}"


def _yaml(data: dict[str, Any]) -> str:
    return yaml.safe_dump(data, sort_keys=False, default_flow_style=False)
