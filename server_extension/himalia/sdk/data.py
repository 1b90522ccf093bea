"""Label groups, datasets, items, imports and versions as objects."""

from __future__ import annotations

import json
import struct
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from himalia.sdk.base import Collection, Ref, Resource, wait_until
from himalia.sdk.compute import Task
from himalia.sdk.decode import decode
from himalia.sdk.display import Progress
from himalia.sdk.errors import InvalidInput

if TYPE_CHECKING:
    from himalia.sdk.local import LocalDataset

CONTENT_TYPE = "application/vnd.himalia.files"
CALL_BYTES = 32 * 1024 * 1024
CALL_FILES = 500
OPERATIONS_A_CALL = 500
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


@dataclass
class Label:
    id: int = 0
    name: str = ""
    colour: str = ""
    key: str | None = None
    count: int = 0


@dataclass
class LabelGroup(Resource):
    type: str = ""
    description: str = ""
    labels: list[Label] = field(default_factory=list)
    preset: bool = False
    used_by: int = 0

    _path: ClassVar[str] = "/label-groups"


@dataclass
class ItemLabel:
    """``origin`` is person, service or import; ``score`` only of a service."""

    label_id: int = 0
    name: str = ""
    origin: str = ""
    by: str | None = None
    score: float | None = None


@dataclass
class Item(Resource):
    """One picture and its labels."""

    position: int = 0
    width: int = 0
    height: int = 0
    bytes: int = 0
    sha256: str = ""
    media_type: str = ""
    state: str = ""
    split: str | None = None
    labels: list[ItemLabel] = field(default_factory=list)


@dataclass
class FileResult:
    """What became of a file: ``added``, ``duplicate`` or ``refused`` with a reason."""

    path: str = ""
    outcome: str = ""
    item: int | None = None
    code: str | None = None
    reason: str | None = None


@dataclass
class Import(Resource):
    """An import and its counts; ``refused_files()`` says what was left out and why."""

    state: str = ""
    received: int = 0
    added: int = 0
    duplicates: int = 0
    refused: int = 0
    task: Task | None = None

    _path: ClassVar[str] = "/imports"

    def refused_files(self) -> Iterator[FileResult]:
        return self.client.pages(f"{self.path}/refused", FileResult, None)

    def __str__(self) -> str:
        return f"{self.added} added, {self.duplicates} were there already, {self.refused} refused"


@dataclass
class Change:
    """An item that differs between two versions."""

    item: int = 0
    name: str = ""
    change: str = ""
    before: list[ItemLabel] = field(default_factory=list)
    after: list[ItemLabel] = field(default_factory=list)


@dataclass
class Comparison:
    """``added``, ``removed`` and ``relabelled`` count all; ``items`` are the first of them."""

    added: int = 0
    removed: int = 0
    relabelled: int = 0
    items: list[Change] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.added} added, {self.removed} removed, {self.relabelled} labelled otherwise"


@dataclass
class Splits:
    train: int | None = None
    validation: int | None = None
    test: int | None = None
    state: str = ""


@dataclass
class DatasetVersion(Resource):
    """A frozen state of a dataset; ``version`` is its name, V0001."""

    number: int = 0
    dataset: Ref = field(default_factory=Ref)
    items: int = 0
    by_label: list[Label] = field(default_factory=list)
    splits: Splits = field(default_factory=Splits)
    digest: str | None = None
    bytes: int = 0
    description: str = ""
    author: Ref | None = None

    @property
    def path(self) -> str:
        return f"/datasets/{self.dataset.id}/versions/{self.version}"

    def iter_items(self, **filters: Any) -> Iterator[Item]:
        return self.client.pages(f"{self.path}/items", Item, None, **filters)

    def open(self) -> LocalDataset:
        """Its pictures here: a bound folder in a workload, else a download kept in a cache."""
        from himalia.sdk.local import fetch

        return fetch(self)

    def ready(self, *, timeout: float = 300) -> Self:
        """Until its splits are drawn, which takes moments after publishing."""
        if self.splits.state == "pending":
            wait_until(
                lambda: self.refresh().splits.state != "pending",
                timeout=timeout,
                what=f"Drawing the splits of {self.dataset.name} {self.version}",
                poll=0.2,
            )
        return self

    def export(self, path: str | Path, format: str = "native", *, progress: bool = True) -> Path:
        """Download as a .zip: ``native``, ``imagefolder`` or ``csv``; returns the path."""
        self.ready()
        target = Path(path)
        part = target.with_name(target.name + ".part")
        with (
            Progress(f"Export {self.dataset.name} {self.version}", self.bytes or None, "bytes", show=progress) as bar,
            self.client.http.stream(f"{self.path}/export", query={"format": format}) as answer,
            part.open("wb") as file,
        ):
            for chunk in answer.iter_bytes(1 << 20):
                file.write(chunk)
                bar.at(file.tell())
        part.replace(target)
        return target


