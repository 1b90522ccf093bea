"""Wires imports: the task that unpacks, the one that makes thumbnails, the keeper of forgotten ones."""

from __future__ import annotations

from himalia_hub.core.tasks import TaskRunner
from himalia_hub.data.content.store import ContentStore
from himalia_hub.data.imports import service
from himalia_hub.platform.parts import Platform


def setup(platform: Platform) -> None:
    platform.controllers.add(service.ImportKeeper(platform))
    if platform.has(ContentStore):
        runner = platform.get(TaskRunner)
        runner.register(service.ARCHIVE_TASK, service.unpack)
        runner.register(service.THUMBNAIL_TASK, service.make_thumbnails)
