"""What is kept of objects that are watched: what somebody reads, a fifth of the whole. Pure."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]


def any_object(item: Manifest) -> Manifest:
    meta = {key: value for key, value in item["metadata"].items() if key not in ("managedFields",)}
    spec = {key: value for key, value in item.get("spec", {}).items() if key != "template"}
    return {**item, "metadata": meta, "spec": spec}


_POD_SPEC = (
    "nodeName",
    "containers",
    "initContainers",
    "restartPolicy",
    "terminationGracePeriodSeconds",
    "nodeSelector",
    "affinity",
    "tolerations",
    "overhead",
)
_CONTAINER = ("name", "image", "command", "ports", "resources", "startupProbe")


def pod(item: Manifest) -> Manifest:
    """What ``facts`` and ``fit`` read."""
    whole = item["spec"]
    spec = {key: whole[key] for key in _POD_SPEC if key in whole}
    spec["containers"] = [
        {key: container[key] for key in _CONTAINER if key in container} for container in whole["containers"]
    ]
    return {**any_object(item), "spec": spec}


def event(item: Manifest) -> Manifest:
    keep = ("involvedObject", "reason", "message", "type", "lastTimestamp", "eventTime", "count")
    meta = {key: item["metadata"].get(key) for key in ("name", "namespace", "resourceVersion")}
    return {"metadata": meta, **{key: item[key] for key in keep if key in item}}


def node(item: Manifest) -> Manifest:
    status = item.get("status", {})
    kept = {key: status[key] for key in ("allocatable", "conditions", "images") if key in status}
    return {**any_object(item), "status": kept}
