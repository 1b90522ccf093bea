"""TEN-17, TEN-18: what ends a credential, and what it leaves of its owner's permissions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from himalia_hub.auth import tokens
from himalia_hub.auth.actor import Reach, TokenKind
from himalia_hub.core import clock
from himalia_hub.tenancy.tables import Department, StepUp, Tenant, Token, User
from tests.support.data import ok, problem
from tests.support.service import Person, World


def issue(world: World, person: Person, **options: Any) -> str:
    def work(session: Any) -> str:
        return tokens.issue(session, user_id=person.user_id, **options)[1]

    return world.live.write(work)  # type: ignore[no-any-return]


def change(world: World, statement: Any) -> None:
    world.live.write(lambda session: session.execute(statement))


@pytest.mark.parametrize("ended", ["revoked", "expired", "user", "organisation", "department", "organisation's end"])
def test_whoever_may_not_go_on_is_not_let_in(world: World, ended: str) -> None:
    person, past = world.alpha.member, clock.now() - timedelta(seconds=1)
    mine = Token.digest == tokens.digest_of(person.api_token)
    tenant = Tenant.id == world.alpha.tenant_id
    statement = {
        "revoked": sa.update(Token).where(mine).values(revoked_at=past),
        "expired": sa.update(Token).where(mine).values(expires_at=past),
        "user": sa.update(User).where(User.id == person.user_id).values(enabled=False),
        "organisation": sa.update(Tenant).where(tenant).values(enabled=False),
        "department": sa.update(Department).where(Department.id == world.alpha.department_id).values(enabled=False),
        "organisation's end": sa.update(Tenant).where(tenant).values(valid_until=past),
    }[ended]
    with person.api_client() as client, world.beta.member.api_client() as other:
        ok(client.get("/me"))
        change(world, statement)
        problem(client.get("/me"), 401, "not_authenticated")
        ok(other.get("/me"))


def test_a_name_sent_with_a_token_is_its_owners(world: World) -> None:
    token = world.alpha.member.api_token
    with world.live.client() as client:
        ok(client.get("/me", auth=("alphamember", token)))
        problem(client.get("/me", auth=("betamember", token)), 401, "not_authenticated")


def test_credentials_nobody_issued(world: World) -> None:
    with world.live.client() as client:
        problem(client.get("/me"), 401, "not_authenticated")
        for header in ("Bearer", "Digest " + world.alpha.member.api_token, "Bearer hmp_" + "a" * 43):
            problem(client.get("/me", headers={"Authorization": header}), 401, "not_authenticated")


def test_a_notebook_holds_no_administration(world: World) -> None:
    with world.alpha.administrator.client() as client:
        granted = ok(client.get("/me"))["permissions"]
        assert set(granted.values()) == {"own"} and "tenancy.user.manage" not in granted
        problem(client.post("/specs", json={}), 403, "step_up_required")


def test_an_api_token_is_no_wider_than_it_was_made(world: World) -> None:
    person = world.alpha.administrator
    own = issue(world, person, kind=TokenKind.API, reach=Reach.OWN)
    scoped = issue(world, person, kind=TokenKind.API, reach=Reach.PLATFORM, scopes=["account.self.read"])
    near = issue(world, world.alpha.tenant_admin, kind=TokenKind.API, reach=Reach.DEPARTMENT)
    with world.live.client(own) as client:
        granted = ok(client.get("/me"))["permissions"]
        assert set(granted.values()) == {"own"} and "tenancy.user.manage" not in granted
    with world.live.client(scoped) as client:
        assert set(ok(client.get("/me"))["permissions"]) == {"account.self.read"}
    with world.live.client(near) as client:
        assert ok(client.get("/me"))["permissions"]["data.dataset.read"] == "department"


@pytest.mark.parametrize("kind", [TokenKind.API, TokenKind.WORKLOAD])
def test_a_step_up_widens_notebooks_alone(world: World, kind: TokenKind) -> None:
    person = world.alpha.administrator
    token = issue(world, person, kind=kind, reach=Reach.OWN)
    with world.live.client(token, **{"Himalia-Step-Up": person.step_up_grant}) as client:
        told = ok(client.get("/me"))
        assert not told["step_up"] and set(told["permissions"].values()) == {"own"}
    with person.client(step_up=True) as client:
        assert ok(client.get("/me"))["step_up"]


def test_step_ups_are_ones_own_and_end(world: World) -> None:
    person = world.alpha.administrator
    with person.client(**{"Himalia-Step-Up": world.beta.administrator.step_up_grant}) as client:
        assert ok(client.get("/me"))["step_up"] is None
    with person.client(step_up=True) as client:
        assert ok(client.get("/me"))["step_up"]
        past = clock.now() - timedelta(seconds=1)
        change(world, sa.update(StepUp).where(StepUp.user_id == person.user_id).values(expires_at=past))
        assert ok(client.get("/me"))["step_up"] is None


def test_ended_work_revokes_its_token_once(world: World) -> None:
    """A workload's end takes its token away, and leaves the moment of an earlier end as it was."""
    token = issue(world, world.alpha.member, kind=TokenKind.WORKLOAD, workload_id=7)
    other = issue(world, world.alpha.member, kind=TokenKind.WORKLOAD, workload_id=8)

    def revoked_at() -> Any:
        with world.live.platform.db.engine.connect() as db:
            return db.execute(sa.select(Token.revoked_at).where(Token.digest == tokens.digest_of(token))).scalar_one()

    for _ in range(2):
        world.live.write(lambda session: tokens.revoke_for_workload(session, 7))
        first = revoked_at()
        assert first is not None
    earlier = clock.now() - timedelta(days=1)
    change(world, sa.update(Token).where(Token.digest == tokens.digest_of(token)).values(revoked_at=earlier))
    before = revoked_at()
    world.live.write(lambda session: tokens.revoke_for_workload(session, 7))
    assert revoked_at() == before
    with world.live.client(token) as ended, world.live.client(other) as going:
        problem(ended.get("/me"), 401, "not_authenticated")
        ok(going.get("/me"))


def test_changing_passwords_or_people_ends_a_step_up(world: World) -> None:
    """TEN-6: what an administrator changes about somebody ends what that somebody had proven."""
    person = world.alpha.department_admin
    with person.client(step_up=True) as client, world.alpha.tenant_admin.client(step_up=True) as admin:
        assert ok(client.get("/me"))["step_up"]
        ok(admin.post(f"/members/{person.number}/disable", json={}))
        problem(client.get("/me"), 401, "not_authenticated")
        ok(admin.post(f"/members/{person.number}/enable", json={}))
        assert ok(client.get("/me"))["step_up"] is None
