"""A dataset version as files here: ``himalia.dataset("digits")`` and what comes out of it.

In a workload a bound version lies under ``/himalia/input`` and is read there. Elsewhere it is
downloaded once and kept by its digest under the cache directory.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from himalia.sdk.errors import HimaliaError

if TYPE_CHECKING:
    from himalia.sdk.client import Client
    from himalia.sdk.data import DatasetVersion

INPUTS = Path("/himalia/input")


@dataclass(frozen=True)
class Row:
    """``path`` of the picture, its labels, and train, validation or test."""

    path: Path
    labels: tuple[str, ...]
    split: str
    width: int = 0
    height: int = 0

    @property
    def label(self) -> str:
        """The label, of pictures that have one; empty for none."""
        return self.labels[0] if self.labels else ""


class LocalDataset:
    """Pictures and labels of one version on this machine.

    Attributes:
        folder: Where they are; read only.
        name, version: Of the dataset.
        labels: Names, in the version's order.
    """

    def __init__(self, folder: Path, rows: list[Row] | None = None) -> None:
        self.folder = folder
        about = _json(folder / "dataset.json") or {}
        self.name, self.version = str(about.get("name", "")), str(about.get("version", ""))
        labels = _json(folder / "labels.json") or []
        self.labels = [str(label["name"] if isinstance(label, dict) else label) for label in labels]
        self._rows = rows if rows is not None else _read(folder)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __getitem__(self, index: int) -> Row:
        return self._rows[index]

    def __repr__(self) -> str:
        return f"<dataset {self.name} {self.version}: {len(self)} pictures, {len(self.labels)} labels>"

    def split(self, name: str) -> LocalDataset:
        """Only ``train``, ``validation`` or ``test``."""
        return LocalDataset(self.folder, [row for row in self._rows if row.split == name])

    def images(self, *, size: tuple[int, int] | None = None, mode: str = "RGB") -> Iterator[tuple[Any, str]]:
        """Each picture as an upright ``PIL.Image`` with its label.

        Args:
            size: Scale to (width, height) in pixels.
            mode: ``RGB`` or ``L`` for grey.
        """
        from PIL import Image, ImageOps

        for row in self._rows:
            with Image.open(row.path) as opened:
                picture = ImageOps.exif_transpose(opened).convert(mode)
            yield (picture.resize(size) if size else picture), row.label

    def to_numpy(self, *, size: tuple[int, int] | None = None, mode: str = "RGB") -> tuple[Any, Any]:
        """All pictures and label numbers: ``X`` uint8 ``[N, H, W]`` (grey) or ``[N, H, W, 3]``, ``y`` int ``[N]``.

        Pictures of different sizes need ``size=(width, height)``. ``y`` counts in ``labels``; -1
        is a picture without a label.

        Raises:
            HimaliaError: The sizes differ and no ``size`` was given.
        """
        import numpy as np

        if size is None:
            found = {(row.width, row.height) for row in self._rows}
            if len(found) > 1:
                raise HimaliaError(
                    f"The pictures have {len(found)} different sizes.", hint="Give one: to_numpy(size=(64, 64))."
                )
        number = {label: index for index, label in enumerate(self.labels)}
        pictures, labels = [], []
        for picture, label in self.images(size=size, mode=mode):
            pictures.append(np.asarray(picture, dtype=np.uint8))
            labels.append(number.get(label, -1))
        return (np.stack(pictures) if pictures else np.zeros((0, 0, 0), np.uint8)), np.array(labels, dtype=np.int64)

    def to_pandas(self) -> Any:
        """One row a picture: name, path, label, labels, split, width, height."""
        import pandas as pd

        return pd.DataFrame(
            {
                "name": [row.path.name for row in self._rows],
                "path": [str(row.path) for row in self._rows],
                "label": [row.label for row in self._rows],
                "labels": [list(row.labels) for row in self._rows],
                "split": [row.split for row in self._rows],
                "width": [row.width for row in self._rows],
                "height": [row.height for row in self._rows],
            }
        )

    def to_torch(self, transform: Callable[[Any], Any] | None = None) -> Any:
        """A ``torch.utils.data.Dataset`` of (picture, label number)."""
        from torch.utils.data import Dataset

        number = {label: index for index, label in enumerate(self.labels)}
        rows = self._rows

        class Pictures(Dataset):  # type: ignore[misc,type-arg,unused-ignore]
            def __len__(self) -> int:
                return len(rows)

            def __getitem__(self, index: int) -> tuple[Any, int]:
                from PIL import Image, ImageOps

                with Image.open(rows[index].path) as opened:
                    picture = ImageOps.exif_transpose(opened).convert("RGB")
                return (transform(picture) if transform else picture), number.get(rows[index].label, -1)

        return Pictures()

    def to_huggingface(self) -> Any:
        """A ``datasets.Dataset`` with the columns image and label."""
        from datasets import ClassLabel, Dataset, Features, Image

        kept = [row for row in self._rows if row.labels]
        columns = {"image": [str(row.path) for row in kept], "label": [row.label for row in kept]}
        return Dataset.from_dict(columns, features=Features({"image": Image(), "label": ClassLabel(names=self.labels)}))


def dataset(name: str, version: str | int | None = None, *, client: Client | None = None) -> LocalDataset:
    """A dataset version, ready to read: ``himalia.dataset("digits", version="V0002")``.

    Args:
        name: As in the panel; ``digits@V0002`` names the version too.
        version: Without it the bound one in a workload, else the current one.
    """
    from himalia.sdk.data import version_name

    if "@" in name and version is None:
        name, _, version = name.rpartition("@")
    wanted = version_name(version) if version is not None else None
    for folder in sorted(INPUTS.glob("input*")):
        about = _json(folder / "dataset.json")
        if about and about.get("name") == name and wanted in (None, about.get("version")):
            return LocalDataset(folder)
    from himalia.sdk.client import connect

    return fetch((client or connect()).datasets.get(name).get_version(wanted))


def fetch(version: DatasetVersion) -> LocalDataset:
    """The version's folder in the cache, downloaded if it is not there yet."""
    version.ready()
    for folder in sorted(INPUTS.glob("input*")):
        about = _json(folder / "dataset.json")
        if about and about.get("digest") and about.get("digest") == version.digest:
            return LocalDataset(folder)
    digest = (version.digest or "").removeprefix("sha256:")
    key = digest or f"{version.dataset.id}-{version.version}"
    target = cache_folder() / "datasets" / key
    if not (target / "dataset.json").is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as scratch:
            _download(version, Path(scratch))
            ready = Path(scratch) / "ready"
            try:
                ready.rename(target)
            except OSError:  # another process was quicker
                if not (target / "dataset.json").is_file():
                    shutil.rmtree(target, ignore_errors=True)
                    ready.rename(target)
    return LocalDataset(target)


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "himalia"


