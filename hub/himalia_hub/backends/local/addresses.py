"""Addresses a workload finds inside its sandbox, and the environment that tells it so.

Every replica has a network of its own with a loopback device and nothing else. On that loopback
the shim offers exactly four services, always at the same ports, whatever ports the platform uses
on the machine. The spawner and whoever builds a ``WorkloadPlan`` imports these constants; nothing
here opens a connection.
"""

from __future__ import annotations

LOOPBACK = "127.0.0.1"

API_PORT = 7001
"""The platform service."""
HUB_PORT = 7002
"""JupyterHub's own API."""
S3_PORT = 7003
"""The object store."""
PROXY_PORT = 7004
"""An HTTP proxy (CONNECT, and absolute-URI requests) to public addresses only."""

RELAY_PORTS: dict[str, int] = {"api": API_PORT, "hub": HUB_PORT, "s3": S3_PORT}
"""Relay name, as the backend's ``relay`` option spells it, to the port inside."""
RESERVED_PORTS = frozenset({API_PORT, HUB_PORT, S3_PORT, PROXY_PORT})

API_URL = f"http://{LOOPBACK}:{API_PORT}/services/himalia/api/v1"
HUB_API_URL = f"http://{LOOPBACK}:{HUB_PORT}/hub/api"
S3_URL = f"http://{LOOPBACK}:{S3_PORT}"
PROXY_URL = f"http://{LOOPBACK}:{PROXY_PORT}"

HOME = "/home/jovyan"
USER = "jovyan"
UID = 1000
"""What ``id -u`` says inside, at every isolation level; on the machine it is another one."""


def convenience_environment() -> dict[str, str]:
    """Variables set for every workload that does not bring its own; both spellings where tools differ."""
    bypass = "localhost,127.0.0.1,::1"
    return {
        "HIMALIA_API_URL": API_URL,
        "HTTP_PROXY": PROXY_URL,
        "HTTPS_PROXY": PROXY_URL,
        "NO_PROXY": bypass,
        "http_proxy": PROXY_URL,
        "https_proxy": PROXY_URL,
        "no_proxy": bypass,
    }
