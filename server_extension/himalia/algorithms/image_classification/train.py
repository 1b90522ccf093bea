"""``python -m himalia.algorithms.image_classification``: read, train by epochs, export."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image, ImageOps

from himalia.algorithms.image_classification import graph, model
from himalia.algorithms.image_classification.data import (
    Example,
    Table,
    Unusable,
    batches,
    hold_out,
    is_coloured,
    read,
)
from himalia.sdk.tracking import log, progress

IN_MEMORY_BYTES = 512 * 1024 * 1024
SAMPLE_SIDE = 512


@dataclass(frozen=True, slots=True)
class Prepared:
    """Standardised features ``[N, F]`` and targets ``[N, labels]`` of one split."""

    features: NDArray[np.float32]
    targets: NDArray[np.bool_]
    examples: list[Example]


def parser() -> argparse.ArgumentParser:
    def variable(name: str, default: str) -> str:
        return os.environ.get(name) or os.environ.get(name.upper()) or default

    result = argparse.ArgumentParser(
        prog="python -m himalia.algorithms.image_classification",
        description="Train an image classifier on a dataset version; write it as one ONNX file.",
    )
    add = result.add_argument
    add("--data_url", type=Path, default=variable("data_url", "/himalia/input/input0"), help="dataset version")
    add("--validation_url", type=Path, default=variable("validation_url", "") or None, help="to validate with")
    add(
        "--train_model_out",
        type=Path,
        default=variable("train_model_out", "/himalia/model"),
        help="model folder",
    )
    add("--train_out", type=Path, default=variable("train_out", "/himalia/output"), help="folder for files")
    add("--epochs", type=int, default=30, help="how often each picture is seen, 1-10000")
    add("--image_size", type=int, default=48, help="pictures are scaled to this side, pixels, 12-256")
    add("--features", choices=("hog", "pixels"), default="hog", help="gradient histograms or plain pixels")
    add("--learning_rate", type=float, default=0.1, help="of the first epoch, above 0, at most 10")
    add("--l2", type=float, default=1e-4, help="weight of the L2 penalty, 0-1")
    add("--balance", choices=("true", "false"), default="true", help="weigh rare labels more")
    add("--colour", choices=("auto", "grey", "colour"), default="auto", help="auto looks at the pictures")
    add("--seed", type=int, default=0, help="of shuffling and, without a validation split, of the hold-out")
    return result


def check(arguments: argparse.Namespace) -> None:
    """Raises :class:`Unusable` naming parameter, rule and value."""
    rules: list[tuple[str, str, Callable[[Any], bool]]] = [
        ("epochs", "1-10000", lambda value: 1 <= value <= 10000),
        ("image_size", "12-256", lambda value: 12 <= value <= 256),
        ("learning_rate", "above 0, at most 10", lambda value: 0 < value <= 10),
        ("l2", "0-1", lambda value: 0 <= value <= 1),
        ("seed", "0-2147483647", lambda value: 0 <= value <= 2**31 - 1),
    ]
    for name, rule, holds in rules:
        value = getattr(arguments, name)
        if not holds(value):
            raise Unusable(f"--{name} must be {rule}; it is {value}.")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    try:
        check(arguments)
        run(arguments)
    except Unusable as error:
        print(f"himalia: {error}", file=sys.stderr)
        return 2
    return 0


def run(arguments: argparse.Namespace) -> None:
    table, validation_table = _tables(arguments)
    training, validation = table.of("train"), validation_table.of("validation")
    if not training:
        raise Unusable("No labelled picture is in the training split; publish with a training share.")
    size = arguments.image_size - (arguments.image_size % graph.CELLS_A_SIDE if arguments.features == "hog" else 0)
    coloured = arguments.colour == "colour" or (arguments.colour == "auto" and is_coloured(training))
    shape = graph.Shape(size, size, 3 if coloured else 1)
    print(
        f"{len(training)} pictures to train, {len(validation)} to validate, {len(table.labels)} labels, "
        f"{size}×{size} {'colour' if coloured else 'grey'}, {arguments.features} features.",
        flush=True,
    )
    if table.skipped:
        print(f"{table.skipped} pictures without a label are left out.", flush=True)

    with tempfile.TemporaryDirectory(prefix="himalia-") as scratch:
        extract = Extractor(arguments.features, shape, len(table.labels), Path(scratch))
        train = extract(training, "to train")
        held = extract(validation, "to validate")
        if not len(train.features):
            raise Unusable("None of the pictures to train could be read.")
        mean, scale = _standardise(train.features, train.features)
        _standardise(held.features, train.features, (mean, scale))
        classifier, last = fit(arguments, table, train, held)
        probe = (held if len(held.examples) else train).examples[0]
    write_model(arguments, table, shape, classifier, mean, scale, last, probe)


def _tables(arguments: argparse.Namespace) -> tuple[Table, Table]:
    table = read(arguments.data_url)
    if arguments.validation_url:
        other = read(arguments.validation_url, table.labels)
        examples = tuple(Example(e.path, e.labels, "validation") for e in other.examples)
        if not examples:
            raise Unusable("The validation dataset shares no label with the training dataset.")
        return table, Table(table.labels, examples, table.multi_label, other.skipped)
    table = hold_out(table, arguments.seed)
    return table, table


class Extractor:
    """Pictures → features, by the graph that is exported; large sets are kept in a file."""

    def __init__(self, kind: str, shape: graph.Shape, labels: int, scratch: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph.feature_graph(kind, shape), options, providers=["CPUExecutionProvider"]
        )
        self._shape, self._labels, self._scratch = shape, labels, scratch

    def __call__(self, examples: list[Example], purpose: str) -> Prepared:
        shape = self._shape
        probe = self._session.run(None, {"images": np.zeros((1, shape.height, shape.width, shape.channels), "f4")})
        features = self._room(len(examples), int(probe[0].shape[1]), purpose)
        targets = np.zeros((len(examples), self._labels), dtype=bool)
        kept: list[Example] = []
        damaged: list[str] = []
        said = time.monotonic()
        colour = "L" if shape.channels == 1 else "RGB"
        for positions, pictures, bad in batches(examples, 64, shape.width, shape.height, colour):
            damaged += bad
            if positions:
                rows = slice(len(kept), len(kept) + len(positions))
                features[rows] = self._session.run(None, {"images": pictures})[0]
                for row, position in enumerate(positions, start=len(kept)):
                    targets[row, list(examples[position].labels)] = True
                kept += [examples[position] for position in positions]
            if time.monotonic() - said > 2:
                said = time.monotonic()
                print(f"read {len(kept)} of {len(examples)} pictures {purpose}", flush=True)
        if damaged:
            print(f"{len(damaged)} damaged pictures are left out: {', '.join(damaged[:5])} …", flush=True)
        return Prepared(features[: len(kept)], targets[: len(kept)], kept)

    def _room(self, rows: int, columns: int, purpose: str) -> NDArray[np.float32]:
        if rows * columns * 4 <= IN_MEMORY_BYTES:
            return np.empty((rows, columns), dtype=np.float32)
        path = self._scratch / f"{purpose.replace(' ', '-')}.npy"
        return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, columns))


def _standardise(
    features: NDArray[np.float32],
    reference: NDArray[np.float32],
    known: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale in place to mean 0 and deviation 1 of ``reference``; constant columns become 0."""
    if known is None:
        mean = reference.mean(axis=0, dtype=np.float64)
        deviation = reference.std(axis=0, dtype=np.float64)
        known = mean, np.where(deviation > 1e-6, deviation, 1.0)
    mean, scale = known
    for start in range(0, len(features), 4096):
        rows = slice(start, start + 4096)
        features[rows] = (features[rows] - mean) / scale
    return mean, scale


