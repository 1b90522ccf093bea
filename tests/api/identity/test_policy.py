"""The security policy: read, replaced, in force at once, audited (TEN-20); its limits: ``test_bad_input.py``."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from himalia_hub.audit.tables import AuditEntry
from himalia_hub.core.security_policy import SecurityPolicy
from tests.api.identity.people import PASSWORD, give_password, new_link
from tests.support.service import World


def replace(world: World, **changes: Any) -> Any:
    client = world.alpha.administrator.client(step_up=True)
    present = client.get("/security-policy")
    version = present.json()["version"]
    body = {k: v for k, v in present.json().items() if k != "version"} | changes
    return client.put("/security-policy", json=body, headers={"If-Match": f'"{version}"'})


def test_the_policy_is_replaced_in_force_and_audited(world: World) -> None:
    before = world.alpha.administrator.client(step_up=True).get("/security-policy")
    assert before.headers["ETag"] == '"1"'
    changed = replace(world, password_minimum=12, weak_words=["harbour"])
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    hub = world.live.internal()
    asked = {"token": new_link(world.live, world.alpha.member.name), "password": PASSWORD}
    refused = hub.post("/sign-in/link", json=asked)
    assert refused.status_code == 422
    assert refused.json()["rule"] == "12-32 characters"
    weak = hub.post("/sign-in/link", json={**asked, "password": "Harbour 2026!!"})
    assert weak.json()["rule"] == "not a common password"
    with world.live.platform.db.engine.connect() as db:
        entry = db.execute(sa.select(AuditEntry).where(AuditEntry.action == "security.replace_policy")).one()
    assert entry.detail["before"] == {"password_minimum": 8, "weak_words": []}
    assert entry.detail["after"] == {"password_minimum": 12, "weak_words": ["harbour"]}


def test_two_administrators_do_not_overwrite_one_another(world: World) -> None:
    client = world.alpha.administrator.client(step_up=True)
    body = SecurityPolicy().model_dump()
    assert client.put("/security-policy", json=body).status_code == 428
    assert client.put("/security-policy", json=body, headers={"If-Match": '"1"'}).status_code == 200
    stale = client.put("/security-policy", json=body, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")


def test_only_who_holds_the_permission_and_stepped_up_sees_it(world: World) -> None:
    assert world.alpha.administrator.client().get("/security-policy").json()["code"] == "step_up_required"
    assert world.alpha.tenant_admin.client(step_up=True).get("/security-policy").status_code == 403


def test_user_names_follow_the_policy(world: World) -> None:
    """TEN-6: the limits are configurable."""
    assert replace(world, user_name_minimum=3).status_code == 200
    admin = world.live.internal("admin-credential-of-the-tests")
    assert admin.post("/admin/users", json={"tenant": "alpha", "name": "lee"}).status_code == 201
    refused = admin.post("/admin/users", json={"tenant": "alpha", "name": "li"})
    assert (refused.json()["field"], refused.json()["rule"]) == ("name", "3-32 ASCII letters or digits")


def test_the_step_up_lasts_as_the_policy_says(world: World) -> None:
    """TEN-17."""
    assert replace(world, step_up_minutes=1).status_code == 200
    admin = world.alpha.tenant_admin
    give_password(world.live, admin)
    body = {"hub_user": admin.hub_name, "session": "s1", "password": PASSWORD}
    answer = world.live.internal().post("/step-up", json=body).json()
    me = admin.client(**{"Himalia-Step-Up": answer["grant"]}).get("/me").json()
    assert me["step_up"]["until"] == answer["until"]
