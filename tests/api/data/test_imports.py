"""DAT-10: files in, one by one reported; sending again changes nothing; archives kept in their place."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core.errors import QuotaExceeded
from himalia_hub.core.storage import StorageQuota
from himalia_hub.data.content import usage
from himalia_hub.data.content.framing import encode
from himalia_hub.data.datasets import counts
from himalia_hub.data.datasets.tables import Dataset
from himalia_hub.data.imports import service
from himalia_hub.data.imports.intake import CHECK_FILES, Intake
from himalia_hub.data.imports.tables import Import
from tests.support.data import (
    all_items,
    frames,
    import_files,
    make_dataset,
    make_group,
    ok,
    problem,
    send,
    wait,
)
from tests.support.made_pictures import picture, whole_png
from tests.support.s3 import S3Server
from tests.support.service import World


def begin(client: httpx.Client, dataset: int, source: str = "browser", **options: Any) -> int:
    return ok(client.post(f"/datasets/{dataset}/imports", json={"source": source, **options}), 201)["id"]  # type: ignore[no-any-return]


def send_archive(client: httpx.Client, dataset: int, data: bytes, **options: Any) -> dict[str, Any]:
    """Import an archive and wait for the end."""
    number = begin(client, dataset, "archive", **options)
    ok(client.post(f"/imports/{number}/archive", content=data, params={"name": "pictures.zip"}), 202)

    def read() -> Any:
        found = ok(client.get(f"/imports/{number}"))
        ended = found["state"] in ("done", "failed", "cancelled") and found["task"]["state"] not in (
            "queued",
            "running",
        )
        return found if ended else None

    return wait(read)  # type: ignore[no-any-return]


def zipped(files: dict[str, bytes], **options: Any) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def tarred(files: dict[str, bytes], mode: Any = "w:gz", links: dict[str, str] | None = None) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, goal in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, goal
            archive.addfile(info)
    return target.getvalue()


def test_every_refused_file_says_why_and_the_rest_comes_in(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    number = begin(client, dataset["id"])
    bad = {
        "cut.png": (picture(1, (64, 64))[:-200], "damaged", "content"),
        "text.png": (b"hello", "not_a_picture", "content"),
        "wide.png": (whole_png(100_000, 2), "too_many_pixels", "content"),
        "empty.png": (b"", "empty", "size"),
        "../up.png": (picture(2), "path_escape", "path"),
        "a" * 256: (picture(3), "invalid_name", "path"),
        "tab\t.png": (picture(4), "invalid_name", "path"),
    }
    good = {"猫.png": picture(5), "a" * 251 + ".png": picture(6), "large.png": picture(7, (800, 800))}
    assert len(good["large.png"]) > 1024 * 1024
    body = frames({**good, **{path: data for path, (data, _, _) in bad.items()}})
    results = {row["path"]: row for row in ok(send(client, number, body))["results"]}
    assert {path for path, row in results.items() if row["outcome"] == "added"} == set(good)
    for path, (_, code, field) in bad.items():
        row = results[path]
        assert (row["outcome"], row["code"], row["field"]) == ("refused", code, field), row
        assert row["reason"] and row["rule"]
    listed = all_items(client, f"/imports/{number}/refused")
    assert {row["path"]: row["code"] for row in listed} == {path: code for path, (_, code, _) in bad.items()}
    chinese = ok(client.get(f"/imports/{number}/refused", headers={"Accept-Language": "zh-CN"}))["items"]
    assert all(any("\u4e00" <= c <= "\u9fff" for c in row["reason"]) for row in chinese)
    shown = ok(client.post(f"/imports/{number}/finish"))
    assert (shown["state"], shown["added"], shown["refused"]) == ("done", 3, 7)
    assert ok(client.get(f"/datasets/{dataset['id']}/statistics"))["damaged"] == 1


def test_sending_again_has_the_same_results_and_no_second_effect(stored_world: World, s3_server: S3Server) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    number = begin(client, dataset["id"])
    files = {"a.png": picture(1), "b.png": picture(2), "copy of a.png": picture(1), "bad.png": b"no"}
    first = ok(send(client, number, frames(files)))["results"]
    assert [row["outcome"] for row in first] == ["added", "added", "duplicate", "refused"]
    assert first[2]["item"] == first[0]["item"]
    before = s3_server.keys(stored_world.live.config.s3)  # type: ignore[arg-type]
    assert ok(send(client, number, frames(files)))["results"] == first
    assert s3_server.keys(stored_world.live.config.s3) == before  # type: ignore[arg-type]
    shown = ok(client.get(f"/imports/{number}"))
    assert [shown[name] for name in ("received", "added", "duplicates", "refused")] == [4, 2, 1, 1]
    assert ok(client.get(f"/datasets/{dataset['id']}"))["items"] == 2


def test_a_file_that_arrives_damaged_can_be_sent_again(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    number, data = begin(client, dataset["id"]), picture(1)
    header = {"path": "a.png", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    broken = data[:-1] + bytes([data[-1] ^ 1])
    (row,) = ok(send(client, number, encode(header, broken)))["results"]
    assert (row["outcome"], row["code"], row["field"]) == ("refused", "digest_mismatch", "sha256")
    (row,) = ok(send(client, number, encode(header, data)))["results"]
    assert row["outcome"] == "added"
    shown = ok(client.get(f"/imports/{number}"))
    assert (shown["received"], shown["refused"], all_items(client, f"/imports/{number}/refused")) == (1, 0, [])


def test_equal_names_are_numbered_and_labels_come_from_folders(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    import_files(client, dataset["id"], {"cat/1.png": picture(1), "bird/1.png": picture(2)}, labels_from_folders=True)
    import_files(client, dataset["id"], {"cat/1.png": picture(3)}, {"cat/1.png": "dog"})
    found = all_items(client, f"/datasets/{dataset['id']}/items")
    assert [(i["name"], [label["name"] for label in i["labels"]], i["state"]) for i in found] == [
        ("cat/1.png", ["cat"], "confirmed"),
        ("bird/1.png", [], "none"),
        ("cat/1 (2).png", ["dog"], "confirmed"),
    ]
    assert found[0]["labels"][0]["origin"] == "import"
    imports = [ok(client.get(f"/imports/{n}")) for n in (1, 2)]
    assert [one["unknown_labels"] for one in imports] == [{"bird": 1}, {}]


def test_a_broken_body_leaves_nothing(stored_world: World, s3_server: S3Server) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    number = begin(client, dataset["id"])
    body = frames({f"{n}.png": picture(n) for n in range(10)})
    problem(send(client, number, body + b"\x00\x00\x00\x02no"), 422, "bad_frame")
    problem(send(client, number, body[:-5]), 422, "bad_frame")
    part = encode({"path": "p.png", "size": 100, "offset": 0, "length": 3}, b"abc")
    assert problem(send(client, number, body + part), 422, "invalid_input")["field"] == "frames[10].length"
    wrong = client.post(f"/imports/{number}/files", content=body, headers={"Content-Type": "image/png"})
    assert problem(wrong, 422, "invalid_input")["field"] == "Content-Type"
    assert ok(client.get(f"/datasets/{dataset['id']}"))["items"] == 0
    assert s3_server.keys(stored_world.live.config.s3) == {}  # type: ignore[arg-type]


def test_what_is_discarded_ends_its_checks_and_leaves_no_file(stored_world: World, s3_server: S3Server) -> None:
    live = stored_world.live
    client = stored_world.alpha.member.client()
    number = begin(client, make_dataset(client)["id"])
    folder = service.scratch(live.platform)

    async def large() -> AsyncIterator[bytes]:
        yield picture(1, (800, 800))

    async def give_up() -> tuple[int, int, int]:
        with live.platform.db.read() as db:
            row = db.execute(sa.select(Import.id, Import.tenant_id).where(Import.number == number)).one()
        before = asyncio.all_tasks()
        intake = Intake(live.platform, row.id, row.tenant_id, folder)
        for n in range(CHECK_FILES):
            intake.add(f"{n}.png", picture(n))
        await intake.add_stream("large.png", large(), 2_000_000)
        begun, spooled = len(asyncio.all_tasks() - before), len(list(folder.iterdir()))
        await intake.discard()
        return begun, spooled, len(asyncio.all_tasks() - before)

    begun, spooled, left = live.run(give_up())
    assert begun and spooled == 1, "the control: there was something to end and to forget"
    assert left == 0 and list(folder.iterdir()) == []
    assert s3_server.keys(live.config.s3) == {}  # type: ignore[arg-type]


def test_an_import_that_ended_takes_no_files(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    number = begin(client, dataset["id"])
    assert ok(client.get(f"/datasets/{dataset['id']}"))["state"] == "importing"
    ok(send(client, number, frames({"a.png": picture(1)})))
    first = ok(client.post(f"/imports/{number}/finish"))
    assert ok(client.post(f"/imports/{number}/finish"))["version"] == first["version"]
    problem(send(client, number, frames({"b.png": picture(2)})), 409, "invalid_transition")
    other = begin(client, dataset["id"])
    ok(send(client, other, frames({"b.png": picture(2)})))
    assert ok(client.post(f"/imports/{other}/cancel"))["state"] == "cancelled"
    problem(send(client, other, frames({"c.png": picture(3)})), 409, "invalid_transition")
    shown = ok(client.get(f"/datasets/{dataset['id']}"))
    assert (shown["items"], shown["state"]) == (2, "not_annotated")


def test_cancelling_the_task_cancels_the_import(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    number = begin(client, dataset["id"])
    task = ok(client.get(f"/imports/{number}"))["task"]
    assert (task["state"], task["object"]["name"]) == ("running", "pets")
    ok(client.post(f"/tasks/{task['id']}/cancel"), 202)
    problem(send(client, number, frames({"c.png": picture(3)})), 409, "invalid_transition")
    wait(lambda: ok(client.get(f"/imports/{number}"))["state"] == "cancelled")
    assert ok(client.get(f"/datasets/{dataset['id']}"))["state"] == "not_annotated"


def test_storage_quota_refuses_with_the_numbers(stored_world: World) -> None:
    """DAT-5: over quota writes are refused, reads go on."""
    platform, member = stored_world.live.platform, stored_world.alpha.member
    client = member.client()
    dataset = make_dataset(client)

    class Tight:
        def check(self, session: Session, *, tenant_id: int, more_bytes: int, **_: Any) -> None:
            used = usage.used(session, tenant_id)
            if used + more_bytes > 1000:
                raise QuotaExceeded("Over quota.", resource="storage", used=used, limit=1000, asked=more_bytes)

    platform.provide(Tight(), as_type=StorageQuota)  # type: ignore[type-abstract]
    small, number = picture(1), begin(client, dataset["id"])
    assert len(small) < 500
    ok(send(client, number, frames({"a.png": small})))
    details = problem(send(client, number, frames({"b.png": picture(2, (40, 40))})), 409, "quota_exceeded")["details"]
    assert (details["used"], details["limit"]) == (len(small), 1000)
    problem(client.post(f"/datasets/{dataset['id']}/imports", json={"total_bytes": 1000}), 409, "quota_exceeded")
    assert ok(client.get(f"/datasets/{dataset['id']}"))["items"] == 1
    with platform.db.engine.connect() as db:
        assert usage.used(db, stored_world.alpha.tenant_id, owner_id=member.user_id) == len(small)
        assert usage.used(db, stored_world.alpha.tenant_id, department_id=stored_world.alpha.department_id) == len(
            small
        )
        assert usage.used(db, stored_world.beta.tenant_id) == 0


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_archives(stored_world: World, kind: str) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    good = {f"cat/图{n}.png": picture(n) for n in range(30)} | {"dog/large.png": picture(99, (800, 800))}
    files = {
        **good,
        "../../escape.png": picture(50),
        "/abs.png": picture(51),
        "notes.txt": b"words",
        "__MACOSX/cat/._1.png": b"clutter",
        "cat/.DS_Store": b"clutter",
    }
    data = (
        zipped(files)
        if kind == "zip"
        else tarred(files, "w:gz" if kind == "tar.gz" else "w", {"cat/l.png": "/etc/passwd"})
    )
    done = send_archive(client, dataset["id"], data, labels_from_folders=True)
    assert (done["state"], done["added"]) == ("done", 31)
    refused = {row["path"]: row["code"] for row in all_items(client, f"/imports/{done['id']}/refused")}
    expected = {"../../escape.png": "path_escape", "/abs.png": "path_escape", "notes.txt": "not_a_picture"}
    assert refused == expected | ({} if kind == "zip" else {"cat/l.png": "link"})
    assert {item["name"] for item in all_items(client, f"/datasets/{dataset['id']}/items")} == set(good)
    assert ok(client.get(f"/datasets/{dataset['id']}"))["state"] == "annotated"
    assert done["task"]["result"]["added"] == 31


def test_names_of_old_chinese_archivers_stay_whole(stored_world: World) -> None:
    """BEY-13: GBK names without the UTF-8 flag."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        info = zipfile.ZipInfo("XXXX.png")
        archive.writestr(info, picture(1))
    data = target.getvalue().replace(b"XXXX.png", "熊猫".encode("gbk") + b".png")
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    send_archive(client, dataset["id"], data)
    assert [item["name"] for item in all_items(client, f"/datasets/{dataset['id']}/items")] == ["熊猫.png"]


