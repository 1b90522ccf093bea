"""From options and a held state directory to configuration files and the parts to start."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import himalia_hub
from himalia_hub.supervisor import objects, traefik
from himalia_hub.supervisor.errors import SupervisorError
from himalia_hub.supervisor.options import Options
from himalia_hub.supervisor.part import PartPlan
from himalia_hub.supervisor.probes import http_probe
from himalia_hub.supervisor.state import Installation, StateDirectory, write_file

INNER_PORTS = (
    "platform",
    "hub",
    "objects",
    "objects-metrics",
    "traefik-api",
    "traefik-metrics",
    "keycheck",
)
HEALTH_PATH = "/services/himalia/api/v1/health"
REACHED_BY_PODS = ("platform", "hub")
"""Parts that workloads call; pods are on another network than this machine's loopback."""
KEYCHECK_MODULE = "himalia_hub.serving.keycheck"


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True, slots=True)
class Layout:
    """Every address of an installation, decided once per start."""

    options: Options
    state: StateDirectory
    installation: Installation
    isolation: str
    environments_root: Path

    @property
    def port(self) -> int:
        assert self.installation.port is not None
        return self.installation.port

    def inner(self, name: str) -> str:
        return f"http://{bracketed(self.inner_host(name))}:{self.installation.ports[name]}"

    def inner_host(self, name: str) -> str:
        """Where a part listens: on loopback, or where pods reach what they need."""
        cluster = self.options.cluster
        return cluster.host if cluster is not None and name in REACHED_BY_PODS else "127.0.0.1"

    @property
    def hub_url(self) -> str:
        return self.options.hub_url(self.port)

    @property
    def api_url(self) -> str:
        return self.options.api_url(self.port)

    @property
    def public(self) -> dict[str, str]:
        addresses = {"hub_url": self.hub_url, "api_url": self.api_url, "s3_url": self.inner("objects")}
        return addresses | ({"workloads_url": self.inner("platform")} if self.options.cluster else {})

    @property
    def backend(self) -> dict[str, Any]:
        cluster = self.options.cluster
        if cluster is None:
            return {"kind": "local", "root": str(self.state.path("workloads"))}
        # The platform's address is the one opening that pods need besides names and the world.
        cidr = f"{cluster.host}/{128 if ':' in cluster.host else 32}"
        return {"kind": "kubernetes", "platform_cidrs": [cidr], **cluster.backend}

    @property
    def hub_backend(self) -> dict[str, Any]:
        """The same with the hub's own account, where it has one."""
        cluster = self.options.cluster
        own = cluster.hub_kubeconfig if cluster is not None else ""
        return self.backend | ({"kubeconfig": own} if own else {})


def program(name: str) -> str:
    """A bundled program, beside this Python first."""
    beside = Path(sys.executable).parent / name
    if beside.exists():
        return str(beside)
    found = shutil.which(name)
    if found is None:
        raise SupervisorError(f"The program {name} is missing.", "Run `make up` to install everything.")
    return found


def platform_settings(layout: Layout) -> dict[str, Any]:
    """``platform.json``; its keys are described in ``docs/design/supervisor.md``."""
    state = layout.state
    return {
        "schema": 1,
        "state_dir": str(state.root),
        "installation": {"id": layout.installation.id, "name": "Himalia"},
        "listen": {"host": layout.inner_host("platform"), "port": layout.installation.ports["platform"]},
        "database_url": f"sqlite:///{state.path('himalia.sqlite3')}",
        "public": layout.public,
        "hub": {
            "api_url": f"{layout.inner('hub')}/hub/api",
            "token_file": str(state.secret_path("platform-token")),
            "service_credential_file": str(state.secret_path("hub-service")),
        },
        "admin": {"credential_file": str(state.secret_path("admin"))},
        "s3": {
            "endpoint": layout.inner("objects"),
            "region": objects.REGION,
            "bucket": objects.BUCKET,
            "access_key": objects.ACCESS_KEY,
            "secret_key_file": str(state.secret_path("s3-root")),
        },
        "isolation": layout.isolation,
        "backend": layout.backend,
        "environments_root": str(layout.environments_root),
        "traefik": {
            "dynamic_dir": str(state.path("traefik", "dyn")),
            "api_url": layout.inner("traefik-api"),
            "api_user": traefik.API_USER,
            "api_password_file": str(state.secret_path("traefik-api")),
            "metrics_url": f"{layout.inner('traefik-metrics')}/metrics",
        },
        "keycheck": {"url": layout.inner("keycheck"), "file": str(state.path("keycheck", "keys.json"))},
        "encryption_key_file": str(state.secret_path("encryption")),
        "demo": layout.options.demo,
        "separate_duties": layout.options.separate_duties,
    }


