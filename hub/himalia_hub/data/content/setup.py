"""Provides what all of data stands on: the content store, and the register of dependants."""

from __future__ import annotations

from typing import Any, cast

from himalia_hub.backends.local.cache import ContentSource
from himalia_hub.core.archive import ArchiveStore
from himalia_hub.core.dependants import Dependants
from himalia_hub.core.storage import StorageMeter
from himalia_hub.data.content.s3 import ObjectStore
from himalia_hub.data.content.source import FolderSource
from himalia_hub.data.content.store import ContentStore
from himalia_hub.data.content.usage import UsageMeter
from himalia_hub.platform.parts import Platform


def setup(platform: Platform) -> None:
    if not platform.has(Dependants):
        platform.provide(Dependants())
    platform.provide(UsageMeter(), as_type=StorageMeter)
    if platform.config.s3 is not None:
        objects = ObjectStore(platform.config.s3)
        store = ContentStore(platform.db, objects)
        platform.provide(store)
        platform.provide(objects, as_type=cast(type[Any], ArchiveStore))
        platform.provide(FolderSource(platform.db, store), as_type=ContentSource)
