"""What a person may choose when starting an installation, and the names that follow from it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 8000
DEFAULT_DOMAIN = "himalia.localhost"
DEFAULT_API_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Options:
    """The flags of ``himalia up``.

    Attributes:
        state_directory: Where the installation lives.
        host: Address that Traefik listens on; loopback unless somebody asks for more.
        port: Public port; ``None`` is the one used before, else 8000.
        domain: Host name of the hub; each person gets a subdomain of it.
        api_host: Host of programs' addresses; it must not lie below ``domain``.
        demo: Add the demo organisation.
        keep_workloads: Leave workloads running on an orderly stop.
        unsafe_no_sandbox: Run without isolation, for one local person.
        separate_duties: System, security and audit are three people's; counts at the first start.
    """

    state_directory: Path
    host: str = "127.0.0.1"
    port: int | None = None
    domain: str = DEFAULT_DOMAIN
    api_host: str = DEFAULT_API_HOST
    demo: bool = False
    keep_workloads: bool = False
    unsafe_no_sandbox: bool = False
    separate_duties: bool = False

    @property
    def probe_host(self) -> str:
        """An address on this machine under which the public listener answers."""
        if self.host in {"0.0.0.0", "::", ""}:
            return "127.0.0.1"
        return self.host

    @property
    def loopback_only(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def hub_url(self, port: int) -> str:
        return f"http://{self.domain}{_suffix(port)}"

    def api_url(self, port: int) -> str:
        return f"http://{self.api_host}{_suffix(port)}"


def _suffix(port: int) -> str:
    return "" if port == 80 else f":{port}"
