"""Wishing for an accelerator in Python and on the command line, against the platform (BEY-23, GEN-3)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import himalia
from himalia.sdk.errors import InvalidInput
from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.compute.engine import Engine
from tests.support.service import World

GIB = 2**30
GPU, NPU = "nvidia.com/gpu", "huawei.com/Ascend910"


@pytest.fixture
def wishing(client: himalia.Client, stored_world: World) -> himalia.Client:
    """A member where there are an L4 and a ring."""
    stored_world.live.platform.get(Engine).nodes = (
        NodeCapacity(
            "one",
            Resources(8000, 32 * GIB, 0, {GPU: 2, NPU: 8}),
            Resources(0, 0),
            labels={"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "23034"},
        ),
    )
    with stored_world.alpha.administrator.client(step_up=True) as administrator:
        for body in (
            {"name": "a core", "cpu_millis": 1000, "memory_bytes": GIB},
            {"name": "an L4", "kind": "gpu", "accelerators": {GPU: 1}},
            {"name": "a ring", "kind": "npu", "accelerators": {NPU: 4}},
        ):
            administrator.post("/specs", json=body).raise_for_status()
    return client


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "himalia.cli", *words], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("24", himalia.Accelerator(24)),
        ("24GB", himalia.Accelerator(24)),
        ("1.5gib:CUDA", himalia.Accelerator(1.5, frameworks=("cuda",))),
        ("4x32:cuda,cann", himalia.Accelerator(32, 4, ("cuda", "cann"))),
        ("x24", None),
        ("24:", None),
        ("", None),
    ],
)
def test_a_wish_in_one_word(text: str, found: himalia.Accelerator | None) -> None:
    if found is None:
        with pytest.raises(InvalidInput, match="COUNT"):
            himalia.Accelerator.parse(text)
    else:
        assert himalia.Accelerator.parse(text) == found


def test_what_satisfies_a_wish_and_what_comes_of_it(wishing: himalia.Client) -> None:
    """The same answer in Python and on the command line; 24 GB is met by a card sold with 24 GB."""
    found = wishing.accelerators(himalia.Accelerator(24, frameworks=("cuda",)), spec="a core", scenario="notebook")
    assert [one.spec.name for one in found] == ["an L4"] and found.best is not None
    assert (found.best.memory_bytes, found.best.form, found.best.verdict.fits) == (24 * GIB, "gpu", True)
    assert found.best.verdict.uses == {"cpu_millis": 1000, "memory_bytes": GIB, GPU: 1}
    listed = command("accelerators", "24:cuda", "--spec", "a core", "--scenario", "notebook", "--json")
    assert [one["spec"]["name"] for one in json.loads(listed.stdout)["offers"]] == ["an L4"], listed.stderr
    shown = command("accelerators", "4x32")
    assert "a ring" in shown.stdout and "4 × 32 GiB" in shown.stdout and "This starts now." in shown.stdout
    none = command("accelerators", "48:cuda")
    assert none.returncode and "the largest CUDA card here has 24 GiB" in none.stderr and "an L4" in none.stderr


def test_a_wish_instead_of_a_name(wishing: himalia.Client) -> None:
    verdict = wishing.verdict("a core", accelerator=himalia.Accelerator(32, count=4, frameworks=("cann",)))
    assert verdict.fits and verdict.uses[NPU] == 4
    said = command("verdict", "a core", "--any-accelerator", "4x32:cann")
    assert said.stdout.startswith("This starts now."), said.stderr
    with pytest.raises(InvalidInput) as refused:
        wishing.verdict("a core", accelerator=himalia.Accelerator(32, count=3))
    assert refused.value.code == "no_accelerator" and "a ring" in refused.value.hint
    both = command("verdict", "a core", "--any-accelerator", "24", "--accelerator", "an L4")
    assert both.returncode == 2 and "not allowed with" in both.stderr
