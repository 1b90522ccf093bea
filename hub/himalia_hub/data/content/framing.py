"""The body ``application/vnd.himalia.files``: many files in one request.

A sequence of frames ``[u32 big-endian header length][JSON header][bytes]``. The number of bytes is
the header's ``length``, else its ``size``. What the other fields mean is the route's business.
The decoder holds one chunk and one header in memory; payloads pass through in pieces.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from himalia_hub.core.errors import InvalidInput

MEDIA_TYPE = "application/vnd.himalia.files"
MAX_HEADER_BYTES = 64 * 1024


def _broken(index: int, rule: str, value: Any = None, zh: str = "") -> InvalidInput:
    return InvalidInput(
        f"frames[{index}]: {rule}.",
        zh=f"frames[{index}]：{zh or rule}。",
        field=f"frames[{index}]",
        rule=rule,
        value=value,
        hint="The body is a sequence of [u32 header length][JSON header][bytes].",
        hint_zh="请求体应为一系列 [u32 头长度][JSON 头][内容]。",
        code="bad_frame",
    )


class Frame:
    """One file on its way in; its bytes are read once, in order."""

    __slots__ = ("_decoder", "_left", "header", "index", "length")

    def __init__(self, decoder: FrameDecoder, index: int, header: dict[str, Any], length: int) -> None:
        self.index = index
        self.header = header
        self.length = length
        self._decoder = decoder
        self._left = length

    async def chunks(self) -> AsyncIterator[bytes]:
        """The payload in the pieces in which it arrives."""
        while self._left:
            piece = await self._decoder.take(min(self._left, 1 << 20), self.index)
            self._left -= len(piece)
            yield piece

    async def read(self) -> bytes:
        """The whole payload; for frames whose ``length`` the caller has looked at."""
        if self._left == 0:
            return b""
        size, self._left = self._left, 0
        return await self._decoder.exactly(size, self.index)

    async def skip(self) -> None:
        async for _ in self.chunks():
            pass


class FrameDecoder:
    """Iterate it to get frames; what a frame's reader leaves unread is skipped."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self._buffer = b""
        self._position = 0
        self._ended = False

    async def _more(self) -> bool:
        """Put the next chunk behind what is left in the buffer; False at the end."""
        if self._ended:
            return False
        async for chunk in self._stream:
            if not chunk:
                continue
            left = self._buffer[self._position :]
            self._buffer = left + chunk if left else chunk
            self._position = 0
            return True
        self._ended = True
        return False

    async def take(self, most: int, index: int) -> bytes:
        """Some bytes, at most ``most``; raises when the body ends inside a frame."""
        if self._position >= len(self._buffer) and not await self._more():
            raise _broken(index, "the body ends inside this frame", zh="请求体在此帧中途结束")
        piece = self._buffer[self._position : self._position + most]
        self._position += len(piece)
        return piece

    async def exactly(self, size: int, index: int) -> bytes:
        end = self._position + size
        if end <= len(self._buffer):  # nearly always: small files, large chunks
            piece = self._buffer[self._position : end]
            self._position = end
            return piece
        pieces = []
        while size:
            piece = await self.take(size, index)
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    async def __aiter__(self) -> AsyncIterator[Frame]:
        index = 0
        while True:
            if self._position >= len(self._buffer) and not await self._more():
                return
            prefix = await self.exactly(4, index)
            size = int.from_bytes(prefix, "big")
            if not 2 <= size <= MAX_HEADER_BYTES:
                rule = f"a header has 2-{MAX_HEADER_BYTES} bytes"
                raise _broken(index, rule, size, zh=f"头应为 2-{MAX_HEADER_BYTES} 字节")
            frame = Frame(self, index, *self._header(await self.exactly(size, index), index))
            yield frame
            if frame._left:
                await frame.skip()
            index += 1

    @staticmethod
    def _header(raw: bytes, index: int) -> tuple[dict[str, Any], int]:
        try:
            header = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise _broken(index, "the header is not JSON", raw[:60].decode(errors="replace")) from error
        if not isinstance(header, dict):
            raise _broken(index, "the header is a JSON object", zh="头应为 JSON 对象")
        length = header.get("length", header.get("size"))
        if type(length) is not int or not 0 <= length < 2**50:
            raise _broken(index, "size is a number of bytes", length, zh="size 应为字节数")
        return header, length


def encode(header: dict[str, Any], data: bytes = b"") -> bytes:
    """One frame, for clients and tests written in Python."""
    raw = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return len(raw).to_bytes(4, "big") + raw + data
