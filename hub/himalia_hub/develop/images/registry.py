"""Which runtime environments exist on this machine; reading only.

An environment is a directory ``<name>-<digest>`` with a record written last, so a directory
without one is unfinished and does not count.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from himalia_hub.develop.images.definitions import DEFINITIONS

RECORD = "himalia-environment.json"


@dataclass(frozen=True, slots=True)
class Environment:
    """A finished runtime environment.

    Attributes:
        name: Short name that specs and requests use (``science``).
        digest: Twelve hexadecimal characters over the lock, our own wheel and Python's version.
        python: Version of Python, ``3.11.7``.
        packages: Distribution name to version.
        size_bytes: Sum of the files' sizes; hard-linked ones count in each environment.
        path: Its directory; ``bin/python`` lies below.
        uses: Kinds of work it can serve.
    """

    name: str
    title: str
    title_zh: str
    digest: str
    python: str
    packages: Mapping[str, str]
    size_bytes: int
    path: Path
    uses: tuple[str, ...]
    built_at: str

    @property
    def reference(self) -> str:
        """The exact environment, ``science-0a1b2c3d4e5f``; what a workload plan names."""
        return f"{self.name}-{self.digest}"


class EnvironmentRegistry:
    """The environments below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def newest(self) -> list[Environment]:
        """The newest of each name, in the order of the definitions."""
        order = {definition.name: index for index, definition in enumerate(DEFINITIONS)}
        newest: dict[str, Environment] = {}
        for environment in self.all():
            known = newest.get(environment.name)
            if known is None or known.built_at < environment.built_at:
                newest[environment.name] = environment
        return sorted(newest.values(), key=lambda item: (order.get(item.name, len(order)), item.name))

    def find(self, name: str) -> Environment | None:
        """By name (the newest) or by exact reference."""
        for environment in self.newest():
            if environment.name == name:
                return environment
        return next((item for item in self.all() if item.reference == name), None)

    def all(self) -> list[Environment]:
        """Every finished environment, superseded ones too: running work may use them."""
        found = []
        for record in sorted(self.root.glob(f"*/{RECORD}")):
            data = json.loads(record.read_text(encoding="utf-8"))
            found.append(
                Environment(
                    name=data["name"],
                    title=data["title"],
                    title_zh=data["title_zh"],
                    digest=data["digest"],
                    python=data["python"],
                    packages=data["packages"],
                    size_bytes=data["size_bytes"],
                    path=record.parent,
                    uses=tuple(data["uses"]),
                    built_at=data["built_at"],
                )
            )
        return found
