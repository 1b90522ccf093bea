"""Models and their versions as objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from himalia.sdk.base import Collection, Ref, Resource
from himalia.sdk.data import frame_header, version_name
from himalia.sdk.decode import decode
from himalia.sdk.display import Progress
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
            with (
                self.client.http.stream(f"{self.path}/files/{quote(file.path, safe='')}") as answer,
                target.open("wb") as out,
            ):
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

    def upload(self, source: str | Path, *, description: str = "", progress: bool = True) -> ModelVersion:
        """Add a version from a folder, a .zip, or one file.

        Raises:
            InvalidInput: Nothing is there to upload.
        """
        path = Path(source)
        zipped = path.suffix.lower() == ".zip" and path.is_file()
        files = _files(path)
        if not files:
            raise InvalidInput(f"{path} holds no files.", field="source", value=str(path))
        heads = [b"" if zipped else frame_header(name, size) for _, name, size in files]
        total = sum(len(head) + size for head, (_, _, size) in zip(heads, files, strict=True))
        with Progress(f"Upload {self.name}", total, "bytes", show=progress) as bar:

            def body() -> Iterator[bytes]:
                sent = 0
                for head, (file, _, size) in zip(heads, files, strict=True):
                    yield head
                    with file.open("rb") as data:
                        left = size
                        while left and (chunk := data.read(min(left, 1 << 20))):
                            left -= len(chunk)
                            yield chunk
                            bar.at(sent := sent + len(chunk))

            headers = {
                "Content-Type": "application/zip" if zipped else "application/vnd.himalia.files",
                "Content-Length": str(total),
            }
            answer = self.client.http.request(
                "POST", f"{self.path}/versions", body=body, headers=headers, query={"description": description}
            )
        self.refresh()
        return decode(ModelVersion, answer.json(), self._client)

    def set_alias(self, alias: str, version: str | int) -> None:
        told = {"version": version_name(version)}
        self.client.http.request("PUT", f"{self.path}/aliases/{alias}", json=told, version=self.version)


class Models(Collection[Model]):
    def create(
        self, name: str, *, framework: str = "ONNX", format: str = "ONNX", category: str = "", description: str = ""
    ) -> Model:
        """Make a model without versions; add one with ``model.upload(folder)``."""
        told = {"name": name, "framework": framework, "format": format, "category": category}
        return decode(Model, self._client.http.post(self._path, told | {"description": description}), self._client)


def _files(path: Path) -> list[tuple[Path, str, int]]:
    """``(file, path in the version, bytes)`` of everything to upload."""
    if path.is_file():
        return [(path, path.name, path.stat().st_size)]
    found = sorted(file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
    return [(file, file.relative_to(path).as_posix(), file.stat().st_size) for file in found]
