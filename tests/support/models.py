"""A trained model folder, made in this process by the built-in algorithm, and its upload."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.data import ok


def train(folder: Path, files: Mapping[str, bytes], *, features: str = "pixels", epochs: int = 6) -> dict[str, bytes]:
    """Train on pictures named ``<label>/<file>``; answers the model folder."""
    data, model = folder / "data", folder / "model"
    rows = []
    for number, (path, content) in enumerate(sorted(files.items())):
        target = data / "images" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        split = "validation" if number % 5 == 0 else "train"
        rows.append({"path": path, "labels": [path.split("/")[0]], "split": split, "width": 32, "height": 32})
    (data / "annotations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model.mkdir()
    command = [
        sys.executable, "-m", "himalia.algorithms.image_classification", "--data_url", str(data),
        "--train_model_out", str(model), "--train_out", str(folder / "out"), "--epochs", str(epochs),
        "--image_size", "24", "--features", features,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in model.iterdir()}


def archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for path, content in files.items():
            made.writestr(path, content)
    return buffer.getvalue()


def upload(client: httpx.Client, model: int, files: Mapping[str, bytes]) -> dict[str, Any]:
    answer = client.post(
        f"/models/{model}/versions", content=archive(files), headers={"Content-Type": "application/zip"}
    )
    return ok(answer, 201)  # type: ignore[no-any-return]


def make_model(client: httpx.Client, files: Mapping[str, bytes], name: str = "digits") -> dict[str, Any]:
    """A model with this version V0001; answers the version."""
    model = ok(client.post("/models", json={"name": name}), 201)
    return upload(client, model["id"], files)
