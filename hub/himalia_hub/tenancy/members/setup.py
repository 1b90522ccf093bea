"""Registers the import of members as a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from himalia_hub.core.tasks import TaskRunner
from himalia_hub.tenancy.members import importing

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform


def setup(platform: Platform) -> None:
    platform.get(TaskRunner).register(importing.KIND, importing.run)
