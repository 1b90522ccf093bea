"""Writes real pictures from scikit-learn and scikit-image as files; runs in the science environment.

``digits/<label>/``   400 handwritten digits as PNG, 40 of each, labelled by their folder
``to-predict/``       30 more digits that are in no other folder, the true label in the name
``photos/``           photographs as JPEG
``with-damage/``      20 digits, a picture cut off in the middle, and a text that calls itself a picture
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data as photographs
from sklearn.datasets import load_digits, load_sample_images

EACH = 40
SIDE = 64
PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "coins", "rocket", "page", "moon", "text")


def main(folder: Path) -> None:
    digits = load_digits()
    by_label = {label: np.flatnonzero(digits.target == label) for label in range(10)}
    for label, indices in by_label.items():
        for number, index in enumerate(indices[:EACH], start=1):
            digit(digits.images[index], folder / "digits" / str(label) / f"digit-{label}-{number:03}.png")
        for number, index in enumerate(indices[EACH : EACH + 3], start=1):
            digit(digits.images[index], folder / "to-predict" / f"is-a-{label}-{number}.png")
        for number, index in enumerate(indices[EACH + 3 : EACH + 5], start=1):
            digit(digits.images[index], folder / "with-damage" / f"digit-{label}-{number}.png")
    photos(folder / "photos")
    damage(folder / "with-damage")
    (folder / "about.txt").write_text(
        "Handwritten digits: scikit-learn's digits (UCI, CC BY 4.0). Photographs: scikit-image and scikit-learn.\n",
        encoding="utf-8",
    )


def digit(values: np.ndarray, path: Path) -> None:
    """Black ink on white, as large as a thumbnail."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray((255 - values / 16 * 255).astype(np.uint8))
    picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)


def photos(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in zip(("china", "flower"), load_sample_images().images, strict=True):
        Image.fromarray(image).save(folder / f"{name}.jpg", quality=90)
    for name in PHOTOGRAPHS:
        try:
            image = getattr(photographs, name)()
        except Exception:  # noqa: S112
            # Some of scikit-image's pictures are downloads; those in the package are enough.
            continue
        Image.fromarray(image).convert("RGB").save(folder / f"{name}.jpg", quality=90)


def damage(folder: Path) -> None:
    whole = (folder / "digit-0-1.png").read_bytes()
    (folder / "cut-off.png").write_bytes(whole[: len(whole) // 2])
    (folder / "not-a-picture.jpg").write_text("I am a text.\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
