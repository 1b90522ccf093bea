"""What a frame of a run's files may say (docs/design/clients.md)."""

from __future__ import annotations

from typing import Any

import pytest

from himalia_hub.training.outputs import PART_BYTES, RefusedFile, understand

SHA = "a" * 64


@pytest.mark.parametrize(
    ("header", "length", "code"),
    [
        ({"path": "etc/passwd"}, 1, "bad_path"),
        ({"path": "output/../x"}, 1, "bad_path"),
        ({"path": "output//x"}, 1, "bad_path"),
        ({"path": "output/"}, 1, "bad_path"),
        ({"path": "output/a\\b"}, 1, "bad_path"),
        ({"path": "output/a\x00b"}, 1, "bad_path"),
        ({"path": "output/e\u0301"}, 1, "bad_path"),
        ({"path": "output/" + "a" * 1001}, 1, "bad_path"),
        ({"path": "output/a", "size": -1}, 1, "invalid_input"),
        ({"path": "output/a", "size": True}, 1, "invalid_input"),
        ({"path": "output/a", "size": 3, "offset": 3}, 1, "invalid_input"),
        ({"path": "output/a", "size": PART_BYTES * 2, "offset": 5}, PART_BYTES, "invalid_input"),
        ({"path": "output/a", "size": PART_BYTES * 2, "offset": 0}, 7, "invalid_input"),
        ({"path": "output/a", "sha256": "zz"}, 1, "invalid_input"),
    ],
)
def test_frames_that_are_refused(header: dict[str, Any], length: int, code: str) -> None:
    with pytest.raises(RefusedFile) as caught:
        understand({"size": 1, "sha256": SHA, **header}, length)
    assert caught.value.code == code


def test_parts_and_whole_files() -> None:
    whole = understand({"path": "model/结果/a.bin", "size": 5, "sha256": SHA}, 5)
    assert (whole.folder, whole.path, whole.whole) == ("model", "结果/a.bin", True)
    size = PART_BYTES + 3
    last = understand({"path": "output/a", "size": size, "sha256": SHA, "offset": PART_BYTES}, 3)
    assert not last.whole
