"""Joins notebooks to the platform: the kind, the hub's client, the controller, the environments."""

from __future__ import annotations

from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.environments import EnvironmentView
from himalia_hub.core.standing import Standing
from himalia_hub.develop.images.registry import EnvironmentRegistry
from himalia_hub.develop.images.view import RegistryView
from himalia_hub.develop.notebooks import standing
from himalia_hub.develop.notebooks.controller import NotebookController
from himalia_hub.develop.notebooks.hub import HubClient
from himalia_hub.develop.notebooks.kind import KIND, NotebookKind
from himalia_hub.platform.parts import Platform


def environment_image(platform: Platform) -> str | None:
    """How a cluster names the images of environments; None where folders are bound."""
    choice = platform.config.backend
    return KubernetesOptions.from_mapping(choice.options).environment_image if choice.kind == "kubernetes" else None


def setup(platform: Platform) -> None:
    if platform.config.environments_root is not None and not platform.has(EnvironmentView):
        environments = EnvironmentRegistry(platform.config.environments_root)
        platform.provide(RegistryView(environments, environment_image(platform)), as_type=EnvironmentView)
    hub = HubClient(platform.config.hub)
    platform.provide(hub)
    platform.closers.append(hub.close)
    platform.get(Engine).register_kind(KIND, NotebookKind(platform))
    platform.controllers.add(NotebookController(platform, hub))
    platform.get(Standing).owns.append(standing.owned)
    platform.get(Standing).hand_overs.append(standing.hand_over)
