"""The built-in image classification on real pictures: scikit-learn's digits, as PNG files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from himalia.algorithms.image_classification import graph
from himalia.algorithms.image_classification.data import load_picture, read
from himalia.algorithms.image_classification.train import main


def write_version(folder: Path, rows: list[tuple[np.ndarray, list[str], str]], side: int = 32) -> Path:
    (folder / "images").mkdir(parents=True)
    with (folder / "annotations.jsonl").open("w") as lines:
        for number, (pixels, labels, split) in enumerate(rows):
            name = f"{number:04d}.png"
            Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST).save(folder / "images" / name)
            lines.write(json.dumps({"path": f"images/{name}", "labels": labels, "split": split}) + "\n")
    labels = sorted({label for _, names, _ in rows for label in names})
    (folder / "labels.json").write_text(json.dumps([{"name": label, "colour": "#000000"} for label in labels]))
    return folder


def digits(count: int, split: str | None = None) -> list[tuple[np.ndarray, list[str], str]]:
    loaded = load_digits()
    chosen = np.random.default_rng(0).permutation(len(loaded.images))[:count]
    return [
        (
            (loaded.images[index] * 255 / 16).astype("uint8"),
            [str(loaded.target[index])],
            split or ("validation" if position % 5 == 0 else "train"),
        )
        for position, index in enumerate(chosen)
    ]


def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path, *more: str) -> tuple[int, list[dict[str, Any]]]:
    metrics = tmp_path / "metrics.jsonl"
    metrics.unlink(missing_ok=True)
    monkeypatch.setenv("HIMALIA_METRICS_FILE", str(metrics))
    arguments = ["--data_url", str(data), "--train_model_out", str(tmp_path / "model")]
    code = main([*arguments, "--train_out", str(tmp_path / "out"), *more])
    lines = [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.exists() else []
    return code, lines


@pytest.mark.parametrize(("features", "at_least"), [("hog", 0.95), ("pixels", 0.90)])
def test_digits_are_learnt_and_the_exported_file_answers_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: str, at_least: float
) -> None:
    """ALG-4: works on CPU out of the box; the accuracy of the curve is the accuracy of the file."""
    data = write_version(tmp_path / "data", digits(900))
    code, lines = train(tmp_path, monkeypatch, data, "--features", features, "--epochs", "12")
    assert code == 0
    curve = {
        name: [line["value"] for line in lines if line.get("name") == name]
        for name in ("train_loss", "validation_accuracy", "validation_loss", "train_accuracy")
    }
    assert all(len(values) == 12 for values in curve.values())
    assert curve["train_loss"][-1] < curve["train_loss"][0]
    assert curve["validation_accuracy"][-1] >= at_least
    assert [line["progress"]["step"] for line in lines if "progress" in line] == list(range(13))

    model = tmp_path / "model"
    names = sorted(path.name for path in model.iterdir())
    assert names == ["labels.json", "metrics.json", "model.onnx", "sample.png", "signature.json"]
    signature = json.loads((model / "signature.json").read_text())
    size = signature["preprocess"]
    session = onnxruntime.InferenceSession(model / "model.onnx")
    held = read(data).of("validation")
    pictures = np.stack([load_picture(e.path, size["width"], size["height"], size["colour"]) for e in held])
    probabilities = session.run(None, {"images": pictures})[0]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    right = np.mean(probabilities.argmax(axis=1) == [e.labels[0] for e in held])
    assert right == pytest.approx(curve["validation_accuracy"][-1], abs=1 / len(held))


def test_the_same_seed_gives_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_version(tmp_path / "data", digits(200, split="train"))
    files = []
    for seed in ("3", "3", "4"):
        assert train(tmp_path, monkeypatch, data, "--epochs", "2", "--seed", seed)[0] == 0
        files.append((tmp_path / "model" / "model.onnx").read_bytes())
    assert files[0] == files[1] != files[2]


def test_several_labels_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A multi-label version is learnt as one decision per label."""
    rows = []
    for pixels, (digit,), split in digits(600):
        labels = ["even" if int(digit) % 2 == 0 else "odd"] + (["round"] if digit in "0689" else [])
        rows.append((pixels, labels, split))
    code, lines = train(tmp_path, monkeypatch, write_version(tmp_path / "data", rows), "--epochs", "15")
    assert code == 0
    assert json.loads((tmp_path / "model" / "signature.json").read_text())["multi_label"] is True
    accuracy = [line["value"] for line in lines if line.get("name") == "validation_accuracy"]
    assert accuracy[-1] > 0.8


def test_damaged_pictures_and_pictures_without_labels_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = digits(120)
    rows[3] = (rows[3][0], [], "train")
    data = write_version(tmp_path / "data", rows)
    (data / "images" / "0001.png").write_bytes(b"\x89PNG but not really")
    (data / "images" / "0002.png").unlink()
    assert train(tmp_path, monkeypatch, data, "--epochs", "1")[0] == 0
    out = capsys.readouterr().out
    assert "2 damaged pictures are left out: 0001.png, 0002.png" in out
    assert "1 pictures without a label are left out" in out


@pytest.mark.parametrize(
    ("rows", "options", "sentence"),
    [
        (digits(8, "train")[:1] * 3, [], "at least two labels; this version has only"),
        ([], [], "at least two labels; this version has none"),
        (digits(20, "test"), [], "No labelled picture is in the training split"),
        (digits(20), ["--epochs", "0"], "--epochs must be 1-10000; it is 0"),
        (digits(20), ["--image_size", "4"], "--image_size must be 12-256; it is 4"),
    ],
    ids=["one label", "no pictures", "only test", "epochs", "image size"],
)
def test_what_cannot_be_trained_on_is_said_in_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rows: list[tuple[np.ndarray, list[str], str]],
    options: list[str],
    sentence: str,
) -> None:
    data = write_version(tmp_path / "data", rows)
    assert train(tmp_path, monkeypatch, data, *options)[0] == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_hog_puts_an_edge_into_the_bin_of_its_direction() -> None:
    """Against the definition: a ramp at angle a has its energy in the bin around a (mod 180°)."""
    shape = graph.Shape(24, 24, 1)
    session = onnxruntime.InferenceSession(graph.feature_graph("hog", shape))
    down, across = np.mgrid[0:24, 0:24].astype(np.float32)
    for bin_number in range(9):
        angle = (bin_number - 4) * np.pi / 9
        ramp = (across * np.cos(angle) + down * np.sin(angle)) / 60 + 0.4
        features = session.run(None, {"images": ramp.astype(np.float32).reshape(1, 24, 24, 1)})[0]
        inner = features.reshape(4, 9, 5, 5)[:, :, 2, 2]  # a block away from the border
        assert inner.sum(axis=0).argmax() == bin_number
        assert inner.sum(axis=0)[bin_number] > 0.95 * inner.sum()
