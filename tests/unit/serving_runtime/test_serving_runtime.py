"""The inference replica as a process, with a model trained on real digits."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from sklearn.datasets import load_digits

from himalia.algorithms.image_classification.train import main as train

DIGITS = load_digits()


def png(pixels: np.ndarray, side: int = 64, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST).save(out, kind)
    return out.getvalue()


def digit(index: int) -> np.ndarray:
    return (DIGITS.images[index] * 255 / 16).astype("uint8")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the first 700 digits; those from 700 on are unknown to it."""
    root = tmp_path_factory.mktemp("digits")
    (root / "data" / "images").mkdir(parents=True)
    with (root / "data" / "annotations.jsonl").open("w") as lines:
        for index in range(700):
            (root / "data" / "images" / f"{index}.png").write_bytes(png(digit(index)))
            lines.write(json.dumps({"path": f"{index}.png", "labels": [str(DIGITS.target[index])]}) + "\n")
    out = ["--train_model_out", str(root / "model"), "--train_out", str(root / "out")]
    assert train(["--data_url", str(root / "data"), "--epochs", "8", *out]) == 0
    return root / "model"


class Server:
    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "himalia.serving", "--model-dir", str(folder), "--port", "0"]
    command += ["--address", "127.0.0.1", "--name", "digits", "--version", "V0002", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]}
    )
    assert process.stdout is not None
    try:
        listening = re.search(r"port (\d+)", process.stdout.readline())
        assert listening, process.stderr and process.stderr.read()
        assert process.stdout.readline().startswith("Ready: digits V0002 answered ")
        yield Server(process, int(listening[1]))
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def server(model_folder: Path) -> Iterator[Server]:
    with serving(model_folder, "--max-pixels", "1000000", "--max-body-bytes", "3000000") as running:
        yield running


def test_a_picture_that_was_not_trained_on_is_recognised(server: Server) -> None:
    """SRV-3, SRV-6: raw picture, form and JSON give the same answer."""
    picture = png(digit(900))
    raw = server.client.post("/infer", content=picture, headers={"Content-Type": "image/png"})
    assert raw.status_code == 200
    answer = raw.json()
    assert answer["predictions"][0]["label"] == str(DIGITS.target[900])
    assert (answer["model"], answer["version"]) == ("digits", "V0002")
    scores = [prediction["score"] for prediction in answer["predictions"]]
    assert scores == sorted(scores, reverse=True) and len(scores) == 5
    form = server.client.post("/infer", files={"file": ("a.png", picture, "image/png")})
    text = base64.b64encode(picture).decode()
    assert form.json() == answer == server.client.post("/infer", json={"image": text}).json()
    many = server.client.post("/infer?top=1", json={"images": [text, text]}).json()
    best = answer["predictions"][0]  # a batch of another size may round the last digit otherwise
    assert many["results"] == [[{"label": best["label"], "score": pytest.approx(best["score"], abs=1e-4)}]] * 2
    assert "access-control-allow-origin" not in raw.headers


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP"])
def test_every_format_is_read(server: Server, kind: str) -> None:
    answer = server.client.post("/infer", files={"file": png(digit(901), kind=kind)})
    assert answer.json()["predictions"][0]["label"] == str(DIGITS.target[901])


def test_most_unseen_digits_are_right_and_concurrent_ones_share_runs(server: Server) -> None:
    """SRV-3: batching of concurrent requests, each gets its own answer."""
    before = metric(server, "himalia_serving_batches_total")
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda i: server.client.post("/infer", content=png(digit(i)), headers=OCTETS), range(900, 1100))
        )
    right = [
        answer.json()["predictions"][0]["label"] == str(DIGITS.target[index])
        for index, answer in enumerate(answers, start=900)
    ]
    assert np.mean(right) > 0.85
    assert metric(server, "himalia_serving_batches_total") - before < 200


OCTETS = {"Content-Type": "application/octet-stream"}


