"""SEC-2, API-1: a number in an address has one spelling; every other one is as an object that is not there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from himalia_hub.api.openapi import all_routes
from tests.support.data import make_group, ok
from tests.support.service import World, live_world, make_config

READ = [
    route
    for route in all_routes()
    if route.method == "GET" and not route.internal and [kind for _, kind in route.parameters][:1] == [int]
]
SPELLINGS = (
    "\u0661",
    "\u00b2",
    "1\u0660",
    "+1",
    "-1",
    "1e0",
    "0x1",
    "1.0",
    "one",
    "0" * 15 + "1",
    "9" * 19,
    "9" * 40,
)


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all: nothing is changed."""
    place = tmp_path_factory.mktemp("addresses")
    for world in live_world(make_config(place / "state", f"sqlite:///{place}/himalia.sqlite3")):
        with world.alpha.tenant_admin.api_client() as client:
            assert ok(client.get(f"/label-groups/{make_group(client)['id']}"))["id"] == 1
        yield world


@pytest.mark.parametrize("route", READ, ids=lambda route: route.path)
def test_other_spellings_are_not_found(shared_world: World, route: object) -> None:
    path, rest = route.path, route.parameters  # type: ignore[attr-defined]
    for name, kind in rest[1:]:
        path = path.replace("{" + name + "}", "1" if kind is int else "nowhere")
    with shared_world.alpha.tenant_admin.api_client() as client:
        for spelling in SPELLINGS:
            answer = client.get(path.replace("{" + rest[0][0] + "}", spelling))
            assert answer.status_code in (403, 404), (spelling, answer.text)


def test_the_one_spelling_is_found(shared_world: World) -> None:
    """The control: what the other spellings could be taken for is there."""
    with shared_world.alpha.tenant_admin.api_client() as client:
        assert client.get("/label-groups/1").status_code == 200
        for spelling in ("\u0661", "0" * 15 + "1"):
            assert client.get(f"/label-groups/{spelling}").status_code == 404, spelling
