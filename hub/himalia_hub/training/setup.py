"""Joins training to the engine and to whoever asks what depends on a dataset."""

from __future__ import annotations

from himalia_hub.compute.engine import Engine
from himalia_hub.core.dependants import Dependants
from himalia_hub.platform.parts import Platform
from himalia_hub.training import service
from himalia_hub.training.workload import RunTranslator


def setup(platform: Platform) -> None:
    platform.get(Engine).register_kind(service.KIND, RunTranslator(platform))
    if platform.has(Dependants):
        dependants = platform.get(Dependants)
        dependants.register("dataset", lambda db, ids: service.users_of_dataset(db, ids[0]))
        dependants.register("dataset_version", lambda db, ids: service.users_of_version(db, ids[0]))