def hub_settings(layout: Layout) -> dict[str, Any]:
    """``hub.json``, which ``config/jupyterhub_config.py`` reads."""
    state = layout.state
    return {
        "schema": 1,
        "state_dir": str(state.root),
        "hub_port": layout.installation.ports["hub"],
        "hub_host": layout.inner_host("hub"),
        "backend": layout.hub_backend,
        "listen": {"host": layout.options.host, "port": layout.port},
        "public": layout.public,
        "domain": layout.options.domain,
        "isolation": layout.isolation,
        "platform_url": layout.inner("platform"),
        "service_credential_file": str(state.secret_path("hub-service")),
        "platform_token_file": str(state.secret_path("platform-token")),
        "cookie_secret_file": str(state.secret_path("cookie")),
        "crypt_key_file": str(state.secret_path("crypt")),
        "database_url": f"sqlite:///{state.path('jupyterhub.sqlite')}",
        "traefik": {
            "api_url": layout.inner("traefik-api"),
            "api_user": traefik.API_USER,
            "api_password_file": str(state.secret_path("traefik-api")),
            "dynamic_file": str(state.path("traefik", "dyn", "hub.toml")),
        },
    }


def traefik_addresses(layout: Layout) -> traefik.Addresses:
    ports = layout.installation.ports
    return traefik.Addresses(
        host=layout.options.host,
        port=layout.port,
        api_port=ports["traefik-api"],
        metrics_port=ports["traefik-metrics"],
        platform_url=layout.inner("platform"),
        keycheck_url=layout.inner("keycheck"),
        hub_url=layout.hub_url,
        api_url=layout.api_url,
    )


def write_settings(layout: Layout) -> None:
    """Write every configuration file of this start."""
    state = layout.state
    addresses = traefik_addresses(layout)
    dynamic = state.path("traefik", "dyn")
    write_file(state.path("platform.json"), json.dumps(platform_settings(layout), indent=1))
    write_file(state.path("hub.json"), json.dumps(hub_settings(layout), indent=1))
    write_file(state.path("traefik", "traefik.yml"), traefik.static_configuration(addresses, str(dynamic)))
    write_file(
        dynamic / "platform.yml",
        traefik.platform_configuration(addresses, state.secret("traefik-api")),
    )


def parts(layout: Layout) -> list[PartPlan]:
    """The parts in the order in which they are stopped last to first."""
    state = layout.state
    base = _python_environment()
    plans = [_traefik_part(layout), _objects_part(layout)]
    if importlib.util.find_spec(KEYCHECK_MODULE) is not None:
        plans.append(_keycheck_part(layout, base))
    plans.append(
        PartPlan(
            "platform",
            [
                sys.executable,
                "-P",
                "-m",
                "himalia_hub.platform",
                "--config",
                str(state.path("platform.json")),
            ],
            http_probe(layout.inner("platform") + HEALTH_PATH),
            base,
            stop_seconds=15.0,
        )
    )
    plans.append(_hub_part(layout, base))
    return plans


def _traefik_part(layout: Layout) -> PartPlan:
    front_door = f"http://{layout.options.probe_host}:{layout.port}/"
    return PartPlan(
        "traefik",
        [program("traefik"), "--configfile", str(layout.state.path("traefik", "traefik.yml"))],
        http_probe(front_door, headers={"Host": "localhost"}, statuses=frozenset({302, 307})),
        {"GOMEMLIMIT": "256MiB"},
        ready_seconds=30.0,
    )


def _objects_part(layout: Layout) -> PartPlan:
    ports = layout.installation.ports
    secret = layout.state.secret("s3-root")
    return PartPlan(
        "objects",
        objects.gateway_command(program("juicefs"), layout.state.root, ports["objects"], ports["objects-metrics"]),
        objects.ObjectsProbe(layout.inner("objects"), secret),
        {"MINIO_ROOT_USER": objects.ACCESS_KEY, "MINIO_ROOT_PASSWORD": secret, "GOMEMLIMIT": "384MiB"},
        ready_seconds=30.0,
    )


def _keycheck_part(layout: Layout, base: Mapping[str, str | None]) -> PartPlan:
    return PartPlan(
        "keycheck",
        [
            sys.executable,
            "-P",
            "-m",
            KEYCHECK_MODULE,
            "--file",
            str(layout.state.path("keycheck", "keys.json")),
            "--port",
            str(layout.installation.ports["keycheck"]),
        ],
        # Nothing names a service in this request: any considered refusal proves that it decides.
        http_probe(f"{layout.inner('keycheck')}/check", statuses=frozenset({200, 400, 401, 403, 404})),
        base,
        ready_seconds=30.0,
    )


def _hub_part(layout: Layout, base: Mapping[str, str | None]) -> PartPlan:
    config = Path(himalia_hub.__file__).parent / "config" / "jupyterhub_config.py"
    host = layout.hub_url.removeprefix("http://")
    kubeconfig = str(layout.hub_backend.get("kubeconfig") or "")
    return PartPlan(
        "hub",
        [sys.executable, "-P", "-m", "jupyterhub", "-f", str(config)],
        http_probe(f"http://{layout.options.probe_host}:{layout.port}/hub/health", headers={"Host": host}),
        {
            **base,
            "HIMALIA_HUB_SETTINGS": str(layout.state.path("hub.json")),
            "JUPYTERHUB_CRYPT_KEY": layout.state.secret("crypt"),
            "CONFIGPROXY_AUTH_TOKEN": None,
            **({"KUBECONFIG": kubeconfig} if kubeconfig else {}),
        },
    )


def _python_environment() -> dict[str, str | None]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {"PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": None}
