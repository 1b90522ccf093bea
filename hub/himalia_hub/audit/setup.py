"""Starts what the audit log needs beside its writers."""

from __future__ import annotations

from himalia_hub.audit.anchors import AnchorWriter
from himalia_hub.audit.archiving import Archiver
from himalia_hub.platform.parts import Platform


def setup(platform: Platform) -> None:
    platform.controllers.add(AnchorWriter(platform))
    platform.controllers.add(Archiver(platform))
