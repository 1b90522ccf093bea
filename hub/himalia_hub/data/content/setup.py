"""Provides the content store where the configuration names an object store."""

from __future__ import annotations

from himalia_hub.data.content.s3 import ObjectStore
from himalia_hub.data.content.store import ContentStore
from himalia_hub.platform.parts import Platform


def setup(platform: Platform) -> None:
    if platform.config.s3 is not None:
        platform.provide(ContentStore(platform.db, ObjectStore(platform.config.s3)))
