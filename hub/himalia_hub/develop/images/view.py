"""The engine's view of the registry: names to exact environments to images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from himalia_hub.core.errors import InvalidInput
from himalia_hub.develop.images.definitions import DEFAULT_ENVIRONMENT
from himalia_hub.develop.images.registry import Environment, EnvironmentRegistry

CACHE_SECONDS = 2.0


class RegistryView:
    """Implements ``compute.environments.EnvironmentView``; looks at the disk every two seconds at most.

    Args:
        image: On a cluster, the name of an environment's image with ``{name}`` and ``{digest}``;
            None means that the environment's own folder is bound.
    """

    def __init__(self, registry: EnvironmentRegistry, image: str | None = None) -> None:
        self._registry, self._image = registry, image
        self._all: list[Environment] = []
        self._read_at = float("-inf")

    def _read(self) -> list[Environment]:
        if time.monotonic() - self._read_at > CACHE_SECONDS:
            self._all = self._registry.all()
            self._read_at = time.monotonic()
        return self._all

    def _newest(self) -> list[Environment]:
        newest: dict[str, Environment] = {}
        for environment in sorted(self._read(), key=lambda item: item.built_at):
            newest[environment.name] = environment
        return sorted(newest.values(), key=lambda item: (item.name != DEFAULT_ENVIRONMENT, item.name))

    def environments(self, language: str) -> Sequence[dict[str, Any]]:
        return [
            {
                "name": item.name,
                "title": item.title_zh if language == "zh" else item.title,
                "digest": item.digest,
                "state": "ready",
                "python": item.python,
                "packages": dict(item.packages),
                "size_bytes": item.size_bytes,
                "uses": list(item.uses),
                "message": "",
            }
            for item in self._newest()
        ]

    def exact(self, name: str, *, use: str, field: str = "environment") -> str:
        newest = self._newest()
        found = next((item for item in newest if name in ("", item.name, item.reference)), None)
        if found is None:
            found = next((item for item in self._read() if item.reference == name), None)
        if found is None:
            names = ", ".join(item.name for item in newest) or "none is built yet"
            raise InvalidInput(
                f"{field}: there is no runtime environment {name!r}; there is: {names}.",
                zh=f"{field}：没有名为 {name!r} 的运行环境；现有：{names}。",
                field=field,
                rule="the name of a runtime environment",
                value=name,
            )
        if use not in found.uses:
            raise InvalidInput(
                f"{field}: {found.name!r} is not made for {use}; it serves {', '.join(found.uses)}.",
                zh=f"{field}：运行环境 {found.name!r} 不适用于 {use}；适用于 {', '.join(found.uses)}。",
                field=field,
                rule=f"an environment for {use}",
                value=name,
            )
        return found.reference

    def image(self, reference: str) -> str:
        found = next((item for item in self._read() if item.reference == reference), None)
        if found is None:
            raise InvalidInput(
                f"The runtime environment {reference} was removed from this machine.",
                zh=f"运行环境 {reference} 已从本机移除。",
                field="environment",
                rule="an environment that is present",
                value=reference,
                hint="Choose another environment.",
                hint_zh="请选择其他运行环境。",
            )
        if self._image is not None:
            return self._image.format(name=found.name, digest=found.digest)
        return str(found.path)
