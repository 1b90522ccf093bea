"""Decodes a caller's picture within limits into what the model takes."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from himalia.serving.problems import Problem

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")  # SRV-6


@dataclass(frozen=True, slots=True)
class Preprocess:
    """``width`` × ``height`` pixels, ``colour`` L or RGB, values in [0, 1]; ``layout`` NHWC or NCHW."""

    width: int
    height: int
    colour: str
    layout: str = "NHWC"
    scale: float = 1.0 / 255.0


def decode(data: bytes, how: Preprocess, max_pixels: int) -> NDArray[np.float32]:
    """A picture as float32 without the batch dimension.

    Raises:
        Problem: 422 ``invalid_image`` (no picture, damaged, another format), 413 ``too_large``.
    """
    if not data:
        raise _invalid("The picture is empty.", "图片为空。")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(io.BytesIO(data), formats=FORMATS)
        width, height = opened.size
        if width * height > max_pixels:
            raise Problem(
                413,
                "too_large",
                f"The picture has {width} × {height} pixels; this service takes {max_pixels:,} at most. "
                "Send a smaller one.",
                f"图片为 {width} × {height} 像素;此服务最多接受 {max_pixels:,} 像素。请缩小后再发送。",
                field="image",
                rule=f"at most {max_pixels} pixels",
                value=f"{width}x{height}",
            )
        opened.draft(how.colour, (how.width * 2, how.height * 2))
        upright = ImageOps.exif_transpose(opened)
        picture = upright.convert(how.colour).resize((how.width, how.height), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise _invalid(
            "The picture could not be read: it is damaged or not a JPG, PNG, BMP or WebP file.",
            "无法读取图片:文件已损坏,或不是 JPG、PNG、BMP、WebP 格式。",
        ) from None
    values = np.asarray(picture, dtype=np.float32).reshape(how.height, how.width, -1) * np.float32(how.scale)
    return values if how.layout == "NHWC" else np.ascontiguousarray(values.transpose(2, 0, 1))


def _invalid(message: str, zh: str) -> Problem:
    return Problem(422, "invalid_image", message, zh, field="image", rule="JPG, PNG, BMP or WebP")
