"""TEN-12, TEN-21, SEC-3, SEC-4: external sources as the API sets them up, tries them and signs their people in.

The round trips through real providers and the hub are in ``tests/e2e/test_sources.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from himalia_hub.audit.tables import AuditEntry
from himalia_hub.sign_in_sources.tables import SignInSource
from himalia_hub.tenancy.tables import User
from tests.support.bad_input import Field, Wrong, check, client_of, placed, state
from tests.support.data import ok, problem
from tests.support.service import World

SECRET = "s3cret of the provider"
MAPPING: dict[str, Any] = {
    "organisation": {"claim": "org", "values": {"Alpha Ltd": "alpha", "Beta Ltd": "beta"}},
    "department": {"claim": "unit"},
    "roles": {"claim": "groups", "values": {"labellers": ["annotator"], "leads": ["member", "annotator"]}},
    "groups": {"claim": "groups"},
    "display_name": {"claim": "given.full"},
}
BODY: dict[str, Any] = {
    "name": "campus",
    "title": "Campus",
    "kind": "oidc",
    "settings": {"issuer": "https://127.0.0.1:9", "client_id": "himalia"},
    "secrets": {"client_secret": SECRET},
    "mapping": MAPPING,
    "auto_provision": True,
}
LEE: dict[str, Any] = {
    "org": "Alpha Ltd",
    "unit": "Vision",
    "groups": ["labellers", "nobody-knows"],
    "given": {"full": "Lee Wu"},
}


@pytest.fixture(scope="module")
def world(shared_world: World) -> World:
    return shared_world


@pytest.fixture
def admin(world: World) -> Iterator[httpx.Client]:
    with world.alpha.administrator.client(step_up=True) as client:
        yield client


@pytest.fixture
def source(world: World, admin: httpx.Client) -> Iterator[dict[str, Any]]:
    """A fresh source of its own name, gone afterwards with its people unable to sign in."""
    with world.live.platform.db.engine.connect() as db:
        count = db.execute(sa.select(sa.func.count()).select_from(SignInSource)).scalar_one()
    made = ok(admin.post("/sign-in-sources", json={**BODY, "name": f"campus{count}"}), 201)
    yield made
    admin.delete(f"/sign-in-sources/{made['name']}")


def sign_in(world: World, source: dict[str, Any], name: str = "Lee.Wu", **claims: Any) -> httpx.Response:
    """What the hub asks once the source has said who it is."""
    body = {"source": source["name"], "name": name, "subject": f"sub-{name}"[:512], "claims": {**LEE, **claims}}
    with world.live.internal() as hub:
        return hub.post("/sign-in/external", json=body)


def person(world: World, source: dict[str, Any], name: str = "Lee.Wu") -> dict[str, Any]:
    with world.alpha.administrator.client(step_up=True) as client:
        asked = {"organisation": "*", "source": source["name"], "limit": 100}
        return next(row for row in ok(client.get("/members", params=asked))["items"] if row["name"] == name)


def test_a_source_is_set_up_shown_without_its_secrets_changed_and_taken_away(
    world: World, admin: httpx.Client, source: dict[str, Any]
) -> None:
    """SEC-4: the secret is sealed, and neither the API nor the audit log shows it."""
    name = source["name"]
    assert source["secrets"] == ["client_secret"] and source["form"] is False and source["users"] == 0
    assert source["callback_url"].endswith(f"/hub/himalia/source/{name}/callback")
    path, tag = f"/sign-in-sources/{name}", {"If-Match": f'"{source["version"]}"'}
    changed = ok(admin.patch(path, json={"title": "Harbour"}, headers=tag))
    assert changed["title"] == "Harbour" and changed["secrets"] == ["client_secret"]  # a secret not sent stays
    problem(admin.patch(path, json={"title": "Other"}, headers=tag), 412, "stale_version")
    problem(admin.patch(path, json={"title": "Other"}), 428, "version_required")
    with world.live.platform.db.engine.connect() as db:
        stored = str(db.execute(sa.select(SignInSource.__table__)).all())
        noted = str(db.execute(sa.select(AuditEntry.detail)).all())
    assert SECRET not in stored and SECRET not in noted and SECRET not in admin.get("/sign-in-sources").text
    emptied = {"secrets": {"client_secret": ""}}
    assert ok(admin.patch(path, json=emptied, headers={"If-Match": f'"{changed["version"]}"'}))["secrets"] == []
    assert admin.delete(path).status_code == 204
    problem(admin.get(path), 404, "not_found")


def test_only_who_manages_sources_sees_them(world: World) -> None:
    for who, expected in (("member", 403), ("tenant_admin", 403), ("auditor", 403)):
        with world.alpha.people[who].client(step_up=True) as client:
            assert client.get("/sign-in-sources").status_code == expected
            assert client.post("/sign-in-sources", json=BODY).status_code == expected
    with world.alpha.administrator.client() as cell:
        problem(cell.get("/sign-in-sources"), 403, "step_up_required")


def test_kinds_tell_their_settings_and_offer_none_that_the_platform_decides(admin: httpx.Client) -> None:
    kinds = {row["kind"]: row for row in ok(admin.get("/sign-in-sources/kinds"))}
    assert {"oidc", "ldap", "pam"} <= set(kinds) and not {"dummy", "null", "shared-password"} & set(kinds)
    assert kinds["ldap"]["form"] is True and kinds["oidc"]["form"] is False
    names = {setting["name"]: setting for setting in kinds["oidc"]["settings"]}
    assert names["client_secret"]["secret"] is True and names["client_id"]["secret"] is False
    assert not {"admin_users", "enable_auth_state", "oauth_callback_url"} & set(names)
    assert not any(name.endswith("_hook") for name in names)


def test_trying_a_source_says_which_step_failed_and_what_claims_come_to(
    admin: httpx.Client, source: dict[str, Any]
) -> None:
    """SEC-3: a private address is not even looked at until an administrator allows it."""
    path = f"/sign-in-sources/{source['name']}/test"
    tried = ok(admin.post(path, json={"claims": LEE}))
    steps = {step["name"]: step for step in tried["steps"]}
    assert tried["passed"] is False and steps["settings"]["passed"] is True
    assert steps["endpoints"]["passed"] is False and "127.0.0.1" in steps["endpoints"]["detail"]
    assert tried["mapped"] == {
        "organisation": "alpha",
        "department": "Vision",
        "roles": ["annotator"],
        "groups": ["labellers", "nobody-knows"],
        "display_name": "Lee Wu",
    }
    nowhere = ok(admin.post(path, json={"claims": {**LEE, "org": "Elsewhere"}}))
    assert nowhere["mapped"] is None and nowhere["steps"][-1] == {
        "name": "mapping",
        "passed": False,
        "detail": "Your account belongs to no organisation here.",
    }
    assert SECRET not in str(tried)


def test_claims_become_organisation_department_roles_and_name(world: World, source: dict[str, Any]) -> None:
    found = ok(sign_in(world, source))
    assert found["tenant"]["code"] == "alpha" and found["department"]["name"]
    row = person(world, source)
    assert (row["roles"], row["display_name"], row["source"]) == (["annotator"], "Lee Wu", source["name"])
    # What the directory gave it takes away; what an administrator gave stays.
    with world.alpha.administrator.client(step_up=True) as client:
        given = {"roles": [{"role": "annotator"}, {"role": "auditor"}]}
        ok(client.put(f"/members/{row['id']}/roles", json=given))
    ok(sign_in(world, source, groups=["leads"], given={"full": "Lee W."}))
    row = person(world, source)
    assert set(row["roles"]) == {"annotator", "auditor", "member"} and row["display_name"] == "Lee W."
    ok(sign_in(world, source, groups=["labellers"]))
    assert set(person(world, source)["roles"]) == {"annotator", "auditor"}


def test_groups_of_the_source_are_joined_and_left(world: World, source: dict[str, Any]) -> None:
    """TEN-21: by the external name that the organisation's group carries."""
    external = f"cn={source['name']}"
    with world.alpha.tenant_admin.client(step_up=True) as client:
        body = {"name": f"g{source['name']}", "external_name": external}
        group = ok(client.post("/groups", json=body), 201)
        ok(sign_in(world, source, groups=["labellers", external]))
        assert ok(client.get(f"/groups/{group['id']}"))["members"] == 1
        ok(sign_in(world, source, groups=["labellers"]))
        assert ok(client.get(f"/groups/{group['id']}"))["members"] == 0