def fit(
    arguments: argparse.Namespace, table: Table, train: Prepared, held: Prepared
) -> tuple[model.LinearModel, dict[str, float]]:
    """Train by epochs, logging curves as they come; returns the model and its last metrics.

    Raises:
        Unusable: The model diverged (the learning rate was too high).
    """
    # The steps of features far from unit variance in number: a rate per feature, not per sum.
    rate = arguments.learning_rate * min(1.0, 100 / train.features.shape[1])
    classifier = model.LinearModel(
        train.targets,
        learning_rate=rate,
        l2=arguments.l2,
        seed=arguments.seed,
        multi_label=table.multi_label,
        balance=arguments.balance == "true",
    )
    last: dict[str, float] = {}
    progress(0, arguments.epochs)
    for epoch in range(1, arguments.epochs + 1):
        began = time.monotonic()
        with np.errstate(all="ignore"):
            classifier.fit_epoch(train.features, train.targets)
            if not np.isfinite(classifier.weights).all():
                raise Unusable(f"The model diverged in epoch {epoch}; take a smaller --learning_rate.")
        for name, split in (("train", train), ("validation", held)):
            if len(split.features):
                result = model.score(
                    classifier.probabilities(split.features), split.targets, multi_label=table.multi_label
                )
                last[f"{name}_accuracy"], last[f"{name}_loss"] = result.accuracy, result.loss
        log(last, step=epoch)
        progress(epoch, arguments.epochs)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in last.items())
        print(f"epoch {epoch}/{arguments.epochs}  {shown}  {time.monotonic() - began:.2f} s", flush=True)
    return classifier, last


def write_model(
    arguments: argparse.Namespace,
    table: Table,
    shape: graph.Shape,
    classifier: model.LinearModel,
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
    metrics: dict[str, float],
    probe: Example,
) -> None:
    """Write the model folder of docs/design/clients.md, prove that it loads, write the report."""
    raw = graph.classifier_graph(
        arguments.features,
        shape,
        mean,
        scale,
        classifier.weights,
        classifier.bias,
        multi_label=table.multi_label,
    )
    session = onnxruntime.InferenceSession(raw, providers=["CPUExecutionProvider"])
    colour = "L" if shape.channels == 1 else "RGB"
    _, picture, _ = next(batches([probe], 1, shape.width, shape.height, colour))
    answer = session.run(["probabilities"], {"images": picture})[0]
    assert answer.shape == (1, len(table.labels)) and np.isfinite(answer).all()

    folder: Path = arguments.train_model_out
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(raw)
    signature = {
        "format": 1,
        "task": "image-classification",
        "multi_label": table.multi_label,
        "preprocess": {
            "width": shape.width,
            "height": shape.height,
            "colour": colour,
            "resample": "bilinear",
        },
        "inputs": [{"name": "images", "datatype": "FP32", "shape": [-1, shape.height, shape.width, shape.channels]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, len(table.labels)]}],
    }
    for name, value in (("labels", list(table.labels)), ("signature", signature), ("metrics", metrics)):
        text = json.dumps(value, ensure_ascii=False, indent=2)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    with Image.open(probe.path) as opened:
        sample = ImageOps.exif_transpose(opened).convert(colour)
        sample.thumbnail((SAMPLE_SIDE, SAMPLE_SIDE))
        sample.save(folder / "sample.png")
    arguments.train_out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "metrics.json", arguments.train_out / "metrics.json")
    print(f"The model is in {folder}: {len(raw):,} bytes, {len(table.labels)} labels.", flush=True)
