"""Pictures made in memory: good ones of every format, and everything that must be refused."""

from __future__ import annotations

import io
import random
import struct
import zlib

from PIL import Image


def picture(
    number: int = 0, size: tuple[int, int] = (8, 8), kind: str = "PNG", mode: str = "RGB", **options: object
) -> bytes:
    """A picture whose content depends on ``number``."""
    noise = random.Random(number).randbytes(size[0] * size[1] * 3)
    image = Image.frombytes("RGB", size, noise).convert(mode)
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def claimed_png(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes whose header claims a size, with honest data for one row."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    row = b"\x00" + b"\x00" * ((width + 7) // 8)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")


def whole_png(width: int, height: int) -> bytes:
    """A black one-bit PNG of any size, complete; small because it compresses well."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = b"\x00" + b"\x00" * ((width + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
