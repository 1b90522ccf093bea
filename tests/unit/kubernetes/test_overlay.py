"""The plan over the traits: the plan decides, the traits stay usable (NB-3); plans survive the wire."""

from __future__ import annotations

import json
from dataclasses import replace

from himalia_hub.backends import wire
from himalia_hub.backends.kubernetes import objects
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.protocol import (
    FileMount,
    FolderMount,
    HomeMount,
    HttpProbe,
    NodeTerm,
    Placement,
    Port,
    Resources,
    ScratchMount,
)
from himalia_spawner.overlay import joined, lay_over
from tests.unit.kubernetes.test_builders import plan

OPTIONS = KubernetesOptions()
NOTEBOOK = plan(
    kind="notebook", ports=(Port("http", 8888),), probe=HttpProbe("http", "/api"), secrets={"JUPYTERHUB_API_TOKEN": "t"}
)
BASE = {
    "metadata": {"name": "jupyter-ada", "labels": {"component": "singleuser-server", "from-a-trait": "yes"}},
    "spec": {
        "containers": [
            {
                "name": "notebook",
                "image": "trait/image",
                "args": ["jupyterhub-singleuser"],
                "env": [{"name": "JUPYTERHUB_API_TOKEN", "value": "in the open"}],
                "ports": [{"name": "notebook-port", "containerPort": 8888}],
                "resources": {"limits": {"nvidia.com/gpu": "1"}},
                "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
                "lifecycle": {"preStop": {}},
            },
            {"name": "side", "image": "side:1"},
        ],
        "volumes": [{"name": "shared", "emptyDir": {}}],
        "tolerations": [{"key": "hub.jupyter.org/dedicated", "operator": "Exists"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "a", "operator": "Exists"}]},
                        {"matchExpressions": [{"key": "b", "operator": "Exists"}]},
                    ]
                }
            }
        },
    },
}


def test_the_plan_decides_and_the_traits_stay() -> None:
    made = lay_over(BASE, objects.pod(NOTEBOOK, OPTIONS))
    main, side = made["spec"]["containers"]
    assert made["metadata"]["name"] == "w12-3" and made["metadata"]["namespace"] == "himalia-acme"
    assert (
        made["metadata"]["labels"]["from-a-trait"] == "yes" and made["metadata"]["labels"]["himalia/workload"] == "w12"
    )
    assert (main["name"], main["image"], side["name"]) == ("notebook", "registry/base:1", "side")
    assert "args" not in main and main["lifecycle"] == {"preStop": {}}
    assert "nvidia.com/gpu" not in str(main["resources"]), "a trait's GPU is not the plan's"
    assert {port["name"] for port in main["ports"]} == {"notebook-port", "http"}
    assert "/shared" in {mount["mountPath"] for mount in main["volumeMounts"]}
    assert made["spec"]["tolerations"] == BASE["spec"]["tolerations"]  # type: ignore[index]


def test_the_servers_token_is_in_no_pod() -> None:
    assert "in the open" not in str(lay_over(BASE, objects.pod(NOTEBOOK, OPTIONS)))


def test_required_terms_of_both_must_hold() -> None:
    placed = replace(NOTEBOOK, placement=Placement(terms=(NodeTerm("disk", "Exists"),)))
    made = lay_over(BASE, objects.pod(placed, OPTIONS))
    required = made["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    keys = [[item["key"] for item in term["matchExpressions"]] for term in required["nodeSelectorTerms"]]
    assert keys == [["a", "disk"], ["b", "disk"]]


def test_nothing_is_changed_in_place() -> None:
    before = json.dumps(BASE)
    lay_over(BASE, objects.pod(NOTEBOOK, OPTIONS))
    assert json.dumps(BASE) == before


def test_of_two_with_one_name_the_upper_wins() -> None:
    assert joined([{"n": 1, "v": 1}, {"n": 2}], [{"n": 1, "v": 2}], "n") == [{"n": 2}, {"n": 1, "v": 2}]


def test_a_plan_survives_the_wire() -> None:
    full = replace(
        NOTEBOOK,
        mounts=(HomeMount("u1/n1", "/h"), FolderMount("0" * 64, "/f"), FileMount("/x", "t", 0o555), ScratchMount("/s")),
        placement=Placement({"a": "b"}, (NodeTerm("k", "In", ("v",), False, 3),), ("t",), "high", "q", 1),
        resources=Resources(1, 2, 3, {"nvidia.com/gpu": 1}),
        deadline_seconds=5,
    )
    for one in (full, replace(full, probe=None)):
        assert wire.from_wire(json.loads(json.dumps(wire.to_wire(one)))) == one
