"""One harness per backend; a test that needs special options asks for ``make_harness``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.harness import LocalHarness


@pytest.fixture(scope="module", params=["local"])
def harness(request: pytest.FixtureRequest) -> Iterator[LocalHarness]:
    made = LocalHarness(accelerators={"nvidia.com/gpu": 2})
    yield made
    made.close()


@pytest.fixture
def make_harness() -> Iterator[Callable[..., LocalHarness]]:
    made: list[LocalHarness] = []

    def make(**options: Any) -> LocalHarness:
        made.append(LocalHarness(**options))
        return made[-1]

    yield make
    for harness in made:
        harness.close()