def metric(server: Server, name: str) -> float:
    text = server.client.get("/metrics").text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", OCTETS, 422, "invalid_image"),
        (b"GIF89a not a picture", OCTETS, 422, "invalid_image"),
        (png(digit(1))[:60], OCTETS, 422, "invalid_image"),
        (png(digit(1), side=1200), OCTETS, 413, "too_large"),
        (b"{", {"Content-Type": "application/json"}, 422, "invalid_input"),
        (b'{"image": "&&&"}', {"Content-Type": "application/json"}, 422, "invalid_input"),
        (b'{"images": []}', {"Content-Type": "application/json"}, 422, "invalid_input"),
        (b"[" * 100_000, {"Content-Type": "application/json"}, 422, "invalid_input"),
        (b"a,b", {"Content-Type": "text/csv"}, 415, "unsupported_media_type"),
    ],
    ids=["empty", "disguised", "cut off", "pixels", "json", "base64", "none", "deep", "type"],
)
def test_bad_input_is_refused_in_both_languages(
    server: Server, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    errors = metric(server, 'himalia_serving_errors_total{route="infer"}')
    english = server.client.post("/infer", content=body, headers=headers)
    chinese = server.client.post("/infer", content=body, headers=headers | {"Accept-Language": "zh-CN"})
    assert (english.status_code, english.json()["code"]) == (status, code)
    assert english.headers["content-type"] == "application/problem+json"
    assert re.search("[一-鿿]", chinese.json()["detail"]) and not re.search("[一-鿿]", english.json()["detail"])
    assert metric(server, 'himalia_serving_errors_total{route="infer"}') == errors + 2


def test_a_body_over_the_limit_does_not_reach_the_model(server: Server) -> None:
    runs = metric(server, "himalia_serving_batches_total")
    with contextlib.suppress(httpx.HTTPError):
        assert server.client.post("/infer", content=b"x" * 4_000_000, headers=OCTETS).status_code in (400, 413)
    assert metric(server, "himalia_serving_batches_total") == runs


def test_open_inference_protocol(server: Server) -> None:
    """SRV-3: Open Inference Protocol v2 over HTTP."""
    assert server.client.get("/v2/health/live").status_code == 200
    assert server.client.get("/v2/health/ready").json()["ready"] is True
    assert server.client.get("/v2/models/digits/ready").status_code == 200
    assert server.client.get("/v2/models/other").status_code == 404
    about = server.client.get("/v2/models/digits").json()
    (picture,) = about["inputs"]
    assert (picture["name"], picture["datatype"], picture["shape"][0]) == ("images", "FP32", -1)
    shape = [2, *picture["shape"][1:]]
    item = {"name": "images", "datatype": "FP32", "shape": shape, "data": [0.5] * int(np.prod(shape))}
    answer = server.client.post("/v2/models/digits/versions/V0002/infer", json={"id": "a", "inputs": [item]}).json()
    (output,) = answer["outputs"]
    assert (answer["id"], answer["model_version"], output["shape"]) == ("a", "V0002", [2, 10])
    assert sum(output["data"]) == pytest.approx(2, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"datatype": "INT64"}, "inputs.images.datatype"),
        ({"shape": [1, 2]}, "inputs.images.shape"),
        ({"shape": [10**9, 48, 48, 1]}, "inputs.images.shape"),
        ({"data": [1, 2]}, "inputs.images.data"),
        ({"data": "abc"}, "inputs.images.data"),
        ({"name": "x"}, "inputs.images"),
    ],
)
def test_wrong_tensors_are_named(server: Server, change: dict[str, object], field: str) -> None:
    item = {"name": "images", "datatype": "FP32", "shape": [1, 48, 48, 1], "data": [0.0] * 48 * 48}
    answer = server.client.post("/v2/models/digits/infer", json={"inputs": [item | change]})
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_stopping_finishes_what_is_in_hand(model_folder: Path) -> None:
    """SRV-4: rolled out without failed calls."""
    with serving(model_folder) as running:
        outcomes: list[int] = []
        began = threading.Event()

        def call() -> None:
            picture = base64.b64encode(png(digit(5), side=1500)).decode()
            began.set()
            outcomes.append(running.client.post("/infer", json={"images": [picture] * 40}).status_code)

        caller = threading.Thread(target=call)
        caller.start()
        assert began.wait(10)
        probe = httpx.Client(base_url=running.client.base_url)
        # in hand once the model server counts it; a decode of 40 large pictures outlasts the signal
        while metric(running, "himalia_serving_in_hand") < 2:
            assert caller.is_alive()
        probe.close()
        running.process.send_signal(signal.SIGTERM)
        caller.join(30)
        assert outcomes == [200]
        assert running.process.wait(20) == 0


def identity(path: Path, shape: list[int | str], kind: int = TensorProto.FLOAT) -> None:
    value = helper.make_tensor_value_info("x", kind, shape)
    out = helper.make_tensor_value_info("y", kind, shape)
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [out])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def test_a_model_without_pictures_is_served_as_tensors(tmp_path: Path) -> None:
    identity(tmp_path / "any-name.onnx", ["N", 3])
    with serving(tmp_path) as running:
        refused = running.client.post("/infer", content=png(digit(0)), headers=OCTETS)
        assert (refused.status_code, refused.json()["code"]) == (422, "not_a_picture_model")
        item = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}
        answer = running.client.post("/v2/models/digits/infer", json={"inputs": [item]})
        assert answer.json()["outputs"][0]["data"] == [1, 2, 3]


def damaged(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"no model")


def several(folder: Path) -> None:
    identity(folder / "a.onnx", [1])
    identity(folder / "b.onnx", [1])


def broken_labels(folder: Path) -> None:
    identity(folder / "model.onnx", ["N", 3])
    (folder / "labels.json").write_text("{")


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda folder: folder.rmdir(), "There is no model folder"),
        (lambda folder: None, "holds no .onnx file"),
        (several, "2 .onnx files and none is called model.onnx"),
        (damaged, "The model model.onnx cannot be loaded"),
        (broken_labels, "labels.json of the model is not valid JSON"),
    ],
    ids=["missing", "empty", "several", "damaged", "labels"],
)
def test_a_model_that_does_not_load_ends_with_one_sentence(tmp_path: Path, prepare: object, sentence: str) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    prepare(folder)  # type: ignore[operator]
    done = subprocess.run(
        [sys.executable, "-m", "himalia.serving", "--model-dir", str(folder), "--port", "0"],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 3
    assert sentence in done.stderr and len(done.stderr.strip().splitlines()) == 1
