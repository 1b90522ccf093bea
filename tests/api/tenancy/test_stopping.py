"""TEN-2: closing out a person, a department or an organisation stops their work in order, and deletes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.kinds import Policy
from himalia_hub.compute.tables import Workload
from himalia_hub.core.standing import Standing, Whose
from tests.support.data import ok
from tests.support.service import ADMIN_CREDENTIAL, Person, World


class Idle:
    """A kind that is admitted and never planned: no machine is behind the platform here."""

    policy = Policy(section="training", grace_seconds=30)

    def plan(self, *_: Any) -> Any:
        raise AssertionError("nothing is launched without a backend")

    def on_change(self, *_: Any) -> None:
        pass


@pytest.fixture
def engine(world: World) -> Engine:
    engine = world.live.platform.get(Engine)
    engine.nodes = (NodeCapacity("node-1", Resources(64_000, 2**36), Resources(0, 0)),)
    for kind in ("script", "notebook"):
        engine.register_kind(kind, Idle())
    return engine


def begin(world: World, engine: Engine, person: Person, *kinds: str) -> list[int]:
    def work(session: Session) -> list[int]:
        return [
            engine.submit(
                session,
                person.actor(),
                kind=kind,
                object_kind=kind,
                object_number=number,
                object_name=f"{kind}-{number}",
                resources=Resources(100, 2**20),
            ).id
            for number, kind in enumerate(kinds, 1)
        ]

    return world.live.write(work)  # type: ignore[no-any-return]


def wanted(world: World) -> dict[int, tuple[str, Any, str]]:
    with world.live.platform.db.engine.connect() as db:
        rows = db.execute(sa.select(Workload.id, Workload.wanted, Workload.stop_at, Workload.stop_message))
        return {row.id: (row.wanted, row.stop_at, row.stop_message) for row in rows}


@pytest.mark.parametrize("level", ["member", "machine", "department", "organisation"])
def test_ten_2_work_is_asked_to_end_notebooks_first(world: World, engine: Engine, level: str) -> None:
    mine = begin(world, engine, world.beta.member, "script", "notebook", "script")
    near = begin(world, engine, world.beta.colleague, "script")
    apart = begin(world, engine, world.beta.outsider, "notebook")
    foreign = begin(world, engine, world.alpha.member, "script")
    path = {
        "member": f"/members/{world.beta.member.number}/disable",
        "department": "/departments/1/disable",
        "organisation": f"/organisations/{world.beta.tenant_id}/disable",
    }.get(level)
    expected = {"member": mine, "machine": mine, "department": mine + near, "organisation": mine + near + apart}[level]
    if path is None:
        with world.live.internal(ADMIN_CREDENTIAL) as machine:
            ok(machine.post(f"/admin/users/{world.beta.member.name}/change", json={"enabled": False}))
    else:
        with world.alpha.administrator.client(step_up=True) as client:
            query = {} if level == "organisation" else {"organisation": "beta"}
            ok(client.post(path, params=query))
    found = wanted(world)
    assert {one for one, (state, _, _) in found.items() if state == "stopped"} == set(expected)
    assert set(found) == {*mine, *near, *apart, *foreign}  # nothing is deleted
    stops = {one: found[one][1] for one in mine}
    assert stops[mine[1]] < stops[mine[0]] < stops[mine[2]]  # the notebook is saved before the scripts are ended
    assert all("disabled" in found[one][2] for one in expected)


def test_stopping_again_changes_nothing(world: World, engine: Engine) -> None:
    begin(world, engine, world.beta.member, "script")
    standing = world.live.platform.get(Standing)

    def stop(session: Session) -> int:
        return standing.stop(session, Whose(user_id=world.beta.member.user_id))

    assert [world.live.write(stop), world.live.write(stop)] == [1, 0]


def test_a_member_with_running_work_is_stopped_before_deleting(world: World, engine: Engine) -> None:
    """Nobody's work goes on without an owner: deleting waits until it has ended."""
    (one,) = begin(world, engine, world.beta.member, "script")
    path = f"/members/{world.beta.member.number}"
    with world.alpha.administrator.client(step_up=True) as client:
        refused = client.delete(path, params={"organisation": "beta", "erase": True})
        assert refused.status_code == 409 and refused.json()["rule"] == "no running work"
        ok(client.post(f"{path}/disable", params={"organisation": "beta"}))
        assert wanted(world)[one][0] == "stopped"

        def end(session: Session) -> None:
            from himalia_hub.compute.phases import Phase

            engine.enter(session, session.get_one(Workload, one), Phase.STOPPED)

        world.live.write(end)
        ok(client.delete(path, params={"organisation": "beta", "erase": True}))
