"""What runs in the decoding processes: pictures in, facts or thumbnails out.

These processes hold nothing but Pillow, have a limit on memory, and end with their parent. A
picture that kills one is reported as damaged; the platform never decodes in its own process.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import re
import resource
import signal
import struct
import sys
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile, ImageOps

MOST_PIXELS = 200_000_000
LONGEST_SIDE = 65_535
MEMORY_BYTES = 3 * 1024**3
SECONDS_A_PICTURE = 60
FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "BMP": "image/bmp", "WEBP": "image/webp"}
ENDINGS = {
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "bmp": "image/bmp", "webp": "image/webp",
}  # fmt: skip
THUMBNAIL_SIDE = 256
_PR_SET_PDEATHSIG = 1
_EXIF_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)

_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, KeyError, OverflowError)
"""What Pillow raises for pictures that are not what they should be."""

Fact = tuple[str, Any, Any, Any]
"""``("ok", media type, width, height)`` or ``(code, rule, value, sentence)``."""


def begin() -> None:
    """Prepare a decoding process."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Our own limit is checked on the header, before a pixel is decoded.
    Image.MAX_IMAGE_PIXELS = None
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.preinit()
    Image.init()


def check_many(pictures: Sequence[bytes | str]) -> list[Fact]:
    """Decode each picture whole; a ``str`` is the path of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [_check(picture) for picture in pictures]


def _check(picture: bytes | str) -> Fact:
    try:
        with Image.open(
            io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=tuple(FORMATS)
        ) as image:
            return _decode(image)
    except MemoryError:
        return ("too_large", f"decodes within {MEMORY_BYTES >> 30} GiB", None, "it takes too much memory to decode")
    except _DAMAGE as error:
        named = _disguised(picture)
        if named is not None:
            return ("not_a_picture", "jpg, jpeg, png, bmp or webp by content", named, f"its content is {named}")
        return ("damaged", "decodes without an error", None, _sentence(error))


def _decode(image: Image.Image) -> Fact:
    width, height = image.size
    if width < 1 or height < 1:
        return ("damaged", "at least one pixel", f"{width}x{height}", "it has no pixels")
    if width * height > MOST_PIXELS:
        return (
            "too_many_pixels",
            f"at most {MOST_PIXELS // 1_000_000} megapixels",
            f"{width}x{height}",
            f"it has {width} x {height} pixels",
        )
    if max(width, height) > LONGEST_SIDE:
        return (
            "too_many_pixels",
            f"sides of at most {LONGEST_SIDE} pixels",
            f"{width}x{height}",
            f"it is {width} x {height}",
        )
    kind = FORMATS[image.format or ""]
    if kind == "image/jpeg":
        # Every coefficient is read, the picture is built at an eighth of its size.
        image.draft(image.mode, (max(width // 8, 1), max(height // 8, 1)))
    image.load()
    # A PNG may say it behind its pixels; most pictures say nothing, and asking them costs time.
    turned = "exif" in image.info and image.getexif().get(_EXIF_ORIENTATION) in _TURNED
    return ("ok", kind, height, width) if turned else ("ok", kind, width, height)


_MAGIC = (
    (b"GIF8", "a GIF"), (b"%PDF", "a PDF"), (b"PK\x03\x04", "a zip archive"), (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"), (b"\x7fELF", "a program"), (b"MZ", "a program"), (b"\x1f\x8b", "a gzip archive"),
    (b"<svg", "an SVG"), (b"<?xml", "XML"), (b"<!doctype", "HTML"), (b"<html", "HTML"), (b"#!", "a script"),
    (b"8BPS", "a Photoshop file"), (b"{", "JSON"),
)  # fmt: skip


def _disguised(picture: bytes | str) -> str | None:
    """What a file that is no picture of ours is, as far as its first bytes tell."""
    if isinstance(picture, bytes):
        head = picture[:64]
    else:
        with Path(picture).open("rb") as file:
            head = file.read(64)
    if not head:
        return "empty"
    plain = head.lstrip().lower()
    for magic, name in _MAGIC:
        if head.startswith(magic) or plain.startswith(magic.lower()):
            return name
    if head[4:12] in (b"ftypavif", b"ftypheic", b"ftypmif1"):
        return "an AVIF or HEIC"
    known = head.startswith((b"\x89PNG", b"\xff\xd8", b"BM")) or head[8:12] == b"WEBP"
    return None if known else "of an unknown kind"


def _sentence(error: Exception) -> str:
    # Pillow names the object it read from by its address in memory; that helps nobody.
    text = re.sub(r" ?<_io\.[^>]*>", "", str(error)).split("\n")[0][:160].rstrip(". ")
    return text or type(error).__name__


def thumbnails(pictures: Sequence[bytes | str]) -> list[bytes]:
    """WebP pictures of at most 256 pixels a side, turned as their camera said; empty where it fails."""
    made = []
    for picture in pictures:
        try:
            made.append(_thumbnail(picture))
        except (MemoryError, *_DAMAGE):
            made.append(b"")
    return made


def _thumbnail(picture: bytes | str) -> bytes:
    source = io.BytesIO(picture) if isinstance(picture, bytes) else picture
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(source, formats=tuple(FORMATS)) as image:
            if image.format == "JPEG":
                image.draft("RGB", (THUMBNAIL_SIDE * 2, THUMBNAIL_SIDE * 2))
            turned = ImageOps.exif_transpose(image)
            if turned.mode not in ("RGB", "RGBA"):
                alpha = "A" in turned.mode or "transparency" in turned.info
                turned = _to_eight_bits(turned).convert("RGBA" if alpha else "RGB")
            turned.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
            target = io.BytesIO()
            turned.save(target, "WEBP", quality=80, method=2)
            return target.getvalue()


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey pictures scaled, not clipped."""
    if image.mode.startswith("I"):
        low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
        scale = 255.0 / max(high - low, 1.0)
        return image.convert("F").point(lambda value: value * scale + -low * scale).convert("L")
    return image


def serve() -> None:
    """Answer questions from standard input until it ends.

    A question is ``[u32 header length][JSON {"work", "pictures": [size or path, …]}][bytes…]``, an
    answer ``[u32 header length][JSON {"facts", "sizes"}][bytes…]``.
    """
    begin()
    source, target = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing may print into the answers
    while prefix := source.read(4):
        header = json.loads(source.read(int.from_bytes(prefix, "big")))
        pictures = [entry if isinstance(entry, str) else source.read(entry) for entry in header["pictures"]]
        facts: list[Fact] = []
        made: list[bytes] = []
        if header["work"] == "check":
            facts = check_many(pictures)
        else:
            made = thumbnails(pictures)
        answer = json.dumps({"facts": facts, "sizes": [len(one) for one in made]}).encode()
        target.write(b"".join((len(answer).to_bytes(4, "big"), answer, *made)))
        target.flush()


if __name__ == "__main__":
    serve()
