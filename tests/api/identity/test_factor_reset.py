"""TEN-16, TEN-19: a second factor and its recovery codes are lost, and an administrator takes them away."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from himalia_hub.audit.tables import AuditEntry
from himalia_hub.identity.tables import RecoveryCode, SecondFactor
from himalia_hub.tenancy import service as tenancy
from tests.api.identity.people import give_password, try_password
from tests.api.identity.test_steps import confirm_email, mailbox, set_up_app
from tests.api.roles.test_roles import grant, make_role
from tests.support.data import ok, problem
from tests.support.mailbox import Mailbox
from tests.support.service import Person, World

__all__ = ["mailbox"]


@pytest.fixture
def loser(world: World) -> Person:
    """A member with a password and an authenticator app."""
    person = world.alpha.member
    give_password(world.live, person)
    set_up_app(world, person)
    return person


def path_of(person: Person) -> str:
    return f"/members/{person.number}/second-factor"


def kept(world: World, person: Person) -> tuple[int, int]:
    with world.live.platform.db.engine.connect() as db:
        counts = [
            db.execute(sa.select(sa.func.count()).where(table.user_id == person.user_id)).scalar_one()
            for table in (SecondFactor, RecoveryCode)
        ]
    return counts[0], counts[1]


def test_a_lost_factor_is_reset(world: World, loser: Person, mailbox: Mailbox) -> None:
    confirm_email(world, mailbox, loser, "lee@example.org")
    assert try_password(world.live, loser.name).json()["pending"]["step"] == "second_factor"
    with world.alpha.tenant_admin.client(step_up=True) as admin, world.live.internal() as hub:
        with world.live.platform.db.read() as db:
            identity = tenancy.identity(db, loser.user_id)
        assert identity is not None
        session = {"hub_user": loser.hub_name, "session_epoch": identity["session_epoch"]}
        assert ok(hub.post("/sign-in/refresh", json=session))["valid"] is True
        seen = ok(admin.get(path_of(loser)))
        assert seen == {"methods": ["totp"], "recovery_codes_left": 10}
        done = ok(admin.delete(path_of(loser)))
        assert done == {"methods": ["totp"], "told": ["email"]}
        assert ok(hub.post("/sign-in/refresh", json=session))["valid"] is False
        assert ok(admin.get(path_of(loser))) == {"methods": [], "recovery_codes_left": 0}
        # There is nothing left to reset: nobody is signed out or told again.
        assert ok(admin.delete(path_of(loser))) == {"methods": [], "told": []}
    assert kept(world, loser) == (0, 0)
    assert "hub_user" in try_password(world.live, loser.name).json(), "the password alone, which stayed what it was"
    assert "removed your second factor" in mailbox.next("lee@example.org")
    assert not mailbox.mails
    with world.live.platform.db.engine.connect() as db:
        rows = db.execute(
            sa.select(AuditEntry.__table__)
            .where(AuditEntry.action == "members.reset_second_factor")
            .order_by(AuditEntry.id)
        ).all()
    assert [(row.actor_name, row.object_id, row.category, row.outcome, row.detail) for row in rows] == [
        (world.alpha.tenant_admin.name, str(loser.number), "security", "done", {"methods": ["totp"]}),
        (world.alpha.tenant_admin.name, str(loser.number), "security", "done", {"methods": []}),
    ]


def test_nobody_resets_what_is_not_theirs_to_reset(world: World, loser: Person) -> None:
    above, alpha, beta = world.alpha.administrator, world.alpha, world.beta
    give_password(world.live, above)
    set_up_app(world, above)
    with alpha.tenant_admin.client() as client:
        problem(client.delete(path_of(loser)), 403, "step_up_required")
    with alpha.tenant_admin.client(step_up=True) as client:
        problem(client.delete(path_of(above)), 403, "beyond_own_permissions")
        problem(client.delete(path_of(alpha.tenant_admin)), 409, "not_oneself")
        problem(client.delete(path_of(loser), params={"organisation": "beta"}), 404, "not_found")
        problem(client.delete("/members/99999/second-factor"), 404, "not_found")
    with beta.tenant_admin.client(step_up=True) as client:
        problem(client.delete(path_of(loser), params={"organisation": "alpha"}), 404, "not_found")
    for nobody in (alpha.colleague, alpha.department_admin, alpha.reader):
        with nobody.client(step_up=True) as client:
            problem(client.delete(path_of(loser)), 403, "not_permitted")
    assert kept(world, loser) == kept(world, above) == (1, 10)
    with alpha.administrator.api_client() as client:
        ok(client.delete(path_of(loser)))  # the control
    assert kept(world, loser) == (0, 0)


def test_who_enables_members_does_not_open_an_administrators_account(world: World) -> None:
    """A custom role with the permission of the reset and no more reaches members, not administrators."""
    above, helper = world.alpha.tenant_admin, world.alpha.reader
    give_password(world.live, above)
    set_up_app(world, above)
    some = {"tenancy.user.activate": "organisation", "tenancy.user.read": "organisation"}
    with world.alpha.administrator.client(step_up=True) as client:
        grant(client, helper, make_role(client, "Helps sign in", permissions=some)["key"])
    with helper.api_client() as client:
        problem(client.delete(path_of(above)), 403, "beyond_own_permissions")
        assert ok(client.delete(path_of(world.alpha.colleague))) == {"methods": [], "told": []}
    assert kept(world, above) == (1, 10)
