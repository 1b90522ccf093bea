"""A plan's pod laid over the pod that KubeSpawner's traits make. Pure.

What the plan says wins: image, command, resources, security, identity. What only the traits say
stays: extra containers, volumes, labels, tolerations, affinity, hooks. Lists are joined by name.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

Manifest = dict[str, Any]
_BY = {"env": "name", "volumeMounts": "mountPath", "volumes": "name", "ports": "name"}
_WHOLE = frozenset({"command", "args", "envFrom", "resources", "securityContext", "startupProbe"})
"""Keys that are the plan's altogether: half of one and half of the other would be neither."""


def lay_over(base: Mapping[str, Any], plan: Mapping[str, Any]) -> Manifest:
    """The pod to make. ``base`` and ``plan`` are complete pod manifests and are not changed."""
    made: Manifest = copy.deepcopy(dict(base))
    top = copy.deepcopy(dict(plan))
    meta = made.setdefault("metadata", {})
    for key in ("name", "namespace"):
        meta[key] = top["metadata"][key]
    for key in ("labels", "annotations"):
        meta[key] = {**meta.get(key, {}), **top["metadata"].get(key, {})}
    spec, wanted = made.setdefault("spec", {}), top["spec"]
    containers = spec.get("containers") or [{}]
    containers[0] = _container(containers[0], wanted["containers"][0])
    for key, value in wanted.items():
        if key == "containers":
            spec["containers"] = containers
        elif key == "affinity":
            spec["affinity"] = _affinity(spec.get("affinity", {}), value)
        elif isinstance(value, list):
            spec[key] = joined(spec.get(key) or [], value, _BY.get(key, ""))
        elif key == "nodeSelector":
            spec[key] = {**(spec.get(key) or {}), **value}
        else:
            spec[key] = value
    return made


def _container(base: Mapping[str, Any], plan: Mapping[str, Any]) -> Manifest:
    made = dict(base)
    made.pop("args", None)
    for key, value in plan.items():
        if key == "name" and made.get("name"):
            continue  # KubeSpawner finds its container by its own name
        if isinstance(value, list) and key not in _WHOLE:
            kept = made.get(key) or []
            if key == "env":
                secret = {source["secretRef"]["name"] for source in plan.get("envFrom", ())}
                kept = [] if secret else kept  # the hub's variables come in the plan's secret
            made[key] = joined(kept, value, _BY.get(key, ""))
        else:
            made[key] = value
    return made


def joined(base: Sequence[Any], top: Sequence[Any], key: str) -> list[Any]:
    """Both lists; of two with the same key the upper one, without a key each different one once."""
    if not key:
        return [*base, *(item for item in top if item not in base)]
    names = {item.get(key) for item in top}
    return [*(item for item in base if item.get(key) not in names), *top]


def _affinity(base: Mapping[str, Any], top: Mapping[str, Any]) -> Manifest:
    made: Manifest = copy.deepcopy(dict(base or {}))
    for kind, rules in top.items():
        kept = made.setdefault(kind, {})
        for name, value in rules.items():
            if name not in kept:
                kept[name] = value
            elif isinstance(value, list):
                kept[name] = [*kept[name], *value]
            else:
                # Node selector terms are alternatives: each of both must hold, so they are multiplied.
                terms = [
                    {
                        field: [*left.get(field, ()), *right.get(field, ())]
                        for field in ("matchExpressions", "matchFields")
                        if left.get(field) or right.get(field)
                    }
                    for left in kept[name]["nodeSelectorTerms"]
                    for right in value["nodeSelectorTerms"]
                ]
                kept[name] = {"nodeSelectorTerms": terms}
    return made