@pytest.mark.parametrize(
    ("name", "claims", "says"),
    [
        pytest.param("Lee.Wu", {"org": "Elsewhere"}, "no organisation", id="unmapped-organisation"),
        pytest.param("Lee.Wu", {"org": ["Alpha Ltd", "Beta Ltd"]}, "more than one organisation", id="two"),
        pytest.param("Lee.Wu", {"unit": "Nowhere"}, "does not exist here", id="unknown-department"),
        pytest.param("", {}, "printable characters", id="empty-name"),
        pytest.param("L" * 513, {}, "printable characters", id="513"),
        pytest.param("Lee\u202euW", {}, "printable characters", id="right-to-left-override"),
    ],
)
def test_what_cannot_be_mapped_is_refused_audited_and_makes_nobody(
    world: World, source: dict[str, Any], name: str, claims: dict[str, Any], says: str
) -> None:
    before = state(world.live)
    refused = problem(sign_in(world, source, name, **claims), 403, "identity_refused")
    assert says in refused["detail"]
    assert state(world.live) == before
    with world.live.platform.db.engine.connect() as db:
        last = db.execute(
            sa.select(AuditEntry).where(AuditEntry.action == "sign_in.source").order_by(AuditEntry.id.desc())
        ).first()
    assert last is not None and last.outcome == "refused" and last.detail["reason"] == "identity_refused"


def test_the_longest_name_and_every_spelling(world: World, source: dict[str, Any]) -> None:
    """512 characters as the directory spells them; of two sources two people."""
    long = "梅" * 512
    ok(sign_in(world, source, long))
    assert person(world, source, long)["name"] == long
    with world.live.platform.db.engine.connect() as db:
        names = db.execute(sa.select(User.hub_name).where(User.source == source["name"])).scalars().all()
    assert all(name.isascii() and len(name) <= 32 for name in names)


