"""Traefik's configuration: exactly this, and nothing that a name could smuggle in."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from himalia_hub.backends.protocol import RouteTarget, ServiceRoute
from himalia_hub.serving.gateway import render

TARGETS = (RouteTarget("v1", ("127.0.0.1:9001", "127.0.0.1:9002"), 90), RouteTarget("v2", ("127.0.0.1:9003",), 10))


def test_a_route_is_named_weighed_stripped_and_checked() -> None:
    content, mark = render.text(render.document([ServiceRoute("alpha", "digits", TARGETS)], "127.0.0.1"))
    http = yaml.safe_load(content)["http"]
    [name] = [name for name in http["routers"] if name != "serving-nothing"]
    router = http["routers"][name]
    assert router["rule"] == "Host(`127.0.0.1`) && PathPrefix(`/serving/alpha/digits/`)"
    order = router["middlewares"]
    assert order[0] == "himalia-programs@file"
    # The service is named before the check, the caller's key is dropped after it.
    assert order.index(f"{name}-name") < order.index("himalia-keycheck@file") < order.index("serving-keep-key")
    assert http["services"][name]["weighted"]["services"] == [
        {"name": "serving-v1", "weight": 90},
        {"name": "serving-v2", "weight": 10},
    ]
    servers = http["services"]["serving-v1"]["loadBalancer"]["servers"]
    assert servers == [{"url": "http://127.0.0.1:9001"}, {"url": "http://127.0.0.1:9002"}]
    assert http["middlewares"][f"{name}-strip"] == {"stripPrefix": {"prefixes": ["/serving/alpha/digits"]}}
    assert mark in http["middlewares"]


def test_the_same_routes_give_the_same_text_in_any_order() -> None:
    one, two = ServiceRoute("alpha", "a", TARGETS[:1]), ServiceRoute("beta", "b", ())
    assert render.text(render.document([one, two], "h")) == render.text(render.document([two, one], "h"))


def test_no_services_leave_no_empty_section() -> None:
    """An empty section is an error to Traefik, and one error stops everybody's updates."""
    content, _ = render.text(render.document([], "127.0.0.1"))
    assert "services" not in yaml.safe_load(content)["http"]


@pytest.mark.parametrize(
    "route",
    [
        ServiceRoute("alpha`", "a", ()),
        ServiceRoute("alpha", "a`) || Host(`evil", ()),
        ServiceRoute("alpha", "../hub", ()),
        ServiceRoute("alpha", "", ()),
        ServiceRoute("alpha", "a", (RouteTarget("v1", ("127.0.0.1:80/@evil",), 1),)),
        ServiceRoute("alpha", "a", (RouteTarget("v 1", ("127.0.0.1:80",), 1),)),
    ],
)
def test_what_is_no_name_or_address_is_refused(route: ServiceRoute) -> None:
    with pytest.raises(ValueError, match="may not stand in a route"):
        render.document([route], "127.0.0.1")


def test_only_known_fields_can_be_said() -> None:
    with pytest.raises(ValidationError):
        render.LoadBalancer.model_validate({"servers": [], "serversTransport": "insecure"})