@dataclass
class Dataset(Resource):
    """A set of pictures being labelled. What it holds is a draft until it is published."""

    data_type: str = ""
    annotation_type: str = ""
    multi_label: bool = False
    label_group: LabelGroup = field(default_factory=LabelGroup)
    scenario: str = ""
    description: str = ""
    state: str = ""
    items: int = 0
    confirmed: int = 0
    progress: float = 0
    bytes: int = 0
    current_version: str | None = None
    latest_version: str | None = None
    pinned: bool = False
    task: Task | None = None

    _path: ClassVar[str] = "/datasets"

    def rename(self, name: str) -> Dataset:
        return self._update(name=name)

    # -- items -----------------------------------------------------------------------------

    def iter_items(self, *, state: str | None = None, label: str | None = None, **filters: Any) -> Iterator[Item]:
        """Items of the draft, page by page.

        Args:
            state: ``none``, ``unfinished``, ``automatic``, ``confirmed``, ``nothing_to_label``.
            label: Only those with this label, by name.
        """
        number = self._label_ids([label])[0] if label else None
        return self.client.pages(f"{self.path}/items", Item, None, state=state, label=number, **filters)

    def image(self, item: Item | int) -> Any:
        """The original picture as a ``PIL.Image``."""
        import io

        from PIL import Image

        number = item if isinstance(item, int) else item.id
        return Image.open(io.BytesIO(self.client.http.request("GET", f"{self.path}/items/{number}/image").content))

    def label(self, labels: dict[Any, str | Sequence[str]], *, confirm: bool = True) -> int:
        """Set labels by name: ``{item or number or file name: "cat"}``; returns how many were applied.

        Args:
            confirm: Mark the items as finished, as Enter in the workbench does.

        Raises:
            InvalidInput: An unknown label or file name, or an operation was refused.
        """
        numbers = self._item_numbers(labels)
        at = datetime.now(UTC).isoformat()
        operations: list[dict[str, Any]] = []
        for key, names in labels.items():
            ids = self._label_ids([names] if isinstance(names, str) else list(names))
            operations.append({"item": numbers[key], "op": "set_labels", "labels": ids, "at": at})
            if confirm:
                operations.append({"item": numbers[key], "op": "confirm", "at": at})
        client = str(uuid.uuid4())
        applied = 0
        for start in range(0, len(operations), OPERATIONS_A_CALL):
            batch = [
                {"seq": start + offset + 1, **operation}
                for offset, operation in enumerate(operations[start : start + OPERATIONS_A_CALL])
            ]
            answer = self.client.http.post(f"{self.path}/operations", {"client": client, "operations": batch})
            for result in answer["results"]:
                if result["outcome"] == "refused":
                    raise InvalidInput(
                        f"Item {result['item']} was not labelled: {result.get('reason')}.",
                        details={"result": result, "applied": applied},
                    )
                applied += 1
        return applied // 2 if confirm else applied

    def _item_numbers(self, labels: dict[Any, Any]) -> dict[Any, int]:
        names = {key for key in labels if isinstance(key, str)}
        found = {}
        if names:
            found = {item.name: item.id for item in self.iter_items() if item.name in names}
            if missing := sorted(names - set(found)):
                raise InvalidInput(f"{self.name} has no item {missing[0]!r}.", field="items", value=missing[:5])
        return {key: found[key] if isinstance(key, str) else getattr(key, "id", key) for key in labels}

    def _label_ids(self, names: Sequence[str]) -> list[int]:
        known = {label.name: label.id for label in self.label_group.labels}
        for name in names:
            if name not in known:
                raise InvalidInput(
                    f"{name!r} is no label of {self.name}.",
                    field="labels",
                    value=name,
                    hint=f"Labels: {', '.join(known)}.",
                )
        return [known[name] for name in names]

    def statistics(self) -> dict[str, Any]:
        """Counts by state and label, sizes of pictures, bytes, duplicates, damaged."""
        return dict(self.client.http.get(f"{self.path}/statistics"))

    # -- imports ---------------------------------------------------------------------------

    def import_files(
        self, files: Iterable[str | Path], *, labels: dict[str, str] | None = None, progress: bool = True
    ) -> Import:
        """Upload pictures; damaged ones are left out and listed, the rest is imported.

        Args:
            files: Paths of pictures.
            labels: File name → label, for pictures that are labelled already.
        """
        sources = [(Path(file), Path(file).name) for file in files]
        return self._upload(sources, labels or {}, labels_from_folders=False, progress=progress)

    def import_folder(self, folder: str | Path, *, labels_from_folders: bool = False, progress: bool = True) -> Import:
        """Upload all pictures below a folder.

        Args:
            labels_from_folders: ``cat/1.jpg`` is labelled cat, as in ImageFolder.
        """
        root = Path(folder)
        if not root.is_dir():
            raise InvalidInput(f"{root} is no folder.", field="folder", value=str(root))
        found = sorted(path for path in root.rglob("*") if path.suffix.lower() in PICTURES and path.is_file())
        sources = [(path, path.relative_to(root).as_posix()) for path in found]
        return self._upload(sources, {}, labels_from_folders=labels_from_folders, progress=progress)

    def import_archive(
        self, archive: str | Path, *, labels_from_folders: bool = False, progress: bool = True
    ) -> Import:
        """Upload a .zip, .tar or .tar.gz; it is unpacked by the platform."""
        path = Path(archive)
        if not path.name.lower().endswith(ARCHIVES):
            raise InvalidInput(
                f"{path.name} is no archive.", field="archive", rule=", ".join(ARCHIVES), value=path.name
            )
        begun = self._begin("archive", 0, path.stat().st_size, labels_from_folders)
        total = path.stat().st_size

        with Progress(f"Upload {path.name}", total, "bytes", show=progress) as bar:

            def body() -> Iterator[bytes]:
                with path.open("rb") as file:
                    while chunk := file.read(1 << 20):
                        yield chunk
                        bar.at(file.tell())

            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(total)}
            query = {"name": path.name}
            self.client.http.request("POST", f"{begun.path}/archive", body=body, headers=headers, query=query)
        return self._finish(begun, progress, finish=False)

    def _begin(self, source: str, files: int, total: int, from_folders: bool) -> Import:
        told: dict[str, Any] = {"source": source, "total_bytes": total, "labels_from_folders": from_folders}
        if source == "browser":
            told["total_files"] = files
        return decode(Import, self.client.http.post(f"{self.path}/imports", told), self._client)

    def _upload(
        self, sources: list[tuple[Path, str]], labels: dict[str, str], *, labels_from_folders: bool, progress: bool
    ) -> Import:
        sizes = [path.stat().st_size for path, _ in sources]
        begun = self._begin("browser", len(sources), sum(sizes), labels_from_folders)
        with Progress(f"Import into {self.name}", sum(sizes), "bytes", show=progress) as bar:
            sent = 0
            for call in _calls(list(zip(sources, sizes, strict=True))):
                body = b"".join(_frame(path, name, labels.get(name)) for (path, name), _ in call)
                headers = {"Content-Type": CONTENT_TYPE}
                self.client.http.request("POST", f"{begun.path}/files", body=body, headers=headers)
                sent += sum(size for _, size in call)
                bar.at(sent)
        return self._finish(begun, progress, finish=True)

    def _finish(self, begun: Import, progress: bool, *, finish: bool) -> Import:
        if finish:
            self.client.http.post(f"{begun.path}/finish")
        begun.refresh()
        if begun.task is not None and begun.task.state not in ("succeeded", "failed", "cancelled"):
            begun.task.wait(progress=progress)
        self.refresh()
        return begun.refresh()

    # -- versions --------------------------------------------------------------------------

    def publish(
        self, description: str = "", *, splits: dict[str, float] | None = None, seed: int = 0
    ) -> DatasetVersion:
        """Freeze the draft as the next version.

        Args:
            splits: Shares by name, ``{"train": 0.8, "validation": 0.1, "test": 0.1}`` if left out.

        Raises:
            Conflict: ``open_items``: some are not finished; the message says how many.
        """
        told = {"description": description, "splits": splits, "seed": seed}
        answer = self.client.http.post(f"{self.path}/publish", {k: v for k, v in told.items() if v is not None})
        self.refresh()
        return decode(DatasetVersion, answer, self._client)

    def versions(self) -> Iterator[DatasetVersion]:
        return self.client.pages(f"{self.path}/versions", DatasetVersion, None)

    def get_version(self, version: str | int | None = None) -> DatasetVersion:
        """A version by name (``V0002``, ``2``); without it the current one."""
        wanted = version_name(version) if version is not None else self.current_version
        if wanted is None:
            raise InvalidInput(
                f"{self.name} has no version yet.", hint="Publish one in the panel or with dataset.publish()."
            )
        return decode(DatasetVersion, self.client.http.get(f"{self.path}/versions/{wanted}"), self._client)

    def compare(self, old: str | int, new: str | int = "draft", *, limit: int = 200) -> Comparison:
        """What differs between two versions, or a version and the draft."""
        query = {"from": version_name(old), "to": version_name(new), "limit": limit}
        return decode(Comparison, self.client.http.request("GET", f"{self.path}/compare", query=query).json())


