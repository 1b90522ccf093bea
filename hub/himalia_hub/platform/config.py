"""The platform service's configuration: one JSON file that the supervisor or the chart writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Section(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Installation(_Section):
    id: str
    name: str = "Himalia"


class Listen(_Section):
    host: str = "127.0.0.1"
    port: int


class Public(_Section):
    """Addresses as people and programs write them, without a trailing slash."""

    hub_url: str = "http://himalia.localhost:8000"
    api_url: str = "http://127.0.0.1:8000"
    s3_url: str = ""
    workloads_url: str = ""
    """Where workloads reach the platform when that is not ``api_url``: pods do not see a loopback."""

    @property
    def workloads_api(self) -> str:
        """The API's address as a workload on a cluster is told it."""
        return f"{self.workloads_url or self.api_url}/services/himalia/api/v1"


class HubAccess(_Section):
    api_url: str = ""
    token_file: Path | None = None
    service_credential_file: Path | None = None


class Admin(_Section):
    credential_file: Path | None = None


class S3(_Section):
    endpoint: str
    region: str = "us-east-1"
    bucket: str
    access_key: str
    secret_key_file: Path


class BackendChoice(_Section):
    """Which backend; further keys are that backend's own options."""

    model_config = ConfigDict(extra="allow")
    kind: Literal["local", "kubernetes"] = "local"
    root: Path | None = None

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Traefik(_Section):
    dynamic_dir: Path
    api_url: str = ""
    api_user: str = ""
    api_password_file: Path | None = None
    metrics_url: str = ""


class KeyCheck(_Section):
    url: str = ""
    file: Path


class Currency(_Section):
    code: str = "CNY"
    symbol: str = "¥"
    digits: int = 2


class PlatformConfig(_Section):
    """See ``docs/design/supervisor.md`` for the meaning of each key."""

    schema_: int = 1
    state_dir: Path
    installation: Installation
    listen: Listen
    database_url: str
    public: Public = Public()
    hub: HubAccess = HubAccess()
    admin: Admin = Admin()
    s3: S3 | None = None
    isolation: Literal["full", "single_user", "unsafe"] = "full"
    backend: BackendChoice = BackendChoice()
    environments_root: Path | None = None
    traefik: Traefik | None = None
    keycheck: KeyCheck | None = None
    encryption_key_file: Path | None = None
    currency: Currency = Currency()
    demo: bool = False
    separate_duties: bool = False
    """Counts at the first start; the database keeps the choice (TEN-11)."""

    @classmethod
    def load(cls, path: Path) -> PlatformConfig:
        return cls.model_validate_json(path.read_bytes())


def secret_of(path: Path | None) -> str | None:
    """The secret in a file, or None when there is no such file."""
    return path.read_text().strip() if path is not None and path.exists() else None


def as_dict(config: PlatformConfig) -> dict[str, Any]:
    return config.model_dump(mode="json")
