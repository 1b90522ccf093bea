"""DAT-8, DAT-10: the decoding processes on good, damaged, disguised and hostile pictures."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image

from himalia_hub.data.imports.workers import CRASHED, PictureWorkers, WorkerDied
from tests.support.made_pictures import claimed_png, picture, whole_png


def check(*pictures: bytes | str) -> list[tuple[object, ...]]:
    async def walk() -> list[tuple[object, ...]]:
        workers = PictureWorkers(1)
        try:
            return list(await workers.check(pictures))
        finally:
            await workers.close()

    return asyncio.run(walk())


def turned() -> bytes:
    image = Image.new("RGB", (30, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    target = io.BytesIO()
    image.save(target, "JPEG", exif=exif)
    return target.getvalue()


def gif() -> bytes:
    target = io.BytesIO()
    Image.new("P", (4, 4)).save(target, "GIF")
    return target.getvalue()


GOOD = [
    pytest.param(picture(1), ("ok", "image/png", 8, 8), id="PNG"),
    pytest.param(picture(1, (640, 480), "JPEG"), ("ok", "image/jpeg", 640, 480), id="JPEG"),
    pytest.param(picture(1, (9, 5), "BMP"), ("ok", "image/bmp", 9, 5), id="BMP"),
    pytest.param(picture(1, (9, 5), "WEBP"), ("ok", "image/webp", 9, 5), id="WebP"),
    pytest.param(picture(1, mode="LA"), ("ok", "image/png", 8, 8), id="grey with alpha"),
    pytest.param(picture(1, mode="1"), ("ok", "image/png", 8, 8), id="one bit"),
    pytest.param(turned(), ("ok", "image/jpeg", 20, 30), id="turned by the camera"),
    pytest.param(whole_png(65_535, 10), ("ok", "image/png", 65_535, 10), id="the longest side"),
    pytest.param(whole_png(20_000, 10_000), ("ok", "image/png", 20_000, 10_000), id="200 megapixels"),
]
BAD = [
    pytest.param(b"", "not_a_picture", "empty", id="empty"),
    pytest.param(picture(1, (64, 64))[:-300], "damaged", None, id="PNG cut off"),
    pytest.param(picture(1, (640, 480), "JPEG")[:-5000], "damaged", None, id="JPEG cut off"),
    pytest.param(b"\x89PNG\r\n\x1a\nnothing", "damaged", None, id="a PNG's first bytes only"),
    pytest.param(gif(), "not_a_picture", "a GIF", id="a GIF called png"),
    pytest.param(b"%PDF-1.7 ...", "not_a_picture", "a PDF", id="a PDF"),
    pytest.param(b"<svg onload='alert(1)'/>", "not_a_picture", "an SVG", id="an SVG"),
    pytest.param(b"<!DOCTYPE html><script>", "not_a_picture", "HTML", id="HTML"),
    pytest.param(b"\x7fELF" + bytes(60), "not_a_picture", "a program", id="a program"),
    pytest.param(b"just some text", "not_a_picture", "of an unknown kind", id="text"),
    pytest.param(whole_png(20_000, 10_001), "too_many_pixels", "20000x10001", id="above 200 megapixels"),
    pytest.param(whole_png(100_000, 10), "too_many_pixels", "100000x10", id="100,000 pixels wide"),
    pytest.param(claimed_png(100_000, 100_000), "too_many_pixels", "100000x100000", id="claims 10 gigapixels"),
]


@pytest.mark.parametrize(("data", "fact"), GOOD)
def test_pictures_that_are_taken(data: bytes, fact: tuple[object, ...]) -> None:
    assert check(data) == [fact]


@pytest.mark.parametrize(("data", "code", "value"), BAD)
def test_pictures_that_are_refused(data: bytes, code: str, value: str | None) -> None:
    (found,) = check(data)
    assert (found[0], found[2]) == (code, value)
    assert found[1] and found[3]


def test_a_good_picture_is_found_between_bad_ones_and_in_files(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(picture(3, (700, 700)))
    facts = check(b"junk", picture(1), str(path), picture(2)[:20])
    assert [fact[0] for fact in facts] == ["not_a_picture", "ok", "ok", "damaged"]


def test_a_picture_that_kills_its_process_is_found_and_the_rest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is really killed; the batch is tried again one by one by a new one."""

    async def walk() -> list[tuple[object, ...]]:
        workers = PictureWorkers(1)
        ask = workers._all[0].ask
        killed = []

        async def deadly(work: str, pictures: list[bytes], seconds: float) -> object:
            await ask(work, [picture(0)], seconds)
            if b"deadly" in pictures:
                process = workers._all[0]._process
                assert process is not None
                killed.append(process.pid)
                process.kill()
                await process.wait()
                raise WorkerDied("killed")
            return await ask(work, pictures, seconds)

        monkeypatch.setattr(type(workers._all[0]), "ask", lambda _, *arguments: deadly(*arguments))
        try:
            return [*await workers.check([picture(1), b"deadly", picture(2)]), *killed]  # type: ignore[list-item]
        finally:
            await workers.close()

    facts = asyncio.run(walk())
    assert [facts[0][0], facts[1], facts[2][0]] == ["ok", CRASHED, "ok"]
    assert len(set(facts[3:])) == 2


def test_a_process_that_hangs_is_replaced() -> None:
    async def walk() -> list[str]:
        workers = PictureWorkers(1)
        try:
            with pytest.raises(WorkerDied):
                await workers._all[0].ask("check", [picture(1)], 0.000001)
            return [fact[0] for fact in await workers.check([picture(1)])]
        finally:
            await workers.close()

    assert asyncio.run(walk()) == ["ok"]


def test_thumbnails_are_small_and_turned() -> None:
    async def walk() -> list[bytes]:
        workers = PictureWorkers(1)
        try:
            return await workers.thumbnails(
                [picture(1, (1200, 600), "JPEG"), turned(), picture(2, (300, 900), mode="LA")]
            )
        finally:
            await workers.close()

    sizes = [Image.open(io.BytesIO(data)) for data in asyncio.run(walk())]
    assert [(image.format, image.size) for image in sizes] == [
        ("WEBP", (256, 128)),
        ("WEBP", (20, 30)),
        ("WEBP", (85, 256)),
    ]


def test_a_thumbnail_that_cannot_be_made_is_empty_and_the_others_are_made(tmp_path: Path) -> None:
    path = tmp_path / "original"
    path.write_bytes(picture(4, (900, 700)))

    async def walk() -> list[bytes]:
        workers = PictureWorkers(1)
        try:
            return await workers.thumbnails([picture(1, (64, 64))[:-300], str(path), picture(2)])
        finally:
            await workers.close()

    broken, large, small = asyncio.run(walk())
    assert broken == b""
    assert [Image.open(io.BytesIO(data)).size for data in (large, small)] == [(256, 199), (8, 8)]
