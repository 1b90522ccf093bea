"""The line of DAT-8 to DAT-23 once through: group, dataset, import, label, publish, compare, export."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter

from himalia_hub.backends.local.cache import ContentSource, ManifestEntry
from himalia_hub.data.datasets import versions
from tests.support.data import (
    all_items,
    confirm,
    import_files,
    make_dataset,
    ok,
    operate,
    problem,
    ready_version,
)
from tests.support.made_pictures import picture
from tests.support.service import World


def test_from_files_to_two_versions_and_what_differs(stored_world: World) -> None:
    member = stored_world.alpha.member
    client = member.client()
    dataset = make_dataset(client)
    number, path = dataset["id"], f"/datasets/{dataset['id']}"
    cat, dog = (label["id"] for label in dataset["label_group"]["labels"])
    assert (dataset["state"], dataset["items"]) == ("not_annotated", 0)

    files = {f"图 {n}.png": picture(n) for n in range(20)}
    results = import_files(client, number, {**files, "broken.png": b"\x89PNG\r\n\x1a\nnothing"})
    assert Counter(result["outcome"] for result in results) == {"added": 20, "refused": 1}

    problem(client.post(f"{path}/publish", json={}), 409, "open_items")
    confirm(client, number, {n: (cat if n % 4 else dog) for n in range(1, 21)})
    shown = ok(client.get(path))
    assert (shown["state"], shown["progress"], shown["confirmed"]) == ("annotated", 1.0, 20)

    first = ok(client.post(f"{path}/publish", json={"description": "first"}), 201)
    assert (first["version"], first["items"], first["current"]) == ("V0001", 20, True)
    operate(client, number, {"item": 4, "op": "set_labels", "labels": [cat]})
    ok(client.post(f"{path}/items/delete", json={"items": [5]}))
    import_files(client, number, {"new.jpg": picture(99, kind="JPEG")}, {"new.jpg": "dog"})
    second = ok(client.post(f"{path}/publish", json={}), 201)
    assert (second["version"], second["items"]) == ("V0002", 20)

    found = ok(client.get(f"{path}/compare", params={"from": "V0001", "to": "V0002"}))
    assert (found["added"], found["removed"], found["relabelled"]) == (1, 1, 1)
    changes = {item["change"]: item for item in found["items"]}
    assert [label["name"] for label in changes["relabelled"]["before"]] == ["dog"]
    assert [label["name"] for label in changes["relabelled"]["after"]] == ["cat"]
    assert (changes["added"]["name"], changes["removed"]["item"]) == ("new.jpg", 5)
    turned = ok(client.get(f"{path}/compare", params={"from": "V0002", "to": "V0001"}))
    assert {item["change"]: item["item"] for item in turned["items"]} == {"added": 5, "removed": 21, "relabelled": 4}

    ready = ready_version(client, number, "V0001")
    assert sum(ready["splits"][name] for name in ("train", "validation", "test")) == 20
    old = all_items(client, f"{path}/versions/V0001/items")
    assert [item["labels"][0]["label_id"] for item in old] == [cat if n % 4 else dog for n in range(1, 21)]
    assert Counter(item["split"] for item in old) == {
        k: v for k, v in ready["splits"].items() if k in ("train", "validation", "test") and v
    }


def test_what_a_workload_is_given(stored_world: World) -> None:
    """DAT-23: the folder of a version, as backends read it."""
    member = stored_world.alpha.member
    client, live = member.client(), stored_world.live
    dataset = make_dataset(client)
    files = {f"{label}/{n}.png": picture(n * 2 + (label == "dog")) for label in ("cat", "dog") for n in range(10)}
    import_files(client, dataset["id"], files, labels_from_folders=True)
    ok(client.post(f"/datasets/{dataset['id']}/publish", json={}), 201)
    ready = ready_version(client, dataset["id"], "V0001")

    with live.platform.db.engine.connect() as db:
        given = versions.version_for_workload(db, member.actor(), dataset["id"], "V0001")
    assert (given.name, given.version, given.digest) == ("pets", "V0001", ready["digest"])
    source = live.platform.get(ContentSource)  # type: ignore[type-abstract]

    async def folder() -> dict[str, bytes]:
        entries: list[ManifestEntry] = [entry async for entry in source.manifest("alpha", given.manifest)]
        assert [entry.path for entry in entries] == sorted(entry.path for entry in entries)
        pieces: dict[str, bytes] = {}
        async for digest, piece in source.read("alpha", entries):
            pieces[digest] = pieces.get(digest, b"") + piece
        return {entry.path: pieces[entry.digest] for entry in entries}

    found = live.run(folder())
    assert {path.removeprefix("images/"): data for path, data in found.items() if path.startswith("images/")} == files
    lines = [json.loads(line) for line in found["annotations.jsonl"].splitlines()]
    assert {line["path"]: line["labels"] for line in lines} == {f"images/{p}": [p.split("/")[0]] for p in files}
    assert all((line["width"], line["height"]) == (8, 8) for line in lines)
    assert Counter(line["split"] for line in lines) == {"train": 16, "validation": 2, "test": 2}
    about = json.loads(found["dataset.json"])
    assert (about["name"], about["version"], about["digest"], about["items"]) == ("pets", "V0001", ready["digest"], 20)
    assert [label["name"] for label in json.loads(found["labels.json"])] == ["cat", "dog"]


def test_exports_hold_every_picture(stored_world: World) -> None:
    """DAT-21: native, CSV and ImageFolder archives."""
    client = stored_world.alpha.member.client()
    dataset = make_dataset(client)
    files = {f"cat/{n}.png": picture(n) for n in range(5)} | {"dog/大.png": picture(7, (700, 700))}
    assert len(files["dog/大.png"]) > 1024 * 1024
    import_files(client, dataset["id"], files, labels_from_folders=True)
    path = f"/datasets/{dataset['id']}"
    ok(client.post(f"{path}/publish", json={}), 201)
    ready_version(client, dataset["id"], "V0001")

    def archive(form: str) -> zipfile.ZipFile:
        answer = client.get(f"{path}/versions/V0001/export", params={"format": form})
        assert answer.status_code == 200, answer.text
        opened = zipfile.ZipFile(io.BytesIO(answer.content))
        assert opened.testzip() is None
        return opened

    native = archive("native")
    assert {n.removeprefix("origin/"): native.read(n) for n in native.namelist() if n.startswith("origin/")} == files
    assert json.loads(native.read("annotation/cat/0.png.json")) == [{"name": "cat", "score": None}]
    assert [label["name"] for label in json.loads(native.read("label_animals.json"))] == ["cat", "dog"]
    folders = archive("imagefolder")
    assert sorted(name.split("/", 1)[1] for name in folders.namelist()) == sorted(
        f"{p.split('/')[0]}/{p}" for p in files
    )
    table = archive("csv").read("annotations.csv").decode("utf-8-sig").splitlines()
    assert len(table) == 7 and table[0].startswith("path,labels,split")
