"""The SDK against the running platform: what a person does in a notebook."""

from __future__ import annotations

import asyncio
import json
import zipfile
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from sklearn.datasets import load_digits

import himalia
from himalia.sdk import errors

DIGITS = load_digits()


def write_digits(folder: Path, count: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for index in range(count):
        path = folder / f"d{index:03d}.png"
        Image.fromarray((DIGITS.images[index] * 15).astype("uint8")).save(path)
        paths.append(path)
    return paths


def test_account_money_and_quota(client: himalia.Client) -> None:
    """SDK-1: typed answers for who, how much and how far."""
    me = client.me()
    assert me.user.name and me.tenant.name and "data.dataset.read" in me.permissions
    assert client.balance().currency.code == client.currency.code
    assert {level.level for level in client.quota().levels} >= {"tenant"}
    assert list(client.bills.list()) == []
    assert client.settings.token not in repr(client) + repr(client.settings)


def test_from_pictures_to_numpy(client: himalia.Client, tmp_path: Path) -> None:
    """SDK-1, DAT-23: import, label, publish, compare, and the pictures as arrays again."""
    paths = write_digits(tmp_path / "pictures", 30)
    (tmp_path / "pictures" / "broken.png").write_bytes(b"\x89PNG no")
    dataset = client.datasets.create("digits", [str(number) for number in range(10)])
    done = dataset.import_folder(tmp_path / "pictures", progress=False)
    assert (done.added, done.refused, dataset.items) == (30, 1, 30)
    assert [(file.path, file.outcome) for file in done.refused_files()] == [("broken.png", "refused")]
    assert dataset.import_files(paths[:3], progress=False).duplicates == 3

    with pytest.raises(errors.Conflict) as open_items:
        dataset.publish()
    assert open_items.value.code == "open_items"
    truth = {path.name: str(DIGITS.target[index]) for index, path in enumerate(paths)}
    assert dataset.label(truth) == 30
    assert dataset.refresh().confirmed == 30
    first = dataset.publish("first", splits={"train": 0.6, "validation": 0.2, "test": 0.2})
    assert first.version == "V0001"
    changed = {"d000.png": "9", "d001.png": "8"}
    dataset.label(changed)
    second = dataset.publish("two changed")
    difference = dataset.compare("V0001", "V0002")
    assert (difference.added, difference.removed, difference.relabelled) == (0, 0, 2)
    assert {item.name for item in difference.items} == set(changed)
    assert [version.version for version in client.datasets.get("digits").versions()] == ["V0002", "V0001"]

    local = himalia.dataset("digits", version=1)
    pictures, labels = local.to_numpy(mode="L")
    assert pictures.shape == (30, 8, 8)
    by_name = {row.path.name: index for index, row in enumerate(local)}
    for index, path in enumerate(paths):
        here = by_name[path.name]
        assert (pictures[here] == (DIGITS.images[index] * 15).astype("uint8")).all()
        assert local.labels[labels[here]] == truth[path.name]
    table = himalia.dataset("digits@V0002").to_pandas().set_index("name")
    assert table.loc["d000.png", "label"] == "9"
    assert len(local.split("train")) + len(local.split("validation")) + len(local.split("test")) == 30
    assert second.by_label and sum(label.count for label in second.by_label) == 30


def test_a_version_is_downloaded_once(client: himalia.Client, tmp_path: Path) -> None:
    paths = write_digits(tmp_path / "pictures", 4)
    dataset = client.datasets.create("once", ["a", "b"])
    dataset.import_files(paths, labels={path.name: "a" for path in paths}, progress=False)
    dataset.label({path.name: "b" for path in paths})
    dataset.publish(splits={"train": 0.5, "validation": 0.5, "test": 0})
    folder = himalia.dataset("once").folder
    before = (folder / "annotations.jsonl").stat().st_mtime_ns
    assert himalia.dataset("once").folder == folder
    assert (folder / "annotations.jsonl").stat().st_mtime_ns == before


def test_a_bound_folder_is_read_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DAT-23: in a workload nothing is downloaded and no token is needed."""
    bound = tmp_path / "input" / "input0"
    (bound / "images").mkdir(parents=True)
    Image.new("RGB", (4, 6), (200, 10, 10)).save(bound / "images" / "a.png")
    (bound / "annotations.jsonl").write_text(
        json.dumps({"path": "images/a.png", "labels": ["red"], "split": "train", "width": 4, "height": 6}) + "\n"
    )
    (bound / "labels.json").write_text('[{"name": "red"}]')
    (bound / "dataset.json").write_text('{"name": "reds", "version": "V0003"}')
    monkeypatch.setattr("himalia.sdk.local.INPUTS", tmp_path / "input")
    pictures, labels = himalia.dataset("reds").to_numpy()
    assert pictures.shape == (1, 6, 4, 3) and tuple(pictures[0, 0, 0]) == (200, 10, 10)
    assert labels.tolist() == [0]


def test_a_model_from_a_folder_and_back(client: himalia.Client, tmp_path: Path) -> None:
    """MOD-2: upload, list, download; the bytes are the same."""
    folder = tmp_path / "model"
    (folder / "more").mkdir(parents=True)
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [out])
    onnx.save(helper.make_model(graph), folder / "model.onnx")
    (folder / "labels.json").write_text('["a", "b"]')
    (folder / "more" / "说明.txt").write_text("two labels")
    model = client.models.create("identity")
    version = model.upload(folder, description="by hand", progress=False)
    assert (version.version, version.description, model.latest) == ("V0001", "by hand", "V0001")
    assert version.labels == ["a", "b"]
    back = client.model_version("identity").download(tmp_path / "back")
    for path in ("model.onnx", "labels.json", "more/说明.txt"):
        assert (back / path).read_bytes() == (folder / path).read_bytes()
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(folder / "model.onnx", "model.onnx")
    assert model.upload(archive, progress=False).version == "V0002"
    model.set_alias("champion", 1)
    assert "champion" in client.model_version("identity", 1).aliases
    assert [one.version for one in model.all_versions()] == ["V0002", "V0001"]


def test_errors_say_what_to_do(client: himalia.Client) -> None:
    """SDK-1: by code, with field, rule, value and the request's number."""
    with pytest.raises(errors.NotFound):
        client.datasets.get(4711)
    with pytest.raises(errors.NotFound) as unknown:
        client.datasets.get("no-such")
    assert "no-such" in str(unknown.value)
    with pytest.raises(errors.InvalidInput) as refused:
        client.datasets.create("-bad-", ["a"])
    assert refused.value.field == "name" and refused.value.request_id in str(refused.value)
    with pytest.raises(errors.InvalidInput) as label:
        client.datasets.create("ok", ["a", "b"]).label({1: "c"})
    assert "Labels: a, b" in str(label.value)


def test_pages_are_read_as_they_are_used(client: himalia.Client, tmp_path: Path) -> None:
    group = client.label_groups.create("shared", ["a", "b"])
    for number in range(5):
        client.datasets.create(f"set{number}", group)
    assert [dataset.name for dataset in client.datasets.list(sort="name", limit=3)] == ["set0", "set1", "set2"]
    assert len(list(client.datasets)) == 5
    assert set(client.datasets.to_pandas()["name"]) == {f"set{number}" for number in range(5)}


def test_updates_never_overwrite_each_other(client: himalia.Client) -> None:
    """GEN-7."""
    mine = client.datasets.create("before", ["a", "b"])
    theirs = client.datasets.get(mine.id)
    theirs.rename("theirs")
    with pytest.raises(errors.StaleVersion):
        mine.rename("mine")
    assert mine.refresh().rename("mine").name == "mine"


def test_async_client(client: himalia.Client) -> None:
    """SDK-1: the same objects, awaited."""

    async def work() -> list[str]:
        async with himalia.AsyncClient() as awaited:
            made = await awaited.datasets.create("from-async", ["a", "b"])
            await made.rename("renamed")
            return [dataset.name async for dataset in awaited.datasets.list()]

    assert asyncio.run(work()) == ["renamed"]
