"""Finding algorithms; for now all are built in."""

from __future__ import annotations

from himalia_hub.core.errors import InvalidInput
from himalia_hub.develop.algorithms.catalogue import BUILT_IN, Algorithm


def get(algorithm_id: int, *, field: str = "algorithm_id") -> Algorithm:
    """An algorithm by id; raises :class:`InvalidInput` that names the field."""
    found = BUILT_IN.get(algorithm_id)
    if found is None:
        raise InvalidInput(
            f"{field}: there is no algorithm {algorithm_id}.",
            zh=f"{field}：不存在算法 {algorithm_id}。",
            field=field,
            rule="the id of an algorithm",
            value=algorithm_id,
            hint="Choose one of GET /algorithms.",
            hint_zh="请从算法列表中选择。",
        )
    return found