def test_bombs_and_what_is_no_archive_import_nothing(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("good.png", picture(1))
        with archive.open("zeros.png", "w", force_zip64=True) as file:
            for _ in range(1100):
                file.write(bytes(1024 * 1024))
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        for _ in range(1100):
            file.write(bytes(1024 * 1024))
    for data, code in (
        (target.getvalue(), "archive_bomb"),
        (packed.getvalue(), "archive_bomb"),
        (b"just text", "not_an_archive"),
        (b"PK\x03\x04 cut off", "not_an_archive"),
        (zipped({"a.png": picture(1)})[:-30], "not_an_archive"),
    ):
        done = send_archive(client, dataset["id"], data)
        assert (done["state"], done["added"]) == ("failed", 0)
        assert (done["task"]["state"], done["task"]["error"]["code"]) == ("failed", code)
    shown = ok(client.get(f"/datasets/{dataset['id']}"))
    assert (shown["items"], shown["state"]) == (0, "import_failed")
    import_files(client, dataset["id"], {"a.png": picture(1)})
    assert ok(client.get(f"/datasets/{dataset['id']}"))["state"] == "not_annotated"


def test_counts_are_those_of_the_items_after_folding(stored_world: World) -> None:
    client, live = stored_world.alpha.member.client(), stored_world.live
    dataset = make_dataset(client)
    for n in range(5):
        import_files(
            client, dataset["id"], {f"{n}-{k}.png": picture(10 * n + k) for k in range(3)}, {f"{n}-0.png": "cat"}
        )
    path = f"/datasets/{dataset['id']}/statistics"
    before = ok(client.get(path))
    row_id = live.write(lambda session: session.execute(sa.select(Dataset.id)).scalar_one())
    live.write(lambda session: counts.fold(session, row_id))
    assert ok(client.get(path)) == before
    assert before["by_state"] == {"none": 10, "unfinished": 0, "automatic": 0, "confirmed": 5, "nothing_to_label": 0}
    assert [row["count"] for row in before["by_label"]] == [5, 0]
    assert before["sizes"]["width_height_buckets"] == [{"width": 8, "height": 8, "count": 15}]


def test_imports_of_others_are_not_found(stored_world: World) -> None:
    """TEN-10: a foreign import answers like one that does not exist."""
    client, colleague = stored_world.alpha.member.client(), stored_world.alpha.colleague.client()
    dataset = make_dataset(client, group=make_group(client))
    number = begin(client, dataset["id"])
    for other in (colleague, stored_world.beta.member.client()):
        foreign = [send(other, number, b""), other.get(f"/imports/{number}"), other.post(f"/imports/{number}/finish")]
        missing = [send(other, 999, b""), other.get("/imports/999"), other.post("/imports/999/finish")]
        for answer, absent in zip(foreign, missing, strict=True):
            assert Counter((answer.status_code, absent.status_code)) == {404: 2}
            assert {**answer.json(), "request_id": ""} == {**absent.json(), "request_id": ""}
    ok(send(client, number, frames({"a.png": picture(1)})))