def version_name(version: str | int) -> str:
    """``2``, ``"2"`` and ``"v0002"`` are ``V0002``."""
    text = str(version).strip()
    if text == "draft":
        return text
    digits = text[1:] if text[:1] in "vV" else text
    if not digits.isdecimal():
        raise InvalidInput(f"{text!r} is no version.", field="version", rule="V0001, V0002, …", value=text)
    return f"V{int(digits):04d}"


def _frame(path: Path, name: str, label: str | None) -> bytes:
    data = path.read_bytes()
    return frame_header(name, len(data), **({"label": label} if label else {})) + data


def frame_header(path: str, size: int, **more: Any) -> bytes:
    """What stands before a file in ``application/vnd.himalia.files``."""
    raw = json.dumps({"path": path, "size": size, **more}, ensure_ascii=False).encode()
    return struct.pack(">I", len(raw)) + raw


def _calls(
    sources: list[tuple[tuple[Path, str], int]],
) -> Iterator[list[tuple[tuple[Path, str], int]]]:
    call: list[tuple[tuple[Path, str], int]] = []
    total = 0
    for source in sources:
        if call and (total + source[1] > CALL_BYTES or len(call) >= CALL_FILES):
            yield call
            call, total = [], 0
        call.append(source)
        total += source[1]
    if call:
        yield call


class LabelGroups(Collection[LabelGroup]):
    def create(self, name: str, labels: Sequence[str | dict[str, Any]], *, description: str = "") -> LabelGroup:
        """Labels as names, or as ``{"name", "colour"?, "key"?}``."""
        given = [{"name": label} if isinstance(label, str) else label for label in labels]
        told = {"name": name, "type": "vision", "description": description, "labels": given}
        return decode(LabelGroup, self._client.http.post(self._path, told), self._client)


class Datasets(Collection[Dataset]):
    def create(
        self,
        name: str,
        labels: LabelGroup | Sequence[str],
        *,
        multi_label: bool = False,
        description: str = "",
        scenario: str = "",
    ) -> Dataset:
        """Make a dataset for image classification.

        Args:
            labels: A label group, or names, of which a group with the dataset's name is made.
        """
        group = labels if isinstance(labels, LabelGroup) else self._client.label_groups.create(name, labels)
        told = {
            "name": name,
            "data_type": "image",
            "annotation_type": "classification",
            "multi_label": multi_label,
            "label_group_id": group.id,
            "description": description,
            "scenario": scenario,
        }
        return decode(Dataset, self._client.http.post(self._path, told), self._client)
