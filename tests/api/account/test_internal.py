"""What the hub asks: sign-in by link and password, refresh, step-up (TEN-13..17)."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from himalia_hub.audit.tables import AuditEntry
from tests.api.identity.people import PASSWORD, give_password, new_link
from tests.support.service import ADMIN_CREDENTIAL, LiveService, World


def test_the_first_link_makes_the_administrator_and_works_once(service: LiveService) -> None:
    """TEN-14: no default password; a one-time link sets name and password."""
    hub, token = service.internal(), new_link(service)
    look = hub.post("/sign-in/link/look", json={"token": token}).json()
    assert look["password_set"] is False
    weak = hub.post("/sign-in/link", json={"token": token, "password": "short"})
    assert weak.status_code == 422
    assert weak.json()["field"] == "password"
    assert "short" not in weak.text
    done = hub.post(
        "/sign-in/link", json={"token": token, "name": "annabell", "password": PASSWORD, "accept_privacy": True}
    )
    assert done.status_code == 200, done.text
    assert "Administrator" in done.json()["roles"]
    assert hub.post("/sign-in/link", json={"token": token}).status_code == 410
    signed = hub.post("/sign-in/password", json={"name": "ANNABELL", "password": PASSWORD})
    assert signed.json()["hub_user"] == done.json()["hub_user"]


def test_a_newer_link_ends_the_older(service: LiveService) -> None:
    older, newer = new_link(service), new_link(service)
    hub = service.internal()
    assert hub.post("/sign-in/link/look", json={"token": older}).status_code == 410
    assert hub.post("/sign-in/link/look", json={"token": newer}).status_code == 200


def test_refresh_ends_with_the_epoch(world: World) -> None:
    hub, member = world.live.internal(), world.alpha.member
    identity = give_password(world.live, member)
    asked = {"hub_user": identity["hub_user"], "session_epoch": identity["session_epoch"]}
    assert hub.post("/sign-in/refresh", json=asked).json()["valid"] is True
    changed = hub.post(
        "/password", json={"hub_user": member.hub_name, "old_password": PASSWORD, "password": "Cake now 77"}
    )
    assert changed.status_code == 204, changed.text
    assert hub.post("/sign-in/refresh", json=asked).json()["valid"] is False


def test_a_session_goes_on_with_other_roles_and_ends_with_the_last(world: World) -> None:
    """TEN-9: the next request is judged by the new roles; nobody has to sign in again for them."""
    hub, member = world.live.internal(), world.alpha.member
    identity = give_password(world.live, member)
    asked = {"hub_user": identity["hub_user"], "session_epoch": identity["session_epoch"]}
    path = f"/members/{member.number}/roles"
    with world.alpha.tenant_admin.client(step_up=True) as admin, member.api_client() as own:
        assert own.get("/members").status_code == 403
        roles = [{"role": "member"}, {"role": "department_administrator", "department": 1}]
        assert admin.put(path, json={"roles": roles}).status_code == 200
        answer = hub.post("/sign-in/refresh", json=asked).json()
        assert answer["valid"] is True and "department_administrator" in answer["identity"]["roles"]
        assert own.get("/members").status_code == 200
        assert admin.put(path, json={"roles": []}).status_code == 200
        assert hub.post("/sign-in/refresh", json=asked).json()["valid"] is False
        assert admin.put(path, json={"roles": [{"role": "member"}]}).status_code == 200
        assert hub.post("/sign-in/refresh", json=asked).json()["valid"] is False  # what ended stays ended


def test_a_step_up_unlocks_the_wider_reach_of_its_owner_only(world: World) -> None:
    """TEN-17."""
    admin, other = world.alpha.tenant_admin, world.beta.tenant_admin
    hub = world.live.internal()
    give_password(world.live, admin)
    body = {"hub_user": admin.hub_name, "session": "s1", "password": PASSWORD}
    assert hub.post("/step-up", json={**body, "password": "wrong"}).status_code == 401
    grant = hub.post("/step-up", json=body).json()["grant"]
    mine = admin.client(**{"Himalia-Step-Up": grant}).get("/me").json()
    assert mine["permissions"]["data.dataset.read"] == "organisation"
    theirs = other.client(**{"Himalia-Step-Up": grant}).get("/me").json()
    assert theirs["permissions"]["data.dataset.read"] == "own"


@pytest.mark.parametrize("credential", ["", "nonsense", ADMIN_CREDENTIAL])
def test_only_the_hub_reaches_the_hubs_routes(service: LiveService, credential: str) -> None:
    answer = service.internal(credential or "x").post("/sign-in/refresh", json={})
    assert answer.status_code in (401, 404)


def test_a_person_does_not_reach_internal_routes(world: World) -> None:
    token = world.alpha.administrator.notebook_token
    assert world.live.internal(token).get("/admin/status").status_code == 404


def test_sign_ins_are_audited_without_secrets(world: World) -> None:
    """SEC-1."""
    hub = world.live.internal()
    hub.post("/sign-in/password", json={"name": "somebody", "password": "hunter2 secret"})
    with world.live.platform.db.engine.connect() as db:
        rows = db.execute(sa.select(AuditEntry.__table__)).all()
    assert any(row.action == "sign_in.password" and row.outcome == "failed" for row in rows)
    assert all("hunter2" not in str(row) for row in rows)


def test_the_machine_makes_organisations_and_people_and_disabling_ends_them(world: World) -> None:
    """TEN-1, TEN-2, TEN-6."""
    admin, hub = world.live.internal(ADMIN_CREDENTIAL), world.live.internal()
    bad = admin.post("/admin/tenants", json={"code": "-no", "name": "No"})
    assert (bad.status_code, bad.json()["field"], bad.json()["value"]) == (422, "code", "-no")
    assert admin.post("/admin/tenants", json={"code": "gamma", "name": "Gamma"}).status_code == 201
    made = admin.post("/admin/users", json={"tenant": "gamma", "name": "gammaone"}).json()
    link = hub.post("/sign-in/link", json={"token": made["token"], "password": PASSWORD, "accept_privacy": True})
    assert link.json()["tenant"]["code"] == "gamma"
    assert admin.post("/admin/users/gammaone/change", json={"enabled": False}).status_code == 200
    answer = hub.post("/sign-in/password", json={"name": "gammaone", "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (403, "account_disabled")


def test_the_last_administrator_stays(service: LiveService) -> None:
    new_link(service)
    answer = service.internal(ADMIN_CREDENTIAL).post("/admin/users/administrator/change", json={"enabled": False})
    assert (answer.status_code, answer.json()["code"]) == (409, "last_administrator")
