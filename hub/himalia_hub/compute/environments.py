"""Runtime environments as the API shows them; where they come from is ``develop.images``'s business."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class EnvironmentView(Protocol):
    """What the engine asks of the registry of environments; provided by ``develop.images``."""

    def environments(self) -> Sequence[dict[str, Any]]:
        """Every environment in the shape of ``schemas.EnvironmentOut``, the default one first."""

    def image_of(self, name: str) -> str:
        """What a plan's ``image`` says for an environment; raises ``InvalidInput`` unless it is ready."""
