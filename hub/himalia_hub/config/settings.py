"""What the supervisor tells the hub: the file ``hub.json``, read once at start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Addresses and files of one installation, as the hub needs them."""

    state_directory: Path
    hub_port: int
    hub_host: str
    backend: Mapping[str, Any]
    hub_url: str
    domain: str
    isolation: str
    platform_url: str
    service_credential: str
    platform_token: str
    cookie_secret_file: Path
    database_url: str
    traefik_api_url: str
    traefik_api_user: str
    traefik_api_password: str
    traefik_dynamic_file: Path

    @classmethod
    def read(cls, path: Path) -> HubSettings:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        traefik: Mapping[str, Any] = data["traefik"]
        return cls(
            state_directory=Path(data["state_dir"]),
            hub_port=data["hub_port"],
            hub_host=data["hub_host"],
            backend=data["backend"],
            hub_url=data["public"]["hub_url"],
            domain=data["domain"],
            isolation=data["isolation"],
            platform_url=data["platform_url"],
            service_credential=_secret(data["service_credential_file"]),
            platform_token=_secret(data["platform_token_file"]),
            cookie_secret_file=Path(data["cookie_secret_file"]),
            database_url=data["database_url"],
            traefik_api_url=traefik["api_url"],
            traefik_api_user=traefik["api_user"],
            traefik_api_password=_secret(traefik["api_password_file"]),
            traefik_dynamic_file=Path(traefik["dynamic_file"]),
        )


def notebook_traits(settings: HubSettings, platform: Any) -> tuple[type, dict[str, Any]]:
    """The spawner of this installation's backend and the traits it cannot do without."""
    if settings.backend["kind"] == "local":
        from himalia_spawner.local import HimaliaLocalSpawner

        return HimaliaLocalSpawner, {"platform": platform, "hub_url": settings.hub_url}
    from himalia_spawner.kubernetes import HimaliaKubeSpawner

    options = {name: value for name, value in settings.backend.items() if name != "kind"}
    return HimaliaKubeSpawner, {"platform": platform, "cluster": options}


def user_origin(hub_url: str, hub_user: str) -> str:
    """The origin of a person's notebooks: a subdomain of the hub's host that is theirs alone."""
    parts = urlsplit(hub_url)
    return f"{parts.scheme}://{hub_user}.{parts.netloc}"


def _secret(path: str) -> str:
    return Path(path).read_text(encoding="ascii").strip()
