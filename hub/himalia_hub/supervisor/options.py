"""What a person may choose when starting an installation, and the names that follow from it."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from himalia_hub.supervisor.errors import SupervisorError

DEFAULT_PORT = 8000
DEFAULT_DOMAIN = "himalia.localhost"
DEFAULT_API_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """A cluster that runs the workloads while hub and platform run here.

    Args:
        host: An address of this machine that pods reach; hub and platform listen there.
        backend: Options of the Kubernetes backend; ``kubeconfig`` in it is the platform's.
        hub_kubeconfig: The hub's own, for the smaller rights of its account; empty is the platform's.
    """

    host: str
    backend: Mapping[str, Any] = field(default_factory=dict)
    hub_kubeconfig: str = ""

    @classmethod
    def read(cls, path: Path) -> ClusterChoice:
        """From a JSON file: ``host``, ``hub_kubeconfig``, and any option of the Kubernetes backend beside them.

        Relative names of kubeconfigs are looked for beside the file.

        Raises:
            SupervisorError: It cannot be read, or a value is wrong; names it.
        """
        from himalia_hub.backends.kubernetes.options import KubernetesOptions
        from himalia_hub.backends.protocol import BackendError

        try:
            given = json.loads(path.read_text(encoding="utf-8"))
            host = str(ipaddress.ip_address(given.pop("host")))
            files = {name: str(given.pop(name, "") or "") for name in ("kubeconfig", "hub_kubeconfig")}
            files = {name: str((path.parent / value).resolve()) if value else "" for name, value in files.items()}
            for name, value in files.items():
                if value and not Path(value).is_file():
                    raise OSError(f"{name}: there is no file {value}")
            given |= {"kubeconfig": files["kubeconfig"]} if files["kubeconfig"] else {}
            KubernetesOptions.from_mapping(given)
        except KeyError:
            raise SupervisorError(
                f'{path} has no "host".', "Name an address of this machine that pods can reach."
            ) from None
        except (OSError, ValueError, TypeError, AttributeError, BackendError) as error:
            raise SupervisorError(f"The cluster's options in {path} cannot be used: {error}") from error
        return cls(host, given, files["hub_kubeconfig"])


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
        cluster: Where workloads run as pods; None means in sandboxes on this machine.
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
    cluster: ClusterChoice | None = None

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
