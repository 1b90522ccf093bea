"""A real JupyterHub with ``HimaliaKubeSpawner`` for tests/cluster/test_spawner.py.

Two things stand in for what this test is not about: the platform, which answers a launch with the plan
that the test put into a file, and the proxy, which only remembers routes (the hub itself is asked).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from jupyterhub.auth import DummyAuthenticator
from jupyterhub.proxy import Proxy
from traitlets.config import get_config

from himalia_hub.config import previews, profiles
from himalia_spawner.kubernetes import HimaliaKubeSpawner

c = get_config()
FOLDER = Path(os.environ["TEST_FOLDER"])


class RememberingProxy(Proxy):  # type: ignore[misc]
    """Keeps routes; carries nothing."""

    should_start = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kept: dict[str, dict[str, Any]] = {}

    async def add_route(self, routespec: str, target: str, data: dict[str, Any]) -> None:
        self.kept[routespec] = {"routespec": routespec, "target": target, "data": data}

    async def delete_route(self, routespec: str) -> None:
        self.kept.pop(routespec, None)

    async def get_all_routes(self) -> dict[str, dict[str, Any]]:
        return self.kept


class Anybody(DummyAuthenticator):  # type: ignore[misc]
    """Lets anybody in; brings the addresses of previews and profiles, as ours does."""

    def get_handlers(self, app: Any) -> list[Any]:
        return [*super().get_handlers(app), *previews.handlers(), *profiles.handlers()]


class PlanningPlatform:
    """Answers a launch with the test's plan and the hub's own variables and command."""

    def __deepcopy__(self, _memo: object) -> PlanningPlatform:
        return self

    async def post(self, path: str, body: Any = None, **_query: Any) -> Any:
        with (FOLDER / "calls").open("a") as calls:
            calls.write(path + "\n")
        if not path.endswith("/launch"):
            return {}
        plan = json.loads((FOLDER / "plan.json").read_text())
        plan["secrets"] = body["environment"]
        plan["command"] = body["command"]
        plan["probe"]["path"] = f"{body['path']}api"
        return {"attempt": plan["attempt"], "plan": plan}


c.JupyterHub.spawner_class = HimaliaKubeSpawner
c.HimaliaKubeSpawner.platform = PlanningPlatform()
c.HimaliaKubeSpawner.cluster = json.loads(os.environ["TEST_CLUSTER"])
c.HimaliaKubeSpawner.extra_labels = {"from-a-trait": "yes"}
c.HimaliaKubeSpawner.environment = {"FROM_A_TRAIT": "yes"}
PROFILES: list[dict[str, Any]] = [
    {"display_name": "Plain", "slug": "plain", "default": True},
    {
        "display_name": "Marked",
        "slug": "marked",
        "kubespawner_override": {"extra_annotations": {"from-a-profile": "yes"}, "environment": {"MARKED": "yes"}},
        "profile_options": {
            "level": {
                "display_name": "How much",
                "choices": {
                    "low": {"display_name": "Low"},
                    "high": {"display_name": "High", "kubespawner_override": {"extra_annotations": {"level": "high"}}},
                },
                "unlisted_choice": {
                    "enabled": True,
                    "validation_regex": "^[0-9]+$",
                    "kubespawner_override": {"extra_annotations": {"level": "{value}"}},
                },
            }
        },
    },
]
ADAS = {"display_name": "Ada's own", "slug": "adas"}


def profile_list(spawner: HimaliaKubeSpawner) -> list[dict[str, Any]]:
    return [*PROFILES, ADAS] if spawner.user.name == "ada" else PROFILES


c.HimaliaKubeSpawner.profile_list = profile_list
c.HimaliaKubeSpawner.start_timeout = 90
c.JupyterHub.proxy_class = RememberingProxy
c.JupyterHub.authenticator_class = Anybody
c.Authenticator.allow_all = True
c.JupyterHub.allow_named_servers = True
c.Spawner.consecutive_failure_limit = 0
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.hub_ip = os.environ["KUBE_TEST_HUB_ADDRESS"]
c.JupyterHub.hub_connect_ip = os.environ["KUBE_TEST_HUB_ADDRESS"]
c.JupyterHub.hub_port = int(os.environ["TEST_PORT"])
c.JupyterHub.cleanup_servers = False
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": int(os.environ.get("TEST_SLOW_SPAWN", "20"))}
c.JupyterHub.services = [{"name": "test", "api_token": os.environ["TEST_TOKEN"]}]
c.JupyterHub.load_roles = [
    {"name": "test", "services": ["test"], "scopes": ["admin:users", "admin:servers", "read:users", "read:servers"]}
]
