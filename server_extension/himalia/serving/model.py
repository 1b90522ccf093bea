"""Loads a model folder and runs it: ONNX Runtime on CPU, no code from the folder is executed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from himalia.serving.pictures import Preprocess, decode
from himalia.serving.problems import Problem, invalid

DATATYPES: dict[str, tuple[str, Any]] = {
    "tensor(float)": ("FP32", np.float32),
    "tensor(double)": ("FP64", np.float64),
    "tensor(float16)": ("FP16", np.float16),
    "tensor(int64)": ("INT64", np.int64),
    "tensor(int32)": ("INT32", np.int32),
    "tensor(int16)": ("INT16", np.int16),
    "tensor(int8)": ("INT8", np.int8),
    "tensor(uint8)": ("UINT8", np.uint8),
    "tensor(bool)": ("BOOL", np.bool_),
    "tensor(string)": ("BYTES", np.object_),
}


class LoadError(Exception):
    """The model cannot be served; the message is one plain sentence."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Name, protocol datatype, numpy type, and shape with -1 for a free dimension."""

    name: str
    datatype: str
    dtype: Any
    shape: tuple[int, ...]

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


class Model:
    """A loaded model folder (docs/design/clients.md).

    Only ``model.onnx``, or the only ``.onnx`` file, is needed; without ``signature.json`` a
    four-dimensional input with a plausible shape is taken as pictures, and without
    ``labels.json`` labels are the numbers of the outputs.
    """

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        path = _model_file(folder)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises its own tree, without a common base
            reason = str(error).split(" : ")[-1].strip().splitlines()[0][:200]
            raise LoadError(f"The model {path.name} cannot be loaded: {reason}") from None
        self.inputs = [_tensor(item) for item in self._session.get_inputs()]
        self.outputs = [_tensor(item) for item in self._session.get_outputs()]
        signature = _json(folder / "signature.json") or {}
        self.labels = _labels(folder)
        self.multi_label = bool(signature.get("multi_label"))
        self.preprocess = _preprocess(signature, self.inputs)
        self.sample = folder / "sample.png" if (folder / "sample.png").is_file() else None
        self.batchable = all(tensor.shape[:1] == (-1,) for tensor in self.inputs)

    def run(self, feeds: dict[str, NDArray[Any]], outputs: list[str] | None = None) -> list[NDArray[Any]]:
        """Run the graph once.

        Raises:
            Problem: 422 when the graph refuses the input's shape or values.
        """
        try:
            result: list[NDArray[Any]] = self._session.run(outputs, feeds)
        except Exception as error:
            reason = str(error).split(" : ")[-1].strip().splitlines()[0][:200]
            raise invalid(
                f"The model refused the input: {reason}", f"模型拒绝了输入:{reason}", field="inputs"
            ) from None
        return result

    def predict(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores ``[N, labels]`` of pictures ``[N, …]``; the output is the first float one with labels."""
        feeds = {self.inputs[0].name: pictures}
        if self.batchable:
            return self._scores(self.run(feeds))
        rows = [self._scores(self.run({self.inputs[0].name: pictures[i : i + 1]})) for i in range(len(pictures))]
        return np.concatenate(rows)

    def _scores(self, results: list[NDArray[Any]]) -> NDArray[np.float32]:
        for result in results:
            if result.ndim == 2 and result.dtype.kind == "f":
                return result.astype(np.float32)
        raise Problem(
            422,
            "not_a_classifier",
            "This model gives no scores per label; call /v2/models/…/infer instead.",
            "此模型不输出标签得分;请改用 /v2/models/…/infer。",
        )

    def predictions(self, scores: NDArray[np.float32], top: int) -> list[dict[str, Any]]:
        """``[{"label", "score"}]`` from the highest score down; ties in the order of the labels."""
        order = np.argsort(-scores, kind="stable")[:top]
        names = self.labels
        return [
            {
                "label": names[index] if names and index < len(names) else str(index),
                "score": round(float(scores[index]), 6),
            }
            for index in order
        ]

    def answer_sample(self, max_pixels: int) -> str:
        """Answer the folder's real sample, else a blank of the input's shape; says which it was.

        Raises:
            LoadError: It was not answered with finite numbers of the promised shape.
        """
        try:
            if self.preprocess and self.sample:
                picture = decode(self.sample.read_bytes(), self.preprocess, max_pixels)
                results, what = [self.predict(picture[None])], "its sample picture"
                if self.labels and results[0].shape[1] != len(self.labels):
                    raise LoadError(
                        f"The model gives {results[0].shape[1]} scores and labels.json names {len(self.labels)}."
                    )
            else:
                blank = {t.name: np.zeros([1 if d < 0 else d for d in t.shape], dtype=t.dtype) for t in self.inputs}
                results, what = self.run(blank), "a blank input"
        except Problem as error:
            raise LoadError(f"The model did not answer a sample: {error.message}") from None
        if any(result.dtype.kind == "f" and not np.isfinite(result).all() for result in results):
            raise LoadError("The model answered a sample with values that are not finite numbers.")
        return what


def _model_file(folder: Path) -> Path:
    if not folder.is_dir():
        raise LoadError(f"There is no model folder {folder}.")
    if (folder / "model.onnx").is_file():
        return folder / "model.onnx"
    found = sorted(folder.rglob("*.onnx"))
    if len(found) == 1:
        return found[0]
    what = "no .onnx file" if not found else f"{len(found)} .onnx files and none is called model.onnx"
    raise LoadError(f"The model folder holds {what}; this runtime serves ONNX models.")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise LoadError(f"{path.name} of the model is not valid JSON.") from None


def _labels(folder: Path) -> list[str]:
    labels = _json(folder / "labels.json") or []
    if not isinstance(labels, list):
        raise LoadError("labels.json of the model is no list of names.")
    return [str(label.get("name") if isinstance(label, dict) else label) for label in labels]


def _tensor(item: Any) -> Tensor:
    datatype, dtype = DATATYPES.get(item.type, ("", None))
    if not datatype:
        raise LoadError(f"The model's {item.name!r} has the type {item.type}, which cannot be served.")
    shape = tuple(d if isinstance(d, int) and d > 0 else -1 for d in item.shape or [])
    return Tensor(item.name, datatype, dtype, shape)


def _preprocess(signature: dict[str, Any], inputs: list[Tensor]) -> Preprocess | None:
    """From the signature, else read off a shape like ``[N, 3, 224, 224]`` or ``[N, 48, 48, 1]``."""
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].datatype != "FP32":
        return None
    _, first, second, third = inputs[0].shape
    layout, channels, height, width = (
        ("NHWC", third, first, second) if third in (1, 3) else ("NCHW", first, second, third)
    )
    if channels not in (1, 3):
        return None
    told = signature.get("preprocess") or {}
    width, height = int(told.get("width") or width), int(told.get("height") or height)
    if not (0 < width <= 8192 and 0 < height <= 8192):
        return None
    return Preprocess(width, height, "L" if channels == 1 else "RGB", layout)
