"""Pictures as they are sent: ranges, headers that let nothing run, thumbnails made once."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.support.data import import_files, make_dataset, ok, problem, wait
from tests.support.made_pictures import picture
from tests.support.s3 import S3Server
from tests.support.service import World


def test_originals_come_back_whole_and_in_ranges(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    files = {'小 "x".png': picture(1), "large.png": picture(2, (800, 800))}
    import_files(client, dataset["id"], files)
    for item, data in enumerate(files.values(), 1):
        path = f"/datasets/{dataset['id']}/items/{item}/image"
        whole = client.get(path)
        assert (whole.content, whole.headers["Content-Type"]) == (data, "image/png")
        assert whole.headers["X-Content-Type-Options"] == "nosniff"
        assert whole.headers["Content-Security-Policy"].startswith("sandbox")
        assert '"x"' not in whole.headers["Content-Disposition"]
        size = len(data)
        for header, start, end in (
            ("bytes=0-0", 0, 1),
            (f"bytes={size - 1}-", size - 1, size),
            ("bytes=-10", size - 10, size),
            (f"bytes=5-{size * 2}", 5, size),
            (f"bytes=-{size * 2}", 0, size),
        ):
            part = client.get(path, headers={"Range": header})
            assert (part.status_code, part.content) == (206, data[start:end]), header
            assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
        for header in ("bytes=a-b", "items=0-1", "bytes=-", "bytes=5-2", "bytes=0-1,3-4"):
            assert client.get(path, headers={"Range": header}).status_code == 200, header
        problem(client.get(path, headers={"Range": f"bytes={size}-"}), 416, "range_not_satisfiable")
        assert client.get(path, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP"])
def test_thumbnails_are_made_once(stored_world: World, s3_server: S3Server, kind: str) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    files = {f"{n}.{kind.lower()}": picture(n, (640 + n, 480), kind) for n in range(6)} | {"small.png": picture(9)}
    import_files(client, dataset["id"], files)

    def made() -> object:
        tasks = ok(client.get("/tasks", params={"kind": "thumbnails"}))["items"]
        return tasks and tasks[0]["state"] == "succeeded"

    wait(made)
    before = s3_server.keys(stored_world.live.config.s3)  # type: ignore[arg-type]
    for item in ok(client.get(f"/datasets/{dataset['id']}/items"))["items"][:6]:
        answer = client.get(item["thumbnail"])
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/webp")
        assert Image.open(io.BytesIO(answer.content)).size[0] == 256
        assert "immutable" in answer.headers["Cache-Control"]
    assert client.get(f"/datasets/{dataset['id']}/items/7/thumbnail").content == files["small.png"]
    assert s3_server.keys(stored_world.live.config.s3) == before  # type: ignore[arg-type]
    problem(client.get(f"/datasets/{dataset['id']}/items/99/thumbnail"), 404, "not_found")
