"""Starts the loop that ends sessions."""

from __future__ import annotations

from himalia_hub.develop.notebooks.hub import HubClient
from himalia_hub.platform.parts import Platform
from himalia_hub.presence.controller import SessionEnder


def setup(platform: Platform) -> None:
    platform.controllers.add(SessionEnder(platform, platform.get(HubClient)))
