"""What models may be called and hold. Pure."""

from __future__ import annotations

import json
import math
import unicodedata
from pathlib import PurePosixPath
from typing import Any

from himalia_hub.core.errors import InvalidInput

LONGEST_NAME, LONGEST_DESCRIPTION = 64, 1000
FRAMEWORKS = (
    "TensorFlow", "PyTorch", "Keras", "Caffe", "Blade", "MXNet", "PaddlePaddle", "MindSpore",
    "scikit-learn", "XGBoost", "ONNX", "other",
)  # fmt: skip
FORMATS = (
    "SavedModel", "frozen .pb", "Keras", "Caffe", "ONNX", "Blade", "PMML", "PyTorch", "checkpoint", "HDF5",
    "PaddlePaddle", "params", "json", "safetensors", "joblib", "skops", "directory",
)  # fmt: skip
MAX_FILES = 10_000
DOCUMENT_BYTES = 1024 * 1024
DOCUMENTS = ("signature.json", "labels.json", "metrics.json")
_PICKLE_SUFFIXES = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".dill", ".cloudpickle"}


def version_name(number: int) -> str:
    return f"V{number:04d}"


def number_of(version: str) -> int | None:
    """3 of ``V0003``; None when it is no version's name."""
    digits = version[1:]
    if version.startswith("V") and digits.isascii() and digits.isdigit() and 4 <= len(digits) <= 9:
        return int(digits)
    return None


def one_of(value: str, choices: tuple[str, ...], field: str) -> str:
    """The choice in its own spelling, found whatever the case."""
    for choice in choices:
        if choice.casefold() == value.casefold():
            return choice
    raise InvalidInput(
        f"{field}: {value!r} is not one of {', '.join(choices)}.",
        zh=f"{field}：{value!r} 不在可选值中：{'、'.join(choices)}。",
        field=field,
        rule=f"one of {', '.join(choices)}",
        value=value,
    )


def check_path(path: str) -> str:
    """A file's place inside a version, or :class:`InvalidInput`."""
    parts = path.split("/")
    bad = (
        any(part in ("", ".", "..") for part in parts)
        or "\\" in path
        or len(path.encode("utf-8", "surrogatepass")) > 1000
        or any(unicodedata.category(c) in ("Cc", "Cs") for c in path)
    )
    if bad:
        raise InvalidInput(
            f"path: {path[:120]!r} is not a relative path without empty parts, . or .., of at most 1000 bytes.",
            zh=f"path：{path[:120]!r} 应为相对路径，不含空段、. 或 ..，最多 1000 字节。",
            field="path",
            rule="a relative path without empty parts, . or .., at most 1000 bytes",
            value=path,
            code="bad_path",
        )
    return unicodedata.normalize("NFC", path)


def is_pickle(path: str, head: bytes) -> bool:
    """Whether loading the file would run code that is in it: by name, or by a pickle's first bytes."""
    if PurePosixPath(path).suffix.lower() in _PICKLE_SUFFIXES:
        return True
    return len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5


def read_documents(documents: dict[str, bytes]) -> tuple[dict[str, Any] | None, list[str] | None, dict[str, float]]:
    """Signature, labels and metrics of the small files beside a model; what is unusable is left out."""
    signature = _json(documents.get("signature.json"))
    labels = _json(documents.get("labels.json"))
    metrics = _json(documents.get("metrics.json"))
    names = None
    if isinstance(labels, list):
        names = [str(label.get("name")) if isinstance(label, dict) else str(label) for label in labels]
    numbers = {}
    if isinstance(metrics, dict):
        for name, value in metrics.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                numbers[str(name)] = float(value)
    return (signature if isinstance(signature, dict) else None), names, numbers


def _json(raw: bytes | None) -> Any:
    if raw is None:
        return None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
