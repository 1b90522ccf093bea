"""Who gets a read-only folder: the workload that mounts it, with its own token, while it lives (NB-6, DAT-23)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from himalia_hub.auth.actor import Actor
from himalia_hub.backends.protocol import Resources
from himalia_hub.compute import folders
from himalia_hub.compute.kinds import Policy
from himalia_hub.compute.tables import Workload
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotFound
from himalia_hub.migrations import migrate
from tests.api.compute.conftest import Script
from tests.api.compute.test_admission import Installation, people

MANIFEST, OTHER = "a" * 64, "b" * 64


class Mounting(Script):
    """A kind that mounts what its spec says."""

    def folders(self, db: Db, workload: Any) -> Collection[str]:
        return list(workload.spec["manifests"])


class Scene:
    """Two people's workloads; each mounts a folder of its own."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        installation.engine.register_kind("mounting", Mounting(Policy(section="training")))
        actors, _ = people(installation)
        self.actors = actors
        self.mine, self.theirs = (
            self.submit(actor, "mounting", manifest) for actor, manifest in zip(actors, (MANIFEST, OTHER), strict=False)
        )

    def submit(self, actor: Actor, kind: str, manifest: str) -> Workload:
        def work(session: Any) -> Workload:
            row = self.installation.engine.submit(
                session,
                actor,
                kind=kind,
                object_kind="run",
                object_number=1,
                object_name="x",
                resources=Resources(100, 1 << 20),
                spec={"manifests": [manifest]},
            )
            session.flush()
            session.expunge(row)
            return row

        return self.installation.write(work)  # type: ignore[no-any-return]

    def ask(self, asking: int | None, number: int, manifest: str, actor: int = 0) -> str:
        with self.installation.db.read() as db:
            actor_ = replace(self.actors[actor], workload_id=asking)
            return folders.own_folder(self.installation.engine, db, actor_, number, manifest)


@pytest.fixture
def scene(database_url: str, tmp_path: Path) -> Scene:
    installation = Installation(database_url, tmp_path)
    migrate.upgrade(installation.db)
    return Scene(installation)


def test_a_workload_gets_the_folder_that_it_mounts(scene: Scene) -> None:
    assert scene.ask(scene.mine.id, scene.mine.number, MANIFEST) == "gamma"
    assert scene.ask(scene.theirs.id, scene.theirs.number, OTHER, actor=1) == "gamma"


REFUSED: dict[str, Callable[[Scene], str]] = {
    "a folder that it does not mount": lambda s: s.ask(s.mine.id, s.mine.number, OTHER),
    "another workload's by its number": lambda s: s.ask(s.mine.id, s.theirs.number, OTHER),
    "its own number with another's token": lambda s: s.ask(s.theirs.id, s.mine.number, MANIFEST, actor=1),
    "a person's own token": lambda s: s.ask(None, s.mine.number, MANIFEST),
    "a workload that does not exist": lambda s: s.ask(s.mine.id, 999, MANIFEST),
}


@pytest.mark.parametrize("what", REFUSED)
def test_nothing_else_is_found(scene: Scene, what: str) -> None:
    with pytest.raises(NotFound):
        REFUSED[what](scene)


def test_an_ended_workload_gets_nothing_more(scene: Scene) -> None:
    scene.installation.end(scene.mine.id)
    with pytest.raises(NotFound):
        scene.ask(scene.mine.id, scene.mine.number, MANIFEST)


def test_a_kind_without_folders_has_none(scene: Scene) -> None:
    row = scene.submit(scene.actors[0], "script", MANIFEST)
    with pytest.raises(NotFound):
        scene.ask(row.id, row.number, MANIFEST)
