"""REL-5, the classes that touch identity and tenancy: 0 hits, and each probe hits a broken stub.

Escalation by partial administrators is the subject of ``tests/api/roles``, and the hub's own pages
(XSRF of forms, cookies between subdomains) of ``tests/e2e``.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from himalia_hub.api.openapi import all_routes
from himalia_hub.config.source_pages import local_path
from himalia_hub.tenancy import service as tenancy
from tests.api.attacks import probes
from tests.api.identity.people import PASSWORD, give_password, new_link
from tests.support.service import World


def stub(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    """A service with a hole."""
    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://stub")


def always(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"id": 1, "step_up": {"until": "later"}})


# -- requests that a browser or a neighbour makes ---------------------------------------------


def test_another_sites_form_does_nothing(world: World) -> None:
    with world.live.client() as client:
        assert not probes.forged_by_another_site(client, world.alpha.member.api_token)


def test_the_probe_of_forged_forms_hits_a_service_that_trusts_cookies() -> None:
    def trusts_cookies(request: httpx.Request) -> httpx.Response:
        return httpx.Response(201 if "token=" in request.headers.get("cookie", "") else 401)

    assert probes.forged_by_another_site(stub(trusts_cookies), "secret")


def test_planted_cookies_change_nothing(world: World) -> None:
    person = world.alpha.administrator
    with person.client() as client:
        assert not probes.tossed_cookie(client, person.step_up_grant)


def test_the_probe_of_planted_cookies_hits_a_service_that_reads_them() -> None:
    def reads_them(request: httpx.Request) -> httpx.Response:
        found = "himalia-step-up=" in request.headers.get("cookie", "")
        return httpx.Response(200, json={"step_up": {"until": "later"} if found else None})

    assert probes.tossed_cookie(stub(reads_them), "grant")


def test_secrets_do_not_work_from_the_address(world: World) -> None:
    with world.live.client() as client:
        assert not probes.token_in_the_address(client, world.alpha.member.api_token)
    assert probes.token_in_the_address(stub(always), "secret")


def test_secrets_stay_out_of_the_log(world: World) -> None:
    person = world.alpha.administrator

    def act() -> None:
        with person.client(step_up=True) as client:
            client.get("/me")
            client.get("/specs/999999")
            client.post("/specs", content=b"{", headers={"Idempotency-Key": "k"})
        with world.live.client("hmp_" + "x" * 43) as client:
            client.get("/me")
        with world.live.client() as client:
            client.get("/me", auth=(person.name, person.api_token))
        body = {"name": person.name, "password": PASSWORD, "address": "192.0.2.1"}
        world.live.internal().post("/sign-in/password", json=body)

    secrets = [person.notebook_token, person.step_up_grant, person.api_token, PASSWORD, "x" * 43]
    assert not probes.secret_in_the_log(act, secrets)
    assert probes.secret_in_the_log(lambda: logging.getLogger("stub").debug("token %s", PASSWORD), secrets)


def test_redirects_stay_here() -> None:
    assert not probes.open_redirect(local_path)
    assert local_path("/hub/spawn?x=1") == "/hub/spawn?x=1"
    assert probes.open_redirect(lambda target: target)
    assert probes.open_redirect(lambda target: target if target.startswith("/") else ""), "the usual half of a check"


# -- bodies -----------------------------------------------------------------------------------

BODIES = {route.operation_id: route.body for route in all_routes() if route.body is not None}


@pytest.mark.parametrize("name", list(BODIES))
def test_no_body_takes_fields_it_does_not_declare(name: str) -> None:
    body = BODIES[name]
    assert body is not None and not probes.takes_unknown_fields(body), f"{name}: {body.__name__} takes unknown fields"


def test_the_probe_of_bodies_sees_an_open_one() -> None:
    class Open(BaseModel):
        name: str

    assert probes.takes_unknown_fields(Open)


@pytest.mark.parametrize("field", list(probes.FORGED_FIELDS))
def test_nothing_is_assigned_beyond_what_is_offered(world: World, field: str) -> None:
    with world.alpha.tenant_admin.api_client() as client:
        for path, body in (
            ("/label-groups", {"name": "plain", "labels": [{"name": "a"}]}),
            ("/members", {"name": "newmember"}),
            ("/roles", {"name": "plain", "permissions": {"data.dataset.read": "own"}}),
            ("/api-tokens", {"name": "plain"}),
        ):
            assert not probes.assigns_what_was_not_offered(client, path, body, field), path
    assert probes.assigns_what_was_not_offered(stub(always), "/members", {}, field)


# -- keys, names, sessions, guesses -----------------------------------------------------------


def test_keys_of_two_organisations_do_not_meet(world: World) -> None:
    key = uuid.uuid4().hex
    with world.alpha.tenant_admin.api_client() as one, world.beta.tenant_admin.api_client() as two:
        assert not probes.answers_anothers_key(one, two, key)
    with world.alpha.tenant_admin.api_client() as one, world.alpha.administrator.api_client() as two:
        assert not probes.answers_anothers_key(one, two, key + "b")


def test_the_probe_of_keys_hits_a_store_that_forgets_whose_they_are() -> None:
    kept: dict[str, bytes] = {}

    def by_key_alone(request: httpx.Request) -> httpx.Response:
        key = request.headers["idempotency-key"]
        replayed = {"Idempotency-Replayed": "true"} if key in kept else {}
        kept.setdefault(key, json.dumps({"id": 7}).encode())
        return httpx.Response(201, content=kept[key], headers=replayed)

    client = stub(by_key_alone)
    assert probes.answers_anothers_key(client, client, "k")


def test_names_that_look_alike_are_nobodys(world: World) -> None:
    person = world.alpha.member
    with world.live.client() as client:
        assert client.get("/me", auth=(person.name.upper(), person.api_token)).status_code == 200
        assert probes.confuses_names(client, person.api_token, person.name) == []
    assert len(probes.confuses_names(stub(always), "secret", "alphamember")) == 8


@pytest.mark.parametrize("name", ["аlphamember", "ａlphamember", "alphamember\u200b", "alpha.member", "alphamemberſ"])
def test_accounts_that_look_alike_are_not_made(world: World, name: str) -> None:
    def make(session: Any) -> None:
        tenancy.create_user(session, world.alpha.tenant_id, name)

    with pytest.raises(Exception, match="name"):
        world.live.write(make)


def test_a_link_opens_one_session(world: World) -> None:
    person = world.alpha.member
    token = new_link(world.live, person.name)
    body = {"token": token, "password": PASSWORD, "accept_privacy": True}

    def use() -> httpx.Response:
        return world.live.internal().post("/sign-in/link", json=body)

    assert not probes.link_works_twice(use)
    assert probes.link_works_twice(lambda: always(httpx.Request("POST", "http://stub")))


def test_a_new_link_ends_the_one_before(world: World) -> None:
    person = world.alpha.member
    planted, fresh = new_link(world.live, person.name), new_link(world.live, person.name)
    body = {"token": planted, "password": PASSWORD, "accept_privacy": True}
    assert world.live.internal().post("/sign-in/link", json=body).status_code == 410
    assert world.live.internal().post("/sign-in/link", json={**body, "token": fresh}).status_code == 200


def test_guessing_is_stopped(world: World) -> None:
    person = world.alpha.member
    give_password(world.live, person)

    def guess(password: str) -> httpx.Response:
        body = {"name": person.name, "password": password, "address": "192.0.2.7"}
        return world.live.internal().post("/sign-in/password", json=body)

    assert guess(PASSWORD).status_code == 200
    assert not probes.guesses_go_on(guess, PASSWORD)
    assert probes.guesses_go_on(lambda password: httpx.Response(200 if password == PASSWORD else 401), PASSWORD)
