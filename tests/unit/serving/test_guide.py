"""The guide's own picture and snippets (SRV-5)."""

from __future__ import annotations

import io

from PIL import Image

from himalia_hub.serving.guide import guide, sample_png


def test_the_picture_in_the_snippets_is_one() -> None:
    picture = Image.open(io.BytesIO(sample_png()))
    picture.load()
    assert (picture.size, picture.mode) == ((16, 16), "L")
    assert picture.getextrema()[0] < 20 < 230 < picture.getextrema()[1]


def test_address_and_key_are_filled_in_everywhere() -> None:
    made = guide("http://127.0.0.1:8000/serving/alpha/digits/infer", "hms_secret")
    for snippet in (made["curl"], made["python"], made["javascript"]):
        assert made["address"] in snippet and "Bearer hms_secret" in snippet
