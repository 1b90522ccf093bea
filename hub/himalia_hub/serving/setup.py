"""Wires serving: the kind of work, the gateway, the controllers."""

from __future__ import annotations

from urllib.parse import urlsplit

from himalia_hub.compute.engine import Engine
from himalia_hub.core.dependants import Dependants
from himalia_hub.platform.parts import Platform
from himalia_hub.registry import service as registry
from himalia_hub.serving import service
from himalia_hub.serving.controller import ServingController
from himalia_hub.serving.gateway.cluster import ClusterRoutes
from himalia_hub.serving.gateway.traefik import TraefikGateway
from himalia_hub.serving.keyfile import KeyFileController
from himalia_hub.serving.traffic import TrafficCounter
from himalia_hub.serving.workload import VariantTranslator


def setup(platform: Platform) -> None:
    config = platform.config
    platform.get(Engine).register_kind(service.KIND, VariantTranslator(platform))
    if platform.has(Dependants):
        platform.get(Dependants).register(registry.KIND, lambda db, ids: service.users_of_version(db, ids[0]))
    gateway = None
    if config.traefik is not None:
        host = urlsplit(config.public.api_url).hostname or "127.0.0.1"
        gateway = TraefikGateway(config.traefik, host)
        if config.traefik.metrics_url:
            platform.controllers.add(TrafficCounter(platform, config.traefik.metrics_url))
    platform.controllers.add(ServingController(platform, gateway))
    if config.backend.options.get("gateway"):
        platform.controllers.add(ClusterRoutes(platform))
    if config.keycheck is not None:
        platform.controllers.add(KeyFileController(platform, config.keycheck.file))
