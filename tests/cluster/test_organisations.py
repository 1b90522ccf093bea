"""The running platform keeps a space for each organisation (TEN-1, TEN-3, NB-6): made, given its quota, removed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from himalia_hub.audit.tables import AuditEntry
from himalia_hub.backends.kubernetes.api import Cluster
from himalia_hub.compute.spaces import SpaceController, excepted_paths
from himalia_hub.platform.config import PlatformConfig
from himalia_hub.tenancy import service as tenancy
from tests.cluster.conftest import Loop
from tests.support.service import LiveService, World, live_world, make_config

GIB = 1 << 30
FOLDER = "/usr/local/Ascend/driver"
LEVEL = "pod-security.kubernetes.io/enforce"


def config(folder: Path, release: str, **more: Any) -> PlatformConfig:
    backend = {"kind": "kubernetes", "release": release, "kubeconfig": os.environ["KUBECONFIG"], **more}
    return make_config(folder, f"sqlite:///{folder}/platform.sqlite3", backend=backend)


@pytest.fixture
def world(tmp_path: Path, release: str) -> Iterator[World]:
    yield from live_world(config(tmp_path, release))


def until(look: Callable[[], Any], message: str, seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, message
        time.sleep(0.1)
    return found


def is_now(look: Callable[[], str], wanted: str) -> bool:
    return look() == wanted


def test_each_organisation_has_a_space_with_its_quota_until_it_is_deleted(
    loop: Loop, admin: Cluster, world: World, release: str
) -> None:
    def hard(code: str) -> dict[str, str]:
        found = loop.run(admin.find(f"/api/v1/namespaces/{release}-{code}/resourcequotas/himalia"))
        return dict(found["spec"]["hard"]) if found else {}

    until(lambda: hard("alpha") and hard("beta"), "the spaces were not made")
    assert hard("alpha")["limits.cpu"] == "0", "what nobody set is nothing, as at admission"
    with world.alpha.administrator.client(step_up=True) as client:
        read = client.get("/quotas?level=tenant&subject=alpha")
        limits = {"cpu_millis": 12_000, "memory_bytes": 64 * GIB, "nvidia.com/gpu": 2}
        answer = client.put(
            "/quotas",
            json={"level": "tenant", "subject": "alpha", "limits": limits},
            headers={"If-Match": read.headers["ETag"]},
        )
        assert answer.status_code == 200, answer.text
        until(lambda: hard("alpha")["limits.cpu"] == "12", "the quota did not reach the cluster")
        assert hard("alpha")["limits.memory"] == "64Gi" and hard("alpha")["requests.nvidia.com/gpu"] == "2"
        assert hard("beta")["limits.cpu"] == "0"
        world.live.write(lambda session: tenancy.create_tenant(session, code="gamma", name="Gamma").id)
        until(lambda: hard("gamma"), "a new organisation got no space")
        gone = client.delete("/organisations/gamma")
        assert gone.status_code in (200, 204), gone.text
    path = f"/api/v1/namespaces/{release}-gamma"
    until(lambda: loop.run(admin.find(path)) is None, "the space of a deleted organisation stayed", 120)
    assert hard("alpha"), "nobody else's space went with it"


def test_a_namespace_that_no_organisation_names_stays(loop: Loop, admin: Cluster, world: World, release: str) -> None:
    """A restored database knows less than the cluster: nothing is removed for being unknown."""
    name = f"{release}-unknown"
    labels = {"himalia/release": release, "himalia/tenant": "unknown"}
    loop.run(admin.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name, "labels": labels}}))
    platform = world.live.platform
    controller = next(item for item in platform.controllers._controllers if isinstance(item, SpaceController))
    until(lambda: loop.run(admin.find(f"/api/v1/namespaces/{release}-beta")), "the controller has not looked yet")
    world.live.run(controller.step())
    found = loop.run(admin.get(f"/api/v1/namespaces/{name}"))
    assert "deletionTimestamp" not in found["metadata"]
    loop.run(admin.delete(f"/api/v1/namespaces/{name}"))


def test_an_excepted_host_folder_is_audited_and_shown_by_the_namespace(
    loop: Loop, admin: Cluster, tmp_path: Path, release: str
) -> None:
    """NB-7, NB-6: the level is lowered by whoever writes the configuration, and the log says so, once each way."""
    path = f"/api/v1/namespaces/{release}-alpha"

    def level() -> str:
        found = loop.run(admin.find(path))
        return str(found["metadata"]["labels"].get(LEVEL)) if found else ""

    def entries(live: LiveService) -> list[Any]:
        action = AuditEntry.action == "compute.backend.change_host_folder_policy"
        with live.platform.db.read() as db:
            return list(db.execute(sa.select(AuditEntry.__table__).where(action).order_by(AuditEntry.id)).all())

    found: list[Any] = []
    for number, (excepted, wanted) in enumerate(
        (([FOLDER], "privileged"), ([FOLDER], "privileged"), ([], "restricted"))
    ):
        live = LiveService(config(tmp_path, release, host_path_exceptions=excepted))
        try:
            if number == 0:
                live.write(lambda session: tenancy.create_tenant(session, code="alpha", name="Alpha").id)
            until(partial(is_now, level, wanted), f"the namespace is not {wanted}")
            found = entries(live)
            with live.platform.db.read() as db:
                assert excepted_paths(db) == excepted
        finally:
            live.close()
    assert [entry.detail["after"] for entry in found] == [[FOLDER], []], "a restart with the same is no news"
    assert {entry.category for entry in found} == {"security"}
