"""What is wrong with an object of a space, and what would put it right (NB-6); tried by hand in tests/cluster."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from himalia_hub.backends.kubernetes import spaces
from himalia_hub.backends.kubernetes.options import KubernetesOptions

OPTIONS = KubernetesOptions()
QUOTA = spaces.SpaceQuota(1000, 1 << 30, accelerators={"nvidia.com/gpu": 2})


def made() -> dict[str, dict[str, Any]]:
    found = spaces.space_objects("acme", QUOTA, OPTIONS)
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in found}


@pytest.mark.parametrize("name", sorted(made()))
def test_what_the_server_gives_back_is_right(name: str) -> None:
    """With what a server adds: other labels, defaults elsewhere, quantities in its own writing."""
    wanted = made()[name]
    live = copy.deepcopy(wanted)
    live["metadata"] |= {"uid": "1", "labels": {**live["metadata"]["labels"], "theirs": "yes"}}
    live["status"] = {"hard": {}}
    if name.startswith("ServiceAccount"):
        live["imagePullSecrets"] = [{"name": "given-by-the-cluster"}]
    if name.startswith("ResourceQuota"):
        live["spec"]["hard"] |= {"limits.cpu": "1000m", "limits.memory": "1048576Ki"}
    assert spaces.wrong(live, wanted) == []


@pytest.mark.parametrize("name", sorted(made()))
def test_what_was_taken_away_is_put_back(name: str) -> None:
    wanted = made()[name]
    for field in spaces.CARED_FOR:
        if field in wanted:
            live = copy.deepcopy(wanted)
            live.pop(field)
            assert spaces.wrong(live, wanted) == [{"op": "add", "path": f"/{field}", "value": wanted[field]}]
    live = copy.deepcopy(wanted)
    live["metadata"]["labels"] = {"theirs": "yes"}
    (change,) = spaces.wrong(live, wanted)
    assert change["path"] == "/metadata/labels"
    assert change["value"] == {"theirs": "yes", **wanted["metadata"]["labels"]}


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("NetworkPolicy/default-deny", ("spec", "egress"), [{}]),
        ("NetworkPolicy/default-deny", ("spec", "podSelector"), {"matchLabels": {"a": "b"}}),
        ("ResourceQuota/himalia", ("spec", "hard"), {"limits.cpu": "1"}),
        ("ServiceAccount/himalia-workload", ("automountServiceAccountToken",), True),
        ("ServiceAccount/himalia-workload", ("automountServiceAccountToken",), None),
        ("RoleBinding/himalia-hub", ("subjects",), []),
    ],
)
def test_an_opening_is_found(name: str, path: tuple[str, ...], value: Any) -> None:
    wanted = made()[name]
    live = copy.deepcopy(wanted)
    place = live
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    (change,) = spaces.wrong(live, wanted)
    assert change == {"op": "add", "path": f"/{path[0]}", "value": wanted[path[0]]}


def test_an_empty_rule_is_not_no_rule() -> None:
    """In a network policy ``[{}]`` lets everything through and ``[]`` nothing."""
    wanted = made()["NetworkPolicy/default-deny"]
    nothing, everything = copy.deepcopy(wanted), copy.deepcopy(wanted)
    nothing["spec"]["ingress"], everything["spec"]["ingress"] = [], [{}]
    assert spaces.wrong(nothing, wanted) == [] and spaces.wrong(everything, wanted) != []
