"""``HimaliaKubeSpawner`` without a cluster: the hub's own user objects, an API server that keeps pods in memory."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from jupyterhub import orm
from jupyterhub.objects import Hub
from jupyterhub.user import User
from kubernetes_asyncio.client import ApiClient
from kubernetes_asyncio.client.rest import ApiException
from traitlets.config import Config

from himalia_hub.backends import wire
from himalia_hub.backends.protocol import WorkloadPlan
from himalia_spawner.kubernetes import HimaliaKubeSpawner


def full(asked: str = "requests.cpu=4", used: str = "requests.cpu=8", limit: str = "requests.cpu=8") -> ApiException:
    """How an API server says that a ResourceQuota has no room."""
    error = ApiException(status=403, reason="Forbidden")
    told = f"exceeded quota: himalia, requested: {asked}, used: {used}, limited: {limit}"
    error.body = json.dumps({"message": f'pods "w1-1" is forbidden: {told}'})
    return error


class Api:
    """What the spawner asks of the API server. Pods run as soon as they are made.

    ``refusals`` are raised by the next creations, one each.
    """

    def __init__(self) -> None:
        self.api_client = ApiClient()
        self.made: list[dict[str, Any]] = []
        self.pods: dict[str, dict[str, Any]] = {}
        self.listed: list[dict[str, Any]] = []
        self.refusals: list[Exception] = []
        self.on_refusal: Callable[[], None] = lambda: None

    async def _keep(self, namespace: str, manifest: Any) -> None:
        self.made.append(copy.deepcopy(self.api_client.sanitize_for_serialization(manifest)))

    create_namespaced_secret = create_namespaced_config_map = _keep
    create_namespaced_persistent_volume_claim = _keep

    async def create_namespaced_pod(self, namespace: str, pod: Any) -> None:
        if self.refusals:
            self.on_refusal()
            raise self.refusals.pop(0)
        await self._keep(namespace, pod)
        running = copy.deepcopy(self.made[-1])
        running["status"] = {
            "phase": "Running",
            "podIP": "10.0.0.7",
            "containerStatuses": [{"name": "notebook", "ready": True, "state": {"running": {}}}],
        }
        running["metadata"]["uid"] = "u"
        self.pods[f"{namespace}/{running['metadata']['name']}"] = running

    async def list_namespaced_pod(self, namespace: str) -> Any:
        return {"items": self.listed}


class Planner:
    """The platform: answers each launch with the next plan."""

    def __init__(self, *plans: WorkloadPlan, prefer: tuple[str, ...] = ()) -> None:
        self.plans, self.prefer, self.calls = list(plans), prefer, list[tuple[str, Any]]()

    def __deepcopy__(self, _memo: object) -> Planner:
        return self

    async def post(self, path: str, body: Any = None, **_options: Any) -> Any:
        self.calls.append((path, body))
        if not path.endswith("/launch"):
            return None
        plan = self.plans.pop(0)
        told = wire.to_wire(plan)
        told["secrets"] = body["environment"]
        return {"attempt": plan.attempt, "plan": told, "prefer": list(self.prefer)}


def hub_user(planner: Any, traits: dict[str, Any] | None = None, name: str = "ada") -> User:
    """A person of a hub with this configuration of the spawner, in a database in memory."""
    session = orm.new_session_factory("sqlite://")()
    row = orm.User(name=name)
    session.add(row)
    session.commit()
    config = Config()
    for key, value in {"platform": planner, "observe_seconds": 0.001, **(traits or {})}.items():
        config.HimaliaKubeSpawner[key] = value
    settings = {
        "spawner_class": HimaliaKubeSpawner,
        "config": config,
        "hub": Hub(public_host="http://hub.test", base_url="/hub/"),
        "base_url": "/",
    }
    return User(row, settings, db=session)


def spawner(user: User, server: str = "n1", **options: Any) -> HimaliaKubeSpawner:
    """The hub's spawner of a named server, as ``user.spawn`` makes it ready."""
    made: HimaliaKubeSpawner = user.get_or_create_spawner(server, "")
    made.user_options = options
    made.orm_spawner.server = orm.Server(
        proto="http", ip="", port=8888, cookie_name="cookie", base_url=f"/user/{user.name}/{server}/"
    )
    made.api_token = "of-the-server"
    return made


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of a cluster, and reflectors that see what :class:`Api` holds."""
    monkeypatch.setattr("kubespawner.spawner.load_config", lambda **_options: None)

    async def nothing(_self: Any, *_args: Any, **_more: Any) -> None:
        return None

    monkeypatch.setattr(HimaliaKubeSpawner, "_start_watching_pods", nothing)
    monkeypatch.setattr(HimaliaKubeSpawner, "_start_watching_events", nothing)
    monkeypatch.setattr(HimaliaKubeSpawner, "pod_reflector", property(lambda self: self.api))
    monkeypatch.setattr(HimaliaKubeSpawner, "event_reflector", None)
    monkeypatch.setattr("kubespawner.spawner.shared_client", lambda _kind: Api())
