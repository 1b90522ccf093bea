"""An environment that can be named in a test: its record, in the folder where the platform looks for it."""

from __future__ import annotations

import json
import venv
from pathlib import Path

DIGEST = "0a1b2c3d4e5f"


def lay_environment(root: Path, *uses: str, interpreter: bool = False) -> Path:
    """Write the record of *science* below ``root`` and answer ``root``; with ``interpreter`` a Python is in it."""
    folder = root / f"science-{DIGEST}"
    if interpreter:
        venv.create(folder, symlinks=True)
    else:
        folder.mkdir(parents=True)
    record = {
        "name": "science",
        "title": "Science",
        "title_zh": "科学计算",
        "digest": DIGEST,
        "python": "3.11",
        "packages": {},
        "size_bytes": 1,
        "uses": list(uses),
        "built_at": "2026-01-01T00:00:00Z",
    }
    (folder / "himalia-environment.json").write_text(json.dumps(record))
    return root