def _download(version: DatasetVersion, scratch: Path) -> None:
    archive = version.export(scratch / "export.zip", format="csv")
    ready = scratch / "ready"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(ready)
    archive.unlink()
    with (
        (ready / "annotations.csv").open(encoding="utf-8-sig", newline="") as table,
        (ready / "annotations.jsonl").open("w", encoding="utf-8") as lines,
    ):
        for row in csv.DictReader(table):
            kept = {
                "path": row["path"],
                "labels": [label for label in row["labels"].split("|") if label],
                "split": row["split"],
                "width": int(row["width"] or 0),
                "height": int(row["height"] or 0),
            }
            lines.write(json.dumps(kept, ensure_ascii=False) + "\n")
    labels = [{"name": label.name, "colour": label.colour} for label in version.by_label]
    (ready / "labels.json").write_text(json.dumps(labels, ensure_ascii=False), encoding="utf-8")
    about = {"name": version.dataset.name, "version": version.version, "digest": version.digest}
    (ready / "dataset.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")


def _read(folder: Path) -> list[Row]:
    rows = []
    with (folder / "annotations.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            path = str(row["path"])
            where = folder / path if path.startswith("images/") else folder / "images" / path
            size = int(row.get("width") or 0), int(row.get("height") or 0)
            rows.append(Row(where, tuple(row.get("labels") or ()), str(row.get("split") or ""), *size))
    return rows


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
