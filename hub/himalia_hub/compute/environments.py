"""Runtime environments as the engine's routes and the kinds of work see them.

``develop`` provides the implementation over its registry; nouns find it by
``platform.get(EnvironmentView)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class EnvironmentView(Protocol):
    """Names to exact environments, and exact environments to images."""

    def environments(self, language: str) -> Sequence[dict[str, Any]]:
        """Every environment in the shape of ``schemas.EnvironmentOut``, the default one first."""

    def exact(self, name: str, *, use: str, field: str = "environment") -> str:
        """The exact reference behind a name, to be kept in ``spec``; '' takes the default.

        Raises:
            InvalidInput: Unknown, or not made for this use; names ``field``.
        """

    def image(self, reference: str) -> str:
        """What a plan's ``image`` says for an exact reference.

        Raises:
            InvalidInput: It was removed since.
        """
