"""The magics in a real kernel, against a platform that runs real workloads."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from tests.api.compute.conftest import Machine, wait_for
from tests.api.serving.conftest import gateway, machine, science  # noqa: F401 - fixtures
from tests.support.pieces import digits, make_version


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/himalia.sqlite3"


class Kernel:
    """A notebook's kernel: runs cells and keeps everything a notebook file would hold."""

    def __init__(self, manager: KernelManager) -> None:
        self.client = manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.everything = ""

    def run(self, code: str, *, fails: bool = False) -> str:
        """Text and HTML of a cell's outputs, after updates of displays."""
        outputs: dict[str, str] = {}
        errors: list[str] = []

        def hook(message: Any) -> None:
            content, kind = message["content"], message["header"]["msg_type"]
            self.everything += str(content)
            if kind == "stream":
                outputs["stream"] = outputs.get("stream", "") + content["text"]
            elif kind == "error":
                errors.extend(content["traceback"])
            elif "data" in content:
                key = content.get("transient", {}).get("display_id") or f"o{len(outputs)}"
                outputs[key] = content["data"].get("text/html", "") + content["data"].get("text/plain", "")

        reply = self.client.execute_interactive(code, timeout=150, output_hook=hook)
        assert (reply["content"]["status"] == "error") is fails, "\n".join(errors) or outputs
        text = "\n".join([*outputs.values(), *errors])
        for page in reply["content"].get("payload", []):
            text += page.get("data", {}).get("text/plain", "")
        return text

    def complete(self, line: str) -> list[str]:
        reply = self.client.complete(line, reply=True, timeout=20)
        return list(reply["content"]["matches"])


@pytest.fixture
def kernel(machine: Machine, tmp_path: Path) -> Iterator[Kernel]:  # noqa: F811
    live, person = machine.world.live, machine.world.alpha.member
    home = tmp_path / "home"
    home.mkdir()
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HIMALIA_API_URL": f"{live.base_url}/services/himalia/api/v1",
        "HIMALIA_TOKEN": person.notebook_token,
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    manager.start_kernel(env=environment, cwd=str(home))
    running = Kernel(manager)
    try:
        running.run("%load_ext himalia")
        yield running
        assert person.notebook_token not in running.everything  # SDK-2: no secrets in the notebook file
    finally:
        running.client.stop_channels()
        manager.shutdown_kernel(now=True)


TRAIN = """
import argparse
from himalia.algorithms.image_classification.train import main

parser = argparse.ArgumentParser()
parser.add_argument("--data_url")
parser.add_argument("--epochs", default="1")
given = parser.parse_args()
assert main(["--data_url", given.data_url, "--epochs", given.epochs]) == 0
"""


def test_from_a_cell_to_an_answer(kernel: Kernel, machine: Machine, tmp_path: Path) -> None:  # noqa: F811
    """SDK-2, TRN-6: data, a run from a cell with its curves, a model, a service, a prediction, the cost."""
    make_version(machine.world.alpha.member.client(), digits(120, classes=4))
    assert "digits" in kernel.run("%himalia datasets")
    assert "120 pictures" in kernel.run("%dataset digits@V0001 data")
    assert "(120, 32, 32) 4" in kernel.run("X, y = data.to_numpy(mode='L'); print(X.shape, len(set(y)))")

    shown = kernel.run(f"%%train --name cell --dataset digits --param epochs=5 --wait --into run\n{TRAIN}")
    assert "succeeded" in shown and "<polyline" in shown, shown
    assert "epoch 5/5" in shown and "validation_accuracy" in shown
    table = kernel.run("m = run.metrics(); print(m.shape, m['validation_accuracy'].iloc[-1] > 0.8)")
    assert "(5, 4) True" in table
    assert "V0001" in kernel.run("print(run.to_model('digits').version)")
    assert "epoch 5/5" in kernel.run("import sys\n!{sys.executable} -m himalia.cli runs log -f {run.id}")
    assert "digits" in kernel.run("%himalia models")
    assert "cell" in kernel.run("%himalia jobs")
    for view in ("status", "quota", "balance", "services", "cost"):
        assert "<div" in kernel.run(f"%himalia {view}")
    picture = tmp_path / "home" / "seven.png"  # the 150th digit of four classes: not trained on
    name, data = list(digits(160, classes=4).items())[150]
    picture.write_bytes(data)
    shown = kernel.run("%deploy digits@V0001 --name reader --into service")
    assert "running" in shown and "reader" in kernel.run("%himalia services")
    answer = kernel.run("%predict reader seven.png")
    assert "<td" in answer and "data:image/png;base64," in answer and f"alt='{name[0]}'" in answer, answer[:500]
    kernel.run("from PIL import Image; import numpy as np; pixels = np.asarray(Image.open('seven.png')) / 255")
    assert f"alt='{name[0]}'" in kernel.run("%predict reader pixels")
    assert "data:image/png" in kernel.run("%predict reader data[0]")
    kernel.run("key = service.create_key('outside'); assert len(key.key) > 20")
    assert "curl" in kernel.run("print(service.guide()['curl'])")
    kernel.run("service.stop()")
    assert "¥" in kernel.run("%himalia cost") or "cell" in kernel.run("%himalia cost")
    expected = {
        "%dataset di": "digits",
        "%deploy ": "digits",
        "%%train --dataset di": "digits",
        "%%train --da": "--dataset",
        "%deploy --n": "--name",
        "%himalia ba": "balance",
    }
    for line, name in expected.items():  # a platform that answers slowly fills in the next time
        wait_for(lambda line=line, name=name: name in kernel.complete(line), seconds=20)


def test_a_cell_that_fails_says_why_and_stops_the_notebook(kernel: Kernel) -> None:
    shown = kernel.run("%%train --wait\nraise ValueError('too little data')", fails=True)
    assert "WorkFailed" in shown and "ValueError: too little data" in shown
    assert "Traceback (most recent call last):\n  File" not in shown.partition("WorkFailed")[2].partition("|")[0]


def test_parse_args_works_and_help_helps(kernel: Kernel) -> None:
    code = "import argparse; p = argparse.ArgumentParser(); p.add_argument('--lr', type=float, default=0.5)\n"
    assert "lr=0.5" in kernel.run(code + "print(p.parse_args())")
    assert "--dataset" in kernel.run("%%train?") and "name@V0002" in kernel.run("%dataset?")
    assert "nothing-like-it" in kernel.run("%dataset nothing-like-it", fails=True)
    assert "neither a file nor a variable" in kernel.run("%predict digits nowhere.png", fails=True)
    assert "too_large" not in kernel.run("%himalia")


@pytest.mark.slow
def test_the_page_about_cells_is_true(kernel: Kernel, machine: Machine) -> None:  # noqa: F811
    """INS-4: every block of docs/how-to/cells.md runs, in order."""
    make_version(machine.world.alpha.member.client(), digits(120, classes=4))
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "cells.md").read_text()
    blocks = re.findall(r"```ipython\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 10
    outputs = [kernel.run(block) for block in blocks]
    assert any("succeeded" in text and "<polyline" in text for text in outputs)
    assert any("data:image/png" in text for text in outputs)
    assert any("no such dataset" in text for text in outputs)
