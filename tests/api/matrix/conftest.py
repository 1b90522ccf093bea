"""One world with everybody's objects, shared by all cells of the matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from himalia_hub.core import clock
from himalia_hub.tenancy.tables import StepUp
from tests.api.matrix import people
from tests.api.matrix.shelf import Maker, Shelf
from tests.api.matrix.three import add_the_three
from tests.support.environments import lay_environment
from tests.support.s3 import S3Server
from tests.support.service import World, live_world, make_config

OWNERS = (
    "member",
    "department_admin",
    "tenant_admin",
    "administrator",
    "reader",
    "operator",
    "annotator",
    "auditor",
    "open_api",
    "system",
    "security",
    "colleague",
    "outsider",
)


@dataclass
class Grid:
    """The world, what everybody of *alpha* owns, and what *beta*'s member owns."""

    world: World
    shelves: dict[str, Shelf]
    foreign: Shelf
    spec: int
    clients: dict[str, httpx.Client] = field(default_factory=dict)


def environments(root: Path) -> Path:
    """A root with one environment that can be named, none that would run."""
    return lay_environment(root, "notebook", "training", "inference", interpreter=True)


def keep_step_ups(world: World) -> None:
    """A run on a busy machine takes longer than a step-up lasts."""
    late = clock.now() + timedelta(days=1)
    world.live.write(lambda session: session.execute(sa.update(StepUp).values(expires_at=late)))


def make_grid(place: Path, database_url: str, s3_server: S3Server, owners: tuple[str, ...] = OWNERS) -> Iterator[Grid]:
    """The world; only ``owners`` own something in it, the colleague and the outsider always."""
    config = make_config(
        place / "state",
        database_url,
        s3=s3_server.bucket().model_dump(mode="json"),
        environments_root=str(environments(place / "environments")),
    )
    worlds = live_world(config)
    world = next(worlds)
    try:
        maker = Maker(world)
        maker.make_spec()
        add_the_three(world)
        shelves = maker.fill(world.alpha, tuple(dict.fromkeys((*owners, "colleague", "outsider"))))
        people.make_installation(world)
        people.fill(world, world.alpha, shelves)
        maker.number_beta_apart()
        foreign = maker.fill(world.beta, ("member",))["member"]
        people.fill(world, world.beta, {"member": foreign})
        maker.bills([*shelves.values()])
        maker.number_beta_apart()
        maker.bills([foreign])
        keep_step_ups(world)
        world.live.run(world.live.platform.controllers.stop())
        made = Grid(world, shelves, foreign, maker.spec)
        yield made
        for client in made.clients.values():
            client.close()
    finally:
        for _ in worlds:
            pass


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[Grid]:
    place = tmp_path_factory.mktemp("matrix")
    yield from make_grid(place, f"sqlite:///{place}/himalia.sqlite3", s3_server)
