"""The catalogue of algorithms (ALG-4, GEN-9)."""

from __future__ import annotations

from tests.support.data import ok, problem
from tests.support.service import World


def test_the_built_in_is_offered_in_both_languages(world: World) -> None:
    client = world.alpha.member.client()
    [english] = ok(client.get("/algorithms"))["items"]
    [chinese] = ok(client.get("/algorithms", headers={"Accept-Language": "zh"}))["items"]
    assert (english["name"], english["environment"]) == ("image-classification", "science")
    assert english["title"] != chinese["title"] and english["description"] != chinese["description"]
    for one, other in zip(english["parameters"], chinese["parameters"], strict=True):
        assert {**one, "help": ""} == {**other, "help": ""}
        assert one["help"] != other["help"]
    assert ok(client.get("/algorithms/1")) == english
    problem(client.get("/algorithms/2"), 404, "not_found")
    assert ok(client.get("/algorithms", params={"category": "audio"}))["items"] == []