def test_nobody_is_made_without_auto_provisioning_and_a_disabled_source_lets_nobody_in(
    world: World, admin: httpx.Client, source: dict[str, Any]
) -> None:
    ok(sign_in(world, source))
    path = f"/sign-in-sources/{source['name']}"
    closed = ok(admin.patch(path, json={"auto_provision": False}, headers={"If-Match": f'"{source["version"]}"'}))
    assert "no account here yet" in problem(sign_in(world, source, "Somebody.New"), 403, "identity_refused")["detail"]
    ok(sign_in(world, source))  # who is known still comes in
    with world.live.platform.db.engine.connect() as db:
        epoch = db.execute(sa.select(User.session_epoch).where(User.source == source["name"])).scalar_one()
    ok(admin.patch(path, json={"enabled": False}, headers={"If-Match": f'"{closed["version"]}"'}))
    problem(sign_in(world, source), 403, "identity_refused")
    with world.live.platform.db.engine.connect() as db:  # and the sessions of its people ended
        assert db.execute(sa.select(User.session_epoch).where(User.source == source["name"])).scalar_one() > epoch


def test_a_name_given_to_somebody_else_and_a_move_between_organisations_are_refused(
    world: World, source: dict[str, Any]
) -> None:
    ok(sign_in(world, source))
    body = {"source": source["name"], "name": "Lee.Wu", "subject": "somebody else", "claims": LEE}
    with world.live.internal() as hub:
        assert "somebody else" in problem(hub.post("/sign-in/external", json=body), 403, "identity_refused")["detail"]
    moved = problem(sign_in(world, source, org="Beta Ltd", unit=""), 403, "identity_refused")
    assert "alpha" in moved["detail"] and person(world, source)["organisation"]["code"] == "alpha"


def test_a_disabled_member_stays_out_whatever_the_source_says(world: World, source: dict[str, Any]) -> None:
    ok(sign_in(world, source))
    number = person(world, source)["id"]
    with world.alpha.administrator.client(step_up=True) as client:
        ok(client.post(f"/members/{number}/disable"))
    problem(sign_in(world, source), 403, "account_disabled")


def make(field: str, **more: Any) -> Any:
    def send(client: httpx.Client, value: Any, n: int) -> httpx.Response:
        return client.post("/sign-in-sources", json=placed({**BODY, "name": f"made{n}", **more}, field, value))

    return send


def source_field(name: str, field: str, inside: list[Any], outside: list[Any], **more: Any) -> Field:
    return Field(name, make(field, **more), inside, outside, "administrator", of="source")


FIELDS = [
    source_field("name", "name", ["ab", "a" * 32, "campus-9"], ["a", "a" * 33, "9ab", "-ab", "ab-", "Campus", "local"]),
    source_field("title", "title", ["t", "校园" * 32], ["", "  ", "t" * 65, "a\u202eb"]),
    source_field("kind", "kind", ["oidc"], ["", "dummy", "null", "os.system", "k" * 65], secrets={}, settings={}),
    source_field(
        "settings.admin_users",
        "settings",
        [{"issuer": "https://127.0.0.1:9"}],
        [Wrong({"admin_users": ["me"]}, "")],
    ),
    source_field("settings.client_secret", "settings", [], [Wrong({"client_secret": "x"}, "secrets")]),
    source_field("secrets.client_id", "secrets", [], [Wrong({"client_id": "x"}, "settings")]),
    source_field("secrets.client_secret", "secrets", [{"client_secret": "s" * 4096}], []),
    source_field("mapping.organisation", "mapping", [MAPPING], [Wrong({"organisation": {"default": "none"}}, "none")]),
    source_field("mapping.roles", "mapping", [], [Wrong({"roles": {"default": ["emperor"]}}, "emperor")]),
    source_field("mapping.roles.values", "mapping", [], [Wrong({"roles": {"claim": "groups"}}, "")]),
    source_field("mapping.groups.claim", "mapping", [], [Wrong({"groups": {"claim": ""}}, ""),
                                                         Wrong({"groups": {"claim": "c" * 129}}, "ccc")]),
    source_field("mapping.colour", "mapping", [], [Wrong({"colour": "red"}, "red")]),
    source_field("auto_provision", "auto_provision", [True, False], ["perhaps"]),
    source_field("allow_private", "allow_private", [True, False], ["perhaps"]),
]  # fmt: skip


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_both_sides_of_every_limit(world: World, field: Field) -> None:
    check(world, field)


def test_a_refused_secret_is_not_repeated(world: World) -> None:
    with client_of(world, "administrator", "en") as client:
        body = {**BODY, "name": "toolong", "secrets": {"client_secret": "pl4nted " * 600}}
        refused = client.post("/sign-in-sources", json=body)
        assert refused.status_code == 422 and "pl4nted" not in refused.text
        assert refused.json()["field"] == "secrets.client_secret"
