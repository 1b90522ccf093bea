"""Wires what needs the log of operations: the trash, which empties it with its dataset."""

from __future__ import annotations

from himalia_hub.data.datasets.trash import TrashKeeper
from himalia_hub.data.labelling.tables import LabelOperation
from himalia_hub.platform.parts import Platform


def setup(platform: Platform) -> None:
    platform.controllers.add(TrashKeeper(platform, LabelOperation.__table__))  # type: ignore[arg-type]
