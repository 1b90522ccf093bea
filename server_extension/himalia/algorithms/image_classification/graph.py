"""Builds the ONNX graphs: pixel or HOG features, and the classifier on top of them.

Glossary
    HOG   histogram of oriented gradients (Dalal and Triggs, CVPR 2005): unsigned orientations
          in 9 bins with linear interpolation, cells of 1/6 of the side, blocks of 2 × 2 cells
          with L2-Hys normalisation (clipped at 0.2).

All graphs take ``images`` float32 ``[N, H, W, C]`` in [0, 1]. Opset 17, so that ONNX Runtime
1.13 and later load them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
BINS = 9
CELLS_A_SIDE = 6
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's mode L


@dataclass(frozen=True, slots=True)
class Shape:
    height: int
    width: int
    channels: int


class Builder:
    """Nodes and constants of one graph under construction; each method returns an output's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._count = 0

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        name = self._name("c")
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = self._name(operator.lower())
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def _name(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"


def feature_graph(kind: str, shape: Shape) -> bytes:
    """The features alone: output ``features`` float32 ``[N, F]``."""
    builder = Builder()
    features = _features(builder, kind, shape)
    return _model(builder, shape, {"features": (features, ["N", "F"])})


def classifier_graph(
    kind: str,
    shape: Shape,
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
    weights: NDArray[np.float64],
    bias: NDArray[np.float64],
    *,
    multi_label: bool,
) -> bytes:
    """The whole model: output ``probabilities`` float32 ``[N, labels]``.

    Standardisation ``(x - mean) / scale`` is folded into weights ``[F, labels]`` and bias.
    Probabilities are the logistic function of each score; for one label a picture they are
    scaled to sum to 1 (one against the rest, as ``SGDClassifier.predict_proba``).
    """
    builder = Builder()
    features = _features(builder, kind, shape)
    folded = weights / scale[:, None]
    offset = bias - mean @ folded
    score = builder.add("Add", builder.add("MatMul", features, builder.constant(folded)), builder.constant(offset))
    probability = builder.add("Sigmoid", score)
    if not multi_label:
        total = builder.add("ReduceSum", probability, builder.constant([1], np.int64), keepdims=1)
        probability = builder.add("Div", probability, builder.add("Max", total, builder.constant([1e-12])))
    return _model(builder, shape, {"probabilities": (probability, ["N", int(weights.shape[1])])})


def _features(builder: Builder, kind: str, shape: Shape) -> str:
    if kind == "pixels":
        return builder.add("Flatten", "images", axis=1)
    if kind == "hog":
        return _hog(builder, shape)
    raise ValueError(f"unknown features {kind!r}")


def _hog(builder: Builder, shape: Shape) -> str:
    cell_height, cell_width = shape.height // CELLS_A_SIDE, shape.width // CELLS_A_SIDE
    grey = builder.add("Transpose", "images", perm=[0, 3, 1, 2])
    if shape.channels == 3:
        grey = builder.add("Conv", grey, builder.constant(np.array(LUMA).reshape(1, 3, 1, 1)))
    # Edge padding, so that the border of the picture is no edge itself.
    padding = builder.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    padded = builder.add("Pad", grey, padding, mode="edge")
    kernels = np.zeros((2, 1, 3, 3))
    kernels[0, 0, 1, :] = (-1, 0, 1)
    kernels[1, 0, :, 1] = (-1, 0, 1)
    gradient = builder.add("Conv", padded, builder.constant(kernels))
    across, down = (builder.add("Gather", gradient, builder.constant([index], np.int64), axis=1) for index in (0, 1))
    squares = builder.add("Add", builder.add("Mul", across, across), builder.add("Mul", down, down))
    magnitude = builder.add("Sqrt", squares)
    histogram = builder.add("Mul", _orientation_weights(builder, across, down), magnitude)
    cells = builder.add(
        "AveragePool", histogram, kernel_shape=[cell_height, cell_width], strides=[cell_height, cell_width]
    )
    return _normalised_blocks(builder, cells, shape.height // cell_height, shape.width // cell_width)


def _orientation_weights(builder: Builder, across: str, down: str) -> str:
    """How much of a pixel's gradient falls into each of the 9 bins, ``[N, 9, H, W]``."""
    sign = builder.add("Sign", across)
    zero = builder.add("Cast", builder.add("Equal", across, builder.constant(0.0)), to=TensorProto.FLOAT)
    safe = builder.add(  # a horizontal component of 0 becomes tiny, never a division by 0
        "Add",
        builder.add("Mul", sign, builder.add("Max", builder.add("Abs", across), builder.constant(1e-6))),
        builder.add("Mul", zero, builder.constant(1e-6)),
    )
    angle = builder.add("Atan", builder.add("Div", down, safe))  # (-pi/2, pi/2): unsigned
    position = builder.add("Mul", angle, builder.constant(BINS / math.pi))
    centres = builder.constant((np.arange(BINS) - (BINS - 1) / 2).reshape(1, BINS, 1, 1))
    distance = builder.add("Abs", builder.add("Sub", position, centres))
    around = builder.add("Min", distance, builder.add("Sub", builder.constant(float(BINS)), distance))
    return builder.add("Relu", builder.add("Sub", builder.constant(1.0), around))


def _normalised_blocks(builder: Builder, cells: str, rows: int, columns: int) -> str:
    axes = builder.constant([2, 3], np.int64)
    corners = [
        builder.add(
            "Slice",
            cells,
            builder.constant([top, left], np.int64),
            builder.constant([top + rows - 1, left + columns - 1], np.int64),
            axes,
        )
        for top in (0, 1)
        for left in (0, 1)
    ]
    block = builder.add("Concat", *corners, axis=1)
    clipped = builder.add("Min", _unit_length(builder, block), builder.constant(0.2))
    return builder.add("Flatten", _unit_length(builder, clipped), axis=1)


def _unit_length(builder: Builder, block: str) -> str:
    squares = builder.add("ReduceSum", builder.add("Mul", block, block), builder.constant([1], np.int64), keepdims=1)
    return builder.add("Div", block, builder.add("Sqrt", builder.add("Add", squares, builder.constant(1e-6))))


def _model(builder: Builder, shape: Shape, outputs: dict[str, tuple[str, list[Any]]]) -> bytes:
    infos = []
    for name, (source, dimensions) in outputs.items():
        builder.nodes.append(helper.make_node("Identity", [source], [name]))
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dimensions))
    images = helper.make_tensor_value_info(
        "images", TensorProto.FLOAT, ["N", shape.height, shape.width, shape.channels]
    )
    graph = helper.make_graph(builder.nodes, "image_classification", [images], infos, builder.constants)
    model = helper.make_model(
        graph,
        producer_name="himalia",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
