"""Real labelled pictures, and the line from them to a trained run, as panels ask for it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from PIL import Image
from sklearn.datasets import load_digits

from tests.support.data import import_files, make_dataset, make_group, ok, ready_version

ENDED = ("succeeded", "failed", "stopped", "timed_out")


def digits(count: int, *, start: int = 0, classes: int = 10) -> dict[str, bytes]:
    """``count`` pictures of scikit-learn's digits as PNG, ``<digit>/<n>.png``."""
    data = load_digits()
    found: dict[str, bytes] = {}
    for number in range(start, len(data.images)):
        if len(found) == count:
            break
        if data.target[number] >= classes:
            continue
        picture = Image.fromarray((data.images[number] * 15.9).astype("uint8"), "L").resize((32, 32))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        found[f"{data.target[number]}/{number}.png"] = buffer.getvalue()
    return found


def make_version(client: httpx.Client, files: Mapping[str, bytes], name: str = "digits") -> dict[str, Any]:
    """A dataset of these pictures, labelled by folder, published as V0001; answers the dataset."""
    group = make_group(client, sorted({path.split("/")[0] for path in files}), name=f"{name}-labels")
    dataset = make_dataset(client, name, group)
    import_files(client, dataset["id"], files, labels_from_folders=True)
    ok(client.post(f"/datasets/{dataset['id']}/publish", json={}), 201)
    ready_version(client, dataset["id"], "V0001")
    return dataset


def spec_of(client: httpx.Client) -> int:
    """The smallest resource spec."""
    found = ok(client.get("/specs"))
    rows = found["items"] if isinstance(found, dict) else found
    return int(rows[0]["id"])


def until(
    read: Callable[[], dict[str, Any]], condition: Callable[[dict[str, Any]], bool], seconds: float = 90
) -> dict[str, Any]:
    """Read until the condition holds; shows the last answer when it does not."""
    deadline = time.monotonic() + seconds
    while True:
        found = read()
        if condition(found):
            return found
        assert time.monotonic() < deadline, f"after {seconds} s: {found}"
        time.sleep(0.1)


def run_ended(client: httpx.Client, number: int, seconds: float = 90) -> dict[str, Any]:
    return until(lambda: ok(client.get(f"/runs/{number}")), lambda run: run["phase"] in ENDED, seconds)
