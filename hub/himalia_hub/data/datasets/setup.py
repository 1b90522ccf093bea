"""Wires datasets: the fill-in task, thumbnails, the folder of counts, and who uses label groups."""

from __future__ import annotations

from himalia_hub.core.dependants import Dependants
from himalia_hub.core.tasks import TaskRunner
from himalia_hub.data.content.store import ContentStore
from himalia_hub.data.datasets import service, versions
from himalia_hub.data.datasets.counts import CountFolder
from himalia_hub.data.datasets.filling import fill
from himalia_hub.data.datasets.pictures import Thumbnails
from himalia_hub.data.imports.service import scratch
from himalia_hub.data.imports.workers import PictureWorkers
from himalia_hub.platform.parts import Platform


def setup(platform: Platform) -> None:
    dependants = platform.get(Dependants)
    dependants.register("label_group", service.datasets_of_group)
    dependants.register("label", service.datasets_of_label)
    platform.controllers.add(CountFolder(platform))
    if platform.has(ContentStore):
        workers = PictureWorkers()
        platform.provide(workers)
        platform.closers.append(workers.close)
        platform.provide(Thumbnails(platform.db, platform.get(ContentStore), workers, scratch(platform)))
        platform.get(TaskRunner).register(versions.FILL_TASK, fill)
