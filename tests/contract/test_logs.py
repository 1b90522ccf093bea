"""Output by byte offset, followed while it grows, bounded in size."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest

from himalia_hub.backends.protocol import BackendError
from tests.contract.harness import LocalHarness, only_local


@only_local("a container runtime reads the two streams apart")
def test_both_streams_in_order(harness: LocalHarness) -> None:
    assert harness.result(harness.shell("echo out; echo err >&2; echo 结束")) == "out\nerr\n结束\n"


def test_from_an_offset(harness: LocalHarness) -> None:
    plan = harness.shell("printf 0123456789")
    assert harness.result(plan) == "0123456789"
    assert harness.output(plan, offset=4) == "456789"
    assert harness.output(plan, offset=10) == ""


def test_followed_while_it_grows_until_the_end(harness: LocalHarness) -> None:
    pace = 0.15 * harness.patience  # a pod is seen to run a moment after it does
    plan = harness.apply(harness.shell(f"for n in 1 2 3 4 5; do echo line $n; sleep {pace:.2f}; done"))
    pieces: list[tuple[int, bytes]] = []

    async def follow() -> None:
        async for offset, data in harness.backend.logs(plan.workload, plan.attempt, offset=5, follow=True):
            pieces.append((offset, data))

    harness.run(follow(), seconds=20)
    assert b"".join(data for _, data in pieces) == b"1\nline 2\nline 3\nline 4\nline 5\n"
    assert len(pieces) > 1, "it came as it was written"
    assert pieces[0][0] == 5
    assert all(after[0] == before[0] + len(before[1]) for before, after in itertools.pairwise(pieces))


def test_following_goes_on_over_a_restart_of_the_platform(harness: LocalHarness) -> None:
    plan = harness.apply(harness.shell("echo first; sleep 1; echo second"))
    harness.wait(plan, lambda _seen: "first" in harness.output(plan))
    harness.restart_platform()
    harness.wait_end(plan)
    assert harness.output(plan) == "first\nsecond\n"


def test_old_output_goes_first_and_offsets_stay(make_harness: Callable[..., LocalHarness]) -> None:
    harness = make_harness(log_bytes_max=1 << 19)
    plan = harness.python("for n in range(200_000): print(f'{n:09d}')")
    text = harness.result(plan)
    assert 3 << 17 <= len(text) <= (1 << 19) + (1 << 17), "about the limit is kept"
    assert text.endswith("000199999\n")

    async def first() -> tuple[int, bytes]:
        async for offset, data in harness.backend.logs(plan.workload, plan.attempt, offset=100):
            return offset, data
        raise AssertionError("nothing")

    offset, data = harness.run(first())
    assert offset > 100 and offset % 10 in range(10)
    number = int(data[(-offset) % 10 :][:9])
    assert (offset + (-offset) % 10) // 10 == number, "the offset is the byte's place in the whole output"


def test_log_of_a_missing_replica_is_refused(harness: LocalHarness) -> None:
    plan = harness.shell("true")
    harness.result(plan)

    async def read(replica: int) -> list[tuple[int, bytes]]:
        stream = harness.backend.logs(plan.workload, plan.attempt, replica=replica)
        return [piece async for piece in stream]

    with pytest.raises(BackendError):
        harness.run(read(7))
    with pytest.raises(BackendError):
        asyncio.run(_escape(harness))


async def _escape(harness: LocalHarness) -> None:
    async for _ in harness.backend.logs("../../etc", 1):
        pass
