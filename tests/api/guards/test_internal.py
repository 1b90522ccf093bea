"""SEC-2: the routes of the hub and of the machine's administrator are nobody else's, and do not show themselves."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from himalia_hub.api.openapi import all_routes
from himalia_hub.api.routes import Route
from himalia_hub.auth import permissions
from tests.support.service import ADMIN_CREDENTIAL, HUB_CREDENTIAL, World

INTERNAL = [route for route in all_routes() if route.internal]
METHODS = sorted({route.method for route in INTERNAL})
LETTERS = {int: "1", str: "nowhere"}


def asked(client: httpx.Client, method: str, path: str) -> tuple[int, dict[str, str], Any]:
    """What matters of an answer, without its moment and its request's number."""
    answer = client.request(method, path, json=None if method == "GET" else {})
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
    return answer.status_code, headers, {**answer.json(), "request_id": ""}


def path_of(route: Route) -> str:
    path = route.path
    for name, kind in route.parameters:
        path = path.replace("{" + name + "}", LETTERS[kind])
    return path


def test_each_internal_route_is_the_hubs_or_the_machines() -> None:
    machines = {permissions.HUB, permissions.LOCAL_ADMIN}
    assert INTERNAL
    for route in INTERNAL:
        assert route.permission is not None and machines & set(permissions.BY_NAME[route.permission].roles), route.path


@pytest.mark.parametrize("who", ["member", "department_admin", "tenant_admin", "administrator", "auditor", "open_api"])
@pytest.mark.parametrize("way", ["notebook", "step-up", "api"])
def test_no_person_sees_an_internal_route(shared_world: World, who: str, way: str) -> None:
    person = shared_world.alpha.people[who]
    token = person.api_token if way == "api" else person.notebook_token
    with shared_world.live.internal(token) as client:
        if way == "step-up":
            client.headers["Himalia-Step-Up"] = person.step_up_grant
        unknown = {method: asked(client, method, "/no-such-address") for method in METHODS}
        assert {answer[0] for answer in unknown.values()} == {404}
        held = permissions.held_by(person.actor().roles)
        hidden = [route for route in INTERNAL if route.permission not in held]
        assert len(hidden) > 50
        for route in hidden:
            assert asked(client, route.method, path_of(route)) == unknown[route.method], route.path


def test_the_hub_is_no_administrator_and_the_administrator_no_hub(shared_world: World) -> None:
    for credential, own in ((HUB_CREDENTIAL, permissions.HUB), (ADMIN_CREDENTIAL, permissions.LOCAL_ADMIN)):
        held = permissions.held_by([own])
        with shared_world.live.internal(credential) as client:
            unknown = {method: asked(client, method, "/no-such-address") for method in METHODS}
            foreign = [route for route in INTERNAL if route.permission not in held]
            assert foreign
            for route in foreign:
                assert asked(client, route.method, path_of(route)) == unknown[route.method], route.path
            # The control: with its own routes the same credential gets further.
            mine = next(route for route in INTERNAL if route.permission in held and route.method == "POST")
            assert asked(client, mine.method, path_of(mine)) != unknown[mine.method]


def test_the_machines_credentials_open_no_public_route_of_people(shared_world: World) -> None:
    """The hub's credential on the public API is somebody without a permission."""
    with shared_world.live.client(HUB_CREDENTIAL) as client:
        for path in ("/me", "/datasets", "/members", "/audit-entries", "/security-policy"):
            assert client.get(path).status_code == 403, path
