"""The built-in algorithms and what they take (ALG-4). Pure.

A built-in is a module of the ``himalia`` package that the runtime environments contain, so that its
version is ours. Ids never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import himalia


@dataclass(frozen=True, slots=True)
class Parameter:
    """One hyper-parameter; ``default`` decides nothing about the type."""

    name: str
    type: Literal["int", "float", "bool", "choice", "str"]
    default: Any
    help: str
    help_zh: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Algorithm:
    """``arguments`` are those of the platform's values that the program declares (ALG-3)."""

    id: int
    name: str
    title: str
    title_zh: str
    category: str
    description: str
    description_zh: str
    command: tuple[str, ...]
    environment: str
    annotation_types: tuple[str, ...]
    arguments: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[str, ...]


IMAGE_CLASSIFICATION = Algorithm(
    id=1,
    name="image-classification",
    title="Image classification",
    title_zh="图像分类",
    category="vision",
    description="Gradient histograms or pixels and a linear model, written as one ONNX file. Trains on CPU.",
    description_zh="梯度直方图或像素特征加线性模型，导出为单个 ONNX 文件；在 CPU 上训练。",
    command=("python", "-m", "himalia.algorithms.image_classification"),
    environment="science",
    annotation_types=("classification",),
    arguments=("data_url", "validation_url", "train_model_out", "train_out"),
    parameters=(
        Parameter("epochs", "int", 30, "How often each picture is seen", "每张图片训练的轮数", 1, 10000),
        Parameter(
            "image_size", "int", 48, "Pictures are scaled to this side, pixels", "图片缩放后的边长（像素）", 12, 256
        ),
        Parameter(
            "features",
            "choice",
            "hog",
            "Gradient histograms or plain pixels",
            "梯度直方图或原始像素",
            choices=("hog", "pixels"),
        ),
        Parameter("learning_rate", "float", 0.1, "Of the first epoch", "首轮学习率", 1e-9, 10),
        Parameter("l2", "float", 1e-4, "Weight of the L2 penalty", "L2 正则权重", 0, 1),
        Parameter("balance", "bool", True, "Weigh rare labels more", "提高稀有标签的权重"),
        Parameter(
            "colour",
            "choice",
            "auto",
            "auto looks at the pictures",
            "auto 会根据图片判断",
            choices=("auto", "grey", "colour"),
        ),
        Parameter("seed", "int", 0, "Of shuffling and of the hold-out", "随机打乱与留出验证集的种子", 0, 2**31 - 1),
    ),
    outputs=("model", "output"),
)

BUILT_IN: Mapping[int, Algorithm] = {IMAGE_CLASSIFICATION.id: IMAGE_CLASSIFICATION}


def to_wire(algorithm: Algorithm, language: str) -> dict[str, Any]:
    chinese = language == "zh"
    parameters = []
    for parameter in algorithm.parameters:
        shown = asdict(parameter)
        shown_zh = shown.pop("help_zh")
        shown["help"] = shown_zh if chinese else shown["help"]
        parameters.append(shown)
    return {
        "id": algorithm.id,
        "name": algorithm.name,
        "title": algorithm.title_zh if chinese else algorithm.title,
        "category": algorithm.category,
        "built_in": True,
        "version": himalia.__version__,
        "description": algorithm.description_zh if chinese else algorithm.description,
        "command": " ".join(algorithm.command),
        "environment": algorithm.environment,
        "parameters": parameters,
        "inputs": [
            {"name": "data_url", "annotation_types": list(algorithm.annotation_types), "required": True},
            {"name": "validation_url", "annotation_types": list(algorithm.annotation_types), "required": False},
        ],
        "outputs": list(algorithm.outputs),
    }
