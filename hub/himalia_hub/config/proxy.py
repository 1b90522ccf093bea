"""The hub's routes in the Traefik that the supervisor runs.

The hub must answer for every host below its domain (a notebook that does not run has no route of
its own) and for no other: programs' addresses live on another host, where nobody may sign in.
"""

from __future__ import annotations

import re
from typing import Any

from jupyterhub_traefik_proxy.fileprovider import TraefikFileProviderProxy
from traitlets import Unicode


class HimaliaTraefikProxy(TraefikFileProviderProxy):  # type: ignore[misc]
    """Keeps the hub's catch-all route within its own domain (SEC-5)."""

    domain = Unicode(help="The hub's host name; people's notebooks live on subdomains of it.").tag(config=True)

    def _dynamic_config_for_route(
        self, routespec: str, target: str, data: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        traefik, jupyterhub = super()._dynamic_config_for_route(routespec, target, data)
        if routespec == "/":
            for router in traefik["http"]["routers"].values():
                router["rule"] = hub_rule(self.domain)
                router["priority"] = 1
        return traefik, jupyterhub


def hub_rule(domain: str) -> str:
    """A rule for a domain and everything below it."""
    return rf"HostRegexp(`^(.+\.)?{re.escape(domain)}$`) && PathPrefix(`/`)"
