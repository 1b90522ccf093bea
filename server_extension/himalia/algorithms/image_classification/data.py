"""Reads a dataset version folder into pictures, labels and splits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = 200_000_000  # DAT-8


class Unusable(Exception):
    """The input cannot be trained on; the message is one or two sentences for the person."""


@dataclass(frozen=True, slots=True)
class Example:
    path: Path
    labels: tuple[int, ...]
    split: str


@dataclass(frozen=True, slots=True)
class Table:
    """Labelled pictures of one version. ``labels`` are those that occur, in the version's order."""

    labels: tuple[str, ...]
    examples: tuple[Example, ...]
    multi_label: bool
    skipped: int

    def of(self, split: str) -> list[Example]:
        return [example for example in self.examples if example.split == split]


def read(folder: Path, labels: Sequence[str] | None = None) -> Table:
    """Read ``annotations.jsonl`` and ``labels.json`` of a version.

    Args:
        folder: ``/himalia/input/input0``.
        labels: Fix the classes, for a second dataset used to validate.

    Raises:
        Unusable: No such folder, no pictures with labels, fewer than two classes.
    """
    rows = _rows(folder)
    order = list(labels) if labels is not None else _label_order(folder)
    seen = Counter(name for row in rows for name in row["labels"])
    if labels is None:
        order = [name for name in order if seen[name]] + sorted(set(seen) - set(order))
    index = {name: number for number, name in enumerate(order)}
    examples, skipped = [], 0
    for row in rows:
        known = tuple(sorted({index[name] for name in row["labels"] if name in index}))
        if not known:
            skipped += 1
            continue
        examples.append(Example(folder / "images" / row["path"], known, row["split"]))
    if labels is None and len(order) < 2:
        found = f"only {order[0]!r}" if order else "none"
        raise Unusable(f"Classification needs pictures of at least two labels; this version has {found}.")
    return Table(tuple(order), tuple(examples), any(len(e.labels) > 1 for e in examples), skipped)


def _rows(folder: Path) -> list[dict[str, Any]]:
    source = folder / "annotations.jsonl"
    if not source.is_file():
        raise Unusable(f"{folder} is no dataset version: it has no annotations.jsonl.")
    rows = []
    with source.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                path = str(row["path"]).removeprefix("images/")
                labels = [str(name) for name in row.get("labels") or []]
                rows.append({"path": path, "labels": labels, "split": str(row.get("split") or "train")})
            except (ValueError, KeyError, TypeError):
                raise Unusable(f"Line {number} of {source} is not an annotation.") from None
    return rows


def _label_order(folder: Path) -> list[str]:
    try:
        labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [str(label["name"] if isinstance(label, dict) else label) for label in labels]


def hold_out(table: Table, seed: int, share: float = 0.2) -> Table:
    """Give a version without validation pictures some: ``share`` of each class, at least one
    of every class that has two."""
    if table.of("validation"):
        return table
    random = np.random.default_rng(seed)
    by_class: dict[tuple[int, ...], list[int]] = {}
    for position, example in enumerate(table.examples):
        if example.split == "train":
            by_class.setdefault(example.labels, []).append(position)
    chosen: set[int] = set()
    for positions in by_class.values():
        count = min(max(1, round(len(positions) * share)), len(positions) - 1)
        chosen.update(random.permutation(positions)[:count].tolist() if count > 0 else [])
    examples = tuple(
        Example(e.path, e.labels, "validation") if position in chosen else e
        for position, e in enumerate(table.examples)
    )
    return Table(table.labels, examples, table.multi_label, table.skipped)


def load_picture(path: Path, width: int, height: int, colour: str) -> NDArray[np.float32]:
    """A picture as ``[H, W, C]`` in [0, 1], upright, scaled to exactly this size.

    Raises:
        OSError: It cannot be decoded.
    """
    try:
        with Image.open(path) as opened:
            opened.draft(colour, (width * 2, height * 2))
            upright = ImageOps.exif_transpose(opened)
            picture = upright.convert(colour).resize((width, height), Image.Resampling.BILINEAR)
    except (ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise OSError(str(error)) from None
    values = np.asarray(picture, dtype=np.float32) / 255.0
    return values.reshape(height, width, -1)


def batches(
    examples: Sequence[Example], size: int, width: int, height: int, colour: str
) -> Iterator[tuple[list[int], NDArray[np.float32], list[str]]]:
    """Decoded pictures in batches: positions that could be read, ``[N, H, W, C]``, damaged names."""
    for start in range(0, len(examples), size):
        positions, pictures, damaged = [], [], []
        for position in range(start, min(start + size, len(examples))):
            try:
                pictures.append(load_picture(examples[position].path, width, height, colour))
                positions.append(position)
            except OSError:
                damaged.append(examples[position].path.name)
        shape = (0, height, width, 1 if colour == "L" else 3)
        yield positions, np.stack(pictures) if pictures else np.zeros(shape, np.float32), damaged


def is_coloured(examples: Sequence[Example], look_at: int = 24) -> bool:
    """Whether any of the first pictures has colour; grey pictures stored as RGB do not count."""
    for example in examples[:look_at]:
        try:
            values = load_picture(example.path, 32, 32, "RGB")
        except OSError:
            continue
        if float(np.ptp(values, axis=2).max()) > 0.04:
            return True
    return False
