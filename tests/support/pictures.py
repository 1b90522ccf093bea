"""Real pictures for tests: scikit-learn's handwritten digits, written as PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def write_digits(folder: Path, rows: range, *, classes: int = 3, by_label: bool = True) -> list[Path]:
    """Write the digits below ``classes`` among these rows; into a folder per label, or flat."""
    digits = load_digits()
    chosen = np.flatnonzero(digits.target < classes)[rows.start : rows.stop]
    written = []
    for row in chosen:
        label = str(digits.target[row])
        target = folder / label if by_label else folder
        target.mkdir(parents=True, exist_ok=True)
        path = target / f"{label}_{row:04d}.png"
        Image.fromarray((digits.images[row] * 255 / 16).astype("uint8")).resize((32, 32)).save(path)
        written.append(path)
    return written
