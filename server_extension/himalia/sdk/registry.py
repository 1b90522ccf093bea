"""Models and their versions as objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from himalia.sdk.base import Ref, Resource
from himalia.sdk.data import version_name
from himalia.sdk.decode import decode
from himalia.sdk.errors import InvalidInput

if TYPE_CHECKING:
    from himalia.sdk.serving import Service


@dataclass
class ModelFile:
    path: str = ""
    size: int = 0
    sha256: str = ""


@dataclass
class ModelVersion(Resource):
    """A frozen model with its lineage; ``version`` is its name, V0001."""

    model: Ref = field(default_factory=Ref)
    number: int = 0
    state: str = ""
    bytes: int = 0
    digest: str = ""
    files: list[ModelFile] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    lineage: dict[str, Any] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    description: str = ""

    @property
    def path(self) -> str:
        return f"/models/{self.model.id}/versions/{self.version}"

    def download(self, folder: str | Path) -> Path:
        """All its files below a folder; returns the folder."""
        root = Path(folder)
        for file in self.files:
            target = root / file.path
            if not target.resolve().is_relative_to(root.resolve()):
                raise InvalidInput(f"{file.path!r} leaves the folder.", value=file.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            with self.client.http.stream(f"{self.path}/files/{file.path}") as answer, target.open("wb") as out:
                for chunk in answer.iter_bytes(1 << 20):
                    out.write(chunk)
        return root

    def deploy(self, name: str | None = None, **options: Any) -> Service:
        """Serve it; see ``client.services.deploy``."""
        return self.client.services.deploy(self, name=name, **options)


@dataclass
class Model(Resource):
    framework: str = ""
    format: str = ""
    category: str = ""
    description: str = ""
    versions: int = 0
    latest: str | None = None

    _path: ClassVar[str] = "/models"

    def all_versions(self) -> Iterator[ModelVersion]:
        return self.client.pages(f"{self.path}/versions", ModelVersion, None)

    def get_version(self, version: str | int | None = None) -> ModelVersion:
        """By name; without it the latest.

        Raises:
            InvalidInput: The model has no version yet.
        """
        wanted = version_name(version) if version is not None else self.latest
        if wanted is None:
            raise InvalidInput(f"{self.name} has no version yet.", hint="Register one from a run: run.to_model().")
        return decode(ModelVersion, self.client.http.get(f"{self.path}/versions/{wanted}"), self._client)

    def set_alias(self, alias: str, version: str | int) -> None:
        told = {"version": version_name(version)}
        self.client.http.request("PUT", f"{self.path}/aliases/{alias}", json=told, version=self.version)
