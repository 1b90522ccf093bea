"""Joins notebooks to the platform: the kind, the hub's client, the controller, the environments."""

from __future__ import annotations

from himalia_hub.compute.engine import Engine
from himalia_hub.compute.environments import EnvironmentView
from himalia_hub.develop.images.registry import EnvironmentRegistry
from himalia_hub.develop.images.view import RegistryView
from himalia_hub.develop.notebooks.controller import NotebookController
from himalia_hub.develop.notebooks.hub import HubClient
from himalia_hub.develop.notebooks.kind import KIND, NotebookKind
from himalia_hub.platform.parts import Platform


def setup(platform: Platform) -> None:
    if platform.config.environments_root is not None and not platform.has(EnvironmentView):
        environments = EnvironmentRegistry(platform.config.environments_root)
        platform.provide(RegistryView(environments), as_type=EnvironmentView)
    hub = HubClient(platform.config.hub)
    platform.provide(hub)
    platform.closers.append(hub.close)
    platform.get(Engine).register_kind(KIND, NotebookKind(platform))
    platform.controllers.add(NotebookController(platform, hub))
