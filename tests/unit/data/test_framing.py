"""The decoder of ``application/vnd.himalia.files``: any cut of the stream gives the same files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from himalia_hub.core.errors import InvalidInput
from himalia_hub.data.content.framing import MAX_HEADER_BYTES, FrameDecoder, encode


async def cut(body: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    start = 0
    while start < len(body):
        size = sizes[start % len(sizes)] if sizes else len(body)
        yield body[start : start + size]
        start += size


def decode(body: bytes, sizes: list[int] | None = None) -> list[tuple[dict[str, Any], bytes]]:
    async def walk() -> list[tuple[dict[str, Any], bytes]]:
        return [(frame.header, await frame.read()) async for frame in FrameDecoder(cut(body, sizes or []))]

    return asyncio.run(walk())


@settings(max_examples=80, deadline=None)
@given(
    files=st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=200)), max_size=12),
    sizes=st.lists(st.integers(1, 90), min_size=1, max_size=7),
)
def test_every_cut_of_the_stream_gives_the_same_files(files: list[tuple[str, bytes]], sizes: list[int]) -> None:
    body = b"".join(encode({"path": path, "size": len(data)}, data) for path, data in files)
    assert [(h["path"], data) for h, data in decode(body, sizes)] == files


def test_length_of_a_part_goes_before_the_size_of_the_file() -> None:
    body = encode({"path": "a", "size": 100, "offset": 0, "length": 3}, b"abc") + encode({"path": "b", "size": 0})
    assert [(h["path"], data) for h, data in decode(body, [5])] == [("a", b"abc"), ("b", b"")]


def test_unread_payloads_are_skipped() -> None:
    async def names() -> list[str]:
        body = b"".join(encode({"path": str(n), "size": 1000}, b"x" * 1000) for n in range(5))
        return [frame.header["path"] async for frame in FrameDecoder(cut(body, [333]))]

    assert asyncio.run(names()) == ["0", "1", "2", "3", "4"]


def test_a_header_of_the_largest_size_passes() -> None:
    path = "p" * (MAX_HEADER_BYTES - len(encode({"path": "", "size": 0})) + 4)
    assert decode(encode({"path": path, "size": 0}))[0][0]["path"] == path


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        pytest.param(b"\x00\x00", "the body ends inside this frame", id="cut in the prefix"),
        pytest.param(
            encode({"path": "a", "size": 9}, b"short"), "the body ends inside this frame", id="cut in the bytes"
        ),
        pytest.param(b"\xff\xff\xff\xff", "a header has 2-65536 bytes", id="header of 4 GiB"),
        pytest.param(b"\x00\x01\x00\x01" + b" " * 65537, "a header has 2-65536 bytes", id="one byte above"),
        pytest.param(b"\x00\x00\x00\x02no", "the header is not JSON", id="not JSON"),
        pytest.param(b"\x00\x00\x00\x02[]", "the header is a JSON object", id="not an object"),
        pytest.param(encode({"path": "a"}), "size is a number of bytes", id="no size"),
        pytest.param(encode({"path": "a", "size": -1}), "size is a number of bytes", id="negative"),
        pytest.param(encode({"path": "a", "size": True}), "size is a number of bytes", id="boolean"),
    ],
)
def test_a_broken_frame_names_its_place_and_rule(body: bytes, rule: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode(encode({"path": "good", "size": 1}, b"g") + body)
    assert (caught.value.field, caught.value.rule) == ("frames[1]", rule)
