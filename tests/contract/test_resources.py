"""Limits hold and use is measured (OPS-2, NB-7, NB-12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from himalia_hub.backends.protocol import BackendError, Resources
from tests.contract.harness import MIB, LocalHarness, only_local

BURN = """
import os, sys, time
until = time.monotonic() + float(sys.argv[1])
children = [os.fork() for _ in range(1)]
while time.monotonic() < until: pass
"""


@only_local("use is told where a metrics server runs")
def test_cpu_quota_holds_and_is_measured(harness: LocalHarness) -> None:
    plan = harness.apply(harness.python(BURN, "1.5", resources=Resources(500, 128 * MIB)))
    seen = harness.wait_end(plan)
    assert seen.usage is not None and seen.started_at is not None and seen.ended_at is not None
    wall = (seen.ended_at - seen.started_at).total_seconds()
    assert seen.usage.cpu_seconds > 0.3
    assert seen.usage.cpu_seconds < 0.5 * wall + 0.25, "two processes wanted two cores and got half a one"


@only_local("use is told where a metrics server runs")
def test_memory_in_use_is_reported(harness: LocalHarness) -> None:
    plan = harness.apply(harness.python("x = bytearray(b'1') * (90 << 20)\nimport time\ntime.sleep(60)"))
    seen = harness.wait(plan, lambda item: item.usage is not None and item.usage.memory_bytes > 90 * MIB)
    assert seen.usage is not None and seen.usage.memory_bytes < 130 * MIB
    harness.stop(plan)
    harness.wait_end(plan)


@only_local("use is told where a metrics server runs")
def test_disk_in_use_is_reported(harness: LocalHarness) -> None:
    plan = harness.apply(harness.shell("head -c 5000000 /dev/zero > big; sync; sleep 60"))
    harness.wait(plan, lambda item: item.usage is not None and item.usage.disk_bytes >= 5_000_000, seconds=45)
    harness.stop(plan)
    harness.wait_end(plan)


def test_processes_are_limited(make_harness: Callable[..., LocalHarness]) -> None:
    harness = make_harness(pids_max=40)
    script = (
        "import os, time\nn = 0\ntry:\n    while True:\n        if os.fork() == 0:\n"
        "            time.sleep(30); os._exit(0)\n        n += 1\n"
        "except OSError:\n    print('stopped at', n, flush=True)\nos._exit(0)"
    )
    text = harness.result(harness.python(script))
    assert 20 <= int(text.split()[-1]) <= 40


@only_local("device plugins number the cards of a cluster")
def test_accelerators_are_given_by_index(harness: LocalHarness) -> None:
    want = Resources(500, 64 * MIB, accelerators={"nvidia.com/gpu": 1})
    show = "echo $CUDA_VISIBLE_DEVICES/$NVIDIA_VISIBLE_DEVICES; sleep 60"
    first = harness.apply(harness.shell(show, resources=want))
    second = harness.apply(harness.shell(show, resources=want))
    for plan, expected in ((first, "0/0\n"), (second, "1/1\n")):
        harness.wait(plan, lambda _seen, plan=plan, expected=expected: harness.output(plan) == expected)
    assert harness.node().occupied.accelerators == {"nvidia.com/gpu": 2}
    with pytest.raises(BackendError) as caught:
        harness.apply(harness.shell("true", resources=want))
    assert caught.value.retryable
    harness.stop(first, grace_seconds=0)
    harness.wait_end(first)
    third = harness.apply(harness.shell(show, resources=want))
    harness.wait(third, lambda _seen: harness.output(third) == "0/0\n")
    for plan in (second, third):
        harness.stop(plan, grace_seconds=0)
        harness.wait_end(plan)


@only_local("device plugins number the cards of a cluster")
def test_without_accelerators_none_is_visible(harness: LocalHarness) -> None:
    text = harness.result(harness.shell("echo [$CUDA_VISIBLE_DEVICES] $NVIDIA_VISIBLE_DEVICES; ls /dev"))
    assert text.startswith("[] void\n") and "nvidia" not in text


@only_local("a cluster may grow: such work waits and says what is missing")
def test_more_accelerators_than_the_node_has_never_fit(harness: LocalHarness) -> None:
    plan = harness.shell("true", resources=Resources(500, 64 * MIB, accelerators={"nvidia.com/gpu": 3}))
    with pytest.raises(BackendError) as caught:
        harness.apply(plan)
    assert not caught.value.retryable


@only_local("the API has another address in a pod")
def test_environment_plan_and_secrets(harness: LocalHarness) -> None:
    plan = harness.shell("echo $A $HOME $HIMALIA_API_URL $SECRET")
    plan = replace(plan, environment={"A": "1", "SECRET": "no"}, secrets={"SECRET": "yes"})
    assert harness.result(plan) == "1 /home/jovyan http://127.0.0.1:7001/services/himalia/api/v1 yes\n"
