"""One suite, one harness per backend.

The cluster's part runs against whatever ``KUBECONFIG`` names and is skipped without it. What only one
machine can promise is marked :func:`only_local` with its reason, a whole module by ``ONLY_LOCAL``; a
test that needs special options asks for ``make_harness``, which is local.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.harness import LocalHarness
from tests.contract.kubernetes_harness import KubernetesHarness, why_not

BACKENDS = ["local", pytest.param("kubernetes", marks=pytest.mark.cluster)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the cluster's part of modules that are about one machine's own means."""
    local = [item for item in items if getattr(getattr(item, "module", None), "ONLY_LOCAL", "") and _on_cluster(item)]
    if local:
        config.hook.pytest_deselected(items=local)
        items[:] = [item for item in items if item not in set(local)]


def _on_cluster(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "kubernetes" in item.name.partition("[")[2].rstrip("]").split("-")


@pytest.fixture(scope="module", params=BACKENDS)
def harness(request: pytest.FixtureRequest) -> Iterator[LocalHarness]:
    made: LocalHarness
    if request.param == "kubernetes":
        missing = why_not()
        if missing:
            pytest.skip(missing)
        made = KubernetesHarness()
    else:
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
